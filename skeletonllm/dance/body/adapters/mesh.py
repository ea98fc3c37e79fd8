"""Bodies with a skin."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from skeletonllm.dance.body.tree import NUM_JOINTS, Body, forward_kinematics
from skeletonllm.skeleton.topology import ROOT

if TYPE_CHECKING:
    from skeletonllm.dance.motion import Motion

# Frames whose vertices are found at once, so that memory stays small.
CHUNK = 64


class BodyMesh(Protocol):
    """A body and its skin."""

    body: Body
    faces: np.ndarray
    """(F, 3) numbers of vertices."""

    def vertices(self, motion: "Motion") -> np.ndarray:
        """(T, V, 3) metres: the skin in each frame, Z up, the floor at z = 0."""


@dataclass(frozen=True, eq=False)
class SkinnedMesh:
    """A skin that follows the joints: each vertex moves with the weighted mean of what its joints do to it.

    Args:
        body: whose joints they are.
        faces: (F, 3).
        rest: (V, 3) metres, the skin in the pose in which it was modelled.
        joints: (24, 3) metres, the joints in that pose.
        turns: (24, 3, 3), from that pose into the T-pose of the body.
        weights: (V, 24), of each vertex of sum 1.
    """

    body: Body
    faces: np.ndarray
    rest: np.ndarray
    joints: np.ndarray
    turns: np.ndarray
    weights: np.ndarray

    def vertices(self, motion: "Motion") -> np.ndarray:
        """See ``BodyMesh``."""
        return self._posed(motion.root, motion.rotations)

    def standing(self) -> np.ndarray:
        """(V, 3) metres: the skin in the T-pose, the pelvis at the origin."""
        return self._posed(np.zeros((1, 3)), np.broadcast_to(np.eye(3), (1, NUM_JOINTS, 3, 3)))[0]

    def _posed(self, root: np.ndarray, rotations: np.ndarray) -> np.ndarray:
        joints, frames = forward_kinematics(self.body, root.astype(np.float64), rotations.astype(np.float64))
        turns = frames @ self.turns
        shifts = joints - (turns @ self.joints[..., None])[..., 0]
        found = np.empty((len(joints), *self.rest.shape), np.float32)
        for frame, (turn, shift) in enumerate(zip(turns, shifts, strict=True)):
            blended = self.weights @ turn.reshape(NUM_JOINTS, 9)
            found[frame] = np.einsum("vij,vj->vi", blended.reshape(-1, 3, 3), self.rest) + self.weights @ shift
        return found


def t_pose_offsets(joints: np.ndarray, turns: np.ndarray, parents: tuple[int, ...]) -> np.ndarray:
    """(24, 3) metres from each joint's parent, where the bones of places (24, 3) are turned by (24, 3, 3)."""
    offsets = np.zeros_like(joints)
    for joint, parent in enumerate(parents):
        if parent != ROOT:
            offsets[joint] = turns[parent] @ (joints[joint] - joints[parent])
    return offsets
