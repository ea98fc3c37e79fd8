"""Another frame rate for the same motion."""

import numpy as np

from skeletonllm.skeleton.sequence import SkeletonSequence

# Frames whose times differ by less than this share of a frame are the same moment: rates such as 29.97 are rounded.
SAME_MOMENT = 1e-6


def resample(sequence: SkeletonSequence, fps: float) -> SkeletonSequence:
    """The same motion at ``fps`` frames per second, along straight lines between the frames that there are.

    A joint is valid where it is in both frames that a new one lies between. Nothing is smoothed before frames are left
    out. Rotations are interpolated linearly and normalised, the shorter way round. ``notes`` says what was done.

    Raises:
        ValueError: a frame rate that is not a positive number.
    """
    if not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"fps is {fps}, expected a positive number")
    if fps == sequence.fps or sequence.num_frames == 0:
        return sequence.replace(fps=fps)
    ratio, last = sequence.fps / fps, sequence.num_frames - 1
    places = np.arange(int(last / ratio + SAME_MOMENT) + 1) * ratio
    before = np.minimum((places + SAME_MOMENT).astype(np.int64), last)
    share = np.clip(places - before, 0.0, 1.0)
    share[share < SAME_MOMENT] = 0.0
    after = np.where(share > 0, np.minimum(before + 1, last), before)
    share = share[:, None, None]

    def between(array: np.ndarray) -> np.ndarray:
        weight = share.reshape(share.shape + (1,) * (array.ndim - 3))
        return (array[before] * (1 - weight) + array[after] * weight).astype(np.float32)

    rotations = sequence.rotations
    if rotations is not None:
        # A quaternion and its opposite are the same rotation.
        opposite = (rotations[before] * rotations[after]).sum(-1, keepdims=True) < 0
        later = np.where(opposite, -rotations[after], rotations[after])
        rotations = rotations[before] * (1 - share[..., None]) + later * share[..., None]
        rotations = (rotations / np.maximum(np.linalg.norm(rotations, axis=-1, keepdims=True), 1e-9)).astype(np.float32)
    return sequence.replace(
        joints=between(sequence.joints),
        valid=sequence.valid[before] & sequence.valid[after],
        rotations=rotations,
        confidence=None if sequence.confidence is None else between(sequence.confidence),
        fps=fps,
        notes=(*sequence.notes, f"resampled from {sequence.fps:g} to {fps:g} frames per second"),
    )
