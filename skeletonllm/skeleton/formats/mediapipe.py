"""MediaPipe Pose: 33 landmarks as CSV or JSON, in the picture or, around the hips, in metres.

CSV: a line of names, then one frame per line: x, y, z and visibility of each landmark, named 0 to 131, or x1, y1, z1,
v1, x2 ...; a column of text is the label. JSON: a list of frames, or a mapping with the key ``frames`` and optionally
``fps``, ``width`` and ``height``; a frame is a list of 33 landmarks {"x", "y", "z", "visibility"}, a list of such lists
for several persons, null for nobody, or a mapping that holds any of these under a key such as ``poseLandmarks``.

Landmarks in the picture have x in widths and y in heights of the picture, y down, and z on the scale of x, smaller
nearer to the camera. World landmarks are in metres from the middle of the hips, in the same axes.
https://github.com/google-ai-edge/mediapipe/blob/master/docs/solutions/pose.md
"""

import csv
import re
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import numpy as np

from skeletonllm.skeleton.formats.common import (
    BYTE_ORDER_MARK,
    Format,
    SkeletonFormatError,
    check_size,
    is_number,
    short,
)
from skeletonllm.skeleton.formats.detections import Detection, assemble
from skeletonllm.skeleton.formats.json_text import load_json, numbers, one_line, positive
from skeletonllm.skeleton.formats.picture_shape import SHAPES, fit_shape
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import MEDIAPIPE_33

COUNT = MEDIAPIPE_33.num_joints
# Landmarks may lie beside the picture, but not a hundred widths away.
FARTHEST = 100.0
WELL_SEEN = 0.5
# Eleven minutes of one person at 30 frames per second; in full precision, seven make as many bytes as are read.
MAX_FRAMES = 20_000
MAX_TABLE_BYTES = 2**25
MAX_LINE = 2**16
PICTURE_KEYS = ("poseLandmarks", "pose_landmarks", "landmarks")
WORLD_KEYS = ("poseWorldLandmarks", "pose_world_landmarks", "worldLandmarks", "world_landmarks")
_EXPECTED = "MediaPipe's 33 landmarks per frame"
_TABLE = _EXPECTED + " as CSV"
_NUMBERED = [str(number) for number in range(4 * COUNT)]
_NAMED = [f"{axis}{number}" for number in range(1, COUNT + 1) for axis in "xyzv"]
_LANDMARK = re.compile(rb'\{\s*"x"\s*:[^,]{1,40},\s*"y"\s*:[^,]{1,40},\s*"z"\s*:')
_KEY = re.compile(rb'"pose_?(world_?)?landmarks"\s*:', re.IGNORECASE)


def read(path: Path) -> SkeletonSequence:
    """Read a CSV or JSON file of landmarks."""
    with path.open("rb") as file:
        is_json = file.read(64).removeprefix(BYTE_ORDER_MARK).lstrip()[:1] in (b"[", b"{")
    return _read_json(path) if is_json else _read_csv(path)


def _read_csv(path: Path) -> SkeletonSequence:
    check_size(path, path.stat().st_size, limit=MAX_TABLE_BYTES)
    values, labels = array("d"), Counter()
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.reader(_lines(path, file))
        try:
            header = [name.strip().lower() for name in next(table, [])]
            columns = _columns(header)
            if columns is None:
                found = f"the columns {short(', '.join(header))}" if header else "an empty line"
                raise SkeletonFormatError(path, "line 1", found, "columns named 0 to 131, or x1, y1, z1, v1 to v33")
            others = sorted(set(range(len(header))) - set(columns))
            for row in filter(None, table):
                if len(row) != len(header):
                    expected = f"{len(header)}, as the first line has"
                    raise SkeletonFormatError(path, f"line {table.line_num}", f"{len(row)} values", expected)
                values.extend(_number(path, f"line {table.line_num}", row[column]) for column in columns)
                if len(values) > 4 * COUNT * MAX_FRAMES:
                    raise SkeletonFormatError(path, f"line {table.line_num}", "more lines", f"{MAX_FRAMES} frames")
                words = (one_line(row[other]) for other in others)
                labels.update(word for word in words if word and not is_number(word.encode()))
        except UnicodeDecodeError as error:
            raise SkeletonFormatError(path, "text", f"byte {error.object[error.start]:#04x}", _TABLE) from error
        except csv.Error as error:
            raise SkeletonFormatError(path, f"line {table.line_num}", short(str(error)), _TABLE) from error
    frames = np.array(values).reshape(-1, COUNT, 4)
    detections = [_detection(index, frame) for index, frame in enumerate(frames)]
    label = labels.most_common(1)[0][0] if labels else None
    notes = (f"{len(labels)} labels found, the most frequent taken",) if len(labels) > 1 else ()
    return _in_picture(path, detections, range(len(frames)), label=label, notes=notes)


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """The lines, none of which is taken apart before it is known to be short."""
    while line := file.readline(MAX_LINE):
        if len(line) == MAX_LINE:
            raise SkeletonFormatError(path, "line", f"{MAX_LINE} characters and more", "one frame")
        yield line


def _columns(header: list[str]) -> list[int] | None:
    """The columns of x, y, z, visibility of each landmark, or None if they are not named as such."""
    for names in (_NUMBERED, _NAMED):
        if set(names) <= set(header) and len(set(header)) == len(header):
            return [header.index(name) for name in names]
    return None


def _number(path: Path, place: str, word: str) -> float:
    try:
        return float(word) if word.strip() else np.nan
    except ValueError as error:
        raise SkeletonFormatError(path, place, short(word), "numbers") from error


def _read_json(path: Path) -> SkeletonSequence:
    content = load_json(path, _EXPECTED + " as JSON")
    about = content if isinstance(content, dict) else {}
    frames = content.get("frames", [content]) if isinstance(content, dict) else content
    if not isinstance(frames, list):
        raise SkeletonFormatError(path, "top level", f"a JSON {type(frames).__name__}", "a list of frames")
    if len(frames) > MAX_FRAMES:
        raise SkeletonFormatError(path, "frames", f"{len(frames):,} frames", f"at most {MAX_FRAMES:,}; cut it first")
    if frames and isinstance(frames[0], dict) and "x" in frames[0]:  # the landmarks of a single frame
        frames = [frames]
    key = next((key for key in (*WORLD_KEYS, *PICTURE_KEYS) if any(_has(frame, key) for frame in frames)), None)
    detections = []
    for index, frame in enumerate(frames):
        place = f"frame {index}"
        landmarks = frame.get(key) if isinstance(frame, dict) else frame
        for person in _persons(landmarks):
            detections.append(_detection(index, _landmarks(path, place, person)))
            if len(detections) > MAX_FRAMES:
                raise SkeletonFormatError(path, place, "more persons", f"{MAX_FRAMES:,} over all frames; cut it first")
    fps, width, height = (positive(about.get(name)) for name in ("fps", "width", "height"))
    label = one_line(about.get("label"))
    if key in WORLD_KEYS:
        notes = ("world landmarks, metres from the middle of the hips: where the person goes is not in the file",)
        return assemble(
            path, detections, MEDIAPIPE_33, frames=range(len(frames)), fps=fps, unit=1.0, label=label, notes=notes
        )
    shape = width / height if width and height else None
    return _in_picture(path, detections, range(len(frames)), shape=shape, fps=fps, label=label)


def _has(frame: object, key: str) -> bool:
    return isinstance(frame, dict) and bool(frame.get(key))


def _persons(landmarks: object) -> list:
    """The landmarks of each person, whichever way they are wrapped."""
    if not landmarks:
        return []
    several = isinstance(landmarks, list) and isinstance(landmarks[0], list) and len(landmarks[0]) == COUNT
    return [person for person in landmarks if person] if several else [landmarks]


def _landmarks(path: Path, place: str, landmarks: object) -> np.ndarray:
    """(33, 4) x, y, z, visibility of a person; a visibility that is not given is 1."""
    if isinstance(landmarks, dict):  # as the protocol buffer is written
        landmarks = landmarks.get("landmark")
    if not isinstance(landmarks, list) or len(landmarks) != COUNT:
        found = f"{len(landmarks)} landmarks" if isinstance(landmarks, list) else short(landmarks)
        raise SkeletonFormatError(path, place, found, _EXPECTED)
    points = np.ones((COUNT, 4))
    rows = [
        [landmark.get("x"), landmark.get("y"), landmark.get("z"), landmark.get("visibility", 1.0)]
        if isinstance(landmark, dict)
        else landmark
        for landmark in landmarks
    ]
    size = len(rows[0]) if isinstance(rows[0], list) else 0
    if size in (3, 4) and all(type(row) is list and len(row) == size for row in rows):
        with suppress(SkeletonFormatError):  # below, landmark by landmark, its place is told
            flat = numbers(path, place, [value for row in rows for value in row], "numbers")
            points[:, :size] = flat.reshape(COUNT, size)
            return points
    for index, landmark in enumerate(rows):
        values = numbers(path, f"{place}, landmark {index}", landmark, "x, y, z and visibility")
        if len(values) not in (3, 4):
            raise SkeletonFormatError(path, f"{place}, landmark {index}", f"{len(values)} numbers", "3 or 4")
        points[index, : len(values)] = values
    return points


def _detection(frame: int, landmarks: np.ndarray) -> Detection:
    """(33, 4) landmarks, their visibility taken as confidence."""
    visibility = landmarks[:, 3]
    return Detection(frame, landmarks[:, :3], np.where(np.isnan(visibility), 0.0, np.clip(visibility, 0.0, 1.0)))


def _in_picture(
    path: Path,
    detections: list[Detection],
    frames: range,
    *,
    shape: float | None = None,
    fps: float | None = None,
    label: str | None = None,
    notes: tuple[str, ...] = (),
) -> SkeletonSequence:
    """From widths and heights of the picture to one unit, with depth brought to scale."""
    points = np.array([detection.points for detection in detections]).reshape(-1, COUNT, 3)
    seen = np.array([detection.confidence for detection in detections]).reshape(-1, COUNT)
    shapes = SHAPES if shape is None else {f"{shape:.3g}:1": shape}
    with np.errstate(invalid="ignore"):
        near = (np.abs(points) <= FARTHEST).all(-1)
        name, depth = fit_shape(
            np.where(near[..., None], points, 0.0), near & (seen >= WELL_SEEN), MEDIAPIPE_33, shapes
        )
    if shape is None:
        notes += (f"pictures of {name} assumed, for which limbs keep their lengths best (the file does not say)",)
    shape = shapes[name]
    notes += (f"depth scaled by {depth:.2f}, for which limbs keep their lengths best", "visibility taken as confidence")
    points = np.where(near[..., None], points, np.nan) * [shape, 1.0, shape * depth]
    found = [Detection(d.frame, place, d.confidence) for d, place in zip(detections, points, strict=True)]
    return assemble(path, found, MEDIAPIPE_33, frames=frames, fps=fps, label=label, notes=notes)


def sniff(head: bytes, path: Path) -> bool:
    head = head.removeprefix(BYTE_ORDER_MARK).lstrip()
    if head[:1] in (b"[", b"{"):
        return _LANDMARK.search(head) is not None or _KEY.search(head) is not None
    line = head.split(b"\n", 1)[0].decode("latin-1")
    return _columns([name.strip().lower() for name in line.split(",")]) is not None


FORMAT = Format("mediapipe", "MediaPipe Pose, 33 landmarks, CSV or JSON", (".csv", ".json"), sniff, read)
