"""Guidance by rewards: predicted dances are changed so that differentiable rewards of them rise."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from skeletonllm.dance.ddim import Step
from skeletonllm.dance.guidance.ascent import ascend
from skeletonllm.dance.guidance.setting import Setting
from skeletonllm.dance.motion import ROOT, ROTATIONS, VECTOR_SIZE
from skeletonllm.dance.rewards import find_rewards
from skeletonllm.dance.rewards.anti_freezing import energy

CHANNELS = {"height": (slice(ROOT.stop - 1, ROOT.stop),), "root": (ROOT,), "all": (ROOT, ROTATIONS)}
"""What may be changed, by name: the height of the pelvis, its place, or the pose as well. Contacts are said by the
model: rewards that ask them could be had by saying something else."""

# Seconds: of the Gaussian under which changes are the same. Frames that are changed each by itself make dances tremble.
_SMOOTHING = 2 / 30


@dataclass(frozen=True, eq=False)
class RewardGuidance:
    """Gradient ascent on the weighted sum of rewards, at the last steps of sampling; see ``ascent.ascend``.

    Changes are smooth in time. Windows of a long dance climb together.

    Args:
        weights: of rewards that are differentiable, by name.
        steps: how many of the last steps.
        iterations: of the ascent at each of them.
        rate: length of its first step, of the range [-1, 1] of each number.
        channels: a name of ``CHANNELS``.

    Raises:
        ValueError: no rewards, unknown ones or some that are not differentiable, weights that are not positive, or
            other numbers out of range.
    """

    weights: Mapping[str, float]
    steps: int = 1
    iterations: int = 30
    rate: float = 0.01
    channels: str = "all"

    def __post_init__(self):
        if not self.weights:
            raise ValueError("guidance by no reward, expected one at least")
        for name, reward in find_rewards(self.weights).items():
            if not reward.differentiable:
                raise ValueError(f"reward {name!r} is not differentiable, so that it guides nowhere")
            if not 0 < self.weights[name] < float("inf"):
                raise ValueError(f"reward {name!r} has weight {self.weights[name]}, expected a positive number")
        if min(self.steps, self.iterations) < 1 or not self.rate > 0:
            found = f"{self.steps} steps of {self.iterations} iterations at rate {self.rate}"
            raise ValueError(f"guidance at {found}, expected positive numbers")
        if self.channels not in CHANNELS:
            raise ValueError(f"channels are {self.channels!r}, expected one of {', '.join(CHANNELS)}")

    def __call__(self, clean: Tensor, step: Step, left: int, setting: Setting) -> Tensor:
        rewards = find_rewards(self.weights)
        changed = torch.zeros(VECTOR_SIZE, dtype=torch.bool, device=clean.device)
        for part in CHANNELS[self.channels]:
            changed[part] = True

        times = torch.arange(clean.shape[1]).to(clean) / setting.fps
        near = torch.exp(-((times[:, None] - times) / _SMOOTHING).square() / 2)
        near = near / near.sum(1, keepdim=True)
        floor = setting.floor(clean)
        # They are to move as much as the model has them move.
        kept = energy(setting.dances(clean, floor=floor))

        def gain(clips: Tensor) -> Tensor:
            dances = setting.dances(clips, floor=floor, energy=kept)
            found = {name: reward(dances).reshape(len(clips), -1).mean(1) for name, reward in rewards.items()}
            for name, values in found.items():
                if not values.requires_grad:
                    raise ValueError(f"reward {name!r} gives no gradient, though it is said to be differentiable")
            return sum(self.weights[name] * values for name, values in found.items())

        def shape(gradient: Tensor) -> Tensor:
            return setting.agree(near @ torch.where(changed, gradient, 0.0))

        return ascend(clean, gain, iterations=self.iterations, rate=self.rate, shape=shape, together=setting.long)
