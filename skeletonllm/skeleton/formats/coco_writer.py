"""Sequences as COCO annotations of pictures that were never taken: seen from the front, without perspective."""

import json
from collections.abc import Sequence
from math import ceil, prod
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import MAX_BYTES, SkeletonFormatError, build_sequence, check_size, short
from skeletonllm.skeleton.formats.detections import FPS, Detection, time_axis
from skeletonllm.skeleton.placement import DISTANCE
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import COCO_17

PIXELS_PER_METRE = 250.0
MARGIN = 0.25
DECIMALS = 3
_LABELLED = 2


def write_coco(sequence: SkeletonSequence, path: str | Path, *, pixels_per_metre: float = PIXELS_PER_METRE) -> None:
    """Write a sequence as COCO annotations, 2-D: x and y of the world as pixels, depth left out.

    ``images`` are the frames, ``track_id`` is the person, the flag of a known joint is 2 (visible), and
    ``keypoint_scores``, if the sequence has confidences, are these. ``info`` says the frame rate, the scale and which
    pixel is x = y = 0, so that ``read_skeleton`` gives back time and metres. +X is to the left of the picture.

    Args:
        sequence: of topology coco_17.
        path: a .json file.
        pixels_per_metre: the scale of the pictures.

    Raises:
        ValueError: another topology, no known joint, or a scale that is not positive.
    """
    if sequence.topology != COCO_17:
        advice = "convert it first (skeletonllm convert --topology coco-17)"
        raise ValueError(f"COCO files hold the joints of coco_17, not of {sequence.topology.name}: {advice}")
    if not sequence.valid.any() or not pixels_per_metre > 0:
        raise ValueError(f"{sequence.source or 'sequence'}: no known joint, or {pixels_per_metre} pixels per metre")
    seen = sequence.joints[sequence.valid][:, :2].astype(np.float64)
    origin = pixels_per_metre * (MARGIN + seen.max(0))
    width, height = (ceil(side) for side in pixels_per_metre * (np.ptp(seen, axis=0) + 2 * MARGIN))
    pixels = np.round(origin - pixels_per_metre * sequence.joints[..., :2].astype(np.float64), DECIMALS)
    info = {
        "description": "Written by SkeletonLLM: seen from the front, without perspective",
        "fps": sequence.fps,
        "pixels_per_metre": pixels_per_metre,
        "origin": origin.tolist(),
    }
    if sequence.label is not None:
        info["label"] = sequence.label
    images = [
        {"id": frame, "frame_id": frame, "file_name": f"{frame:06d}.png", "width": width, "height": height}
        for frame in range(sequence.num_frames)
    ]
    annotations = [
        {"id": number, "image_id": int(frame), "track_id": int(person), **_person(sequence, pixels, frame, person)}
        for number, (frame, person) in enumerate(np.argwhere(sequence.valid.any(-1)), start=1)
    ]
    skeleton = [[start + 1, end + 1] for start, end in COCO_17.bones]  # COCO counts joints from one
    category = {"id": 1, "name": "person", "keypoints": list(COCO_17.joints), "skeleton": skeleton}
    content = {"info": info, "images": images, "annotations": annotations, "categories": [category]}
    Path(path).write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")


def _person(sequence: SkeletonSequence, pixels: np.ndarray, frame: int, person: int) -> dict:
    known, places = sequence.valid[frame, person], pixels[frame, person]
    flagged = np.where(known[:, None], places, 0.0).tolist()
    low, high = places[known].min(0), places[known].max(0)
    size = high - low
    fields = {
        "category_id": 1,
        "iscrowd": 0,
        "keypoints": [v for (x, y), seen in zip(flagged, known, strict=True) for v in (x, y, _LABELLED * int(seen))],
        "num_keypoints": int(known.sum()),
        "bbox": np.round([*low, *size], DECIMALS).tolist(),
        "area": round(float(prod(size)), DECIMALS),
    }
    if sequence.confidence is not None:
        scores = sequence.confidence[frame, person]
        fields["keypoint_scores"] = [round(float(score), 6) for score in scores]
        fields["score"] = round(float(scores[known].mean()), 6)
    return fields


def place_as_written(
    path: Path,
    detections: Sequence[Detection],
    info: dict,
    *,
    fps: float | None,
    frames: Sequence[int],
    label: str | None,
    source: str,
    notes: tuple[str, ...],
) -> SkeletonSequence:
    """A recording of ``write_coco`` in its own scale and place, each ``track_id`` a person, in their order.

    Raises:
        SkeletonFormatError: ``info`` without a usable scale.
    """
    scale, origin = info["pixels_per_metre"], info.get("origin")
    values = [scale, *(origin if isinstance(origin, list) else [])]
    if len(values) != 3 or not all(type(v) in (int, float) and abs(v) < 1e6 for v in values) or not scale > 0:
        expected = "a positive pixels_per_metre and an origin of two pixels"
        raise SkeletonFormatError(path, "info", short([scale, origin]), expected)
    if not detections:
        raise SkeletonFormatError(path, "annotations", "nobody", "at least one person")
    first, step, num_frames, more = time_axis(path, {*frames, *(detection.frame for detection in detections)})
    tracks = sorted({detection.track or 0 for detection in detections})
    shape = (num_frames, len(tracks), COCO_17.num_joints)
    check_size(path, prod(shape) * 12, f"{len(tracks)} persons in {num_frames} frames", limit=MAX_BYTES // 2)
    joints, confidence = np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)
    person_of = {track: person for person, track in enumerate(tracks)}
    for detection in detections:
        place = (detection.frame - first) // step, person_of[detection.track or 0]
        with np.errstate(over="ignore", invalid="ignore"):  # what this makes unusable is masked and noted further down
            joints[place][:, :2] = (np.array(values[1:]) - detection.points) / scale
        joints[place][:, 2] = DISTANCE
        confidence[place] = detection.confidence
    notes += (*more, f"scale and place as written: {scale:g} pixels per metre; {DISTANCE:g} m away, no depth")
    rate = (FPS if fps is None else fps) / step
    valid = confidence > 0
    return build_sequence(
        path, joints, rate, COCO_17, valid=valid, confidence=confidence, label=label, source=source, notes=notes
    )
