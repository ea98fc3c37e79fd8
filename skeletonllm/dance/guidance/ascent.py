"""Climbing: numbers changed along a gradient as far as it makes things better, and no further."""

from collections.abc import Callable

import torch
from torch import Tensor

# How the length of the next step follows from whether this one was good.
_LONGER, _SHORTER = 1.5, 0.5


def ascend(
    start: Tensor,
    gain: Callable[[Tensor], Tensor],
    *,
    iterations: int,
    rate: float,
    shape: Callable[[Tensor], Tensor] = lambda gradient: gradient,
    together: bool = False,
) -> Tensor:
    """Clips whose gain is larger, never smaller.

    A step goes along the gradient, as far as changes its most changed number by its length. It is taken by those clips
    alone that gain by it; theirs is half as long again the next time, that of others half. So the first length matters
    little, nor does the unit of the gain.

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
            # A gain that nothing of the clips changes has no gradient.
            gradient = torch.autograd.grad(gains.sum(), clips, allow_unused=True, materialize_grads=True)[0]
        gradient = shape(torch.nan_to_num(gradient, 0.0, 0.0, 0.0))
        largest = gradient.abs().amax((0, 1, 2) if together else (1, 2), keepdim=True)
        return gains.detach(), gradient / largest.clamp_min(torch.finfo(gradient.dtype).tiny)

    clips, (gains, along) = start.detach(), look(start)
    length = torch.full_like(gains, rate)
    for _ in range(iterations):
        tried = (clips + length[:, None, None] * along).clamp(-1, 1)
        found, onwards = look(tried)
        better = found > gains
        clips, along = (torch.where(better[:, None, None], *pair) for pair in ((tried, clips), (onwards, along)))
        gains = torch.where(better, found, gains)
        length = length * torch.where(better, _LONGER, _SHORTER)
    return clips
