"""Whether dances go with their own music: their beat alignment beside that of the same dances with other music."""

from collections.abc import Sequence

import numpy as np

from skeletonllm.dance.body import Body
from skeletonllm.dance.metrics.beats import beat_alignment_dance, beat_alignment_music
from skeletonllm.dance.metrics.performance import Performance
from skeletonllm.dance.motion import Motion
from skeletonllm.evaluation.intervals import bootstrap_interval

ALIGNMENTS = {"beat_alignment_music": beat_alignment_music, "beat_alignment_dance": beat_alignment_dance}


def match_beats(dances: Sequence[Motion], beats: Sequence[np.ndarray], body: Body, seed: int = 0) -> dict[str, dict]:
    """The beat alignment of dances with their own songs and with each other's.

    A song as fast as the dance's own matches by chance what a dance to any music would; only the difference tells
    whether the music was heard.

    Args:
        dances: N, two at least.
        beats: of the song of each, seconds.
        body: who dances.
        seed: of the bootstrap.

    Returns:
        For each of ``ALIGNMENTS`` the means over dances ``own``, ``other`` (over all the other songs) and
        ``difference``, each as ``value`` and 95 % bootstrap ``interval_95`` over dances.

    Raises:
        ValueError: fewer than two dances, or not as many songs.
    """
    if len(dances) < 2 or len(beats) != len(dances):
        raise ValueError(f"{len(dances)} dances and {len(beats)} songs, expected as many songs as dances, two or more")
    performances = [[Performance(dance, body, music) for music in beats] for dance in dances]
    found = {}
    for name, measure in ALIGNMENTS.items():
        table = np.array([[measure(one) or 0.0 for one in row] for row in performances])
        own = table.diagonal()
        other = (table.sum(1) - own) / (len(dances) - 1)
        found[name] = {
            what: {"value": float(values.mean()), "interval_95": list(bootstrap_interval(np.mean, values, seed=seed))}
            for what, values in (("own", own), ("other", other), ("difference", own - other))
        }
    return found
