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


def foot_skating(performance: Performance, legacy: bool = False) -> float:
    """Percent of the time that feet are on the floor in which they slide faster than 0.3 m/s; 0 if none is.

    A foot is on the floor while its ankle is less than 8 cm and its ball less than 5 cm above where the ball of a
    standing foot is. It slides with the mean of the horizontal velocities of the two.

    Legacy: the scripts take x and the height for the horizontal, so that sliding along y is missed and lifting the
    foot counts; and the floor is where the lower ball is in the first frame.
    """
    body, feet = performance.body, []
    for side in SIDES:
        feet.append(np.stack([performance.joint(f"{side}_ankle"), performance.joint(f"{side}_foot")], 1))
    feet = np.stack(feet, 1)  # (T, sides, ankle and ball, 3)
    floor = feet[0, :, 1, 2].min() if legacy else ball_height(body)
    above = feet[..., 2] - floor
    standing = ((above[..., 0] <= _ANKLE_HEIGHT) & (above[..., 1] <= _BALL_HEIGHT))[:-1]
    horizontal = [0, 2] if legacy else [0, 1]
    velocity = np.diff(feet, axis=0).mean(2)[..., horizontal] * performance.fps
    sliding = np.linalg.norm(velocity, axis=-1) > STANDING_SPEED
    return _PERCENT * float((standing & sliding).sum() / max(1, standing.sum()))


@lru_cache(maxsize=64)
def ball_height(body: Body) -> float:
    """Metres from the floor to the ball of a foot that stands flat."""
    joints, _ = forward_kinematics(body, np.zeros(3), np.broadcast_to(np.eye(3), (len(body.names), 3, 3)))
    return body.standing_height + float(joints[body.index("left_foot"), 2])
