"""What is wished of dances: each reward one file, and one line here."""

from skeletonllm.dance.rewards.dances import Dances
from skeletonllm.dance.rewards.registry import REWARDS, Reward, find_rewards, read_rewards, reward

__all__ = ["REWARDS", "Dances", "Reward", "find_rewards", "read_rewards", "reward"]
