"""Whether a reference agrees with the floor.

The four terms see floating and gliding only through the places of joints, where an untrained body's own drift is as
large; and a body whose feet are told to stay off the floor stumbles less. So this term asks the reference itself: its
lowest point is on the floor unless it falls freely, and one foot of those that are low stands still.
"""

from itertools import product

import numpy as np

from skeletonllm.dance.body import Body, centre_of_mass, lowest_points
from skeletonllm.dance.metrics.ground import above_floor
from skeletonllm.dance.motion import Motion

HEIGHT, SPEED = 0.1, 0.6
"""Metres off the floor, and metres per second along it, at which the term is 1 / e: more than real recordings are off
on another body."""
# Metres above the lowest point of the body up to which a foot may be what stands, and above the floor up to which
# anything stands at all.
_NEAR, _FLYING = 0.025, 0.15


def ground_term(reference: Motion, body: Body) -> np.ndarray:
    """(T - 1,) from 0 to 1, of the frames after the first, of a reference of T frames with the floor at z = 0."""
    joints, frames = (part.astype(np.float64) for part in reference.pose(body))
    lowest = lowest_points(body, joints, frames)
    off = above_floor(lowest, centre_of_mass(body, joints, frames)[:, 2], reference.fps) + np.maximum(-lowest, 0)
    corners = np.array(list(product((-1, 1), repeat=3)))
    local = body.boxes.centres[:, None] + body.boxes.half_sizes[:, None] * corners
    which = body.boxes.joints
    places = joints[:, which, None] + (frames[:, which, None] @ local[..., None])[..., 0]
    # A foot that rolls or turns has a corner that rests.
    speeds = np.linalg.norm(np.diff(places, axis=0)[..., :2], axis=-1).min(-1) * reference.fps
    low = (places[1:, ..., 2].min(-1) < lowest[1:, None] + _NEAR) & (lowest[1:, None] < _FLYING)
    slid = np.where(low, speeds, np.inf).min(-1)
    # Nothing slides where no foot is low: in the air, or on the hands.
    return np.exp(-np.square(off[1:] / HEIGHT) - np.square(np.where(low.any(-1), slid, 0.0) / SPEED))
