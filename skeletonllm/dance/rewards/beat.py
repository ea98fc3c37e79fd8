"""Dances that are slowest where the music has its beats."""

from torch import Tensor

from skeletonllm.dance.metrics.beats import beat_alignment_dance, beat_alignment_music
from skeletonllm.dance.metrics.performance import Performance
from skeletonllm.dance.rewards.dances import Dances
from skeletonllm.dance.rewards.registry import reward


@reward()
def beat(dances: Dances) -> Tensor:
    """(B,) from 0 to 1: the harmonic mean of both beat alignments (``metrics.beats``). That over the beats of the music
    is raised by many beats of the dance, that over those of the dance by few; this by neither. Without music it is 0.

    Raises:
        ValueError: nobody knows the beats of any dance, or a number of a dance is not finite.
    """
    if dances.beats is None:
        raise ValueError("beat: expected the beats of the music (Dances.beats), found none")
    return dances.vectors.new_tensor(
        [
            _alignment(Performance(motion, dances.body, music))
            for motion, music in zip(dances.motions, dances.beats, strict=True)
        ]
    )


def _alignment(performance: Performance) -> float:
    music, dance = beat_alignment_music(performance), beat_alignment_dance(performance)
    return 2 * music * dance / (music + dance) if music and dance else 0.0
