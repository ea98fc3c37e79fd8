"""Each ball joint as three hinges: their axes, how far they turn, how stiff they are, and poses as their angles.

A joint's rotation is the product, from left to right, of turns about its three axes. The middle angle stays within a
right angle, where the other two turn about the same axis, so the axes of a joint are ordered to keep that pose rare:
the widest swing first, the twist along the bone last.

A simulator lists the joints of a tree limb by limb. ``LIMB_ORDER`` is that order, ``qpos`` is laid out by it: pelvis
place (3) in metres and quaternion (4) wxyz, then 23 x 3 angles in radians.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from skeletonllm.dance.body.euler import euler_angles, unwrap_angles
from skeletonllm.dance.body.tree import NUM_JOINTS, as_matrices
from skeletonllm.skeleton.kinematics import axis_rotation, matrix_to_quaternion, quaternion_to_matrix
from skeletonllm.skeleton.topologies import SMPL_24
from skeletonllm.skeleton.topology import ROOT

NUM_HINGES = 3
QPOS_SIZE = 7 + NUM_HINGES * (NUM_JOINTS - 1)

# Axes, and degrees from and to about each, of the left side; the right side is the mirror image. After the mean
# ranges of the American Academy of Orthopaedic Surgeons ("Joint motion", 1965), shared out among the joints of spine
# and neck: about x a leg swings back (+), a trunk or head bends forwards (+); about y a left arm goes down (+) and a
# left leg out (-); about z a left arm goes back (+). Ours are the sideways play of knees and elbows, which files of
# real dances have, and the wide ranges of the shoulder, whose hinges may take the long way round to follow an arm.
_RANGES: Mapping[str, tuple[str, tuple[int, int], tuple[int, int], tuple[int, int]]] = {
    "hip": ("xyz", (-120, 30), (-45, 30), (-45, 45)),
    "knee": ("xyz", (-10, 150), (-20, 20), (-20, 20)),
    "ankle": ("xzy", (-30, 55), (-30, 30), (-35, 35)),
    "foot": ("xzy", (-70, 40), (-10, 10), (-10, 10)),
    "spine": ("xyz", (-15, 40), (-20, 20), (-25, 25)),
    "spine_upper": ("xyz", (-15, 40), (-20, 20), (-25, 25)),
    "chest": ("xyz", (-15, 40), (-20, 20), (-25, 25)),
    "neck": ("xyz", (-35, 35), (-30, 30), (-45, 45)),
    "head": ("xyz", (-35, 35), (-30, 30), (-45, 45)),
    "collar": ("yzx", (-40, 20), (-25, 25), (-20, 20)),
    "shoulder": ("yzx", (-120, 120), (-90, 60), (-120, 120)),
    "elbow": ("zyx", (-150, 15), (-30, 30), (-90, 90)),
    "wrist": ("yzx", (-70, 80), (-30, 30), (-60, 60)),
    "hand": ("yzx", (-30, 30), (-20, 20), (-20, 20)),
}
# Dancers are no average persons, and the hinges of a simulator should not stop what they do.
SLACK = 1.5

GAINS: Mapping[str, float] = {
    "hip": 500.0, "knee": 500.0, "ankle": 400.0, "foot": 200.0, "spine": 1000.0, "spine_upper": 1000.0,
    "chest": 1000.0, "neck": 100.0, "head": 100.0, "collar": 400.0, "shoulder": 400.0, "elbow": 300.0,
    "wrist": 100.0, "hand": 100.0,
}  # fmt: skip
"""Newton metres per radian with which a servo holds a joint, for a body of 70 kg."""


def kind_of(joint: str) -> str:
    """The joint's name without its side."""
    return joint.removeprefix("left_").removeprefix("right_")


def hinge_axes(joint: str) -> str:
    """The three axes of a joint in the order of its hinges, such as ``xyz``."""
    return _RANGES[kind_of(joint)][0]


def hinge_ranges(joint: str) -> np.ndarray:
    """(3, 2) radians from and to, in the order of the hinges."""
    axes, *degrees = _RANGES[kind_of(joint)]
    ranges = np.radians(np.array(degrees, float) * SLACK)
    if joint.startswith("right_"):
        for hinge, axis in enumerate(axes):
            if axis != "x":
                ranges[hinge] = -ranges[hinge, ::-1]
    return ranges


def limb_order(parents: Sequence[int]) -> tuple[int, ...]:
    """Joint numbers, each followed by all that hang on it."""
    order, stack = [], [parents.index(ROOT)]
    while stack:
        joint = stack.pop()
        order.append(joint)
        stack += [child for child in reversed(range(len(parents))) if parents[child] == joint]
    return tuple(order)


LIMB_ORDER = limb_order(SMPL_24.parents)
"""The order of the joints in ``qpos``; the pelvis is first."""


def pose_to_qpos(root: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Angles of the hinges of poses.

    Args:
        root: (..., 3) metres, the pelvis.
        rotations: (..., 24, 3, 3) or (..., 24, 6), as for ``forward_kinematics``.

    Returns:
        (..., 76): see above. Each pose by itself; ``unwrap_qpos`` makes a motion of them.
    """
    matrices = as_matrices(np.asarray(rotations, np.float64))
    angles = [euler_angles(matrices[..., joint, :, :], hinge_axes(SMPL_24.joints[joint])) for joint in LIMB_ORDER[1:]]
    quaternion = matrix_to_quaternion(matrices[..., LIMB_ORDER[0], :, :])
    return np.concatenate([np.asarray(root, np.float64), quaternion, *angles], -1)


def qpos_to_pose(qpos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Root (..., 3) and rotations (..., 24, 3, 3) of ``qpos`` (..., 76). Raises ValueError for another size."""
    if qpos.shape[-1] != QPOS_SIZE:
        raise ValueError(f"qpos has shape {qpos.shape}, expected (..., {QPOS_SIZE})")
    matrices = np.empty((*qpos.shape[:-1], NUM_JOINTS, 3, 3))
    matrices[..., LIMB_ORDER[0], :, :] = quaternion_to_matrix(qpos[..., 3:7])
    for place, joint in enumerate(LIMB_ORDER[1:]):
        angles = qpos[..., 7 + NUM_HINGES * place : 7 + NUM_HINGES * (place + 1)]
        turns = [axis_rotation("xyz".index(axis), angles[..., i]) for i, axis in enumerate(_axes(joint))]
        matrices[..., joint, :, :] = turns[0] @ turns[1] @ turns[2]
    return qpos[..., :3], matrices


def unwrap_qpos(qpos: np.ndarray) -> np.ndarray:
    """The same motion (T, 76) with angles and quaternions that go on without jumps, as far as the poses do.

    Of the ways to write a joint's whole motion, which differ by whole turns and by the twin of ``unwrap_angles``, it is
    the one that stays nearest to the ranges of the hinges. A limb that turns right round leaves them all the same.
    """
    smooth = np.array(qpos, np.float64)
    angles = unwrap_angles(smooth[:, 7:].reshape(len(smooth), -1, NUM_HINGES))
    for place, joint in enumerate(LIMB_ORDER[1:]):
        angles[:, place] = _within(angles[:, place], hinge_ranges(SMPL_24.joints[joint]))
    smooth[:, 7:] = angles.reshape(len(smooth), -1)
    flips = np.where((smooth[1:, 3:7] * smooth[:-1, 3:7]).sum(-1) < 0, -1.0, 1.0)
    smooth[1:, 3:7] *= np.cumprod(flips)[:, None]
    return smooth


def _within(angles: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """Angles (T, 3) of a joint, or another writing of all of them, that is least beyond (3, 2) in sum."""
    best, least = angles, np.inf
    for writing in (angles, np.stack([angles[:, 0] + np.pi, np.pi - angles[:, 1], angles[:, 2] + np.pi], -1)):
        # Whole turns that bring the middle of what is reached next to the middle of the range.
        reached = (writing.min(0) + writing.max(0)) / 2
        turned = writing + 2 * np.pi * np.round((ranges.mean(1) - reached) / (2 * np.pi))
        beyond = float((np.maximum(ranges[:, 0] - turned, 0) + np.maximum(turned - ranges[:, 1], 0)).sum())
        if beyond < least:
            best, least = turned, beyond
    return best


def _axes(joint: int) -> str:
    return hinge_axes(SMPL_24.joints[joint])
