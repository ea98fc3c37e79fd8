"""What is measured of each dance of a comparison: the metrics, what the judge says, and beats of other songs."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skeletonllm.dance.body import Body
from skeletonllm.dance.imitation import JudgeWarning, judge
from skeletonllm.dance.metrics import FEATURES, FORMS, METRICS, Performance
from skeletonllm.dance.metrics.matching import ALIGNMENTS
from skeletonllm.dance.metrics.registry import HIGHER, LOWER, NEITHER
from skeletonllm.dance.motion import FPS, Motion, resample


@dataclass(frozen=True)
class Measure:
    """A number of one dance.

    Args:
        title: in tables.
        unit: empty for a pure number.
        better: whether lower or higher is better, or neither.
        least: smaller means are as good as zero, and no change is told of them in percent.
    """

    title: str
    unit: str
    better: str
    least: float = 0.0


_OTHER = "_other_songs"
# Ten of them, in millimetres: what is left of feet that are put on the floor.
_MICROMETRES = 0.01
MEASURES: dict[str, Measure] = {
    "penetration_rate": Measure("overlapping pairs", "", LOWER),
    "penetration_depth": Measure("overlap, depth", "mm", LOWER, _MICROMETRES),
    "foot_ground_distance": Measure("FGD", "mm", LOWER, _MICROMETRES),
    "sinking": Measure("sinking", "mm", LOWER, _MICROMETRES),
    "floating": Measure("floating", "mm", LOWER, _MICROMETRES),
    "physical_foot_contact": Measure("PFC", "m²/s²", LOWER, 1e-6),
    "foot_skating": Measure("skating", "%", LOWER),
    "success_rate": Measure("success", "%", HIGHER),
    "imitation_reward": Measure("imitation", "", HIGHER),
    "wrench_used": Measure("help, of weight", "%", LOWER),
    "motion_magnitude": Measure("magnitude", "1/s", NEITHER),
    "freezing": Measure("freezing", "%", LOWER),
    "beat_alignment_music": Measure("beats of music", "", HIGHER),
    f"beat_alignment_music{_OTHER}": Measure("with other songs", "", NEITHER),
    "beat_alignment_dance": Measure("beats of dance", "", HIGHER),
    f"beat_alignment_dance{_OTHER}": Measure("with other songs", "", NEITHER),
}
"""By name, in the order of tables. What the judge says is of its level 0, see ``imitation.judge``."""

LEGACY = ("foot_ground_distance", "physical_foot_contact", "motion_magnitude", "beat_alignment_music")
"""What is measured as the scripts of the field do, too."""

_PERCENT = 100.0


def measure(dance: Motion, body: Body, beats: Sequence[np.ndarray], own: int) -> dict:
    """Everything that one dance tells, as it is and post-processed, at 30 frames per second.

    Args:
        dance: to one of the songs.
        body: who dances.
        beats: of all songs, seconds.
        own: number of the dance's song.

    Returns:
        Plain values for JSON: for each of ``FORMS`` the ``measures`` by name, None where the dance has no such number
        (of beats of other songs: where there is no other song), ``legacy`` by name, and ``features`` by kind.

    Raises:
        ValueError: a dance that is too short.
    """
    dance = resample(dance, FPS)
    prepared = {form: prepare(dance, body) for form, prepare in FORMS.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", JudgeWarning)  # a dance that cannot be simulated has not succeeded
        judged = judge(list(prepared.values()), body)
    found = {}
    for (form, motion), judgement in zip(prepared.items(), judged, strict=True):
        performance = Performance(motion, body, beats[own], judgement.success)
        measures = {name: METRICS[name].measure(performance, False) for name in MEASURES if name in METRICS}
        measures["imitation_reward"] = judgement.reward
        measures["wrench_used"] = None if judgement.simulated is None else _PERCENT * judgement.wrench_used
        others = [Performance(motion, body, each) for number, each in enumerate(beats) if number != own]
        for name, alignment in ALIGNMENTS.items():
            # As in ``match_beats``: a dance without beats is with none of them.
            aligned = [alignment(other) or 0.0 for other in others]
            measures[name + _OTHER] = float(np.mean(aligned)) if aligned else None
        found[form] = {
            "measures": {name: measures[name] for name in MEASURES},
            "legacy": {name: METRICS[name].measure(performance, True) for name in LEGACY},
            "features": {kind: extract(performance, False).tolist() for kind, extract in FEATURES.items()},
        }
    return found
