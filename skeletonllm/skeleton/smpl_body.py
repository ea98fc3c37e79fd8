"""The body of the SMPL family (Loper et al. 2015): where its joints are when it is posed by axis-angle rotations.

The model's own measures are under a licence. In their place stand the proportions of an average body; users who have
the model's file may have its joints (see ``formats/smpl_model.py``).
"""

from dataclasses import dataclass

import numpy as np

from skeletonllm.skeleton.kinematics import axis_angle_to_matrix, forward_kinematics, matrix_to_quaternion
from skeletonllm.skeleton.proportions import STATURE, rest_positions
from skeletonllm.skeleton.topologies import SMPL_24
from skeletonllm.skeleton.topology import ROOT

# SMPL, SMPL-H and SMPL-X begin with the same joints: pelvis to wrists.
NUM_SHARED = 22
# How many joints the poses of each model have; SMPL's last two are the hands, SMPL-H and SMPL-X have fingers instead.
MODELS = {22: "SMPL without hands", 24: "SMPL", 52: "SMPL-H", 55: "SMPL-X"}
# Frames that are posed at a time, which bounds the memory for matrices.
_BATCH = 4096


@dataclass(frozen=True)
class RestBody:
    """A body in the rest pose of SMPL: a T-pose, +x to its left, +y up, +z forwards.

    Args:
        joints: (24, 3) metres in the order of ``smpl_24``, in the frame in which the translation moves the body.
        note: whose body this is, for the notes of a sequence.
    """

    joints: np.ndarray
    note: str


def average_body(stature: float = STATURE) -> RestBody:
    """A body of our own proportions, with the pelvis at the origin."""
    known = rest_positions(stature)
    joints = np.stack([known[name] for name in SMPL_24.joints]) - known["pelvis"]
    return RestBody(joints, f"bones of an average body of {stature:.2f} m, since the file has rotations only")


def pose_body(poses: np.ndarray, body: RestBody) -> tuple[np.ndarray, np.ndarray]:
    """Joints and rotations of a posed body.

    Args:
        poses: (T, J, 3) axis times radians of each joint relative to its parent, of the pelvis relative to the axes of
            the file; J is a key of ``MODELS``. Hands without a rotation of their own, and fingers, follow the wrist.
        body: the body at rest.

    Returns:
        joints (T, 24, 3) metres, float64, in the axes of the file and without its translation, NaN from a rotation
        that is not finite down to the hand or foot; and rotations (T, 24, 4) float32, unit quaternions wxyz that turn
        the body at rest into these axes, the identity where joints are NaN.
    """
    kept = poses.shape[1] if poses.shape[1] <= SMPL_24.num_joints else NUM_SHARED
    local = np.zeros((len(poses), SMPL_24.num_joints, 3))
    parents = np.array(SMPL_24.parents)
    joints = np.empty(local.shape)
    rotations = np.empty((*local.shape[:2], 4), np.float32)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        local[:, :kept] = poses[:, :kept]
        offsets = body.joints - np.where(parents[:, None] == ROOT, 0.0, body.joints[parents])
        for start in range(0, len(poses), _BATCH):
            batch = slice(start, start + _BATCH)
            matrices = axis_angle_to_matrix(local[batch])
            joints[batch], turned = forward_kinematics(matrices, offsets, SMPL_24.parents)
            rotations[batch] = matrix_to_quaternion(turned)
    unknown = ~np.isfinite(joints).all(-1) | ~np.isfinite(rotations).all(-1)
    joints[unknown] = np.nan
    rotations[unknown] = [1.0, 0.0, 0.0, 0.0]
    return joints, rotations
