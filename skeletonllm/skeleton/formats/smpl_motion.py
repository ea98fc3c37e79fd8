"""What AMASS and AIST++ share: poses and translations of an SMPL body become a sequence."""

from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import MAX_METRES, SkeletonFormatError, build_sequence
from skeletonllm.skeleton.formats.smpl_model import user_model
from skeletonllm.skeleton.kinematics import matrix_to_quaternion, quaternion_multiply
from skeletonllm.skeleton.placement import drop_to_floor, place_motion
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.smpl_body import MODELS, average_body, pose_body
from skeletonllm.skeleton.topologies import SMPL_24

# Seven minutes at 120 frames per second, which take a second or more to pose; motions last half a minute.
MAX_FRAMES = 50_000


def read_poses(path: Path, key: str, poses: np.ndarray) -> np.ndarray:
    """Poses (T, J, 3) from (T, 3J) or (T, J, 3) numbers, where J fits a model of the family.

    Raises:
        SkeletonFormatError: any other shape, no frames, or too many.
    """
    shape = poses.shape
    allowed = ", ".join(f"{3 * count} ({name})" for count, name in MODELS.items())
    width = shape[1] * shape[2] if len(shape) == 3 and shape[2] == 3 else shape[1] if len(shape) == 2 else 0
    if width % 3 or width // 3 not in MODELS:
        raise SkeletonFormatError(path, f"key {key!r}", f"shape {shape}", f"(frames, N), N one of {allowed}")
    if not 1 <= len(poses) <= MAX_FRAMES:
        raise SkeletonFormatError(path, f"key {key!r}", f"{len(poses):,} frames", f"1 to {MAX_FRAMES:,}")
    return poses.reshape(len(poses), width // 3, 3)


def build_smpl_sequence(
    path: Path,
    poses: np.ndarray,
    translation: np.ndarray,
    fps: float,
    *,
    up: str,
    betas: np.ndarray | None = None,
    floor_known: bool = False,
    model: Path | None = None,
    label: str | None = None,
    notes: tuple[str, ...] = (),
) -> SkeletonSequence:
    """A ``smpl_24`` sequence with rotations, which turn the body at rest (T-pose, facing +z, left at +x) to the world.

    Args:
        path: the file, for messages.
        poses: (T, J, 3) axis times radians, see ``pose_body``.
        translation: (T, 3) metres.
        fps: frames per second.
        up: the file's vertical axis.
        betas: (B,) shape of the body, used if the user has a model.
        floor_known: whether the file has the floor at height zero, where bodies are of the true size.
        model: file of a body model; None: the one that the environment names, or none.
        label, notes: see SkeletonSequence.

    Raises:
        SkeletonFormatError: if no joint is left.
    """
    body_model = user_model(model)
    body = average_body() if body_model is None else body_model.body(betas)
    joints, rotations = pose_body(poses, body)
    with np.errstate(invalid="ignore", over="ignore"):
        joints = joints + translation[:, None]
        valid = (np.abs(joints) <= MAX_METRES).all(-1)
    joints, valid = joints[:, None], valid[:, None]
    placed = place_motion(joints, valid, SMPL_24, fps, up=up, unit=1.0)
    notes += (body.note, *placed.notes)
    if poses.shape[1] > SMPL_24.num_joints:
        notes += (f"{MODELS[poses.shape[1]]} read as smpl_24: hands follow the wrists, fingers are left out",)
    moved = placed.joints
    if body_model is None or not floor_known:
        moved, note = drop_to_floor(moved, valid)
    else:
        note = "heights as in the file, which has the floor at zero"
    notes += (note,)
    turn = matrix_to_quaternion(placed.rotation).astype(np.float32)
    rotations = quaternion_multiply(np.broadcast_to(turn, rotations.shape), rotations)[:, None]
    rotations[~valid] = [1.0, 0.0, 0.0, 0.0]
    joints = np.where(valid[..., None], moved, joints)  # those that are not valid are counted by build_sequence
    return build_sequence(path, joints, fps, SMPL_24, rotations=rotations, label=label, notes=notes)
