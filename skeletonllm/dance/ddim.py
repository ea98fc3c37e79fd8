"""Denoising diffusion implicit models (Song et al. 2021): noise schedule, steps, and how likely each step was.

The scheduler of ``diffusers`` takes the same steps but gives only the sample, not the mean and deviation it was drawn
with, without which there is no likelihood; and takes each step's successor from a stride instead of the plan.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# Nichol and Dhariwal 2021, equation 17, and the limit of beta next to it.
_COSINE_OFFSET, _LARGEST_BETA = 0.008, 0.999


def cosine_alpha_bars(steps: int) -> np.ndarray:
    """(steps,) float64: the share of the dance in the variance at each diffusion time, falling from near 1 to near 0.

    Raises:
        ValueError: fewer than one step.
    """
    if steps < 1:
        raise ValueError(f"a diffusion of {steps} steps, expected at least 1")
    angles = (np.arange(steps + 1) / steps + _COSINE_OFFSET) / (1 + _COSINE_OFFSET) * np.pi / 2
    squared = np.cos(angles) ** 2
    betas = np.minimum(1 - squared[1:] / squared[:-1], _LARGEST_BETA)
    return np.cumprod(1 - betas)


class Step(NamedTuple):
    """One step of sampling: from diffusion ``time``, with ``alpha_bar``, to where it is ``following``, 1 at the end;
    ``deviation`` is that of the noise added."""

    time: int
    alpha_bar: float
    following: float
    deviation: float


def plan_steps(alpha_bars: np.ndarray, steps: int, eta: float) -> tuple[Step, ...]:
    """Steps at equal distances in time, the first from pure noise; the last adds no noise.

    Args:
        alpha_bars: (T,).
        steps: how many, at most T.
        eta: how much noise each adds, as a share of what the diffusion itself would (Song et al., equation 16).

    Raises:
        ValueError: a number of steps or an eta out of range.
    """
    if not 1 <= steps <= len(alpha_bars):
        raise ValueError(f"{steps} steps of sampling, expected from 1 to {len(alpha_bars)}")
    if not 0 <= eta <= 1:
        raise ValueError(f"eta is {eta}, expected from 0 to 1")
    times = np.linspace(len(alpha_bars) - 1, -1, steps + 1).round().astype(int).tolist()
    planned = []
    for time, after in zip(times[:-1], times[1:], strict=True):
        alpha_bar = float(alpha_bars[time])
        following = float(alpha_bars[after]) if after >= 0 else 1.0
        deviation = eta * math.sqrt((1 - alpha_bar / following) * (1 - following) / (1 - alpha_bar))
        planned.append(Step(time, alpha_bar, following, deviation))
    return tuple(planned)


def step_mean(noisy: Tensor, clean: Tensor, step: Step) -> Tensor:
    """Where a step leads before its noise is added: equation 12 of Song et al., for a network that predicts x0.

    Args:
        noisy: (B, T, C) before the step.
        clean: (B, T, C) without noise, as predicted.
    """
    noise = (noisy - math.sqrt(step.alpha_bar) * clean) / math.sqrt(1 - step.alpha_bar)
    # With eta 1 the difference is as small as the rounding of its terms where all is noise.
    rest = math.sqrt(max(0.0, 1 - step.following - step.deviation**2))
    return math.sqrt(step.following) * clean + rest * noise


def step_log_prob(drawn: Tensor, mean: Tensor, deviation: float) -> Tensor:
    """(B, T): the logarithm of the Gaussian density of (B, T, C) drawn numbers, the mean over the C channels."""
    scaled = (drawn.float() - mean.float()) / deviation
    return (-0.5 * scaled**2).mean(-1) - math.log(deviation) - 0.5 * math.log(2 * math.pi)


class Trajectory(NamedTuple):
    """How a sample came about, all that is needed to judge it again.

    Args:
        states: (S + 1, B, T, C): pure noise, then what each of S steps led to; the last is the sample.
        steps: S of them.
        guidance: S weights.
        means: (S, B, T, C): where each step led before its noise was added.
    """

    states: Tensor
    steps: tuple[Step, ...]
    guidance: tuple[float, ...]
    means: Tensor

    @property
    def sample(self) -> Tensor:
        """(B, T, C)."""
        return self.states[-1]

    @property
    def noisy(self) -> list[int]:
        """The numbers of the R steps that add noise: all but the last, none with eta 0."""
        return [number for number, step in enumerate(self.steps) if step.deviation > 0]

    @property
    def noises(self) -> Tensor:
        """(S, B, T, C): what each step added."""
        return self.states[1:] - self.means

    @property
    def log_probs(self) -> Tensor:
        """(R, B, T) of the steps that add noise. As ``step_log_prob``: times C it is the density's logarithm."""
        found = [
            step_log_prob(self.states[number + 1], self.means[number], self.steps[number].deviation)
            for number in self.noisy
        ]
        return torch.stack(found) if found else self.states.new_zeros(0, *self.states.shape[1:3])


def gaussian(shape: torch.Size | tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    """Standard normal numbers, float32, drawn where the generator lives and moved to where ``like`` is."""
    return torch.randn(shape, generator=generator, device=generator.device).to(like.device)
