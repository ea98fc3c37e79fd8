"""OpenPose's JSON: the people of a picture, each with 25 (BODY_25) or 18 (COCO) points as x, y and confidence.

OpenPose writes one file per frame, NAME_000000000000_keypoints.json. All files of a NAME in a folder are one recording,
which reading any of them gives; as a recording of its own counts only the first. One file with a list of such frames
is read too. https://github.com/CMU-Perceptual-Computing-Lab/openpose/blob/master/doc/02_output.md
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import BYTE_ORDER_MARK, Format, SkeletonFormatError, check_size, short
from skeletonllm.skeleton.formats.detections import Detection, assemble, check_detections
from skeletonllm.skeleton.formats.json_text import load_json, numbers, whole_number
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import OPENPOSE_18, OPENPOSE_25
from skeletonllm.skeleton.topology import Topology

TOPOLOGIES = {3 * topology.num_joints: topology for topology in (OPENPOSE_25, OPENPOSE_18)}
# The names of the points changed with version 1.2.
POINT_KEYS = ("pose_keypoints_2d", "pose_keypoints")
# With the option keypoint_scale the picture reaches from 0 or -1 to 1 in both directions, and its shape is lost.
NORMALISED = 1.5
ASSUMED_SHAPE = 16 / 9
_EXPECTED = 'a JSON object with "people", or a list of such'
_FRAME_FILE = re.compile(r"(.*?)_?(\d{1,18})_keypoints\.json", re.ASCII | re.DOTALL)
_START = re.compile(rb'\s*(\[\s*)?\{\s*("version"\s*:\s*[^,{\[]{1,60},\s*)?"people"\s*:\s*\[')


def recordings(path: Path) -> Mapping[str, Callable[[], SkeletonSequence]]:
    """The recording that begins with this file; none if it is a later frame of one."""
    own = _FRAME_FILE.fullmatch(path.name)
    if own:
        # Of thousands of files that are asked one by one, all but a few are known not to be the first by this alone.
        before = f"{int(own[2]) - 1:0{len(own[2])}d}"
        if path.with_name(path.name[: own.start(2)] + before + path.name[own.end(2) :]).is_file():
            return {}
        if path != next(iter(_series(path).values())):
            return {}
    return {path.stem: partial(read, path)}


def read(path: Path) -> SkeletonSequence:
    """Read the recording that a file is a frame of, or a file with a list of frames."""
    series = _series(path)
    if len(series) > 1:
        sizes = sum(file.stat().st_size for file in series.values())
        check_size(path, sizes, f"{len(series)} files of one recording")
        frames = ((number, file, load_json(file, _EXPECTED)) for number, file in series.items())
        return _build(path, frames, (f"{len(series)} files, one per frame, read as one recording",))
    content = load_json(path, _EXPECTED)
    listed = content if isinstance(content, list) else [content]
    return _build(path, ((number, path, frame) for number, frame in enumerate(listed)), ())


def _series(path: Path) -> dict[int, Path]:
    """The files of the recording that a file is a frame of, by ascending frame; empty if its name has no number."""
    own = _FRAME_FILE.fullmatch(path.name)
    if not own:
        return {}
    found = [(_FRAME_FILE.fullmatch(other.name), other) for other in sorted(path.parent.iterdir())]
    series = {int(match[2]): other for match, other in found if match and match[1] == own[1] and other.is_file()}
    return dict(sorted(series.items()))


def _build(path: Path, frames: Iterable[tuple[int, Path, object]], notes: tuple[str, ...]) -> SkeletonSequence:
    topology, detections, seen = None, [], []
    for number, file, frame in frames:
        seen.append(number)
        place = f"frame {number}, people"
        if not isinstance(frame, dict) or not isinstance(frame.get("people"), list):
            found = f"the keys {short(sorted(frame))}" if isinstance(frame, dict) else f"a JSON {type(frame).__name__}"
            raise SkeletonFormatError(file, place, found, _EXPECTED)
        for index, person in enumerate(frame["people"]):
            values = _points(file, f"{place}[{index}]", person)
            if values is None:
                continue
            topology = topology or TOPOLOGIES[values.size]
            if values.size != 3 * topology.num_joints:
                found = f"{values.size // 3} points after {topology.num_joints} in the frames before"
                raise SkeletonFormatError(file, f"{place}[{index}]", found, "as many in each")
            detections.append(Detection(number, values[:, :2], _confidence(values), _track(person)))
            check_detections(path, len(detections))
    return _scaled(path, detections, topology or OPENPOSE_25, seen, notes)


def _points(path: Path, place: str, person: object) -> np.ndarray | None:
    """(J, 3) x, y, confidence of a person, or None where only hands or a face were found."""
    if not isinstance(person, dict):
        raise SkeletonFormatError(path, place, short(person), "a JSON object")
    key = next((key for key in POINT_KEYS if key in person), None)
    if key is None or person[key] == []:
        return None
    values = numbers(path, f"{place}, {key}", person[key], "numbers x, y, confidence")
    if len(values) not in TOPOLOGIES:
        expected = " or ".join(f"{count} (3 x {count // 3})" for count in TOPOLOGIES)
        raise SkeletonFormatError(path, f"{place}, {key}", f"{len(values)} numbers", expected)
    return values.reshape(-1, 3)


def _confidence(points: np.ndarray) -> np.ndarray:
    """(J,) confidence, 0 also for points at (0, 0), which OpenPose gives to what it did not find."""
    known = (points[:, :2] != 0).any(-1) & ~np.isnan(points[:, 2])
    return np.where(known, np.clip(points[:, 2], 0.0, 1.0), 0.0)


def _track(person: dict) -> int | None:
    """The id of a person; -1, or none, where nobody tracked."""
    given = person.get("person_id")
    number = whole_number(given[0] if isinstance(given, list) and given else given)
    return number if number is not None and number >= 0 else None


def _scaled(
    path: Path, detections: list[Detection], topology: Topology, frames: list[int], notes: tuple[str, ...]
) -> SkeletonSequence:
    notes += (f"pixels, y down; joints in OpenPose's order of {topology.num_joints}",)
    known = np.concatenate([np.empty((0, 2)), *(d.points[d.confidence > 0] for d in detections)])
    known = known[np.isfinite(known)]
    if known.size and np.abs(known).max() <= NORMALISED:
        notes += ("x and y in widths and heights of the picture, which is assumed to be 16:9",)
        wide = np.array([ASSUMED_SHAPE, 1.0])
        detections = [Detection(d.frame, d.points * wide, d.confidence, d.track) for d in detections]
    return assemble(path, detections, topology, frames=frames, notes=notes)


def sniff(head: bytes, path: Path) -> bool:
    head = head.removeprefix(BYTE_ORDER_MARK)
    if not _START.match(head):
        return False
    # An empty picture has no points to tell it by; its name does.
    return b'"pose_keypoints' in head or _FRAME_FILE.fullmatch(path.name) is not None or b'"keypoints"' not in head


FORMAT = Format("openpose", "OpenPose JSON, 25 or 18 points per person", (".json",), sniff, read, recordings)
