"""COCO keypoints as JSON: annotations, results, and the per-frame lists that AlphaPose and MMPose write.

Annotations: {"images": [...], "annotations": [{"image_id", "keypoints": [x, y, v, ...], "track_id"?}], "categories"}.
Results: [{"image_id", "category_id", "keypoints": [x, y, score, ...], "score", "track_id" or "idx"?}].
Per frame: [{"frame_id", "instances": [{"keypoints": [[x, y], ...], "keypoint_scores": [...]}]}], also behind the key
"instance_info"; other names of these keys that are in use are known too. Pixels, y down. An image_id may be a number or
the name of a picture; pictures of several folders or videos are several recordings.
https://cocodataset.org/#format-data and #format-results
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from skeletonllm.skeleton.formats.coco_keypoints import confidences, keypoints_of
from skeletonllm.skeleton.formats.coco_writer import place_as_written
from skeletonllm.skeleton.formats.common import BYTE_ORDER_MARK, Format, SkeletonFormatError, only, short
from skeletonllm.skeleton.formats.detections import Detection, assemble, check_detections
from skeletonllm.skeleton.formats.json_text import load_json, one_line, positive, whole_number
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import COCO_17

PICTURE_KEYS = ("image_id", "frame_id", "frame_index", "frame_idx", "frame", "image_name", "file_name")
PERSONS_KEYS = ("instances", "persons", "people", "predictions", "annotations", "detections")
VIDEO_KEYS = ("vid_id", "video_id", "video")
TRACK_KEYS = ("track_id", "idx", "person_id")
_EXPECTED = "COCO keypoints: annotations, results, or a list of frames with persons"
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
_PLAIN = rb"(?:[^\[\]{}]|\[[^\[\]{}]*\])*"
_RESULTS = re.compile(rb"\s*\[\s*\{" + _PLAIN + rb'"keypoints"\s*:\s*\[')
_PER_FRAME = re.compile(rb"\s*\[\s*\{" + _PLAIN + rb'"(instances|persons|people|predictions|detections)"\s*:\s*\[')
_ANNOTATIONS = re.compile(rb'\s*\{\s*"(images|annotations|categories|info|licenses)"\s*:')
_MMPOSE = re.compile(rb'\s*\{\s*"(meta_info|instance_info)"\s*:')


@dataclass
class _Video:
    """The pictures of one recording: all numbers, and the persons of each."""

    frames: list[int] = field(default_factory=list)
    persons: list[tuple[int, str, dict]] = field(default_factory=list)


def recordings(path: Path) -> Mapping[str, Callable[[], SkeletonSequence]]:
    """What reads each recording: by its folder or video, or, where there is but one without a name, by the file's."""
    content = load_json(path, _EXPECTED)
    about = content.get("info") if isinstance(content, dict) else None
    about = about if isinstance(about, dict) else {}
    _check_names(path, content)
    is_annotation = isinstance(content, dict) and "annotations" in content
    videos = _videos(path, content)
    if not videos:
        raise SkeletonFormatError(path, "top level", "no pictures", _EXPECTED)
    named: dict[str, Callable[[], SkeletonSequence]] = {}
    for video, pictures in videos.items():
        name = (one_line(re.sub(r"[/\\#]+", ".", video)) or path.stem).strip(".") or path.stem
        name = f"{name}.{len(named)}" if name in named else name
        source = f"{path}#{name}" if len(videos) > 1 else str(path)
        named[name] = partial(_read, path, pictures, about, is_annotation, source)
    return named


def read(path: Path) -> SkeletonSequence:
    """Read the only recording of a file."""
    return only(path, recordings(path))


def _read(path: Path, video: _Video, about: dict, is_annotation: bool, source: str) -> SkeletonSequence:
    check_detections(path, len(video.persons))
    found = [keypoints_of(path, place, person) for _, place, person in video.persons]
    scores, notes = confidences([(points, score) for points, score, _ in found], is_annotation)
    if any(dropped for _, _, dropped in found):
        notes += ("only COCO's 17 points of the body used; those of hands, feet and face left out",)
    detections = [
        Detection(frame, points[:, :2], score, _track(person))
        for (frame, _, person), (points, _, _), score in zip(video.persons, found, scores, strict=True)
    ]
    notes += ("pixels, y down; joints in COCO's order of 17",)
    options = {
        "fps": positive(about.get("fps")),
        "frames": video.frames,
        "label": one_line(about.get("label")),
        "source": source,
        "notes": notes,
    }
    if "pixels_per_metre" in about:
        return place_as_written(path, detections, about, **options)
    return assemble(path, detections, COCO_17, **options)


def _check_names(path: Path, content: object) -> None:
    """Raise if the file names its points, and other ones than COCO's: there are several orders of 17."""
    if not isinstance(content, dict):
        return
    categories, meta = content.get("categories"), content.get("meta_info")
    names = [category.get("keypoints") for category in _dicts(categories)]
    ids = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    names += [list(ids.values())] if isinstance(ids, dict) else []
    for given in names:
        body = given[: COCO_17.num_joints] if isinstance(given, list) else None
        if body and [str(name).lower().replace(" ", "_") for name in body] != list(COCO_17.joints):
            raise SkeletonFormatError(path, "names of keypoints", short(given), "those of COCO, nose to right_ankle")


def _videos(path: Path, content: object) -> dict[str, _Video]:
    videos: dict[str, _Video] = {}
    unnamed: dict[str, int] = {}
    pictures: dict[object, tuple[str, int]] = {}

    def place_of(picture: object, video: str = "") -> tuple[str, int]:
        """The video and frame of a picture by its number or name; one without a number is counted."""
        number = whole_number(picture)
        if number is not None:
            return video, number
        name = picture if isinstance(picture, str) else ""
        folder, _, file = name.replace("\\", "/").rpartition("/")
        numbers = _NUMBER.findall(file.rpartition(".")[0] or file)
        if numbers:
            return video or folder, int(numbers[-1])
        return video or folder, unnamed.setdefault(name, len(unnamed))

    if isinstance(content, dict) and "annotations" in content:
        for picture in _dicts(content.get("images")):
            number = next((picture[key] for key in PICTURE_KEYS[1:] if key in picture), picture.get("id"))
            given = next((picture[key] for key in VIDEO_KEYS if key in picture), "")
            video = str(given) if type(given) in (int, str) else ""
            pictures[_hashable(picture.get("id"))] = place = place_of(number, video)
            videos.setdefault(place[0], _Video()).frames.append(place[1])
        entries = content["annotations"]
    else:
        entries = content.get("instance_info") if isinstance(content, dict) else content
    for where, index, entry, persons in _entries(path, entries):
        key = next((key for key in PICTURE_KEYS if key in entry), None)
        picture = index if key is None else entry[key]
        place = pictures.get(_hashable(picture)) or place_of(picture)
        video = videos.setdefault(place[0], _Video())
        video.frames.append(place[1])
        video.persons += [(place[1], where, person) for person in persons]
    return videos


def _entries(path: Path, entries: object) -> Iterator[tuple[str, int, dict, list[dict]]]:
    """Each entry of a list with its place, its index (0 for all persons of a picture without a name) and persons."""
    if not isinstance(entries, list):
        raise SkeletonFormatError(path, "top level", f"a JSON {type(entries).__name__}", _EXPECTED)
    for index, entry in enumerate(entries):
        place = f"entry {index}"
        if not isinstance(entry, dict):
            raise SkeletonFormatError(path, place, short(entry), "a JSON object")
        persons = next((entry[key] for key in PERSONS_KEYS if key in entry), None)
        if persons is None and "keypoints" not in entry:
            raise SkeletonFormatError(path, place, f"the keys {short(sorted(entry))}", "keypoints, or persons")
        if persons is None:
            yield place, 0, entry, [entry] if entry["keypoints"] else []
        elif isinstance(persons, list) and all(isinstance(person, dict) for person in persons):
            yield place, index, entry, persons
        else:
            raise SkeletonFormatError(path, place, short(persons), "a list of persons")


def _dicts(value: object) -> list[dict]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _hashable(value: object) -> object:
    return value if isinstance(value, int | float | str) else None


def _track(person: dict) -> int | None:
    for key in TRACK_KEYS:
        given = person.get(key)
        number = whole_number(given[0] if isinstance(given, list) and given else given)
        if number is not None:
            return number
    return None


def sniff(head: bytes, path: Path) -> bool:
    head = head.removeprefix(BYTE_ORDER_MARK)
    if _RESULTS.match(head) or _MMPOSE.match(head):
        return True
    if _PER_FRAME.match(head):
        return b'"keypoints"' in head
    return _ANNOTATIONS.match(head) is not None


FORMAT = Format("coco", "COCO keypoints JSON, 17 points per person", (".json",), sniff, read, recordings)
