"""A motion as what a simulator is to follow: where it starts, and targets for each of its steps."""

from dataclasses import dataclass

import numpy as np

from skeletonllm.dance.body import Body, pose_to_qpos, unwrap_qpos
from skeletonllm.dance.body.mjcf import DAMPING, TIMESTEP
from skeletonllm.dance.motion import FPS, Motion
from skeletonllm.dance.physics.feedforward import SMOOTHING, holding_offsets
from skeletonllm.dance.physics.model import GRAVITY, WRENCH_DAMPING
from skeletonllm.dance.physics.turns import turning_speeds
from skeletonllm.dance.series import smooth
from skeletonllm.skeleton.kinematics import axis_angle_to_matrix, matrix_to_quaternion

SUBSTEPS = round(1 / (FPS * TIMESTEP))
"""Steps of the simulator in a frame of a motion."""
HELD = ("left_hand", "right_hand")
"""Fingers are not simulated: these joints follow the wrists."""
# Radians a second of turning for which the torque may be twice as large.
_TURNING = 2.0
LARGEST_DEMAND = 3.0


@dataclass(frozen=True, eq=False)
class Reference:
    """What one body is to follow, T frames at 30 per second in S = 4 (T - 1) steps.

    Args:
        motion: the frames, as they are followed: fingers held, moved in height.
        body: who follows.
        qpos: (T, 76) of the frames, see ``body.pose_to_qpos``, without jumps.
        start: (151,) places and speeds, ``qpos`` and ``qvel``, of the first frame.
        control: (S, 82) of each step: targets of the 69 hinges and the six servos of the pelvis, then place (3) and
            quaternion (4) of the mocap body.
        demand: factors for the bounds of force and torque.
    """

    motion: Motion
    body: Body
    qpos: np.ndarray
    start: np.ndarray
    control: np.ndarray
    demand: tuple[float, float]


def make_reference(motion: Motion, body: Body) -> Reference:
    """The reference of a motion at 30 frames per second (``motion.resample``) with two frames at least."""
    rotations = motion.rotations.astype(np.float64)
    rotations[:, [body.index(joint) for joint in HELD]] = np.eye(3)
    motion = motion.replace(rotations=rotations)
    rotations = motion.rotations.astype(np.float64)
    qpos = unwrap_qpos(pose_to_qpos(motion.root.astype(np.float64), rotations))
    # Hinges and place go through the frames on cubic curves, the rotation of the pelvis on great arcs.
    lines = np.concatenate([qpos[:, :3], qpos[:, 7:]], -1)
    speeds = np.gradient(lines, 1 / FPS, axis=0)
    places, rates = _hermite(lines, speeds)
    spin = turning_speeds(rotations[:, 0], FPS)
    share = np.arange(1, SUBSTEPS + 1)[:, None] / SUBSTEPS
    turned = rotations[:-1, None, 0] @ axis_angle_to_matrix(spin[:, None] / FPS * share)
    turned = turned.reshape(-1, 3, 3)
    # What a servo is aimed ahead by, it loses to its damping while the body moves as the reference does.
    along = (rates[:, None, :3] @ turned)[:, 0]
    ahead = WRENCH_DAMPING * np.concatenate([along, np.repeat(spin, SUBSTEPS, axis=0)], -1)
    held = holding_offsets(motion, body, qpos[:, 7:])
    held = held[:-1, None] + share * np.diff(held, axis=0)[:, None]
    targets = places[:, 3:] + DAMPING * rates[:, 3:] + held.reshape(len(places), -1)
    control = np.concatenate([targets, ahead, places[:, :3], matrix_to_quaternion(turned)], -1)
    start = np.concatenate([qpos[0], speeds[0, :3], spin[0], speeds[0, 3:]])
    return Reference(motion, body, qpos, start, control, demand(motion))


def demand(motion: Motion) -> tuple[float, float]:
    """By how much more than a body that stands a motion asks of balance: factors of force and torque from 1 to 3.

    Force: one plus the root mean square of the acceleration of the pelvis, in g, above what is averaged over 0.05 s.
    Torque: one plus the root mean square of the speed at which the pelvis turns, in 2 rad/s.
    """
    sigma = SMOOTHING * motion.fps
    root = np.stack([smooth(axis, sigma) for axis in motion.root.astype(np.float64).T], -1)
    accelerations = np.diff(root, 2, axis=0) * motion.fps**2
    force = 1 + _root_mean_square(accelerations) / GRAVITY
    turns = turning_speeds(motion.rotations[:, 0].astype(np.float64), motion.fps)
    torque = 1 + _root_mean_square(turns) / _TURNING
    return min(force, LARGEST_DEMAND), min(torque, LARGEST_DEMAND)


def _hermite(values: np.ndarray, speeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and speeds (S, N) at the end of each step, on cubic curves through frames (T, N) with these speeds."""
    share = (np.arange(1, SUBSTEPS + 1) / SUBSTEPS)[:, None]
    start, stop = values[:-1, None], values[1:, None]
    leaving, arriving = speeds[:-1, None] / FPS, speeds[1:, None] / FPS
    way = stop - start
    bend, twist = 3 * way - 2 * leaving - arriving, leaving + arriving - 2 * way
    places = start + share * (leaving + share * (bend + share * twist))
    rates = (leaving + share * (2 * bend + 3 * share * twist)) * FPS
    return places.reshape(-1, values.shape[1]), rates.reshape(-1, values.shape[1])


def _root_mean_square(vectors: np.ndarray) -> float:
    """Of the lengths of vectors (N, 3); zero of none."""
    return float(np.sqrt(np.square(vectors).sum(-1).mean())) if len(vectors) else 0.0
