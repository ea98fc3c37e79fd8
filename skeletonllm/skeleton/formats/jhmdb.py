"""JHMDB as a pickle of many clips: ``pose``, a list of (T, 15, 2), and ``label``, a list of class names.

The points are JHMDB's ``pos_world``: about the middle of the picture, divided by the height of the picture and by the
size of the person, x to the right, y down. Data set and order of joints: http://jhmdb.is.tue.mpg.de.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import Format, SkeletonFormatError, only
from skeletonllm.skeleton.formats.pickles import load_pickle, pickle_mentions
from skeletonllm.skeleton.formats.picture_points import build_from_points
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import JHMDB_15

_EXPECTED = "a dict with the lists 'pose', arrays (T, 15, 2), and 'label', class names"


def recordings(path: Path) -> dict[str, Callable[[], SkeletonSequence]]:
    """What reads each clip, by its number in the file, from 0."""
    content = load_pickle(path, _EXPECTED)
    if type(content) is not dict:
        raise SkeletonFormatError(path, "top level", f"a {type(content).__name__}", _EXPECTED)
    for key in ("pose", "label"):
        if type(content.get(key)) is not list:
            found = f"a {type(content[key]).__name__}" if key in content else "none"
            raise SkeletonFormatError(path, f"key {key!r}", found, "a list")
    poses, labels = content["pose"], content["label"]
    if len(poses) != len(labels):
        found = f"{len(poses)} clips and {len(labels)} labels"
        raise SkeletonFormatError(path, "keys 'pose' and 'label'", found, "one label for each clip")
    clips = enumerate(zip(poses, labels, strict=True))
    return {str(number): partial(_clip, path, number, points, label) for number, (points, label) in clips}


def read(path: Path) -> SkeletonSequence:
    """Read the file's only clip."""
    return only(path, recordings(path))


def _clip(path: Path, number: int, points: object, label: object) -> SkeletonSequence:
    place = f"key 'pose', clip {number}"
    if not isinstance(points, np.ndarray) or points.dtype.kind not in "fiu":
        raise SkeletonFormatError(path, place, f"a {type(points).__name__}", "an array of numbers (T, 15, 2)")
    return build_from_points(
        path,
        points,
        JHMDB_15,
        place=place,
        label=label.replace("_", " ") if type(label) is str else None,
        source=f"{path}#{number}",
        notes=("points are relative to the middle of the picture and the size of the person; joints in JHMDB's order",),
    )


def sniff(head: bytes, path: Path) -> bool:
    return pickle_mentions(head, path, "pose", "label") and not pickle_mentions(head, path, "keypoint")


FORMAT = Format(
    "jhmdb", "JHMDB pickle, 'pose' (T, 15, 2) and 'label' of each clip", (".pkl", ".pickle"), sniff, read, recordings
)
