"""Files of formats that keep points of pictures, from recordings whose joints are all known, seen by a camera afar."""

import json
import pickle
from pathlib import Path

import numpy as np
from scipy.io import savemat

from skeletonllm.skeleton.formats.penn_action import FILE_ORDER
from skeletonllm.skeleton.sequence import SkeletonSequence

WIDTH, HEIGHT = 1280, 720
PIXELS_PER_METRE = 250.0
SURE = 0.9  # of every point


def pixels(sequence: SkeletonSequence) -> np.ndarray:
    """(T, P, J, 2), x to the right and y down, the middle of all people in the middle of the picture."""
    seen = sequence.joints[..., :2].astype(float)
    return [WIDTH / 2, HEIGHT / 2] - PIXELS_PER_METRE * (seen - seen.mean((0, 1, 2)))


def _estimated(sequence: SkeletonSequence) -> np.ndarray:
    """(T, P, J, 3), the third of them the estimator's confidence."""
    points = pixels(sequence)
    return np.concatenate([points, np.full((*points.shape[:3], 1), SURE)], -1).round(2)


def write_penn_action(sequence: SkeletonSequence, path: Path) -> None:
    points = pixels(sequence)[:, 0, [sequence.topology.index(name) for name in FILE_ORDER]]
    visible = np.ones(points.shape[:2], np.uint8)
    content = {"action": sequence.label.replace(" ", "_"), "x": points[..., 0], "y": points[..., 1]}
    savemat(path, content | {"visibility": visible})


def write_jhmdb(sequence: SkeletonSequence, path: Path) -> None:
    """Points relative to the middle of the picture, in parts of the size of the person."""
    points = (pixels(sequence)[:, 0] - [WIDTH / 2, HEIGHT / 2]) / HEIGHT
    path.write_bytes(pickle.dumps({"pose": [points], "label": [sequence.label]}))


def write_pyskl(sequence: SkeletonSequence, path: Path) -> None:
    """An annotation of a set of one, with numbers as coarse as float16."""
    points = np.moveaxis(_estimated(sequence), 1, 0).astype(np.float16)
    annotation = {"frame_dir": "clip", "label": 0, "img_shape": (HEIGHT, WIDTH), "total_frames": sequence.num_frames}
    annotation |= {"keypoint": points[..., :2], "keypoint_score": points[..., 2]}
    path.write_bytes(pickle.dumps({"split": {"train": ["clip"]}, "annotations": [annotation]}))


def write_openpose(sequence: SkeletonSequence, path: Path) -> None:
    """A file per frame; ``path`` is that of the first, with a number of twelve digits in its name."""
    for number, persons in enumerate(_estimated(sequence)):
        people = [{"person_id": [-1], "pose_keypoints_2d": person.ravel().tolist()} for person in persons]
        name = path.name.replace("0" * 12, f"{number:012d}")
        path.with_name(name).write_text(json.dumps({"version": 1.3, "people": people}))


def write_coco(sequence: SkeletonSequence, path: Path) -> None:
    """Results: a row per person and picture."""
    people = [
        {"image_id": number, "category_id": 1, "keypoints": person.ravel().tolist(), "score": SURE}
        for number, persons in enumerate(_estimated(sequence))
        for person in persons
    ]
    path.write_text(json.dumps(people))


def write_mediapipe(sequence: SkeletonSequence, path: Path) -> None:
    """x in widths and y in heights of the picture, depth from the hips in widths, visibility."""
    joints = sequence.joints[:, 0].astype(float)
    hips = [sequence.topology.index(f"{side}_hip") for side in ("left", "right")]
    depth = joints[..., 2:] - joints[:, hips, 2:].mean(1, keepdims=True)
    points = pixels(sequence)[:, 0] / [WIDTH, HEIGHT]
    rows = np.concatenate([points, PIXELS_PER_METRE / WIDTH * depth, np.full_like(depth, SURE)], -1)
    frames = [
        [dict(zip(("x", "y", "z", "visibility"), point, strict=True)) for point in frame]
        for frame in rows.round(5).tolist()
    ]
    path.write_text(json.dumps({"fps": sequence.fps, "width": WIDTH, "height": HEIGHT, "frames": frames}))


def write_rows(sequence: SkeletonSequence, path: Path) -> None:
    """Ten pictures in a second, points in widths of the picture."""
    points = (pixels(sequence)[:: round(sequence.fps / 10), 0] / WIDTH).round(4)
    label = sequence.label
    rows = [
        [1, 1, number, label, f"{label}_01/{number:05d}.jpg", *frame.ravel()] for number, frame in enumerate(points)
    ]
    path.write_text(json.dumps(rows))
