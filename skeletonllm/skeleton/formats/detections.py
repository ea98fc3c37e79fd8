"""What pose estimators find in pictures, detection by detection, made one recording of persons."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, prod
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.cleaning import motion, track_bodies
from skeletonllm.skeleton.cleaning.spurious import BRIEF_SECONDS, MIN_TRACKED_SHARE
from skeletonllm.skeleton.formats.common import (
    MAX_BYTES,
    SkeletonFormatError,
    as_doubles,
    build_sequence,
    check_size,
    short,
)
from skeletonllm.skeleton.placement import place_image
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topology import Topology

# Estimators say nothing about time.
FPS = 30.0
# A video in which nobody is seen most of the time still has a frame in so many that shows somebody.
MAX_FRAMES_PER_PICTURE = 50
MAX_GAP = 1000
# Videos are thinned out to a frame per second or two; what is farther apart is no motion.
MAX_STEP = 60
# Tracking compares everybody with everybody, and crowds are no recordings of actions.
MAX_PERSONS_PER_FRAME = 32
# Eleven minutes of one person at 30 frames per second; each takes some forty microseconds to read.
MAX_DETECTIONS = 20_000
# Pictures have at most some ten thousand pixels a side; a point beyond would shrink all others to a dot.
MAX_PIXELS = 1e6


@dataclass(frozen=True)
class Detection:
    """A person in a picture.

    Args:
        frame: of the video.
        points: (J, 2) x to the right and y down in one unit, or (J, 3) with a depth in the same unit.
        confidence: (J,) in [0, 1], 0 where a joint was not found.
        track: the estimator's own id of the person, if it gives any.
    """

    frame: int
    points: np.ndarray
    confidence: np.ndarray
    track: int | None = None


def assemble(
    path: Path,
    detections: Sequence[Detection],
    topology: Topology,
    *,
    frames: Sequence[int] = (),
    fps: float | None = None,
    unit: float | None = None,
    label: str | None = None,
    source: str | None = None,
    notes: tuple[str, ...] = (),
) -> SkeletonSequence:
    """One recording: scaled to metres, tracked from frame to frame, without bodies that are nobody.

    The persons stand in the order of how long, then how much, they move. Frames without a detection are without valid
    joints, so that time is kept.

    Args:
        path: the file, for messages.
        detections: any order.
        topology: the J joints.
        frames: all frames that the file speaks of, also those without a detection.
        fps: frames per second, None where the file does not say.
        unit: metres per unit of the points; None: from the size of the bodies.
        label, source, notes: see SkeletonSequence.

    Raises:
        SkeletonFormatError: no usable joint, or frame numbers that are none.
    """
    check_detections(path, len(detections))
    notes += (f"{FPS:g} frames per second assumed (the file does not say)",) if fps is None else ()
    fps = FPS if fps is None else fps
    detections, crowded = _without_crowd(detections)
    if not detections:
        raise SkeletonFormatError(path, "all frames", "nobody", "at least one person with a joint that was found")
    points = as_doubles(np.stack([detection.points for detection in detections]))
    confidence = as_doubles(np.stack([detection.confidence for detection in detections]))
    found = confidence > 0
    with np.errstate(invalid="ignore"):
        valid = (np.abs(points) <= MAX_PIXELS).all(-1) & found
    wild = int((found & ~valid).sum())
    if wild:
        notes += (f"{wild} of {found.sum()} joints masked: coordinates that are no place in a picture",)
    with np.errstate(over="ignore", invalid="ignore"):  # what this makes unusable is masked and noted further down
        placed = place_image(points[:, None], valid[:, None], topology, unit=unit)
    positions = np.where(np.isfinite(placed.joints[:, 0]), placed.joints[:, 0], 0.0)
    first, step, num_frames, more = time_axis(path, {*frames, *(detection.frame for detection in detections)})
    times = np.array([(detection.frame - first) // step for detection in detections])
    members, dropped = _persons(times, _ids(detections), positions, valid, fps / step)
    notes += (*more, *placed.notes, *crowded, *dropped)
    shape = (num_frames, len(members), topology.num_joints)
    # A few detections can name many persons and many frames; the arrays hold every person in every frame.
    check_size(path, prod(shape) * 12, f"{len(members)} persons in {num_frames} frames", limit=MAX_BYTES // 2)
    joints = np.zeros((*shape, 3), np.float32)
    known, sure = np.zeros(shape, bool), np.zeros(shape, np.float32)
    for person, member in enumerate(members):
        joints[times[member], person] = positions[member]
        known[times[member], person] = valid[member]
        sure[times[member], person] = np.where(valid[member], confidence[member], 0.0)
    return build_sequence(
        path, joints, fps / step, topology, valid=known, confidence=sure, label=label, source=source, notes=notes
    )


def check_detections(path: Path, count: int) -> None:
    """Raise SkeletonFormatError for more persons, over all pictures, than are worked on in a second or two."""
    if count > MAX_DETECTIONS:
        found, expected = f"{count:,} persons over all pictures", f"at most {MAX_DETECTIONS:,}; cut it first"
        raise SkeletonFormatError(path, "all frames", found, expected)


def _without_crowd(detections: Sequence[Detection]) -> tuple[list[Detection], tuple[str, ...]]:
    """The detections with any joint, by frame, the surest of each frame only."""
    found = sorted((d for d in detections if (d.confidence > 0).any()), key=lambda d: (d.frame, -d.confidence.sum()))
    kept, count = [], 0
    for index, detection in enumerate(found):
        count = count + 1 if index and found[index - 1].frame == detection.frame else 1
        if count <= MAX_PERSONS_PER_FRAME:
            kept.append(detection)
    left_out = len(found) - len(kept)
    note = f"{left_out} detections dropped: beyond the {MAX_PERSONS_PER_FRAME} surest of their frames"
    return kept, (note,) if left_out else ()


def time_axis(path: Path, frames: set[int]) -> tuple[int, int, int, tuple[str, ...]]:
    """The first frame, the step from one to the next, how many there are, and notes."""
    ordered = sorted(frames)
    first, span = ordered[0], ordered[-1] - ordered[0]
    step = gcd(*(frame - first for frame in ordered)) or 1
    num_frames = span // step + 1
    if step > MAX_STEP or num_frames > MAX_GAP + MAX_FRAMES_PER_PICTURE * len(ordered):
        found = f"{len(ordered)} pictures numbered from {short(first)} to {short(ordered[-1])}"
        raise SkeletonFormatError(path, "frame numbers", found, "frames of one video")
    missing = num_frames - len(ordered)
    notes = (f"{missing} of {num_frames} frames are not in the file: left without joints",) if missing else ()
    if step > 1:
        notes += (f"every {step}th frame is in the file: the frame rate was divided by {step}",)
    return first, step, num_frames, notes


def _ids(detections: Sequence[Detection]) -> list[int]:
    """The estimator's ids as small numbers, and one of its own for each detection without."""
    tracks = {track: number for number, track in enumerate(dict.fromkeys(d.track for d in detections))}
    return [
        len(tracks) + number if detection.track is None else tracks[detection.track]
        for number, detection in enumerate(detections)
    ]


def _persons(
    times: np.ndarray, ids: list[int], positions: np.ndarray, valid: np.ndarray, fps: float
) -> tuple[list[np.ndarray], list[str]]:
    """The detections of each person, the main persons first, and notes on what was dropped."""
    centres = (positions * valid[..., None]).sum(1) / np.maximum(valid.sum(1), 1)[:, None]
    persons = track_bodies(times, ids, centres, fps)
    order = np.argsort(persons, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(persons[order])) + 1)
    longest = max(map(len, members))
    brief = [len(m) < BRIEF_SECONDS * fps and 2 * len(m) <= longest for m in members]
    fragments = [not short and valid[m].mean() < MIN_TRACKED_SHARE for m, short in zip(members, brief, strict=True)]
    kept = [m for m, *doubts in zip(members, brief, fragments, strict=True) if not any(doubts)]
    notes = []
    if not kept:
        # Somebody was seen: whoever shows most joints.
        kept = [max(members, key=lambda m: valid[m].sum())]
        notes = [f"{len(members) - 1} bodies dropped: none shows many joints, the best was kept"][: len(members) - 1]
    else:
        if any(brief):
            notes.append(f"{sum(brief)} bodies dropped: seen for less than {BRIEF_SECONDS:g} s")
        if any(fragments):
            notes.append(f"{sum(fragments)} bodies dropped: less than {MIN_TRACKED_SHARE:.0%} of their joints found")
    longest = max(map(len, kept))
    kept.sort(key=lambda m: (2 * len(m) < longest, -motion(positions[m], valid[m])))
    return kept, notes
