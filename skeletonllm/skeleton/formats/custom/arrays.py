"""Arrays in any order of axes, brought into that of a sequence; times of frames."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import SkeletonFormatError, short
from skeletonllm.skeleton.formats.custom.axes import AXES, AXIS_NAMES, SINGLE, Group, describe_group, split_size
from skeletonllm.skeleton.formats.custom.layout import Picks
from skeletonllm.skeleton.formats.npy_joints import MAX_JOINTS

# Text is taken apart more slowly than arrays are read: joints in it, 25 minutes of 17 of them at 30 per second.
MAX_TEXT_JOINTS = 800_000
# Frames that are farther apart than this, in usual distances, have others missing between them.
GAP = 1.5


def check_joints(path: Path, place: str, count: int, most: int = MAX_JOINTS) -> None:
    """Raise SkeletonFormatError for more joints over all frames and persons than are worked on in a second or two."""
    if count > most:
        found = f"{count:,} joints over all frames and persons"
        raise SkeletonFormatError(path, place, found, f"at most {most:,}; cut it first")


def arrange(path: Path, place: str, array: np.ndarray, groups: Sequence[Group], sizes: Mapping[str, int]) -> np.ndarray:
    """The axes of an array taken apart and put into the order of ``AXES``; those of one element are dropped.

    Args:
        path, place: for messages.
        array: one dimension for each group.
        groups: see ``parse_shape``.
        sizes: of the axes whose sizes are known.

    Raises:
        SkeletonFormatError: the array has another shape.
    """
    if array.ndim != len(groups):
        wanted = ", ".join(map(describe_group, groups))
        raise SkeletonFormatError(path, place, f"shape {array.shape}", f"{len(groups)} dimensions ({wanted})")
    shape: list[int] = []
    for dimension, (size, group) in enumerate(zip(array.shape, groups, strict=True)):
        try:
            shape += split_size(size, group, sizes)
        except ValueError as error:
            found = f"shape {array.shape}, {size} in dimension {dimension}"
            raise SkeletonFormatError(path, place, found, str(error)) from error
    letters = [letter for group in groups for letter in group]
    array = array.reshape([size for size, letter in zip(shape, letters, strict=True) if letter != SINGLE])
    letters = [letter for letter in letters if letter != SINGLE]
    return array.transpose([letters.index(letter) for letter in AXES if letter in letters])


def take(path: Path, place: str, array: np.ndarray, axis: int, picks: Picks, letter: str) -> np.ndarray:
    """The picked places along an axis, in the order of ``picks``.

    Raises:
        SkeletonFormatError: the axis is too short.
    """
    last = max(picks, key=lambda name: picks[name])
    if array.shape[axis] <= picks[last]:
        found = f"{array.shape[axis]} {AXIS_NAMES[letter]}"
        raise SkeletonFormatError(path, place, found, f"at least {picks[last] + 1}, as {last} is number {picks[last]}")
    return array.take(list(picks.values()), axis)


def frame_rate(path: Path, place: str, times: np.ndarray, second: float) -> tuple[float, tuple[str, ...]]:
    """Frames per second from the times of the frames, and notes.

    Args:
        path, place: for messages.
        times: (T,) ascending.
        second: their units in a second.

    Raises:
        SkeletonFormatError: fewer than two frames, or times that are none or do not ascend.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.diff(times)
    bad = np.flatnonzero(~(np.isfinite(steps) & (steps > 0)))
    if len(times) < 2 or len(bad):
        found = "fewer than two frames" if len(times) < 2 else short(times[bad[0] : bad[0] + 2].tolist())
        at = f"{place}, frame {bad[0] + 1}" if len(bad) else place
        raise SkeletonFormatError(path, at, found, "the times of the frames, each after the one before")
    usual = float(np.median(steps))
    fps = second / usual
    if not 0 < fps < 1e6:
        raise SkeletonFormatError(path, place, f"{fps:g} frames per second", "a rate below a million")
    notes = (f"{fps:.4g} frames per second, from the times in {place}",)
    gaps = int((steps > GAP * usual).sum())
    if gaps:
        notes += (f"{gaps} gaps between frames that are longer than usual: taken as if they were not there",)
    return fps, notes
