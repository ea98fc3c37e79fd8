"""UTKinect-Action3D: text with a frame number and 20 joints ``x y z`` per line, and labelled segments in a list beside.

The frame numbers say when, but not how one might think. They go up by 60 in a second: people who walk take two steps in
60 of them, all numbers are even, and at that rate the data set has the 15 samples per second that it is said to have.
And a number is when a sample was stored: they step by 2, 4, 2, 4 while people walk evenly, so that the mean of three
neighbours tells the time better (the pelvis then varies in speed by a third less).
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import (
    MAX_METRES,
    Format,
    SkeletonFormatError,
    build_sequence,
    read_bytes,
    short,
    split_lines,
)
from skeletonllm.skeleton.formats.text_rows import looks_like_rows, read_rows
from skeletonllm.skeleton.segment import Segment
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import KINECT_V1

NUMBERS_PER_SECOND = 60
FPS = 30.0
# A sensor that delivers nothing for longer has lost the person, and what happened meanwhile is anybody's guess.
LONGEST_GAP_SECONDS = 0.5
# Ten times the longest recording. Two lines can claim any time between them, and every frame of it takes memory.
MAX_SECONDS = 1200
# Corrected by those who use the data; the list that came with it is read where the other is not.
LABEL_FILES = ("actionLabel_modified.txt", "actionLabel.txt")
MAX_LABEL_BYTES = 2**20
_COLUMNS = 1 + 3 * KINECT_V1.num_joints


def read(path: Path) -> SkeletonSequence:
    """Read the whole of a recording; its joints come in the order of the Kinect SDK, which is that of ``kinect_v1``."""
    return _read_whole(path)[0]


def recordings(path: Path) -> Mapping[str, Callable[[], SkeletonSequence]]:
    """The labelled segments, named by their first and last frame numbers, or the whole where there is no label."""
    whole, first, last = _read_whole(path)
    segments, notes = _segments(path)
    whole = whole.replace(notes=(*whole.notes, *notes))
    if not segments:
        return {f"{first}-{last}": partial(whole.replace, source=f"{path}#{first}-{last}")}
    return {f"{start}-{stop}": partial(_cut, whole, first, start, stop, label) for label, start, stop in segments}


def read_with_segments(path: Path) -> tuple[SkeletonSequence, tuple[Segment, ...]]:
    """The whole of a recording, and its labelled segments in the order in which they happen.

    A segment ends where the next frame after its last would begin; what lies outside of the recording is left out.
    """
    whole, first, _ = _read_whole(path)
    labelled, notes = _segments(path)
    found = []
    for label, start, stop in sorted(labelled, key=lambda segment: segment[1:]):
        begin = max(0.0, (start - first) / NUMBERS_PER_SECOND)
        end = min(whole.duration, (stop - first) / NUMBERS_PER_SECOND + 1 / FPS)
        if begin < end:
            found.append(Segment(label, begin, end))
    return whole.replace(notes=(*whole.notes, *notes)), tuple(found)


def _read_whole(path: Path) -> tuple[SkeletonSequence, int, int]:
    """The recording at 30 frames per second, and its first and last frame number."""
    expected = f"a frame number and {KINECT_V1.num_joints} x 3 coordinates"
    rows, line_of_row = read_rows(path, _COLUMNS, expected)
    numbers = rows[:, 0]
    with np.errstate(invalid="ignore"):
        wrong = ~((numbers >= 0) & (numbers < 2**31) & (numbers % 1 == 0))
        wrong[1:] |= ~(np.diff(numbers) >= 0)
    if wrong.any():
        row = int(wrong.argmax())
        expected = "a whole number that is not below the one before"
        raise SkeletonFormatError(path, f"line {line_of_row[row]}", f"the frame number {rows[row, 0]:g}", expected)
    fresh = np.diff(numbers, prepend=-1) > 0
    numbers, joints = numbers[fresh], rows[fresh, 1:].reshape(-1, KINECT_V1.num_joints, 3)
    seconds = (numbers[-1] - numbers[0]) / NUMBERS_PER_SECOND
    if seconds > MAX_SECONDS:
        found = f"frame numbers {numbers[0]:.0f} to {numbers[-1]:.0f}, {seconds:.0f} s"
        raise SkeletonFormatError(path, "frame numbers", found, f"at most {MAX_SECONDS} s")
    with np.errstate(invalid="ignore"):
        usable = (np.abs(joints) <= MAX_METRES).all(-1) & (joints != 0).any(-1)
    even, valid = _at_even_times(_times(numbers), np.where(usable[..., None], joints, 0.0), usable)
    gaps = int((np.diff(numbers) > LONGEST_GAP_SECONDS * NUMBERS_PER_SECOND).sum())
    notes = [
        f"times from the frame numbers, {NUMBERS_PER_SECOND} in a second, each the mean of three neighbours",
        f"{len(numbers)} samples at uneven times interpolated to {len(even)} frames at {FPS:g} per second",
        "metres in the camera frame, Y up, Z away from the camera; joints in the order of the Kinect SDK",
    ]
    if not fresh.all():
        notes.append(f"{(~fresh).sum()} of {len(rows)} lines dropped: they repeat the frame number of the line before")
    if gaps:
        notes.append(f"{gaps} gaps of more than {LONGEST_GAP_SECONDS:g} s between samples left unknown")
    if not usable.all():
        notes.append(f"{(~usable).sum()} of {usable.size} joints masked in the samples: not finite, or exactly zero")
    sequence = build_sequence(path, even[:, None], FPS, KINECT_V1, valid=valid[:, None], notes=tuple(notes))
    return sequence, int(numbers[0]), int(numbers[-1])


def _times(numbers: np.ndarray) -> np.ndarray:
    """Seconds from the first sample, ascending: (N,) from frame numbers (N,), smoothed where neighbours are near."""
    times = (numbers - numbers[0]) / NUMBERS_PER_SECOND
    near = np.diff(times) <= LONGEST_GAP_SECONDS
    between = np.flatnonzero(near[:-1] & near[1:]) + 1
    smooth = times.copy()
    smooth[between] = (times[between - 1] + times[between] + times[between + 1]) / 3
    return smooth


def _at_even_times(times: np.ndarray, joints: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Straight lines between samples: (N, J, 3) and (N, J) at ascending times to (T, J, 3) and (T, J) at FPS."""
    frames = np.arange(int(times[-1] * FPS + 1e-6) + 1) / FPS
    after = np.clip(np.searchsorted(times, frames), 1, max(len(times) - 1, 1))
    before, after = after - 1, np.minimum(after, len(times) - 1)
    span = times[after] - times[before]
    share = np.clip((frames - times[before]) / np.where(span > 0, span, 1.0), 0.0, 1.0)[:, None]
    # A frame at the very time of a sample needs no neighbour.
    known = (valid[before] | (share == 1)) & (valid[after] | (share == 0))
    known &= (span <= LONGEST_GAP_SECONDS + 1e-6)[:, None] | (share == 0) | (share == 1)
    return joints[before] * (1 - share[..., None]) + joints[after] * share[..., None], known


def _cut(whole: SkeletonSequence, first: int, start: int, stop: int, label: str) -> SkeletonSequence:
    """The frames from frame number ``start`` to ``stop``, both included."""
    step = NUMBERS_PER_SECOND / FPS
    begin, end = max(0, int(np.ceil((start - first) / step))), int((stop - first) // step) + 1
    segment = whole.slice(begin, max(begin, end))
    name = f"{start}-{stop}"
    if not segment.valid.any():
        found = f"no frame of the recording in {name}"
        raise SkeletonFormatError(Path(whole.source), f"#{name}", found, "a segment within the recording")
    notes = (*whole.notes, f"segment {name} of it, {segment.num_frames} frames")
    return segment.replace(label=label, source=f"{whole.source}#{name}", notes=notes)


def _segments(path: Path) -> tuple[list[tuple[str, int, int]], list[str]]:
    """The labels of a recording with first and last frame number, and a note on each that cannot be used."""
    recording = re.search(r"s\d+_e\d+", path.stem)
    folders = (path.parent, path.parent.parent)
    found = [folder / name for folder in folders for name in LABEL_FILES if (folder / name).is_file()]
    if recording is None or not found:
        return [], []
    file, expected = found[0], "label: first and last frame number"
    segments, notes, inside = [], [], False
    for number, line in enumerate(split_lines(file, read_bytes(file, MAX_LABEL_BYTES), expected), start=1):
        label, colon, numbers = line.partition(":")
        if not colon:
            inside = line.strip() == recording.group()
        elif inside:
            label = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label.strip()).lower()
            if numbers.lower().split() == ["nan", "nan"]:
                notes.append(f"'{label}' left out: {file.name} does not say where it is")
                continue
            match = re.fullmatch(r"\s*(\d{1,10})\s+(\d{1,10})\s*", numbers)
            if not match or not label or int(match.group(1)) > int(match.group(2)):
                raise SkeletonFormatError(file, f"line {number}", short(line), expected)
            segment = (label, int(match.group(1)), int(match.group(2)))
            if any(segment[1:] == other[1:] for other in segments):
                raise SkeletonFormatError(file, f"line {number}", short(line), "frames that have no other label")
            segments.append(segment)
    return segments, notes


def sniff(head: bytes, path: Path) -> bool:
    lines = looks_like_rows(head, _COLUMNS)
    return bool(lines) and all(line[0].isdigit() for line in lines)


FORMAT = Format(
    "utkinect",
    "UTKinect-Action3D text, a frame number and 20 joints x y z in metres per line",
    (".txt",),
    sniff,
    read,
    recordings,
    companions=("actionlabel*.txt",),
)
