"""Level 1 of the judge: a policy that steers the simulated body, and how it is trained."""

from skeletonllm.dance.imitation.policy.environment import ImitationEnvironment, Outcome
from skeletonllm.dance.imitation.policy.followers import ACTION_SIZE, Followers, Library
from skeletonllm.dance.imitation.policy.network import Policy
from skeletonllm.dance.imitation.policy.observations import OBSERVATION_SIZE, observe
from skeletonllm.dance.imitation.policy.steering import steer

__all__ = [
    "ACTION_SIZE",
    "OBSERVATION_SIZE",
    "Followers",
    "ImitationEnvironment",
    "Library",
    "Outcome",
    "Policy",
    "observe",
    "steer",
]
