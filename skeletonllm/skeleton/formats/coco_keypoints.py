"""The keypoints of one person of a COCO file, and what the third number of each means."""

from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import SkeletonFormatError, short
from skeletonllm.skeleton.formats.json_text import numbers
from skeletonllm.skeleton.topologies import COCO_17

BODY = COCO_17.num_joints
# COCO, and those that begin with its 17: Halpe's body, COCO's whole body, Halpe's whole body.
COUNTS = (17, 26, 133, 136)
FLAT_SIZES = {values * count: count for count in COUNTS for values in (2, 3)}
SCORES_KEYS = ("keypoint_scores", "keypoints_scores", "keypoint_score")
NOT_LABELLED, HIDDEN, VISIBLE = 0, 1, 2
# Annotators guess where a hidden joint is, and are right to about the size of the limb.
HIDDEN_CONFIDENCE = 0.5
_EXPECTED = "17 keypoints of x, y and a score (or the 26, 133 or 136 that begin with them)"


def keypoints_of(path: Path, place: str, person: dict) -> tuple[np.ndarray, np.ndarray | None, bool]:
    """The points (17, 2 or 3) of a person, the scores (17,) where they are apart, and whether more points were there.

    Raises:
        SkeletonFormatError: no keypoints, or another number of them.
    """
    given = person.get("keypoints")
    if isinstance(given, list) and given and isinstance(given[0], list):
        sizes = {len(point) if isinstance(point, list) else None for point in given}
        if sizes not in ({2}, {3}):
            raise SkeletonFormatError(path, f"{place}, keypoints", short(given), _EXPECTED)
        points = numbers(path, f"{place}, keypoints", [value for point in given for value in point], _EXPECTED)
    else:
        points = numbers(path, f"{place}, keypoints", given, _EXPECTED)
    if len(points) not in FLAT_SIZES:
        raise SkeletonFormatError(path, f"{place}, keypoints", f"{len(points)} numbers", _EXPECTED)
    count = FLAT_SIZES[len(points)]
    points = points.reshape(count, -1)[:BODY]
    key = next((key for key in SCORES_KEYS if person.get(key) is not None), None)
    if key is None:
        return points, None, count > BODY
    scores = numbers(path, f"{place}, {key}", person[key], "numbers")
    if len(scores) != count:
        raise SkeletonFormatError(path, f"{place}, {key}", f"{len(scores)} numbers", f"{count}, as keypoints has")
    return points, scores[:BODY], count > BODY


def confidences(
    persons: list[tuple[np.ndarray, np.ndarray | None]], is_annotation: bool
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """The confidence (17,) of each person's points, and what it was taken from.

    The third number of a point is a flag in annotations (0 not labelled, 1 hidden, 2 visible) and a score in results.
    Which of them stands in a file is told by its values: a 2 among nothing but 0, 1 and 2 is a flag.

    Args:
        persons: the points (17, 2 or 3) and the scores (17,), where they are apart.
        is_annotation: whether the file is one of annotations, whose ones are flags too.
    """
    thirds = np.array([points[:, 2] for points, scores in persons if points.shape[1] == 3 and scores is None])
    whole = set(np.unique(thirds).tolist()) <= {NOT_LABELLED, HIDDEN, VISIBLE}
    flags = thirds.size > 0 and whole and (is_annotation or VISIBLE in thirds)
    found, notes = [], ()
    for points, scores in persons:
        at_origin = (points[:, :2] == 0).all(-1)
        if points.shape[1] == 3:
            confidence = points[:, 2]
            if flags:
                confidence = np.select([confidence == VISIBLE, confidence == HIDDEN], [1.0, HIDDEN_CONFIDENCE], 0.0)
            if scores is not None:
                confidence = np.where(confidence == NOT_LABELLED, 0.0, scores)
        else:
            confidence = np.ones(len(points)) if scores is None else scores
        found.append(np.where(at_origin | np.isnan(confidence), 0.0, confidence))
    if flags:
        notes += (f"flags of visibility taken as confidence: visible 1, hidden {HIDDEN_CONFIDENCE}, else unknown",)
    above = sum(int((confidence > 1).sum()) for confidence in found)
    if above:
        notes += (f"{above} scores above 1 taken as 1",)
    return [np.clip(confidence, 0.0, 1.0) for confidence in found], notes
