"""PFC as a reward: nobody accelerates while both feet move."""

import torch
from torch import Tensor

from skeletonllm.dance.metrics.ground import GRAVITY
from skeletonllm.dance.rewards.dances import Dances
from skeletonllm.dance.rewards.registry import reward
from skeletonllm.dance.soles import SIDES


@reward(differentiable=True)
def foot_contact(dances: Dances) -> Tensor:
    """(B, T) minus what ``metrics.physical_foot_contact`` is the mean of, (m/s)^2: the product of the horizontal speeds
    of both feet and the acceleration of the pelvis in g, of which what points down is left out.

    The first and the last frame, in which there is no acceleration, are given the reward of their neighbours.
    """
    change = dances.root.diff(n=2, dim=1) * dances.fps**2
    pushed = torch.cat([change[..., :2], change[..., 2:].relu()], -1)
    size = torch.linalg.vector_norm(pushed, dim=-1) / GRAVITY
    # From each frame that has an acceleration to the next.
    speeds = foot_speeds(dances)[:, 1:]
    cost = speeds.prod(-1) * size
    return -torch.cat([cost[:, :1], cost, cost[:, -1:]], 1)


def foot_speeds(dances: Dances) -> Tensor:
    """(B, T - 1, 2) metres per second over the floor, from each frame to the next, left before right: of the ankle or
    the ball, whichever is slower, as feet turn on the ball and roll from the heel."""
    which = [[dances.body.index(f"{side}_{joint}") for joint in ("ankle", "foot")] for side in SIDES]
    way = dances.joints[..., :2][:, :, which].diff(dim=1)
    return torch.linalg.vector_norm(way, dim=-1).amin(-1) * dances.fps
