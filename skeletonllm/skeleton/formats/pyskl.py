"""Annotations of PYSKL and MMAction2: a pickle of many recordings, made from Kinect files or by pose estimators.

A dict with ``annotations``, or the bare list of them. Each has ``frame_dir``, its name, and ``keypoint`` (M, T, V, C)
of M persons, in pixels (C = 2: V = 17 is COCO, 18 OpenPose) or metres (C = 3: V = 25 is NTU RGB+D's Kinect v2, 20 is
Kinect v1). Points in pixels have ``keypoint_score`` (M, T, V) beside them, or their score as a third coordinate. Where
rows are kept only of persons who were found, ``keypoint`` is (N, V, 3) and ``frame_inds`` (N,) has their frames.
Layout: PYSKL, ``tools/data/README.md``.
"""

import re
from collections.abc import Callable
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from skeletonllm.skeleton.formats.common import Format, SkeletonFormatError, as_doubles, build_sequence, only, short
from skeletonllm.skeleton.formats.detections import FPS, Detection, assemble
from skeletonllm.skeleton.formats.ntu import LABELS as NTU_LABELS
from skeletonllm.skeleton.formats.pickles import load_pickle, pickle_mentions
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import COCO_17, KINECT_V1, KINECT_V2, OPENPOSE_18
from skeletonllm.skeleton.topology import Topology

IN_PIXELS = {topology.num_joints: topology for topology in (COCO_17, OPENPOSE_18)}
IN_METRES = {topology.num_joints: topology for topology in (KINECT_V2, KINECT_V1)}
# Rows of persons in frames. Nine minutes of one person at 30 fps; clips of actions last seconds, and tracking is slow.
MAX_ROWS, MAX_FRAMES = 2**14, 2**20
# Estimators' heat maps peak a little above one.
MAX_SCORE = 2.0

_EXPECTED = "a dict with 'annotations', or a list of them, each with 'frame_dir' and 'keypoint' (M, T, V, 2 or 3)"
_SHAPES = "(persons, frames, joints, 2) of 17 or 18 joints, or (persons, frames, joints, 3) of 20 or 25"


def recordings(path: Path) -> dict[str, Callable[[], SkeletonSequence]]:
    """What reads each recording, by its ``frame_dir``.

    Slashes in names become ``_``; what has no name gets its number, and repeated names get it added.
    """
    content = load_pickle(path, _EXPECTED)
    if type(content) is dict:
        content = content.get("annotations")
    if type(content) is not list or not all(type(annotation) is dict for annotation in content):
        raise SkeletonFormatError(path, "top level", "no list of annotations", _EXPECTED)
    found: dict[str, Callable[[], SkeletonSequence]] = {}
    for number, annotation in enumerate(content):
        name = annotation.get("frame_dir")
        name = name.replace("/", "_") if type(name) is str and name else str(number)
        name = f"{name}-{number}" if name in found else name
        found[name] = partial(_read, path, name, annotation)
    return found


def read(path: Path) -> SkeletonSequence:
    """Read the file's only recording."""
    return only(path, recordings(path))


def _read(path: Path, name: str, annotation: dict[Any, Any]) -> SkeletonSequence:
    points = _array(path, name, annotation, "keypoint")
    rows = prod(points.shape[:-2])
    if rows > MAX_ROWS:
        raise SkeletonFormatError(
            path, _place(name, "keypoint"), f"{rows:,} persons in frames", f"at most {MAX_ROWS:,}"
        )
    label, notes = _label(name, annotation.get("label"))
    if "frame_inds" in annotation:
        return _compressed(path, name, annotation, points, label, notes)
    if points.ndim != 4 or points.shape[3] not in (2, 3) or not points.size:
        raise SkeletonFormatError(path, _place(name, "keypoint"), f"shape {points.shape}", _SHAPES)
    num_joints, dimensions = points.shape[2:]
    if dimensions == 3 and num_joints in IN_METRES:
        return _metres(path, name, points, IN_METRES[num_joints], label, notes)
    if num_joints not in IN_PIXELS:
        raise SkeletonFormatError(path, _place(name, "keypoint"), f"shape {points.shape}", _SHAPES)
    if "keypoint_score" in annotation and dimensions == 2:
        scores = _array(path, name, annotation, "keypoint_score")
        if scores.shape != points.shape[:3]:
            expected = f"{points.shape[:3]}, as keypoint has"
            raise SkeletonFormatError(path, _place(name, "keypoint_score"), f"shape {scores.shape}", expected)
    elif dimensions == 3:
        scores, points = points[..., 2], points[..., :2]
        _check_scores(path, name, scores)
    else:
        scores = (points != 0).any(-1)
        notes += ("no scores in the file: all points are taken to be equally sure, those at zero to be missing",)
    confidence = _confidence(scores)
    people = np.argwhere((confidence > 0).any(-1))
    found = [Detection(int(frame), points[person, frame], confidence[person, frame]) for person, frame in people]
    return _pixels(path, name, found, IN_PIXELS[num_joints], points.shape[1], label, notes)


def _compressed(
    path: Path, name: str, annotation: dict[Any, Any], points: np.ndarray, label: str | None, notes: tuple[str, ...]
) -> SkeletonSequence:
    """One row per person who was found, whatever the frame."""
    if points.ndim != 3 or points.shape[1] not in IN_PIXELS or points.shape[2] != 3:
        expected = "(rows, joints, 3) of 17 or 18 joints"
        raise SkeletonFormatError(path, _place(name, "keypoint"), f"shape {points.shape}", expected)
    frames = _array(path, name, annotation, "frame_inds")
    total = annotation.get("total_frames")
    total = total if type(total) is int else 1 + int(np.nan_to_num(frames).max(initial=0))
    if frames.shape != points.shape[:1] or not 0 < total <= MAX_FRAMES or not ((frames >= 0) & (frames < total)).all():
        found, expected = f"shape {frames.shape} up to {short(total)} frames", f"{len(points)} numbers of frames"
        raise SkeletonFormatError(path, _place(name, "frame_inds"), found, expected)
    _check_scores(path, name, points[..., 2])
    confidence = _confidence(points[..., 2])
    rows = zip(frames.tolist(), points[..., :2], confidence, strict=True)
    found = [Detection(int(frame), person, sure) for frame, person, sure in rows]
    return _pixels(path, name, found, IN_PIXELS[points.shape[1]], total, label, notes)


def _pixels(
    path: Path,
    name: str,
    found: list[Detection],
    topology: Topology,
    num_frames: int,
    label: str | None,
    notes: tuple[str, ...],
) -> SkeletonSequence:
    notes += (f"pixels, x to the right, y down; joints in the order of {topology.name}",)
    source = f"{path}#{name}"
    return assemble(path, found, topology, frames=range(num_frames), label=label, source=source, notes=notes)


def _metres(
    path: Path, name: str, points: np.ndarray, topology: Topology, label: str | None, notes: tuple[str, ...]
) -> SkeletonSequence:
    people = (points != 0).any((1, 2, 3))
    if not people.all():
        notes += (f"{int((~people).sum())} of {len(people)} persons dropped: all coordinates are zero",)
    return build_sequence(
        path,
        np.moveaxis(as_doubles(points[people]), 0, 1),
        FPS,
        topology,
        zero_is_missing=True,
        label=label,
        source=f"{path}#{name}",
        notes=(
            f"{FPS:g} frames per second assumed (the file does not say)",
            f"metres in the camera frame, Y up, Z away from the camera; joints in the order of {topology.name}",
            *notes,
        ),
    )


def _label(name: str, label: object) -> tuple[str | None, tuple[str, ...]]:
    """The class, and a note. Those of NTU RGB+D are known by the recording's name; elsewhere there are only numbers."""
    action = re.match(r"S\d{3}C\d{3}P\d{3}R\d{3}A(\d{3})", name)
    if action and 1 <= int(action.group(1)) <= len(NTU_LABELS):
        return NTU_LABELS[int(action.group(1)) - 1], ()
    if type(label) is str:
        return label, ()
    return None, (f"class number {label}; the file has no names of classes",) if type(label) is int else ()


def _array(path: Path, name: str, annotation: dict[Any, Any], key: str) -> np.ndarray:
    array = annotation.get(key)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        found = f"a {type(array).__name__}" if key in annotation else "none"
        raise SkeletonFormatError(path, _place(name, key), found, "an array of numbers")
    return array


def _check_scores(path: Path, name: str, scores: np.ndarray) -> None:
    if not ((scores >= 0) & (scores <= MAX_SCORE)).all():
        expected = "scores from 0 to 1 as third coordinates, for 3-D joints of 17 or 18 are not known by their number"
        raise SkeletonFormatError(path, _place(name, "keypoint"), "other numbers", expected)


def _confidence(scores: np.ndarray) -> np.ndarray:
    return np.clip(np.nan_to_num(as_doubles(scores)), 0.0, 1.0)


def _place(name: str, key: str) -> str:
    return f"annotation {short(name)}, key {key!r}"


def sniff(head: bytes, path: Path) -> bool:
    return pickle_mentions(head, path, "frame_dir", "keypoint")


FORMAT = Format(
    "pyskl",
    "PYSKL or MMAction2 pickle of annotations with 'frame_dir' and 'keypoint'",
    (".pkl", ".pickle"),
    sniff,
    read,
    recordings,
)
