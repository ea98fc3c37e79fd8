"""Rotations as three turns about coordinate axes, for hinges and for files."""

import numpy as np

# Cosine of the middle angle below which it counts as a right angle.
_LOCKED = 1e-7


def euler_angles(matrix: np.ndarray, axes: str) -> np.ndarray:
    """(..., 3) radians whose turns about three different axes make (..., 3, 3), the middle one within a right angle."""
    a, b, c = ("xyz".index(axis) for axis in axes)
    handed = 1.0 if (b - a) % 3 == 1 else -1.0
    middle = np.arcsin(np.clip(handed * matrix[..., a, c], -1.0, 1.0))
    first = np.arctan2(-handed * matrix[..., b, c], matrix[..., c, c])
    last = np.arctan2(-handed * matrix[..., a, b], matrix[..., a, a])
    # Where the middle one is a right angle the first does the work of the last as well.
    locked = np.hypot(matrix[..., a, a], matrix[..., a, b]) < _LOCKED
    first = np.where(locked, np.arctan2(handed * matrix[..., c, b], matrix[..., b, b]), first)
    return np.stack([first, middle, np.where(locked, 0.0, last)], -1)


def unwrap_angles(angles: np.ndarray) -> np.ndarray:
    """The same turns over time (T, N, 3) without jumps, as far as the rotations have none.

    Each triple of angles has a twin, half a turn further in the first and last, that gives the same rotation; the one
    nearer to the frame before is taken, whole turns aside.
    """
    smooth = np.array(angles)
    for before, now in zip(smooth[:-1], smooth[1:], strict=True):
        twin = np.stack([now[:, 0] + np.pi, np.pi - now[:, 1], now[:, 2] + np.pi], -1)
        both = np.stack([now, twin])
        both += 2 * np.pi * np.round((before - both) / (2 * np.pi))
        farther = np.abs(both - before).sum(-1)
        now[:] = np.where((farther[1] < farther[0])[:, None], both[1], both[0])
    return smooth
