"""Dances that a policy makes to learn from, and what they are worth."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skeletonllm.dance.ddim import Trajectory
from skeletonllm.dance.denoiser import Denoiser
from skeletonllm.dance.finetuning.policy import Policy
from skeletonllm.dance.finetuning.recipe import Sampling
from skeletonllm.dance.motion import NUM_ROTATIONS, ROTATIONS, VECTOR_SIZE
from skeletonllm.dance.rewards import Dances, Reward
from skeletonllm.dance.rewards.anti_freezing import energy


@dataclass
class Microbatch:
    """What a rank dances to at once, on the CPU.

    Args:
        music: (B, T, F) as the denoiser takes it.
        rows: of the B dances among those of the iteration.
        conditions: numbers of the clips of music among those that are danced to.
        beats: of each clip, in seconds.
        ids: of the dances.
        seed: of their noise.
    """

    music: Tensor
    rows: list[int]
    conditions: list[int]
    beats: list[np.ndarray | None]
    ids: list[str]
    seed: int


@dataclass
class Rollout:
    """A microbatch that was danced.

    Args:
        batch: what to.
        trajectory: how.
        dances: what came of it, on the CPU; rewards see a body at rest in place of a dance that is not finite, whose
            likelihoods keep the step from being taken.
        rewards: (B,) or (B, T) float64 by name.
        advantages: (B, T).
    """

    batch: Microbatch
    trajectory: Trajectory
    dances: Dances
    rewards: dict[str, Tensor]
    advantages: Tensor | None = None


@torch.no_grad()
def collect(
    policy: Policy,
    reference: Denoiser,
    batches: Iterable[Microbatch],
    rewards: Sequence[Reward],
    sampling: Sampling,
    fps: float,
    device: torch.device,
    precision: AbstractContextManager,
) -> list[Rollout]:
    """Dance, and judge what was danced while the next microbatch is danced.

    Args:
        policy: who dances.
        reference: the denoiser before it was fine-tuned, which makes its dances of the same noise.
        batches: what to.
        rewards: what is judged.
        sampling: how it is danced.
        fps: frames per second.
        device: where the denoisers are.
        precision: autocast, the same in which the policy learns, so that likelihoods are the same then.
    """
    settings = {"steps": sampling.steps, "eta": sampling.eta, "guidance": sampling.guidance}
    with ThreadPoolExecutor(1, thread_name_prefix="rewards") as judges:
        danced = []
        for batch in batches:
            music = batch.music.to(device)
            noises = [torch.Generator().manual_seed(batch.seed) for _ in range(2)]
            with precision:
                was = policy.diffusion.ddim_sample(reference, music, generator=noises[0], **settings)
                trajectory = policy.diffusion.ddim_sample(
                    policy.denoiser, music, generator=noises[1], return_trajectory=True, **settings
                )
            before, vectors = (
                _finite(policy.normalizer.denormalize(s.float().cpu())) for s in (was, trajectory.sample)
            )
            moved = energy(Dances(before, policy.body, fps))
            dances = Dances(vectors, policy.body, fps, batch.beats, moved, before)
            danced.append((batch, trajectory, dances, judges.submit(judge_dances, dances, rewards)))
        return [Rollout(batch, trajectory, dances, found.result()) for batch, trajectory, dances, found in danced]


def _finite(vectors: Tensor) -> Tensor:
    """Dances (B, T, 151), with a body at rest in place of those that are not finite."""
    finite = torch.isfinite(vectors).all(-1).all(-1)
    return torch.where(finite[:, None, None], vectors, _at_rest())


def _at_rest() -> Tensor:
    """(151,): the T-pose."""
    vector = torch.zeros(VECTOR_SIZE)
    vector[ROTATIONS] = torch.tensor([1.0, 0, 0, 0, 1, 0]).repeat(NUM_ROTATIONS // 6)
    return vector


@torch.no_grad()
def judge_dances(dances: Dances, rewards: Sequence[Reward]) -> dict[str, Tensor]:
    """What dances are worth, (B,) or (B, T) float64 by name."""
    return {reward.name: reward(dances).double().cpu() for reward in rewards}


def gather(rollouts: Sequence[Rollout], total: int, sum_over_ranks) -> Mapping[str, Tensor]:
    """The rewards of all dances of an iteration, those of other ranks included, by name.

    Args:
        rollouts: of this rank.
        total: dances of all ranks.
        sum_over_ranks: of a tensor, as ``Ranks.sum``.
    """
    shapes = {name: values.shape[1:] for name, values in rollouts[0].rewards.items()}
    found = {}
    for name, shape in shapes.items():
        everyone = torch.zeros(total, *shape, dtype=torch.float64)
        for rollout in rollouts:
            everyone[rollout.batch.rows] = rollout.rewards[name]
        found[name] = sum_over_ranks(everyone)  # what others have is zero here
    return found
