"""Feet that stand do not slide."""

import torch
from torch import Tensor

from skeletonllm.dance.contacts import STANDING_SPEED
from skeletonllm.dance.metrics.skating import ball_height
from skeletonllm.dance.rewards.dances import Dances
from skeletonllm.dance.rewards.foot_contact import foot_speeds
from skeletonllm.dance.rewards.registry import reward
from skeletonllm.dance.soles import SIDES

# Metres above the ball of a standing foot up to which ankle and ball are on the floor, as for the metric.
_ANKLE_HEIGHT, _BALL_HEIGHT = 0.08, 0.05


@reward(differentiable=True)
def skating(dances: Dances) -> Tensor:
    """(B, T) minus the sum over both feet of how fast they slide over the floor, m/s.

    A foot slides as far as contacts say that it stands; and, whatever they say, where it is on the floor and faster
    than ``metrics.foot_skating`` allows, by what it is faster. So nothing is won by saying that no foot stands.
    The last frame is given the reward of the one before.
    """
    speeds = foot_speeds(dances)
    # Of the contacts, ankles before balls, left before right.
    said = dances.contacts.clamp(0, 1).unflatten(-1, (2, 2)).amax(-2)[:, :-1]
    body, floor = dances.body, ball_height(dances.body)
    heights = [dances.joints[..., [body.index(f"{side}_{joint}") for side in SIDES], 2] for joint in ("ankle", "foot")]
    low = ((heights[0] <= floor + _ANKLE_HEIGHT) & (heights[1] <= floor + _BALL_HEIGHT))[:, :-1]
    cost = torch.maximum(said * speeds, low * (speeds - STANDING_SPEED).relu()).sum(-1)
    return -torch.cat([cost, cost[:, -1:]], 1)
