"""All metrics of many clips, as they are and after post-processing."""

from collections.abc import Callable, Sequence

import numpy as np

from skeletonllm.dance.body import Body, default_body
from skeletonllm.dance.body.adapters import BodyMesh
from skeletonllm.dance.metrics.performance import Performance
from skeletonllm.dance.metrics.registry import FEATURES, METRICS, SET_METRICS
from skeletonllm.dance.motion import FPS, Motion, resample
from skeletonllm.dance.postprocess import postprocess
from skeletonllm.evaluation.intervals import bootstrap_interval

FORMS: dict[str, Callable[[Motion, Body], Motion]] = {
    "raw": lambda motion, body: motion,
    "post_processed": postprocess,
}
"""What is measured of each clip, by name."""


def evaluate_motions(
    motions: Sequence[Motion],
    body: Body | None = None,
    beats: Sequence[np.ndarray | None] | None = None,
    *,
    reference: Sequence[Motion] | None = None,
    succeeded: Sequence[bool | None] | None = None,
    mesh: BodyMesh | None = None,
    legacy: bool = False,
    seed: int = 0,
    progress: Callable[[int], None] = lambda clips: None,
) -> dict:
    """Every metric of every clip, raw and after post-processing, at 30 frames per second.

    Args:
        motions: the clips.
        body: who dances. Default: the average body.
        beats: for each clip the beats of its music in seconds (``MusicFeatures.beat_times``), or None.
        reference: real clips, as they are, that FID and diversity are measured against.
        succeeded: for each clip whether a simulated body got through it, or None.
        mesh: the skin of the body (``body.adapters``); without one, pairs of triangles are not counted.
        legacy: measure as the scripts of the field do, defects included; each metric says which.
        seed: of the bootstrap.
        progress: told how many clips are done.

    Returns:
        Plain values for JSON: ``clips`` (names), ``legacy``, ``metrics`` by name with ``unit``, ``better`` and for each
        of ``FORMS`` ``per_clip`` (None where a clip has no such number), ``mean``, its 95 % bootstrap ``interval_95``
        over clips and their ``count``; and ``sets`` by name ("fid_kinetic") with a value for each of ``FORMS``,
        empty without a reference or with fewer than two clips.

    Raises:
        ValueError: no clips, lists of other lengths, or a clip that is too short.
    """
    body = default_body() if body is None else body
    if not motions:
        raise ValueError("no motions to evaluate")
    beats, succeeded = beats or [None] * len(motions), succeeded or [None] * len(motions)
    for what, given in (("beats", beats), ("succeeded", succeeded)):
        if len(given) != len(motions):
            raise ValueError(f"{what} of {len(given)} clips, expected {len(motions)}")
    measured = {form: {name: [] for name in METRICS} for form in FORMS}
    features = {form: {name: [] for name in FEATURES} for form in FORMS}
    for number, (motion, music, success) in enumerate(zip(motions, beats, succeeded, strict=True), start=1):
        motion = resample(motion, FPS)
        for form, prepare in FORMS.items():
            performance = Performance(prepare(motion, body), body, music, success, mesh)
            for name, metric in METRICS.items():
                measured[form][name].append(metric.measure(performance, legacy))
            for name, extract in FEATURES.items():
                features[form][name].append(extract(performance, legacy))
        progress(number)
    return {
        "clips": [motion.source for motion in motions],
        "legacy": legacy,
        "metrics": {
            name: {
                "unit": metric.legacy_unit if legacy else metric.unit,
                "better": metric.better,
                **{form: summarize(measured[form][name], seed) for form in FORMS},
            }
            for name, metric in METRICS.items()
        },
        "sets": _of_sets(features, reference, body, legacy) if reference and len(motions) > 1 else {},
    }


def summarize(per_clip: Sequence[float | None], seed: int = 0) -> dict:
    """``per_clip`` numbers, their ``mean`` over the clips that have one, its ``interval_95`` and their ``count``; the
    mean is None of no clips, the interval (Efron 1979, percentiles) of fewer than two."""
    values = np.array([value for value in per_clip if value is not None], np.float64)
    interval = list(bootstrap_interval(np.mean, values, seed=seed)) if len(values) > 1 else None
    mean = float(values.mean()) if len(values) else None
    return {"per_clip": list(per_clip), "mean": mean, "interval_95": interval, "count": len(values)}


def _of_sets(
    features: dict[str, dict[str, list[np.ndarray]]], reference: Sequence[Motion], body: Body, legacy: bool
) -> dict[str, dict[str, float]]:
    performances = [Performance(resample(motion, FPS), body) for motion in reference]
    found = {}
    for kind, extract in FEATURES.items():
        real = np.stack([extract(performance, legacy) for performance in performances])
        for name, measure in SET_METRICS.items():
            found[f"{name}_{kind}"] = {form: measure(np.stack(features[form][kind]), real, legacy) for form in FORMS}
    return found
