"""The dancer's body: a tree of 24 joints with volume, of our own measures, and the same body for MuJoCo."""

from skeletonllm.dance.body.collisions import collision_pairs, excluded_pairs
from skeletonllm.dance.body.hinges import GAINS, pose_to_qpos, qpos_to_pose, unwrap_qpos
from skeletonllm.dance.body.mjcf import build_mjcf
from skeletonllm.dance.body.proportions import SEGMENTS, default_body
from skeletonllm.dance.body.tree import (
    Body,
    Boxes,
    Capsules,
    capsule_ends,
    centre_of_mass,
    forward_kinematics,
    lowest_points,
    piece_centres,
)
from skeletonllm.skeleton.kinematics import matrix_to_rotation_6d, rotation_6d_to_matrix

__all__ = [
    "GAINS",
    "SEGMENTS",
    "Body",
    "Boxes",
    "Capsules",
    "build_mjcf",
    "capsule_ends",
    "centre_of_mass",
    "collision_pairs",
    "default_body",
    "excluded_pairs",
    "forward_kinematics",
    "lowest_points",
    "piece_centres",
    "matrix_to_rotation_6d",
    "pose_to_qpos",
    "qpos_to_pose",
    "rotation_6d_to_matrix",
    "unwrap_qpos",
]
