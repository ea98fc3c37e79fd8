"""What generated dances do wrong, done to a motion on purpose: to try a judge of whom one knows what he must say.

All begin gently after the first frame, which a judge puts on the floor, and reach their full size after half a second.
"""

from collections.abc import Callable

import numpy as np

from skeletonllm.dance.body import Body
from skeletonllm.dance.motion import Motion, slerp
from skeletonllm.skeleton.kinematics import axis_rotation, matrix_to_quaternion, quaternion_to_matrix

_ONSET = 0.5
# Radians on the left: an upper arm that is held away from the trunk and turned about itself, and an elbow that bends so
# far that the forearm points back at the belly. Both are within what the joints can.
_LOWERED, _TWISTED, _BENT = 0.9, np.pi / 2, -2.5


def through_trunk(motion: Motion, body: Body, sides: tuple[str, ...] = ("left",)) -> Motion:
    """Forearms that stick in the belly, wherever the arms were."""
    rotations = motion.rotations.astype(np.float64)
    share = _eased(motion)[:, None]
    for side in sides:
        sign = 1.0 if side == "left" else -1.0
        pose = {
            "collar": np.eye(3),
            "shoulder": axis_rotation(1, np.array(sign * _LOWERED)) @ axis_rotation(0, np.array(_TWISTED)),
            "elbow": axis_rotation(2, np.array(sign * _BENT)),
        }
        for joint, rotation in pose.items():
            number = body.index(f"{side}_{joint}")
            wanted = matrix_to_quaternion(rotation)
            start = matrix_to_quaternion(rotations[:, number])
            rotations[:, number] = quaternion_to_matrix(slerp(start, np.broadcast_to(wanted, start.shape), share))
    return motion.replace(rotations=rotations)


def skating(motion: Motion, body: Body, speed: float = 0.6) -> Motion:
    """Feet that slide: the whole body glides along x, metres per second."""
    way = np.cumsum(_eased(motion)) * speed / motion.fps
    return motion.replace(root=motion.root + way[:, None] * np.array([1.0, 0.0, 0.0]))


def floating(motion: Motion, body: Body, height: float = 0.1) -> Motion:
    """The whole body so many metres higher; lower, that is sinking, if negative."""
    return motion.replace(root=motion.root + height * _eased(motion)[:, None] * np.array([0.0, 0.0, 1.0]))


def frozen(motion: Motion, body: Body) -> Motion:
    """The first frame all the time."""
    first = np.zeros(motion.num_frames, int)
    return motion.replace(root=motion.root[first], rotations=motion.rotations[first], contacts=motion.contacts[first])


ARTEFACTS: dict[str, Callable[[Motion, Body], Motion]] = {
    "through_trunk": through_trunk,
    "skating": skating,
    "floating": floating,
    "sinking": lambda motion, body: floating(motion, body, -0.08),
    "frozen": frozen,
}


def _eased(motion: Motion) -> np.ndarray:
    """(T,) from 0 to 1 in half a second."""
    share = np.clip(np.arange(motion.num_frames) / (_ONSET * motion.fps), 0.0, 1.0)
    return share * share * (3 - 2 * share)
