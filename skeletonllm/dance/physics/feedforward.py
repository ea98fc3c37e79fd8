"""What the servos of the hinges must carry so that a body moves as a motion says: inverse dynamics.

A servo that only corrects errors sags under the weight of what it carries, by centimetres at the pelvis. So it is told
beforehand. Each piece of the body weighs in the middle of its capsule. What accelerates all of them and carries their
weight comes from the floor, at the lowest points of the body, in forces as small as they can be (Tikhonov), and hinges
have to pass it on. What the floor cannot give, as it only pushes, nobody gives: the motion is not in balance.
"""

from itertools import product

import numpy as np

from skeletonllm.dance.body import Body, capsule_ends, forward_kinematics, piece_centres
from skeletonllm.dance.body.hinges import LIMB_ORDER, NUM_HINGES, hinge_axes, kind_of
from skeletonllm.dance.body.mjcf import FRICTION
from skeletonllm.dance.body.proportions import MASS
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.physics.model import GRAVITY, SERVOS
from skeletonllm.dance.series import smooth
from skeletonllm.skeleton.kinematics import axis_rotation

# Seconds over which accelerations are averaged: what is shorter is noise of the recording.
SMOOTHING = 0.05
# Metres above the lowest point of the body: what is higher by several of it carries nothing.
_NEAR = 0.03
# Of force and of moment (square metres): the second is what half a foot gives, so that whoever stands on the toes with
# his weight behind them is not pushed upright at any price.
_RIDGE = np.array([1e-3, 1e-3, 1e-3, 0.02, 0.02, 0.02])
# Radians by which a target may be moved ahead of the pose to hold it, which bounds the torques.
_LARGEST = 0.15


def holding_offsets(motion: Motion, body: Body, hinges: np.ndarray) -> np.ndarray:
    """(T, 69) radians by which the targets of the hinges are to be moved so that the servos carry the body.

    Args:
        motion: T frames.
        hinges: (T, 69) their angles, in the order of ``qpos``.
    """
    joints, frames = forward_kinematics(body, motion.root.astype(np.float64), motion.rotations.astype(np.float64))
    needed = _inertial(body, joints, frames, motion.fps)
    middles = piece_centres(body, joints, frames)
    points, owners = _surface(body, joints, frames)
    pushes = _support(points, middles, needed)
    # On each joint's piece: what accelerates it, less what the floor does, and the moment of it about the origin.
    force, moment = needed.copy(), np.cross(middles, needed)
    np.subtract.at(force, (slice(None), owners), pushes)
    np.subtract.at(moment, (slice(None), owners), np.cross(points, pushes))
    for joint in reversed(LIMB_ORDER[1:]):
        force[:, body.parents[joint]] += force[:, joint]
        moment[:, body.parents[joint]] += moment[:, joint]
    offsets = []
    for place, joint in enumerate(LIMB_ORDER[1:]):
        about = moment[:, joint] - np.cross(joints[:, joint], force[:, joint])
        gain = SERVOS[kind_of(body.names[joint])] * body.mass / MASS
        turned = frames[:, body.parents[joint]]
        for hinge, name in enumerate(hinge_axes(body.names[joint])):
            axis = "xyz".index(name)
            offsets.append((turned[..., axis] * about).sum(-1) / gain)
            turned = turned @ axis_rotation(axis, hinges[:, NUM_HINGES * place + hinge])
    return np.clip(np.stack(offsets, -1), -_LARGEST, _LARGEST)


def _inertial(body: Body, joints: np.ndarray, frames: np.ndarray, fps: float) -> np.ndarray:
    """(T, 24, 3) newtons that accelerate and carry each piece of the body."""
    places = piece_centres(body, joints, frames).reshape(len(joints), -1)
    speeds = np.gradient(np.stack([smooth(each, SMOOTHING * fps) for each in places.T], -1), 1 / fps, axis=0)
    accelerations = np.gradient(speeds, 1 / fps, axis=0).reshape(joints.shape)
    return body.masses[:, None] * (accelerations + [0.0, 0.0, GRAVITY])


def _surface(body: Body, joints: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (T, P, 3) that may touch the floor, corners of the feet and ends of capsules, and whose they are (P,)."""
    corners = np.array(list(product((-1, 1), repeat=3)))
    local = (body.boxes.centres[:, None] + body.boxes.half_sizes[:, None] * corners).reshape(-1, 3)
    feet = np.repeat(body.boxes.joints, len(corners))
    soles = joints[:, feet] + (frames[:, feet] @ local[..., None])[..., 0]
    others = np.flatnonzero(~np.isin(body.capsules.joints, body.boxes.joints))
    ends = capsule_ends(body, frames, joints)[:, others]
    ends[..., 2] -= body.capsules.radii[others, None]
    owners = np.concatenate([feet, np.repeat(body.capsules.joints[others], 2)])
    return np.concatenate([soles, ends.reshape(len(joints), -1, 3)], 1), owners


def _support(points: np.ndarray, middles: np.ndarray, needed: np.ndarray) -> np.ndarray:
    """(T, P, 3) newtons with which the floor pushes at each point, within its friction."""
    heights = points[..., 2]
    weights = np.exp(-np.square((heights - heights.min(1, keepdims=True)) / _NEAR))
    centre = (weights[..., None] * points).sum(1, keepdims=True) / weights.sum(1)[:, None, None]
    wanted = np.concatenate([needed.sum(1), np.cross(middles - centre, needed).sum(1)], -1)
    # Of each point, (6, 3): the force itself, and its moment about the centre.
    x, y, z = np.moveaxis(points - centre, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([np.stack([zero, -z, y], -1), np.stack([z, zero, -x], -1), np.stack([-y, x, zero], -1)], -2)
    grasp = np.concatenate([np.broadcast_to(np.eye(3), cross.shape), cross], -2)
    weighed = grasp * weights[..., None, None]
    system = np.einsum("tpij,tpkj->tik", weighed, grasp) + np.diag(_RIDGE)
    pushes = np.einsum("tpij,ti->tpj", weighed, np.linalg.solve(system, wanted[..., None])[..., 0])
    up = np.maximum(pushes[..., 2], 0)
    aside = np.linalg.norm(pushes[..., :2], axis=-1)
    grip = np.minimum(1.0, FRICTION[0] * up / np.maximum(aside, 1e-9))
    return np.concatenate([pushes[..., :2] * grip[..., None], up[..., None]], -1)
