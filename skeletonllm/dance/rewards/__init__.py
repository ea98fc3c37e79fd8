"""What is wished of dances: each reward one file, and one name here."""

from skeletonllm.dance.rewards import (
    anti_freezing,
    beat,
    critic,
    exaggeration,
    foot_contact,
    ground,
    imitation,
    likeness,
    penetration,
    skating,
    smoothness,
)
from skeletonllm.dance.rewards.dances import Dances
from skeletonllm.dance.rewards.presets import PRESETS
from skeletonllm.dance.rewards.registry import REWARDS, Reward, find_rewards, read_rewards, reward

__all__ = [
    "PRESETS",
    "REWARDS",
    "Dances",
    "Reward",
    "anti_freezing",
    "beat",
    "critic",
    "exaggeration",
    "find_rewards",
    "foot_contact",
    "ground",
    "imitation",
    "likeness",
    "penetration",
    "read_rewards",
    "reward",
    "skating",
    "smoothness",
]
