"""What rewards look at: a batch of dances, as tensors that may carry gradients, and as motions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from skeletonllm.dance.body import Body, forward_kinematics, lowest_points
from skeletonllm.dance.motion import CONTACTS, FPS, ROOT, ROTATIONS, VECTOR_SIZE, Motion


@dataclass(frozen=True, eq=False)
class Dances:
    """B dances of T frames.

    Args:
        vectors: (B, T, 151) as of ``Motion``, in metres, not normalised; differentiable where rewards are to be.
        body: who dances.
        fps: frames per second.
        beats: for each dance the beats of its music in seconds, or None; None where nobody knows any.
        energy: (B,) metres per second: how much the dancer moved to the same music before anything was fine-tuned, see
            ``anti_freezing.energy``. None where nobody knows.
        before: (B, T, 151): what the generator made of the same noise before it was fine-tuned. None as above.

    Raises:
        ValueError: shapes that do not fit.
    """

    vectors: Tensor
    body: Body
    fps: float = FPS
    beats: Sequence[np.ndarray | None] | None = None
    energy: Tensor | None = None
    before: Tensor | None = None

    def __post_init__(self):
        if self.vectors.ndim != 3 or self.vectors.shape[-1] != VECTOR_SIZE:
            raise ValueError(f"vectors have shape {tuple(self.vectors.shape)}, expected (B, T, {VECTOR_SIZE})")
        for name, given in (("beats", self.beats), ("energy", self.energy)):
            if given is not None and len(given) != len(self):
                raise ValueError(f"{name} of {len(given)} dances, expected {len(self)}")
        if self.before is not None and self.before.shape != self.vectors.shape:
            found, wanted = tuple(self.before.shape), tuple(self.vectors.shape)
            raise ValueError(f"dances before have shape {found}, expected {wanted}")

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def frames(self) -> int:
        """T."""
        return self.vectors.shape[1]

    @property
    def contacts(self) -> Tensor:
        """(B, T, 4), from 0 (moves) to 1 (stands), but not clipped."""
        return self.vectors[..., CONTACTS]

    @property
    def root(self) -> Tensor:
        """(B, T, 3) metres."""
        return self.vectors[..., ROOT]

    @cached_property
    def pose(self) -> tuple[Tensor, Tensor]:
        """Joints (B, T, 24, 3) in metres, and the rotations (B, T, 24, 3, 3) of their frames relative to the world."""
        return forward_kinematics(self.body, self.root, self.vectors[..., ROTATIONS].unflatten(-1, (-1, 6)))

    @property
    def joints(self) -> Tensor:
        """(B, T, 24, 3) metres."""
        return self.pose[0]

    @cached_property
    def lowest(self) -> Tensor:
        """(B, T) metres: the height of the lowest point of the body's surface."""
        return lowest_points(self.body, *self.pose)

    @cached_property
    def motions(self) -> list[Motion]:
        """The dances without gradients.

        Raises:
            ValueError: a number that is not finite.
        """
        vectors = self.vectors.detach().float().cpu()
        return [Motion.from_vector(vector, self.fps, f"dance {number}") for number, vector in enumerate(vectors)]
