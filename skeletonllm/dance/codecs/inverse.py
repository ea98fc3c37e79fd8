"""Rotations of a body from the places of its joints, in closed form, joint by joint from the pelvis on.

What turns in one piece with several joints on it (pelvis, chest) is turned as fits them best in the least squares
(Kabsch 1976). Any other bone is swung from where its parent leaves it to where it points, the shorter way. How thighs
and upper arms are twisted about themselves is told by the next bone, since knees bend backwards and elbows forwards;
the twist from pelvis to chest is shared out among the spine.

Places do not tell how the head is turned, how forearms, hands and feet are twisted about their bones, or how a straight
limb is: these stay as the parent leaves them.
"""

from collections.abc import Collection

import numpy as np

from skeletonllm.dance.body import Body
from skeletonllm.skeleton.kinematics import axis_angle_to_matrix, normalize
from skeletonllm.skeleton.topologies import SMPL_24
from skeletonllm.skeleton.topology import ROOT

_JOINT = {name: index for index, name in enumerate(SMPL_24.joints)}
# What turns with pelvis and chest.
_PIECES = {
    "pelvis": ("left_hip", "right_hip", "spine"),
    "chest": ("neck", "left_collar", "right_collar", "left_shoulder", "right_shoulder"),
}
# The joint that bends, the one behind it, and where the bone between them goes when it bends from the T-pose.
_BACKWARDS, _FORWARDS = np.array([0.0, 1.0, 0.0]), np.array([0.0, -1.0, 0.0])
_HINGES = {
    "left_hip": ("left_knee", "left_ankle", _BACKWARDS), "right_hip": ("right_knee", "right_ankle", _BACKWARDS),
    "left_shoulder": ("left_elbow", "left_wrist", _FORWARDS),
    "right_shoulder": ("right_elbow", "right_wrist", _FORWARDS),
}  # fmt: skip
# A limb bent by less than about this sine tells its twist less than its parent does.
_STRAIGHT = 0.1
_SPINE = ("spine", "spine_upper")
REQUIRED = frozenset(SMPL_24.joints) - {"neck", "head"} - {
    f"{side}_{joint}" for side in ("left", "right") for joint in ("collar", "hand", "foot")
}  # fmt: skip
"""The joints without which there is no pose."""


def fit_rotations(body: Body, joints: np.ndarray, known: Collection[str] = SMPL_24.joints) -> np.ndarray:
    """World rotations (T, 24, 3, 3) of each joint from places (T, 24, 3) in metres, Z up.

    Args:
        body: at rest as ``body.tree`` says.
        joints: places; those of joints that are not ``known`` are not looked at.
        known: names of joints, at least ``REQUIRED``.
    """
    joints = np.asarray(joints, np.float64)
    rest = _rest_places(body)
    frames = np.empty((*joints.shape[:2], 3, 3))
    for joint, name in enumerate(body.names):
        parent = body.parents[joint]
        held = np.eye(3) if parent == ROOT else frames[:, parent]
        children = [child for child, above in enumerate(body.parents) if above == joint and body.names[child] in known]
        if name in _PIECES:
            members = [_JOINT[member] for member in _PIECES[name] if member in known]
            frames[:, joint] = _fit(rest[members] - rest[joint], joints[:, members] - joints[:, joint, None])
        elif children:
            bone = normalize(body.offsets[children[0]])
            towards = normalize(joints[:, children[0]] - joints[:, joint])
            frames[:, joint] = swing(held @ bone, towards) @ held
            if name in _HINGES:
                middle, end, side = _HINGES[name]
                lower = normalize(joints[:, _JOINT[end]] - joints[:, _JOINT[middle]])
                frames[:, joint] = _twist(frames[:, joint], towards, side, lower) @ frames[:, joint]
        else:
            frames[:, joint] = held
    _share_twist(frames, joints)
    return frames


def to_local(frames: np.ndarray, parents: tuple[int, ...] = SMPL_24.parents) -> np.ndarray:
    """Rotations (..., J, 3, 3) relative to the parents from those relative to the world."""
    local = frames.copy()
    for joint, parent in enumerate(parents):
        if parent != ROOT:
            local[..., joint, :, :] = np.swapaxes(frames[..., parent, :, :], -1, -2) @ frames[..., joint, :, :]
    return local


def nearest_rotation(matrices: np.ndarray) -> np.ndarray:
    """The rotations (..., 3, 3) nearest to any matrices, in the least squares."""
    left, _, right = np.linalg.svd(matrices)
    left[..., 2] *= np.sign(np.linalg.det(left @ right))[..., None]
    return left @ right


def _rest_places(body: Body) -> np.ndarray:
    places = np.array(body.offsets)
    for joint, parent in enumerate(body.parents):
        if parent != ROOT:
            places[joint] += places[parent]
    return places


def _fit(rest: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(T, 3, 3) that bring vectors (N, 3) nearest to (T, N, 3)."""
    return nearest_rotation(np.einsum("tni,nj->tij", wanted, rest))


def swing(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Rotations (..., 3, 3) that turn unit vectors (..., 3) to others (..., 3) the shorter way."""
    start = np.broadcast_to(start, stop.shape)
    axis = np.cross(start, stop)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(sine, (start * stop).sum(-1, keepdims=True))
    # Turned right round, any axis across will do.
    across = normalize(np.cross(start, np.eye(3)[np.abs(start).argmin(-1)]))
    return axis_angle_to_matrix(np.where(sine > 1e-9, axis / np.maximum(sine, 1e-9), across) * angle)


def _twist(frame: np.ndarray, bone: np.ndarray, side: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """(T, 3, 3) about the bone (T, 3) that bring the side to which it bends (3,) to where the next bone goes (T, 3)."""
    first = frame @ side
    first = normalize(first - (first * bone).sum(-1, keepdims=True) * bone)
    second = np.cross(bone, first)
    angle = np.arctan2((lower * second).sum(-1), (lower * first).sum(-1) + _STRAIGHT)
    return axis_angle_to_matrix(bone * angle[:, None])


def _share_twist(frames: np.ndarray, joints: np.ndarray) -> None:
    """Turn the joints of the spine about their bones so that each takes the same part of the way to the chest."""
    sideways = frames[:, _JOINT["chest"], :, 0]
    for place, name in enumerate(_SPINE):
        joint = _JOINT[name]
        above = next(child for child, parent in enumerate(SMPL_24.parents) if parent == joint)
        bone = normalize(joints[:, above] - joints[:, joint])
        first = frames[:, joint, :, 0]
        first = normalize(first - (first * bone).sum(-1, keepdims=True) * bone)
        second = np.cross(bone, first)
        angle = np.arctan2((sideways * second).sum(-1), (sideways * first).sum(-1))
        share = (place + 1) / (len(_SPINE) + 1)
        frames[:, joint] = axis_angle_to_matrix(bone * (share * angle)[:, None]) @ frames[:, joint]
