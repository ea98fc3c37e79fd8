"""``skeletons_info.txt``: a JSON list with one row per picture, its clip, its label and the joints found in it.

A row is [action number, clip number, picture number, label, file of the picture, numbers ...]. 36 numbers are the 18
points of OpenPose as x and y, both in widths of the picture, (0, 0) where nothing was found. 51 numbers are the 17
joints of Human3.6M as x, y, z in millimetres from the pelvis, Z up, lifted from pictures: y grows away from the camera,
and who faces it has the left side at larger x.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import (
    BYTE_ORDER_MARK,
    MAX_METRES,
    Format,
    SkeletonFormatError,
    build_sequence,
    only,
    short,
)
from skeletonllm.skeleton.formats.detections import Detection, assemble, check_detections, time_axis
from skeletonllm.skeleton.formats.json_text import MAX_TEXT, load_json, numbers, one_line, whole_number
from skeletonllm.skeleton.placement import place_motion
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import H36M_17, OPENPOSE_18

# What the tool that writes such files took its pictures at. Jumps of 0.2 m that last four pictures agree.
FPS = 10.0
MILLIMETRE = 0.001
WORDS = 5
MAX_CLIP = 10**9
_EXPECTED = "a JSON list of rows: three whole numbers, a label, a picture's name, and 36 or 51 numbers"
_ROW = re.compile(rb'\s*\[\s*\[(\s*-?\d+\s*,){3}\s*"[^"]*"\s*,\s*"[^"]*"\s*,\s*-?\d')
_PICTURE = re.compile(r"(.*?)(\d+)\.\w+", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class _Row:
    clip: int
    video: str
    picture: int
    label: str | None
    numbers: np.ndarray


def recordings(path: Path) -> Mapping[str, Callable[[], SkeletonSequence]]:
    """What reads each clip, by its number in the file; one that several videos share is followed by which of them."""
    clips: dict[tuple[int, str], list[_Row]] = {}
    for row in _rows(path):
        clips.setdefault((row.clip, row.video), []).append(row)
    uses, found = Counter(clip for clip, _ in clips), Counter()
    named = {}
    for (clip, video), rows in clips.items():
        found[clip] += 1
        name = str(clip) if uses[clip] == 1 else f"{clip}.{found[clip]}"
        named[name] = partial(_clip, path, name, video, rows)
    return named


def read(path: Path) -> SkeletonSequence:
    """Read the only clip of a file."""
    return only(path, recordings(path))


def _rows(path: Path) -> list[_Row]:
    content = load_json(path, _EXPECTED)
    if not isinstance(content, list) or not content:
        found = "an empty list" if content == [] else f"a JSON {type(content).__name__}"
        raise SkeletonFormatError(path, "top level", found, _EXPECTED)
    return [_row(path, f"row {index}", row) for index, row in enumerate(content)]


def _row(path: Path, place: str, row: object) -> _Row:
    sizes = [2 * OPENPOSE_18.num_joints, 3 * H36M_17.num_joints]
    if not isinstance(row, list) or len(row) - WORDS not in sizes:
        found = f"{len(row)} values" if isinstance(row, list) else short(row)
        raise SkeletonFormatError(path, place, found, _EXPECTED)
    clip, count = whole_number(row[1]), whole_number(row[2])
    if clip is None or count is None or abs(clip) > MAX_CLIP or not all(isinstance(word, str) for word in row[3:WORDS]):
        raise SkeletonFormatError(path, place, short(row[:WORDS]), _EXPECTED)
    # The number in the picture's name counts the frames of the video, the one in the row only those that were kept.
    picture = _PICTURE.fullmatch(row[4][-200:])
    video, frame = (picture[1], int(picture[2])) if picture else ("", count)
    return _Row(clip, video, frame, one_line(row[3]), numbers(path, place, row[WORDS:], _EXPECTED))


def _clip(path: Path, name: str, video: str, rows: list[_Row]) -> SkeletonSequence:
    check_detections(path, len(rows))
    sizes = {len(row.numbers) for row in rows}
    if len(sizes) > 1:
        found = " and ".join(f"{size} numbers" for size in sorted(sizes))
        raise SkeletonFormatError(path, f"clip {name}", f"rows of {found}", "as many in each")
    distinct = list({(row.picture, row.numbers.tobytes()): row for row in rows}.values())
    labels = Counter(row.label for row in distinct)
    label = labels.most_common(1)[0][0]
    notes: tuple[str, ...] = (f"{FPS:g} frames per second assumed (that of the tool that writes such files)",)
    if len(distinct) < len(rows):
        notes += (f"{len(rows) - len(distinct)} of {len(rows)} rows dropped: the same picture and joints again",)
    if len(labels) > 1:
        others = ", ".join(str(other) for other in labels if other != label)
        notes += (f"{len(distinct) - labels[label]} of {len(distinct)} rows have other labels: {others[:MAX_TEXT]}",)
    if video:
        notes += (f"time taken from the numbers of the pictures of {short(video.rstrip('/_-'))}",)
    source = f"{path}#{name}"
    if sizes == {2 * OPENPOSE_18.num_joints}:
        return _from_pictures(path, distinct, label, source, notes)
    return _lifted(path, distinct, label, source, notes)


def _from_pictures(
    path: Path, rows: list[_Row], label: str | None, source: str, notes: tuple[str, ...]
) -> SkeletonSequence:
    notes += ("x and y in widths of the picture, y down; joints in OpenPose's order of COCO's 18",)
    points = [row.numbers.reshape(OPENPOSE_18.num_joints, 2) for row in rows]
    found = [(places != 0).any(-1).astype(np.float64) for places in points]
    detections = [Detection(row.picture, *pair) for row, *pair in zip(rows, points, found, strict=True)]
    sequence = assemble(path, detections, OPENPOSE_18, fps=FPS, label=label, source=source, notes=notes)
    return sequence.replace(confidence=None)  # the rows hold none


def _lifted(path: Path, rows: list[_Row], label: str | None, source: str, notes: tuple[str, ...]) -> SkeletonSequence:
    first, step, num_frames, more = time_axis(path, {row.picture for row in rows})
    joints = np.full((num_frames, 1, H36M_17.num_joints, 3), np.nan)
    used = {row.picture: row for row in reversed(rows)}
    for picture, row in used.items():
        joints[(picture - first) // step, 0] = row.numbers.reshape(H36M_17.num_joints, 3)
    with np.errstate(invalid="ignore"):
        valid = (np.abs(joints) <= MAX_METRES / MILLIMETRE).all(-1)
    absurd = len(used) * H36M_17.num_joints - int(valid.sum())
    if absurd:
        more += (f"{absurd} joints masked: no numbers, or beyond {MAX_METRES:g} m",)
    if len(used) < len(rows):
        more += (f"{len(rows) - len(used)} rows dropped: further persons, who all stand in one place",)
    placed = place_motion(joints, valid, H36M_17, FPS / step, up="z", unit=MILLIMETRE, face_camera=False)
    notes += (
        "millimetres from the pelvis, Z up, y away from the camera; joints in Human3.6M's order of 17",
        *more,
        *placed.notes,
    )
    return build_sequence(
        path, placed.joints, FPS / step, H36M_17, valid=valid, label=label, source=source, notes=notes
    )


def sniff(head: bytes, path: Path) -> bool:
    return _ROW.match(head.removeprefix(BYTE_ORDER_MARK)) is not None


FORMAT = Format(
    "skeleton_rows", "JSON rows of clip, label and 36 or 51 numbers", (".txt", ".json"), sniff, read, recordings
)
