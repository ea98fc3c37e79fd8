"""The metrics by name: of a clip, and of a set of clips beside real ones.

Installed packages bring further ones of a clip, each a ``Metric``, as entry points of the group
``skeletonllm.metrics``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skeletonllm.dance.metrics.beats import beat_alignment_dance, beat_alignment_music
from skeletonllm.dance.metrics.diversity import diversity
from skeletonllm.dance.metrics.fid import frechet_inception_distance
from skeletonllm.dance.metrics.foot_contact import physical_foot_contact
from skeletonllm.dance.metrics.freezing import freezing
from skeletonllm.dance.metrics.geometric import geometric_features
from skeletonllm.dance.metrics.ground import floating, foot_ground_distance, sinking
from skeletonllm.dance.metrics.kinetic import kinetic_features
from skeletonllm.dance.metrics.magnitude import motion_magnitude
from skeletonllm.dance.metrics.mesh_penetration import mesh_penetration
from skeletonllm.dance.metrics.penetration import penetration_depth, penetration_rate
from skeletonllm.dance.metrics.performance import Performance
from skeletonllm.dance.metrics.skating import foot_skating
from skeletonllm.dance.metrics.success import success_rate
from skeletonllm.skeleton.plugins import Registry

LOWER, HIGHER, NEITHER = "lower", "higher", "neither"


@dataclass(frozen=True)
class Metric:
    """A number of one clip.

    Args:
        measure: (performance, legacy) to the number, or None where the clip has none.
        unit: empty for a pure number.
        legacy_unit: of the legacy form.
        better: whether lower or higher is better, or neither.

    Raises:
        ValueError: ``better`` is none of the three.
    """

    measure: Callable[[Performance, bool], float | None]
    unit: str
    legacy_unit: str
    better: str

    def __post_init__(self):
        if self.better not in (LOWER, HIGHER, NEITHER):
            raise ValueError(f"better is {self.better!r}, expected {LOWER}, {HIGHER} or {NEITHER}")


_OURS: dict[str, Metric] = {
    "penetration_rate": Metric(penetration_rate, "pairs", "", LOWER),
    "penetration_depth": Metric(penetration_depth, "mm", "", LOWER),
    "mesh_penetration": Metric(mesh_penetration, "pairs", "pairs", LOWER),
    "foot_ground_distance": Metric(foot_ground_distance, "mm", "mm", LOWER),
    "sinking": Metric(sinking, "mm", "mm", LOWER),
    "floating": Metric(floating, "mm", "mm", LOWER),
    "physical_foot_contact": Metric(physical_foot_contact, "m²/s²", "", LOWER),
    "foot_skating": Metric(foot_skating, "%", "%", LOWER),
    "motion_magnitude": Metric(motion_magnitude, "1/s", "1/s", NEITHER),
    "freezing": Metric(freezing, "%", "", LOWER),
    "beat_alignment_music": Metric(beat_alignment_music, "", "", HIGHER),
    "beat_alignment_dance": Metric(beat_alignment_dance, "", "", HIGHER),
    "success_rate": Metric(success_rate, "%", "%", HIGHER),
}
METRICS = Registry("skeletonllm.metrics", "metric", lambda thing: isinstance(thing, Metric), _OURS)

FEATURES: dict[str, Callable[[Performance, bool], np.ndarray]] = {
    "kinetic": kinetic_features,
    "geometric": geometric_features,
}
"""Of one clip, from which the metrics of sets are made."""

SET_METRICS: dict[str, Callable[[np.ndarray, np.ndarray, bool], float]] = {
    "fid": frechet_inception_distance,
    "diversity": diversity,
}
"""Of the features (N, D) of the clips and (R, D) of real ones; each is measured on each kind of features."""
