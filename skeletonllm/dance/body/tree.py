"""The body as a tree of joints with a piece of volume on each, and where all of it is in a pose.

Axes of the body at rest, a T-pose with the palms down: +x to its left, +y backwards, +z up.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np
import torch

from skeletonllm.skeleton import kinematics
from skeletonllm.skeleton.topologies import SMPL_24

Array = np.ndarray | torch.Tensor

NUM_JOINTS = SMPL_24.num_joints
# A six-number rotation has this many numbers, a matrix has rows of three.
_SIX = 6


class Capsules(NamedTuple):
    """One capsule per joint, C = 24; a ball where both ends are the same point.

    ``joints`` (C,) is the joint whose frame the ends, ``starts`` and ``ends`` (C, 3) in metres, are fixed in; ``radii``
    (C,) metres.
    """

    joints: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    radii: np.ndarray


class Boxes(NamedTuple):
    """The feet and toes as boxes: ``joints`` (B,), and in their frames ``centres`` and ``half_sizes`` (B, 3) metres."""

    joints: np.ndarray
    centres: np.ndarray
    half_sizes: np.ndarray


@dataclass(frozen=True, eq=False)
class Body:
    """A body of 24 joints in the order of ``smpl_24``.

    Args:
        offsets: (24, 3) metres, each joint from its parent in the T-pose; zeros for the pelvis.
        masses: (24,) kilograms of the piece of the body that turns with each joint.
        capsules: the volume, one capsule per joint. Those of the feet lie within the boxes.
        boxes: the feet once more, with flat soles.

    Raises:
        ValueError: a shape that does not fit, or a mass or radius that is not positive.
    """

    offsets: np.ndarray
    masses: np.ndarray
    capsules: Capsules
    boxes: Boxes

    def __post_init__(self):
        for name, found, wanted in (
            ("offsets", self.offsets.shape, (NUM_JOINTS, 3)),
            ("masses", self.masses.shape, (NUM_JOINTS,)),
            ("capsules", self.capsules.starts.shape, (NUM_JOINTS, 3)),
            ("capsules", self.capsules.ends.shape, (NUM_JOINTS, 3)),
            ("capsules", self.capsules.radii.shape, (NUM_JOINTS,)),
        ):
            if found != wanted:
                raise ValueError(f"{name} of a body have shape {found}, expected {wanted}")
        if not np.isfinite(self.offsets).all():
            raise ValueError("offsets of a body are not all finite")
        for name, values in (("masses", self.masses), ("radii", self.capsules.radii)):
            if not ((values > 0) & np.isfinite(values)).all():
                raise ValueError(f"{name} of a body are {values.min():g} at least, expected positive numbers")
        for array in (self.offsets, self.masses, *self.capsules, *self.boxes):
            array.setflags(write=False)

    @property
    def names(self) -> tuple[str, ...]:
        return SMPL_24.joints

    @property
    def parents(self) -> tuple[int, ...]:
        return SMPL_24.parents

    @property
    def mass(self) -> float:
        """Kilograms."""
        return float(self.masses.sum())

    @cached_property
    def standing_height(self) -> float:
        """Metres from the soles to the pelvis in the T-pose."""
        joints, frames = forward_kinematics(self, np.zeros(3), np.broadcast_to(np.eye(3), (NUM_JOINTS, 3, 3)))
        return -float(lowest_points(self, joints, frames))

    @cached_property
    def leg_length(self) -> float:
        """Metres of thigh and shin."""
        return float(np.linalg.norm(self.offsets[[self.index("left_knee"), self.index("left_ankle")]], axis=-1).sum())

    def index(self, joint: str) -> int:
        """The number of a joint by name. Raises KeyError that lists the names."""
        return SMPL_24.index(joint)


def as_matrices(rotations: Array) -> Array:
    """(..., 24, 3, 3) from these or from (..., 24, 6). Raises ValueError for any other shape."""
    shape = tuple(rotations.shape)
    if shape[-2:] == (NUM_JOINTS, _SIX):
        return kinematics.rotation_6d_to_matrix(rotations)
    if shape[-3:] == (NUM_JOINTS, 3, 3):
        return rotations
    raise ValueError(f"rotations have shape {shape}, expected (..., 24, 6) or (..., 24, 3, 3)")


def forward_kinematics(body: Body, root: Array, rotations: Array) -> tuple[Array, Array]:
    """Where the joints are in a pose, batched, and differentiable for torch tensors.

    Args:
        root: (..., 3) metres, where the pelvis is.
        rotations: (..., 24, 6) or (..., 24, 3, 3), of each joint relative to its parent, of the pelvis relative to the
            world; the identity is the T-pose.

    Returns:
        joints (..., 24, 3) metres, and frames (..., 24, 3, 3), the rotation of each joint relative to the world.
    """
    matrices = as_matrices(rotations)
    if root.shape[-1] != 3:
        raise ValueError(f"root has shape {tuple(root.shape)}, expected (..., 3)")
    return kinematics.forward_kinematics(matrices, _like(body.offsets, matrices), body.parents, root)


def capsule_ends(body: Body, frames: Array, joints: Array) -> Array:
    """(..., C, 2, 3) metres: the two ends of the axis of each capsule, from what ``forward_kinematics`` gave."""
    ends = _like(np.stack([body.capsules.starts, body.capsules.ends], 1), joints)
    which = body.capsules.joints.tolist()
    turned = frames[..., which, None, :, :] @ ends[..., None]
    return joints[..., which, None, :] + turned[..., 0]


def lowest_points(body: Body, joints: Array, frames: Array) -> Array:
    """(...) metres: the height of the lowest point of the body, of its boxes and of the capsules that are no feet."""
    feet = set(body.boxes.joints.tolist())
    others = [index for index, joint in enumerate(body.capsules.joints.tolist()) if joint not in feet]
    heights = capsule_ends(body, frames, joints)[..., 2][..., others, :] - _like(
        body.capsules.radii[others, None], joints
    )
    corners = np.array(list(product((-1, 1), repeat=3)))
    local = _like(body.boxes.centres[:, None] + body.boxes.half_sizes[:, None] * corners, joints)
    which = body.boxes.joints.tolist()
    soles = joints[..., 2][..., which, None] + (frames[..., 2, :][..., which, None, :] * local).sum(-1)
    if isinstance(joints, torch.Tensor):
        return torch.minimum(heights.flatten(-2).amin(-1), soles.flatten(-2).amin(-1))
    return np.minimum(heights.min((-2, -1)), soles.min((-2, -1)))


def piece_centres(body: Body, joints: Array, frames: Array) -> Array:
    """(..., 24, 3) metres: where each piece of the body weighs, the middle of its capsule; from what
    ``forward_kinematics`` gave."""
    middles = np.zeros_like(body.offsets)
    middles[body.capsules.joints] = (body.capsules.starts + body.capsules.ends) / 2
    return joints + (frames @ _like(middles, joints)[..., None])[..., 0]


def centre_of_mass(body: Body, joints: Array, frames: Array) -> Array:
    """(..., 3) metres: of all of ``piece_centres``."""
    return (piece_centres(body, joints, frames) * _like(body.masses / body.mass, joints)[:, None]).sum(-2)


def _like(values: np.ndarray, array: Array) -> Array:
    """Numbers of a body in the library, precision and place of another array."""
    if isinstance(array, torch.Tensor):
        return torch.as_tensor(np.array(values), dtype=array.dtype, device=array.device)
    return values.astype(array.dtype)
