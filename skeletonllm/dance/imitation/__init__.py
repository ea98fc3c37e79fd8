"""Judging motions by how well a simulated body can imitate them."""

from skeletonllm.dance.imitation.evaluator import JudgeWarning, judge, prepare
from skeletonllm.dance.imitation.fall import HEAD_HEIGHT, LOWEST
from skeletonllm.dance.imitation.judgement import Judgement
from skeletonllm.dance.imitation.policy import Policy
from skeletonllm.dance.imitation.projection import project
from skeletonllm.dance.imitation.terms import TERMS, tracking_terms

__all__ = [
    "HEAD_HEIGHT",
    "LOWEST",
    "TERMS",
    "JudgeWarning",
    "Judgement",
    "Policy",
    "judge",
    "prepare",
    "project",
    "tracking_terms",
]
