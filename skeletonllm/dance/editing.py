"""What a dance is made to keep: frames between which it is filled in, or joints that others follow."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from skeletonllm.dance.motion import CONTACTS, ROOT, ROTATIONS, VECTOR_SIZE
from skeletonllm.skeleton.topologies import SMPL_24


@dataclass(frozen=True, eq=False)
class Constraint:
    """Numbers that a dance is to have.

    Args:
        values: (B, T, 151) float, normalised; what stands where ``mask`` is False does not matter.
        mask: (B, T, 151) bool, or one that fits when repeated: True where the number is given.

    Raises:
        ValueError: shapes that do not fit, a mask that is not bool, or a given number that is not finite.
    """

    values: Tensor
    mask: Tensor

    def __post_init__(self):
        if self.mask.dtype != torch.bool:
            raise ValueError(f"the mask of a constraint is {self.mask.dtype}, expected bool")
        try:
            mask = self.mask.expand(self.values.shape)
        except RuntimeError as error:
            found = f"{tuple(self.mask.shape)} over values of {tuple(self.values.shape)}"
            raise ValueError(f"the mask of a constraint has shape {found}") from error
        if not self.values[mask].isfinite().all():
            raise ValueError("a given number of a constraint is not finite")
        object.__setattr__(self, "mask", mask)

    def impose(self, motion: Tensor, alpha_bar: float, noise: Tensor) -> Tensor:
        """(B, T, C) with the given numbers put in, as noisy as the rest: ``alpha_bar`` is the dance's share in the
        variance; at 1 they are exactly those given."""
        known = alpha_bar**0.5 * self.values + (1 - alpha_bar) ** 0.5 * noise
        return torch.where(self.mask, known.to(motion), motion)


def select(
    length: int,
    frames: Sequence[int] | slice = slice(None),
    joints: Sequence[str] = SMPL_24.joints,
    *,
    root: bool = True,
    contacts: bool = True,
) -> Tensor:
    """(length, 151) bool: the numbers of some joints in some frames. Masks add up by ``|``.

    Args:
        length: frames of the dance.
        frames: which of them, by number; negative numbers count from the end.
        joints: whose rotations, by name.
        root, contacts: whether the place of the pelvis and the contacts, too.

    Raises:
        ValueError: an unknown joint or a frame outside the dance.
    """
    channels = torch.zeros(VECTOR_SIZE, dtype=torch.bool)
    for joint in joints:
        if joint not in SMPL_24.joints:
            raise ValueError(f"unknown joint {joint!r}, expected some of {', '.join(SMPL_24.joints)}")
        start = ROTATIONS.start + 6 * SMPL_24.index(joint)
        channels[start : start + 6] = True
    channels[ROOT], channels[CONTACTS] = root, contacts
    chosen = torch.zeros(length, dtype=torch.bool)
    if not isinstance(frames, slice):
        outside = [frame for frame in frames if not -length <= frame < length]
        if outside:
            raise ValueError(f"frame {outside[0]} is outside a dance of {length} frames")
        frames = list(frames)
    chosen[frames] = True
    return chosen[:, None] & channels
