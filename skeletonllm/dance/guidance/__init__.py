"""What makes dances better while they come out of the noise, without any training: guidance and projection."""

from skeletonllm.dance.guidance.floor import FloorGuidance
from skeletonllm.dance.guidance.projection import Projected, Projection
from skeletonllm.dance.guidance.rewards import CHANNELS, RewardGuidance
from skeletonllm.dance.guidance.setting import Correction, Setting, correct_by

__all__ = [
    "CHANNELS",
    "Correction",
    "FloorGuidance",
    "Projected",
    "Projection",
    "RewardGuidance",
    "Setting",
    "correct_by",
]
