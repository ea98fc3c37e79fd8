"""Procedural actions: an embedded data set of people who wave, sit down or push each other, in any topology.

Bodies have human proportions and move by forward kinematics; body size, style, speed, amplitude, onset, view and
sensor noise are drawn from seeds. A performer's number fixes the body and the style, so disjoint numbers make
training and test sets of people who never met.
"""

import zlib
from functools import lru_cache

import numpy as np

from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.synthesis import body, two_person  # noqa: F401  (two_person registers its actions)
from skeletonllm.skeleton.synthesis.actions import ACTIONS, Action, Take
from skeletonllm.skeleton.synthesis.body import JOINTS, LEFT, RIGHT, Performer, performer
from skeletonllm.skeleton.synthesis.description import describe_motion
from skeletonllm.skeleton.synthesis.gait import stand
from skeletonllm.skeleton.synthesis.pose import Pose
from skeletonllm.skeleton.synthesis.sensor import disturb, view
from skeletonllm.skeleton.topologies import get_topology
from skeletonllm.skeleton.topology import Topology

__all__ = ["ACTIONS", "JOINTS", "Action", "Performer", "describe", "perform", "performer", "synthesize"]

# Separate streams of random numbers for what is done and how it is seen, so that changing the noise or the view
# leaves the motion alone.
_MOTION_STREAM, _SENSOR_STREAM = 1, 2


def _generator(label: str, number: int, take: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(label.encode()), number, take, stream])


def perform(
    label: str, *, performer: int, take: int = 0, fps: float = 30.0, seconds: float | None = None
) -> np.ndarray:
    """The motion itself, before any camera.

    Returns:
        (T, P, len(JOINTS), 3) metres in the scene: x to the right of someone facing the camera, y above the floor,
        z away from the camera.

    Raises:
        KeyError: unknown label; the message lists the known ones.
        ValueError: negative performer or take, or a frame rate or duration that is not positive.
    """
    if label not in ACTIONS:
        raise KeyError(f"unknown action {label!r}; known: {', '.join(ACTIONS)}")
    if take < 0:
        raise ValueError(f"take is {take}, expected 0 or more")
    if not fps > 0 or (seconds is not None and not seconds > 0):
        raise ValueError(f"fps {fps} and seconds {seconds} must be positive")
    action = ACTIONS[label]
    bodies = [body.performer(performer, partner) for partner in range(action.persons)]
    rng = _generator(label, performer, take, _MOTION_STREAM)
    tempo = bodies[0].tempo * rng.uniform(0.85, 1.15)
    amplitude = bodies[0].amplitude * rng.uniform(0.9, 1.1)
    preferred = LEFT if bodies[0].left_handed else RIGHT
    side = preferred if rng.random() < 0.75 else 1 - preferred
    begin, end = rng.uniform(0.03, 0.15), rng.uniform(0.88, 0.98)
    if seconds is None:
        seconds = action.seconds / tempo
    clock = np.arange(max(2, round(seconds * fps))) / fps
    time = (clock / seconds - begin) / (end - begin)
    poses = [Pose(body, len(clock)) for body in bodies]
    for pose in poses:
        stand(pose, clock, rng)
    action.perform(Take(time, clock, tempo, amplitude, side, rng), *poses)
    return np.stack([pose.solve() for pose in poses], 1)


def describe(label: str, *, performer: int, take: int = 0) -> str:
    """What each part of the body does in this very motion, in two to four sentences that do not name the action.

    Raises:
        KeyError: unknown label.
        ValueError: negative performer or take.
    """
    return describe_motion(perform(label, performer=performer, take=take))


@lru_cache
def _selection(topology: Topology) -> np.ndarray:
    unknown = [joint for joint in topology.joints if joint not in JOINTS]
    if unknown:
        raise ValueError(
            f"topology {topology.name}: no synthetic motion for its joints {', '.join(unknown)}; "
            f"known are {', '.join(JOINTS)}"
        )
    return np.array([JOINTS.index(joint) for joint in topology.joints])


def synthesize(
    label: str,
    *,
    topology: str | Topology = "kinect_v2",
    performer: int,
    take: int = 0,
    fps: float = 30.0,
    seconds: float | None = None,
    noise: float = 1.0,
    yaw: float | None = None,
) -> SkeletonSequence:
    """A recording of an action, as a skeleton sensor would deliver it.

    The same label, performer and take show the same motion from the same view with the same errors in every topology.

    Args:
        label: one of ``ACTIONS``.
        topology: registered, from YAML, or given; all its joints must be among ``JOINTS``.
        performer: 0 or more, fixes the body and the style.
        take: 0 or more, fixes everything else.
        fps: frames per second.
        seconds: duration; by default 2 to 3 s, shorter for quick performers.
        noise: size of the sensor's errors, 0 for none.
        yaw: degrees by which the person (or the pair, which stands side by side in the picture) is turned to its
            left; by default a draw within 45 degrees of facing the camera.

    Returns:
        P is 1 or 2; label and source are set; coordinates as SkeletonSequence has them.

    Raises:
        KeyError: unknown label or topology.
        ValueError: a topology with joints that the body has not, a negative performer, take or noise, or a frame
            rate or duration that is not positive.
    """
    if not noise >= 0:
        raise ValueError(f"noise is {noise}, expected 0 or more")
    topology = get_topology(topology)
    chosen = _selection(topology)
    scene = perform(label, performer=performer, take=take, fps=fps, seconds=seconds)
    rng = _generator(label, performer, take, _SENSOR_STREAM)
    joints, valid = disturb(view(scene, rng, yaw), fps, rng, noise)
    return SkeletonSequence(
        joints=joints[:, :, chosen],
        valid=valid[:, :, chosen],
        fps=fps,
        topology=topology,
        label=label,
        source=f"synthetic/{label}/p{performer:03d}/t{take:03d}",
    )
