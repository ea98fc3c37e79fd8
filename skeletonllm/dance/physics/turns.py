"""Rotations as vectors: the axis times the angle in radians."""

import numpy as np

from skeletonllm.skeleton.kinematics import matrix_to_quaternion

# Below this sine of half the angle the vector is twice the quaternion's.
_SMALL = 1e-9


def rotation_vectors(matrices: np.ndarray) -> np.ndarray:
    """(..., 3) of rotations (..., 3, 3), the shorter way round; the inverse of ``axis_angle_to_matrix``."""
    quaternions = matrix_to_quaternion(matrices)
    sine = np.linalg.norm(quaternions[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, quaternions[..., :1])
    return quaternions[..., 1:] * np.where(sine > _SMALL, angle / np.maximum(sine, _SMALL), 2.0)


def turning_speeds(rotations: np.ndarray, fps: float) -> np.ndarray:
    """(T - 1, ..., 3) radians a second from each frame of (T, ..., 3, 3) to the next, in the axes of what turns."""
    return rotation_vectors(np.swapaxes(rotations[:-1], -1, -2) @ rotations[1:]) * fps
