"""What a policy sees of a body and of the frame that it is to reach next: 650 numbers, as seen from the body.

All vectors are in the axes of its heading: the world, turned about the vertical so that the pelvis has its left at +x,
and places are relative to the pelvis but for its height. So a motion that is turned or shifted looks the same.
"""

import numpy as np

from skeletonllm.dance.body.hinges import QPOS_SIZE
from skeletonllm.dance.imitation.policy.followers import Followers
from skeletonllm.skeleton.kinematics import axis_rotation, matrix_to_rotation_6d

PARTS = {
    "height": 1,
    "joints": 69,
    "rotations": 144,
    "velocity": 3,
    "spin": 3,
    "hinge_speeds": 69,
    "to_joints": 72,
    "to_rotations": 144,
    "to_hinges": 69,
    "next_velocity": 3,
    "next_spin": 3,
    "next_hinge_speeds": 69,
    "phase": 1,
}
"""Numbers of each part, in order: the body's own state, then what it should be in the next frame, relative to it; last
the share of the reference that is behind it."""
OBSERVATION_SIZE = sum(PARTS.values())


def observe(followers: Followers) -> np.ndarray:
    """(N, 650) float64: metres, radians and their speeds per second."""
    library, state, moving = followers.library, followers.states, followers.moving
    last = library.lengths[followers.which] - 1
    places = library.place(followers.which, np.minimum(followers.frames + 1, last))
    target, goal = library.states[places], library.moving.joints[places]
    heading = headings(moving.frames[:, 0])
    back = np.swapaxes(heading, -1, -2)

    def seen(vectors: np.ndarray) -> np.ndarray:
        """(N, K, 3) in the axes of the heading."""
        return vectors @ heading

    def speeds(state: np.ndarray, pelvis: np.ndarray) -> list[np.ndarray]:
        velocity, spin, hinges = np.split(state[:, QPOS_SIZE:], [3, 6], axis=-1)
        # MuJoCo tells the spin in the axes of the pelvis.
        return [seen(velocity[:, None]), seen((pelvis @ spin[..., None]).swapaxes(-1, -2)), hinges]

    parts = [
        moving.joints[:, 0, 2:],
        seen(moving.joints[:, 1:] - moving.joints[:, :1]),
        matrix_to_rotation_6d(back[:, None] @ moving.frames),
        *speeds(state, moving.frames[:, 0]),
        seen(goal - moving.joints),
        matrix_to_rotation_6d(np.swapaxes(moving.frames, -1, -2) @ library.moving.frames[places]),
        target[:, 7:QPOS_SIZE] - state[:, 7:QPOS_SIZE],
        *speeds(target, library.moving.frames[places, 0]),
        (followers.frames / last)[:, None],
    ]
    return np.concatenate([part.reshape(len(state), -1) for part in parts], -1)


def headings(pelvis: np.ndarray) -> np.ndarray:
    """(N, 3, 3) turns about z that bring +x to where the left of a pelvis (N, 3, 3) points, seen from above."""
    return axis_rotation(2, np.arctan2(pelvis[:, 1, 0], pelvis[:, 0, 0]))
