"""Savitzky-Golay smoothing of recordings with gaps."""

import numpy as np

# A parabola through three points is those points.
FEWEST_POINTS = 4


def smooth(joints: np.ndarray, valid: np.ndarray, fps: float, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Each position replaced by that of the parabola which fits those around it best.

    Savitzky and Golay 1964 with weights of zero where a position is unknown, so that gaps and the ends of the recording
    need no invented ones: the normal equations of each parabola are set up from sums over its window and solved.

    Args:
        joints: (T, ..., 3) metres.
        valid: (T, ...) bool.
        fps: frames per second.
        seconds: how far the window reaches to either side.

    Returns:
        Joints (T, ..., 3), and where they were smoothed (T, ...): a joint with fewer than four known positions in its
        window keeps its place.
    """
    reach = min(round(seconds * fps), len(joints) - 1)
    weights = valid.astype(np.float64)
    known = weights[..., None] * joints
    powers = np.zeros((5, *valid.shape))
    moments = np.zeros((3, *joints.shape))
    for step in range(-reach, reach + 1):
        # Frame t of the one is frame t + step of the other.
        here = slice(max(0, -step), len(joints) - max(0, step))
        there = slice(max(0, step), len(joints) - max(0, -step))
        place = step / max(reach, 1)
        for power in range(5):
            powers[power][here] += place**power * weights[there]
        for power in range(3):
            moments[power][here] += place**power * known[there]
    smoothed = valid & (powers[0] >= FEWEST_POINTS)
    normal = np.stack([np.stack([powers[row + column] for column in range(3)], -1) for row in range(3)], -2)[smoothed]
    heights = np.linalg.solve(normal, np.moveaxis(moments, 0, -2)[smoothed])[:, 0]
    result = joints.copy()
    result[smoothed] = heights
    return result, smoothed
