"""The generator as a policy: what its likelihoods and the rewards' own gradients say it should change."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from skeletonllm.dance.body import Body
from skeletonllm.dance.ddim import Trajectory, step_log_prob
from skeletonllm.dance.denoiser import Denoiser
from skeletonllm.dance.diffusion import Diffusion
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.rewards import Dances, Reward


class Lesson(NamedTuple):
    """What B dances teach in some of their denoising steps.

    Args:
        at: numbers of the steps.
        advantages: (B, T).
        log_probs: (len(at), B, T) when the dances were made.
        reference: means (len(at), B, T, C) of the generator as it was; None if nobody asks.
    """

    at: Sequence[int]
    advantages: Tensor
    log_probs: Tensor
    reference: Tensor | None


class Verdict(NamedTuple):
    """Scalars: the loss, and beside it the divergence from the generator as it was (zero if nobody asks) and how far
    the ratio of likelihoods is from 1, in the mean."""

    loss: Tensor
    divergence: Tensor
    drift: Tensor


def reinforce(log_probs: Tensor, advantages: Tensor) -> Tensor:
    """The loss whose gradient is the policy gradient of Williams (1992)."""
    return -(advantages * log_probs).mean()


def ppo(log_probs: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """The clipped loss of Schulman et al. (2017), of mean likelihoods as in DDPO."""
    ratio = (log_probs - old).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()


def gaussian_divergence(means: Tensor, reference: Tensor, deviation: float) -> Tensor:
    """(B, T): KL of Gaussians (B, T, C) of one deviation, the mean over the C channels, as likelihoods are."""
    return ((means.float() - reference.float()) / deviation).square().mean(-1) / 2


class Policy(nn.Module):
    """A denoiser together with what its losses need, so that an engine sees one model with one forward pass.

    Args:
        denoiser: what learns.
        normalizer, body: of the generator.
        clip: of PPO; None for REINFORCE.
        kl: weight of the divergence.
        direct: rewards whose own gradient is taken, with their weights.
        last_steps: of denoising that it is taken through.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        normalizer: Normalizer,
        body: Body,
        *,
        clip: float | None = None,
        kl: float = 0.0,
        direct: Mapping[Reward, float] | None = None,
        last_steps: int = 1,
    ):
        super().__init__()
        self.denoiser, self.normalizer, self.body, self.diffusion = denoiser, normalizer, body, Diffusion()
        self.clip, self.kl, self.direct, self.last_steps = clip, kl, dict(direct or {}), last_steps

    def forward(
        self, music: Tensor, trajectory: Trajectory, lesson: Lesson | None, dances: Dances | None = None
    ) -> Verdict:
        """What dances (B, T, C) to music (B, T, F) say: with a lesson by their likelihoods, else by the gradient of
        the ``direct`` rewards, for which ``dances`` tells all but the vectors."""
        if lesson is None:
            return self._directly(music, trajectory, dances)
        means = self.diffusion.step_means(self.denoiser, music, trajectory, lesson.at)
        with torch.autocast(music.device.type, enabled=False):
            deviations = [trajectory.steps[number].deviation for number in lesson.at]
            log_probs = torch.stack(
                [
                    step_log_prob(trajectory.states[number + 1], mean, deviation)
                    for number, mean, deviation in zip(lesson.at, means, deviations, strict=True)
                ]
            )
            if self.clip is None:
                loss = reinforce(log_probs, lesson.advantages)
            else:
                loss = ppo(log_probs, lesson.log_probs, lesson.advantages, self.clip)
            drift = (log_probs.detach() - lesson.log_probs).exp().sub(1).abs().mean()
            divergence = torch.zeros_like(loss)
            if lesson.reference is not None:
                apart = [
                    gaussian_divergence(mean, other, deviation)
                    for mean, other, deviation in zip(means, lesson.reference, deviations, strict=True)
                ]
                divergence = torch.stack(apart).mean()
            return Verdict(loss + self.kl * divergence, divergence.detach(), drift)

    def _directly(self, music: Tensor, trajectory: Trajectory, dances: Dances) -> Verdict:
        sample = self.diffusion.replay_end(self.denoiser, music, trajectory, self.last_steps)
        with torch.autocast(music.device.type, enabled=False):
            vectors = self.normalizer.denormalize(sample.float())
            seen = replace(dances, vectors=vectors)
            loss = -sum(weight * reward(seen).mean() for reward, weight in self.direct.items())
        return Verdict(loss, torch.zeros_like(loss), torch.zeros_like(loss))
