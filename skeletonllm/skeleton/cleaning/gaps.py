"""Short gaps, filled."""

import numpy as np


def fill_gaps(joints: np.ndarray, valid: np.ndarray, fps: float, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Fill gaps of at most ``seconds`` between two known positions by straight lines.

    Args:
        joints: (T, ..., 3) metres.
        valid: (T, ...) bool.
        fps: frames per second.
        seconds: the longest gap that is filled; gaps at the ends of the recording have only one known side and stay.

    Returns:
        Joints and valid of the same shapes; the arguments are left as they are.
    """
    num_frames = len(joints)
    frames = np.arange(num_frames).reshape(-1, *[1] * (valid.ndim - 1))
    before = np.maximum.accumulate(np.where(valid, frames, -1), axis=0)
    after = np.minimum.accumulate(np.where(valid, frames, num_frames)[::-1], axis=0)[::-1]
    fill = ~valid & (before >= 0) & (after < num_frames) & (after - before - 1 <= seconds * fps + 1e-6)
    share = np.where(fill, (frames - before) / np.maximum(after - before, 1), 0.0)[..., None]
    start = np.take_along_axis(joints, np.maximum(before, 0)[..., None], axis=0)
    stop = np.take_along_axis(joints, np.minimum(after, num_frames - 1)[..., None], axis=0)
    filled = (start * (1 - share) + stop * share).astype(joints.dtype)
    return np.where(fill[..., None], filled, joints), valid | fill
