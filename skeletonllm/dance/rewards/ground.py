"""FGD as a reward: feet on the floor, neither in it nor above it, but for jumps."""

import torch
from torch import Tensor

from skeletonllm.dance.body import centre_of_mass
from skeletonllm.dance.metrics.ground import GRAVITY
from skeletonllm.dance.rewards.dances import Dances
from skeletonllm.dance.rewards.registry import reward

# Metres: who is so far off has -1.
_UNIT = 0.1
# Metres, as for the metric: from here on all of the body is in the air; and what the centre of mass of one who falls
# freely may be off a parabola.
_AIRBORNE, _SLACK = 0.01, 0.015
# Of the published reward, 1/m^2.
_SCALE = 100.0


@reward(differentiable=True)
def ground(dances: Dances) -> Tensor:
    """(B, T) minus the distance of the lowest point of the body from the floor, in decimetres, below or above.

    The floor is at z = 0, where the dances that a generator learns from have it. It is never estimated from the dance
    that is judged: whatever it were estimated from, heights or contacts, the generator makes that as well, and a dance
    that floats all the time, or that says of its highest frames that a foot stands, would be right.

    A flight, in which all of the body is in the air, costs no more than its centre of mass is off free fall
    (``metrics.foot_ground_distance``), so that a jump is free; but only as far as the contacts do not say that a foot
    stands. To say that none does is of no use to one who hovers.
    """
    lowest = dances.lowest
    above = lowest.relu()
    flies = lowest > _AIRBORNE
    off = _off_free_fall(centre_of_mass(dances.body, *dances.pose)[..., 2], flies, dances.fps)
    flight = above.lerp(torch.minimum(above, off), 1 - dances.contacts.clamp(0, 1).amax(-1))
    return -((-lowest).relu() + torch.where(flies, flight, above)) / _UNIT


@reward(differentiable=True)
def ground_paper(dances: Dances) -> Tensor:
    """(B, T) from 0 to 1, of Skeleton2Stage: exp(-100 h^2) of how far, in metres, the lowest joint is from its own mean
    height in the dance. Jumps are not free, and who floats all the time does not float."""
    height = dances.joints[..., 2].amin(-1)
    return torch.exp(-_SCALE * (height - height.mean(1, keepdim=True)).square())


def _off_free_fall(centre: Tensor, flies: Tensor, fps: float) -> Tensor:
    """(B, T) metres, the same in all frames of one flight: how far the centre of mass, at heights (B, T), is off the
    nearest parabola of free fall, root mean square, beyond what is allowed. Zero outside flights."""
    rows, frames = centre.shape
    aside = torch.zeros_like(flies[:, :1])
    begins = flies & ~torch.cat([aside, flies[:, :-1]], 1)
    ends = flies & ~torch.cat([flies[:, 1:], aside], 1)
    number = (begins.flatten().cumsum(0) - 1).clamp_min(0)  # of the flight, for the frames that fly
    count = int(begins.sum())
    if not count:
        return torch.zeros_like(centre)
    first = begins.flatten().nonzero()[:, 0]
    inside = flies.flatten().nonzero()[:, 0]
    # With the frames before and after: whatever flies must have come off the floor.
    place = torch.arange(rows * frames, device=centre.device) % frames
    before = first[place[first] > 0]
    after = ends.flatten().nonzero()[:, 0]
    after = after[place[after] < frames - 1]
    used = torch.cat([inside, before - 1, after + 1])
    mine = torch.cat([number[inside], number[before], number[after]])

    def total(values: Tensor, flight: Tensor) -> Tensor:
        return values.new_zeros(count).index_add(0, flight, values)

    time = (used - first[mine]).to(centre) / fps
    fallen = centre.flatten()[used] + GRAVITY / 2 * time.square()
    size = total(torch.ones_like(time), mine)
    middle, level = total(time, mine) / size, total(fallen, mine) / size
    time, fallen = time - middle[mine], fallen - level[mine]
    spread = total(time.square(), mine)
    slope = total(time * fallen, mine) / torch.where(spread > 0, spread, 1.0)
    squares = (fallen - slope[mine] * time)[: len(inside)].square()
    mean = total(squares, number[inside]) / total(torch.ones_like(squares), number[inside])
    # The square root is not differentiable at zero, which is allowed anyway.
    off = mean.clamp_min(_SLACK**2).sqrt() - _SLACK
    return torch.where(flies, off[number].unflatten(0, (rows, frames)), 0.0)
