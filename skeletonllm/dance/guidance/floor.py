"""The guidance of Skeleton2Stage (Jia et al. 2026), as their released code does it: standing bodies on their floor."""

from dataclasses import dataclass

import torch
from torch import Tensor

from skeletonllm.dance.ddim import Step
from skeletonllm.dance.guidance.setting import Setting
from skeletonllm.dance.motion import ROOT

# How much of the contact so far is kept in each frame; above which it begins and below which it ends, and the frames
# that it is there, or is not, at least.
_KEPT, _BEGINS, _ENDS, _SHORTEST = 0.85, 0.8, 0.7, 2
_HEIGHT = ROOT.stop - 1


@dataclass(frozen=True)
class FloorGuidance:
    """At the last step the pelvis is moved in height by a few steps of gradient descent on the sum over the frames of
    (h - floor)², h being the height of the lowest joint: in frames that are below the floor, or above it with a foot
    that stands by the model's own contacts. The floor is the mean of h over all that is danced, found anew each time.
    So it cannot be missed as a whole, and feet that sink while others float are met halfway.

    A step is as long as the variance of the diffusion's own posterior, times ``scale``; how far that moves a body
    depends on the range of heights that the model was normalised by.

    Raises:
        ValueError: numbers that are not positive.
    """

    iterations: int = 10
    scale: float = 2000.0
    steps: int = 1

    def __post_init__(self):
        if min(self.steps, self.iterations) < 1 or not self.scale > 0:
            found = f"{self.steps} steps of {self.iterations} iterations at scale {self.scale}"
            raise ValueError(f"guidance at {found}, expected positive numbers")

    def __call__(self, clean: Tensor, step: Step, left: int, setting: Setting) -> Tensor:
        rate = self.scale * posterior_variance(setting, step)
        guided = clean.detach().clone()
        stands, somewhere = None, clean.new_zeros(len(clean))
        for _ in range(self.iterations):
            with torch.enable_grad():
                guided.requires_grad_()
                dances = setting.dances(guided, floor=somewhere)
                lowest = dances.joints[..., 2].amin(-1)
                floor = lowest.detach().mean() if setting.long else lowest.detach().mean(1, keepdim=True)
                if stands is None:  # heights alone are changed, contacts never
                    stands = standing(dances.contacts.detach().amax(-1))
                wrong = (lowest < floor) | (stands & (lowest > floor))
                loss = torch.where(wrong, lowest - floor, 0.0).square().sum()
                (gradient,) = torch.autograd.grad(loss, guided)
            guided = guided.detach()
            guided[..., _HEIGHT] -= rate * gradient[..., _HEIGHT]
        return guided


def posterior_variance(setting: Setting, step: Step) -> float:
    """Of the diffusion's one step down from where a step of sampling begins: Ho et al. 2020, equation 7."""
    here = step.alpha_bar
    # There the posterior is certain; released codes take the time before in its place.
    below = setting.alpha_bars[max(step.time, 1) - 1]
    return float((1 - here / below) * (1 - below) / (1 - here))


def standing(contact: Tensor) -> Tensor:
    """(B, T) bool, from how surely (B, T) something stands: a running mean, which begins and ends at levels apart."""
    found = torch.zeros(contact.shape, dtype=torch.bool)
    smoothed, stands = contact[:, 0].cpu(), torch.zeros(len(contact), dtype=torch.bool)
    since = torch.zeros(len(contact), dtype=torch.int64)
    for frame, heard in enumerate(contact.cpu().unbind(1)):
        smoothed = _KEPT * smoothed + (1 - _KEPT) * heard
        wants = torch.where(stands, smoothed >= _ENDS, smoothed > _BEGINS)
        turns = (wants != stands) & (since >= _SHORTEST)
        stands = stands ^ turns
        since = torch.where(turns, 1, since + 1)
        found[:, frame] = stands
    return found.to(contact.device)
