"""Foot skating: feet that are on the floor and slide."""

from functools import lru_cache

import numpy as np

from skeletonllm.dance.body import Body, forward_kinematics
from skeletonllm.dance.contacts import STANDING_SPEED
from skeletonllm.dance.metrics.performance import Performance
from skeletonllm.dance.soles import SIDES

# Metres above the height of the ball of a standing foot up to which a foot is on the floor.
_ANKLE_HEIGHT, _BALL_HEIGHT = 0.08, 0.05
_PERCENT = 100.0


def foot_skating(performance: Performance, legacy: bool = False) -> float | None:
    """Percent of the time that feet are on the floor in which they slide faster than 0.3 m/s; None if they never are.

    A foot is on the floor while its ankle is less than 8 cm and its ball less than 5 cm above where the ball of a
    standing foot is. It slides as fast over the floor as its ankle or its ball, whichever is slower: a foot that turns
    on its ball or rolls from the heel does not slide.

    Legacy: the scripts take x and the height for the horizontal, so that sliding along y is missed and lifting the
    foot counts; turning counts, as they take the mean of the two velocities; and the floor is where the lower ball is
    in the first frame.
    """
    body, feet = performance.body, []
    for side in SIDES:
        feet.append(np.stack([performance.joint(f"{side}_ankle"), performance.joint(f"{side}_foot")], 1))
    feet = np.stack(feet, 1)  # (T, sides, ankle and ball, 3)
    floor = feet[0, :, 1, 2].min() if legacy else ball_height(body)
    above = feet[..., 2] - floor
    standing = ((above[..., 0] <= _ANKLE_HEIGHT) & (above[..., 1] <= _BALL_HEIGHT))[:-1]
    if not standing.any():
        return None
    velocity = np.diff(feet, axis=0) * performance.fps
    if legacy:
        speed = np.linalg.norm(velocity.mean(2)[..., [0, 2]], axis=-1)
    else:
        speed = np.linalg.norm(velocity[..., :2], axis=-1).min(2)
    return _PERCENT * float((speed > STANDING_SPEED)[standing].mean())


@lru_cache(maxsize=64)
def ball_height(body: Body) -> float:
    """Metres from the floor to the ball of a foot that stands flat."""
    joints, _ = forward_kinematics(body, np.zeros(3), np.broadcast_to(np.eye(3), (len(body.names), 3, 3)))
    return body.standing_height + float(joints[body.index("left_foot"), 2])
