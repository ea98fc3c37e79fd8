"""How closely a simulated body follows a reference: the four terms of the imitation reward (Skeleton2Stage, after
vid2player3d).

Frame by frame, a term is exp(-scale * error); the reward is their weighted sum. What the errors are averaged over is
not said by the paper; here each is a mean over all the numbers that it compares.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from skeletonllm.dance.body import Body
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.physics import turning_speeds
from skeletonllm.skeleton.kinematics import matrix_to_rotation_6d


class Term(NamedTuple):
    """The share of a term in the reward, and how fast it falls with its error."""

    weight: float
    scale: float


TERMS: Mapping[str, Term] = {
    "rotation": Term(0.6, 60.0),
    "velocity": Term(0.1, 0.2),
    "position": Term(0.2, 100.0),
    "orientation": Term(0.1, 40.0),
}
"""Errors: squares of the six numbers of each joint's rotation relative to its parent; of the speeds at which joints
turn, rad/s; of the places of joints in the world, metres; and of the angle between the rotations of each joint relative
to the world, radians."""


class Moving(NamedTuple):
    """Bodies that move, N of them or one in N frames, float64.

    Args:
        rotations: (N, 24, 3, 3) of the joints relative to their parents.
        speeds: (N, 23, 3) at which all but the pelvis have turned since the frame before, rad/s.
        joints: (N, 24, 3) metres.
        frames: (N, 24, 3, 3) rotations of the joints relative to the world.
    """

    rotations: np.ndarray
    speeds: np.ndarray
    joints: np.ndarray
    frames: np.ndarray


def tracking_terms(reference: Motion, simulated: Motion, body: Body) -> dict[str, np.ndarray]:
    """Each of ``TERMS`` from 0 to 1, (T - 1,), of the frames after the first.

    Args:
        reference: T frames.
        simulated: what became of it, T frames that begin with the same.
    """
    moving = []
    for motion in (reference, simulated):
        rotations = motion.rotations.astype(np.float64)
        joints, frames = (values[1:].astype(np.float64) for values in motion.pose(body))
        moving.append(Moving(rotations[1:], turning_speeds(rotations[:, 1:], reference.fps), joints, frames))
    return terms_between(*moving)


def terms_between(wanted: Moving, found: Moving) -> dict[str, np.ndarray]:
    """Each of ``TERMS`` from 0 to 1, (N,)."""
    between = np.swapaxes(wanted.frames, -1, -2) @ found.frames
    # The trace of a rotation is 1 + 2 cos(angle).
    cosine = np.clip((np.trace(between, axis1=-2, axis2=-1) - 1) / 2, -1.0, 1.0)
    errors = {
        "rotation": matrix_to_rotation_6d(found.rotations[:, 1:]) - matrix_to_rotation_6d(wanted.rotations[:, 1:]),
        "velocity": found.speeds - wanted.speeds,
        "position": found.joints - wanted.joints,
        "orientation": np.arccos(cosine),
    }
    return {
        name: np.exp(-term.scale * np.square(errors[name]).reshape(len(errors[name]), -1).mean(-1))
        for name, term in TERMS.items()
    }


def weighted(terms: Mapping[str, np.ndarray]) -> np.ndarray:
    """(T - 1,) from 0 to 1: the reward of each frame."""
    return sum(term.weight * terms[name] for name, term in TERMS.items())
