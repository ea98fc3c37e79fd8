"""Climbing: numbers changed along a gradient as far as it makes things better, and no further."""

from collections.abc import Callable

import torch
from torch import Tensor

# Of each step, how much goes on in the next; and how the length of the next follows from whether this one was good.
_MOMENTUM, _LONGER, _SHORTER = 0.9, 1.2, 0.5


def ascend(
    start: Tensor,
    gain: Callable[[Tensor], Tensor],
    *,
    iterations: int,
    rate: float,
    shape: Callable[[Tensor], Tensor] = lambda gradient: gradient,
    together: bool = False,
) -> Tensor:
    """Clips whose gain is larger, never smaller: gradient ascent with momentum that starts again when it overshoots.

    A step is what is left of the one before, and the gradient, made so long that its largest number is the length of
    the step. It is taken by those clips alone that gain by it; they go faster the next time, the others stop and try
    half the length. So the first length matters little, nor does the unit of the gain.

    Args:
        start: (B, T, C) in [-1, 1], where the result stays, too.
        gain: (B,) of (B, T, C), differentiable: what is to become larger.
        iterations: steps tried.
        rate: length of the first.
        shape: of gradients (B, T, C), what of them is followed.
        together: whether the clips are parts of one, so that all of them take a step or none.
    """

    def look(clips: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            clips = clips.detach().requires_grad_()
            gains = gain(clips)
            if together:
                gains = gains.sum().expand(len(clips))
            (gradient,) = torch.autograd.grad(gains.sum(), clips)
        gradient = shape(torch.nan_to_num(gradient, 0.0, 0.0, 0.0))
        largest = gradient.abs().amax((0, 1, 2) if together else (1, 2), keepdim=True)
        return gains.detach(), gradient / largest.clamp_min(torch.finfo(gradient.dtype).tiny)

    clips, (gains, along) = start.detach(), look(start)
    length, way = torch.full_like(gains, rate), torch.zeros_like(clips)
    for _ in range(iterations):
        step = _MOMENTUM * way + length[:, None, None] * along
        tried = (clips + step).clamp(-1, 1)
        found, onwards = look(tried)
        better = found > gains
        chosen = better[:, None, None]
        clips, along, way = (
            torch.where(chosen, *pair) for pair in ((tried, clips), (onwards, along), (step, torch.zeros_like(way)))
        )
        gains = torch.where(better, found, gains)
        length = length * torch.where(better, _LONGER, _SHORTER)
    return clips
