"""Facts about two people, measured on their joints like those of ``skeletonllm.skeleton.kinematic_facts``."""

from collections.abc import Callable

import numpy as np

from skeletonllm.skeleton.body_tracks import BodyTracks
from skeletonllm.skeleton.kinematics import normalize


def _nearest(first: BodyTracks, second: BodyTracks) -> np.ndarray:
    """(T,) metres from the hands of each to the nearest landmark of the other."""
    gaps = []
    for one, other in ((first, second), (second, first)):
        marks = [other.pair(name) for name in ("shoulder", "elbow", "wrist", "hip") if other.pair(name) is not None]
        marks = np.concatenate([*marks, (other.middle("shoulder") + other.middle("hip"))[None] / 2])
        gaps.append(np.linalg.norm(one.pair("wrist")[:, None] - marks[None], axis=-1).min((0, 1)))
    return np.minimum(*gaps)


def touch(first: BodyTracks, second: BodyTracks) -> str | None:
    """Whether one touches the other with a hand: touch, or no hand ever comes near the other (apart)."""
    if first.flat:
        return None
    gap = np.percentile(_nearest(first, second), 4) / max(first.trunk, second.trunk)
    return "touch" if gap < 0.5 else "apart" if gap > 1.0 else None


def _gap(first: BodyTracks, second: BodyTracks) -> np.ndarray:
    between = first.middle("hip") - second.middle("hip")
    return np.linalg.norm(between * [1.0, 0.0, 1.0], axis=-1) / first.trunk


def distance(first: BodyTracks, second: BodyTracks) -> str | None:
    """What the space between two people does: grow, shrink, stay."""
    gap = _gap(first, second)
    start, end = first.ends(gap)
    if np.ptp(gap) < 0.4:
        return "stay"
    return ("grow" if end > start else "shrink") if abs(end - start) > 0.6 else None


def facing(first: BodyTracks, second: BodyTracks) -> str | None:
    """How two people stand at first: face to face, back to back; only in space."""
    if first.flat:
        return None
    towards = normalize((first.ends(second.middle("hip"))[0] - first.ends(first.middle("hip"))[0]) * [1.0, 0.0, 1.0])
    looks = [first.ends(first.forward)[0] @ towards, -second.ends(second.forward)[0] @ towards]
    return "face" if min(looks) > 0.5 else "back" if max(looks) < -0.5 else None


def parting(first: BodyTracks, second: BodyTracks) -> str | None:
    """Why the space between two people grows, if it does: one touches the other (touch), or they walk away (walk)."""
    if distance(first, second) != "grow":
        return None
    gap = _gap(first, second)
    before = int(np.argmax(gap > gap.min() + 0.5 * (gap[-1] - gap.min())))
    near = np.percentile(_nearest(first, second)[: max(1, before)], 4) / max(first.trunk, second.trunk)
    return "touch" if near < 0.5 else "walk" if near > 0.75 else None


TOGETHER: dict[str, Callable[[BodyTracks, BodyTracks], str | None]] = {
    tell.__name__: tell for tell in (touch, distance, facing, parting)
}
