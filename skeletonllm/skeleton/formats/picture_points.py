"""One person's points in the pictures of a clip, made a recording."""

from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import SkeletonFormatError, as_doubles, build_sequence
from skeletonllm.skeleton.formats.detections import FPS, MAX_PIXELS
from skeletonllm.skeleton.placement import place_image
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topology import Topology

# Three quarters of an hour of 13 joints at 30 fps; clips of actions last seconds.
MAX_POINTS = 2**20


def build_from_points(
    path: Path,
    points: np.ndarray,
    topology: Topology,
    *,
    place: str,
    valid: np.ndarray | None = None,
    label: str | None = None,
    source: str | None = None,
    notes: tuple[str, ...] = (),
) -> SkeletonSequence:
    """A sequence of one person whose size in metres is that of an average body, at an assumed 30 frames per second.

    Args:
        path: the file, for messages.
        points: (T, J, 2) in one unit, x to the right of the picture, y down.
        topology: the J joints.
        place: where in the file the points stand, for messages.
        valid: optional (T, J) bool.
        label, source, notes: see SkeletonSequence.

    Raises:
        SkeletonFormatError: another shape, or no usable joint.
    """
    limit = MAX_POINTS // topology.num_joints
    if points.ndim != 3 or points.shape[1:] != (topology.num_joints, 2) or not 0 < len(points) <= limit:
        expected = f"(frames, {topology.num_joints}, 2) of 1 to {limit:,} frames"
        raise SkeletonFormatError(path, place, f"shape {points.shape}", expected)
    points = as_doubles(points)[:, None]
    valid = np.ones(points.shape[:3], dtype=bool) if valid is None else valid[:, None]
    with np.errstate(invalid="ignore"):
        near = (np.abs(points) <= MAX_PIXELS).all(-1)  # False for NaN too
    count = int((valid & ~near).sum())
    if count:
        notes += (f"{count} of {near.size} joints masked: coordinates that are no place in a picture",)
    with np.errstate(over="ignore", invalid="ignore"):  # what this makes unusable is masked by build_sequence
        placed = place_image(points, valid & near, topology)
    notes = (f"{FPS:g} frames per second assumed (the file does not say)", *notes, *placed.notes)
    return build_sequence(
        path, placed.joints, FPS, topology, valid=valid & near, label=label, source=source, notes=notes
    )
