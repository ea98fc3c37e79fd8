"""Windows: a recording of minutes as overlapping clips of seconds, each cut when it is looked at."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch

from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.skeleton.sequence import VELOCITY_HALF_SPAN, Clip, SkeletonSequence, frame_indices, sample_clip
from skeletonllm.skeleton.transforms import face_camera


@dataclass(frozen=True)
class Window:
    """Frames ``first`` to ``stop`` of a recording of ``fps`` frames per second, the end excluded."""

    first: int
    stop: int
    fps: float

    @property
    def span(self) -> tuple[float, float]:
        """Seconds of the recording in which it begins and ends."""
        return self.first / self.fps, self.stop / self.fps


def cut_windows(num_frames: int, fps: float, seconds: float, stride: float) -> list[Window]:
    """Windows of equal length, one every ``stride`` seconds, and the last one at the end of the recording.

    Lengths and strides are rounded to frames. A recording that is not longer than a window is one.

    Args:
        num_frames: of the recording.
        fps: frames per second.
        seconds: length of a window.
        stride: seconds from the beginning of one to that of the next.

    Raises:
        ValueError: no frames; windows without length; a stride that would leave frames unseen, or is not positive.
    """
    if num_frames < 1:
        raise ValueError("a recording without frames has no windows")
    if not 0 < seconds < float("inf"):
        raise ValueError(f"windows of {seconds} s, expected a positive length")
    if not 0 < stride <= seconds:
        raise ValueError(f"windows of {seconds} s every {stride} s: the stride must be positive and no longer")
    length, step = max(1, round(seconds * fps)), max(1, round(stride * fps))
    last = max(0, num_frames - length)
    return [Window(first, min(first + length, num_frames), fps) for first in (*range(0, last, step), last)]


def window_clip(sequence: SkeletonSequence, window: Window, num_frames: int) -> Clip:
    """``num_frames`` frames of a window, evenly, with velocities and times as the whole recording has them.

    A slice alone would not know where the bodies were before its first frame and after its last.
    """
    margin = max(1, round(VELOCITY_HALF_SPAN * sequence.fps))
    before = max(0, window.first - margin)
    velocities, _ = sequence.slice(before, window.stop + margin).velocities()
    frames = frame_indices(window.stop - window.first, num_frames) + window.first - before
    clip = sample_clip(sequence.slice(window.first, window.stop), num_frames)
    return replace(clip, velocities=torch.from_numpy(velocities[frames]), times=clip.times + window.span[0])


def window_clips(
    sequence: SkeletonSequence, windows: Iterable[Window], processor: SkeletonLLMProcessor
) -> Iterator[Clip]:
    """The windows as a model takes them, one at a time: cut to the processor's frames and turned as it turns clips."""
    for window in windows:
        clip = window_clip(sequence, window, processor.num_frames)
        yield face_camera(clip) if processor.face_camera else clip
