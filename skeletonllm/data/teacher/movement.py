"""Which parts of a body moved, measured on the joints: what a rationale is held against."""

import numpy as np

from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topology import Topology

TORSO, HEAD = "torso", "head"
SIDES = ("left", "right")
LIMBS = ("arm", "leg")
PARTS = (*(f"{side} {limb}" for limb in LIMBS for side in SIDES), TORSO, HEAD)

# What of a limb is followed: its middle joint, and the mean of what lies beyond. Shoulders and hips go with the torso.
_STRETCHES = {"arm": (("upper_arm",), ("forearm", "hand")), "leg": (("thigh",), ("shin", "foot"))}
# The median over this time takes half of a sensor's jitter (about 1 cm at 30 fps) away, and bodies lost for a frame.
SMOOTHING_SECONDS = 0.17
# Extents are between these percentiles over the frames, so that a joint lost for longer is no motion either.
_OUTLIERS = (3, 97)


def movements(sequence: SkeletonSequence) -> dict[str, float]:
    """How far each part went, for the person who moved it most.

    Args:
        sequence: of any topology.

    Returns:
        For each of ``PARTS`` that is known in at least two frames, the diagonal of the box around its way, as a share
        of the body's size (the diagonal of the box around all joints, the median over frames). The way of a limb is
        that of its middle joint or of its end, the torso's that of one of its joints, whichever goes further.
    """
    found: dict[str, float] = {}
    width = max(1, round(SMOOTHING_SECONDS * sequence.fps))
    followed = _followed(sequence.topology)
    for person in range(sequence.num_persons):
        joints, valid = sequence.joints[:, person].astype(np.float64), sequence.valid[:, person]
        size = _size(joints, valid)
        if not size > 0:
            continue
        for part, indices in followed:
            known = valid[:, indices].all(1)
            if known.sum() > 1:
                way = _smooth(joints[known][:, indices].mean(1), width)
                low, high = np.percentile(way, _OUTLIERS, axis=0)
                found[part] = max(found.get(part, 0.0), float(np.linalg.norm(high - low)) / size)
    return found


def _followed(topology: Topology) -> list[tuple[str, list[int]]]:
    """(part, joints whose mean is followed), several for a part; those without joints are left out."""

    def joints(parts: tuple[str, ...], side: str | None = None) -> list[int]:
        rows = enumerate(zip(topology.parts, topology.sides, strict=True))
        return [index for index, (part, found) in rows if part in parts and side in (None, found)]

    followed = [(TORSO, [index]) for index in joints((TORSO,))] + [(HEAD, joints((HEAD,)))]
    for limb, stretches in _STRETCHES.items():
        followed += [(f"{side} {limb}", joints(parts, side)) for side in SIDES for parts in stretches]
    return [(part, indices) for part, indices in followed if indices]


def _size(joints: np.ndarray, valid: np.ndarray) -> float:
    """The median over frames of the diagonal of the box around (T, J, 3) joints; 0 where nobody is."""
    seen = valid.any(1)
    if not seen.any():
        return 0.0
    known = np.where(valid[seen][..., None], joints[seen], np.nan)
    return float(np.median(np.linalg.norm(np.nanmax(known, 1) - np.nanmin(known, 1), axis=-1)))


def _smooth(way: np.ndarray, width: int) -> np.ndarray:
    """The running median of (T, 3) over ``width`` frames, as far as there are so many."""
    windows = np.lib.stride_tricks.sliding_window_view(way, min(width, len(way)), axis=0)
    return np.median(windows, axis=-1)
