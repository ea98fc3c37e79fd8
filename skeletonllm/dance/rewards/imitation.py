"""Whether a simulated body can dance it."""

import warnings

import torch
from torch import Tensor

from skeletonllm.dance.imitation import Judgement, JudgeWarning, judge
from skeletonllm.dance.motion import FPS
from skeletonllm.dance.rewards.dances import Dances
from skeletonllm.dance.rewards.registry import reward

WRENCH_WEIGHT = 0.1
"""Reward lost when the hand at the pelvis carries the whole weight of the body: the weight of the term for unwanted
help in the training of Skeleton2Stage's controller, which its own reward for dances leaves out."""


@reward()
def imitation(dances: Dances) -> Tensor:
    """(B, T) from 0 to 1: the four terms of how closely the body follows (``imitation.terms``), minus the help that it
    needs, but never less than nothing; zero from a fall on, and throughout where nothing can be simulated.

    The simulation starts in the first frame, which is given the reward of the second.

    Raises:
        ValueError: not 30 frames per second, at which bodies are simulated.
    """
    found = dances.vectors.new_zeros((len(dances), dances.frames))
    for row, judgement in zip(found, _judged(dances), strict=True):
        if len(judgement.rewards):
            row[1:] = torch.from_numpy((judgement.rewards - WRENCH_WEIGHT * judgement.force).clip(0)).to(row)
            row[0] = row[1]
    return found


@reward()
def imitation_paper(dances: Dances) -> Tensor:
    """(B,) from 0 to 1, as published: the mean over time of the four terms, whatever help the body needs; zero from a
    fall on. Raises as ``imitation`` does."""
    return dances.vectors.new_tensor([judgement.reward for judgement in _judged(dances)])


def _judged(dances: Dances) -> list[Judgement]:
    if dances.fps != FPS:
        raise ValueError(f"dances have {dances.fps:g} frames per second, expected {FPS:g} to simulate them")
    with warnings.catch_warnings():
        # One for each dance, in each iteration of a training, would be in the way of everything else.
        warnings.simplefilter("ignore", JudgeWarning)
        judgements = judge(list(dances.vectors.detach()), dances.body)
    lost = [judgement for judgement in judgements if judgement.problem]
    if lost:
        first = f"{lost[0].source}: {lost[0].problem}"
        warnings.warn(
            f"{len(lost)} of {len(dances)} dances could not be simulated to the end; {first}",
            JudgeWarning,
            stacklevel=2,
        )
    return judgements
