"""Joints that are thrown away from their path for a moment."""

import numpy as np

from skeletonllm.skeleton.cleaning.gaps import fill_gaps

# Medians over many frames take long. At 360 frames per second this still is a Kinect's two.
MOST_FRAMES = 24
# Frames whose windows are in memory at once.
CHUNK = 1024


def momentary_outliers(
    joints: np.ndarray, valid: np.ndarray, fps: float, seconds: float, metres: float, acceleration: float
) -> np.ndarray:
    """Where a joint is farther from its own median position, over the frames around, than it can have moved.

    The median of a joint that goes one way is where it is, however fast it goes; of one that turns back with
    acceleration a, it is a r^2 / 8 away, r being the seconds to either side. What is beyond that, and beyond ``metres``
    of noise, was thrown there: for no more than r seconds, since the median follows what lasts longer.

    Args:
        joints: (T, ..., 3) metres.
        valid: (T, ...) bool.
        fps: frames per second.
        seconds: r; at least two frames are taken to either side, so that two bad frames are found at any rate.
        metres: what noise may do.
        acceleration: m/s^2, what a body may do.

    Returns:
        (T, ...) bool. The first and last r seconds of what is known of a joint have one side only and are not judged.
    """
    reach = min(max(2, round(seconds * fps)), MOST_FRAMES)
    outliers = np.zeros_like(valid)
    if len(joints) <= 2 * reach:
        return outliers
    # Unknown joints lie on the way between known ones, so that a window has as much before as after.
    path, on_path = fill_gaps(joints, valid, fps, np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(path, 2 * reach + 1, axis=0)
    middle = slice(reach, len(joints) - reach)
    chunks = [np.median(windows[start : start + CHUNK], axis=-1) for start in range(0, len(windows), CHUNK)]
    distance = np.linalg.norm(path[middle] - np.concatenate(chunks), axis=-1)
    limit = metres + acceleration * (reach / fps) ** 2 / 8
    outliers[middle] = (distance > limit) & on_path[: -2 * reach] & on_path[2 * reach :] & valid[middle]
    return outliers
