"""Simulated bodies that follow motions: MuJoCo models, references for them, and whole batches in one call."""

from skeletonllm.dance.physics.backends import BACKENDS
from skeletonllm.dance.physics.model import FEET, GRAVITY, WRENCH, Physics, build_model, simulation_mjcf
from skeletonllm.dance.physics.reference import SUBSTEPS, Reference, demand, make_reference
from skeletonllm.dance.physics.rollout import Trajectory, simulate
from skeletonllm.dance.physics.turns import rotation_vectors, turning_speeds

__all__ = [
    "BACKENDS",
    "FEET",
    "GRAVITY",
    "SUBSTEPS",
    "WRENCH",
    "Physics",
    "Reference",
    "Trajectory",
    "build_model",
    "demand",
    "make_reference",
    "rotation_vectors",
    "simulate",
    "simulation_mjcf",
    "turning_speeds",
]
