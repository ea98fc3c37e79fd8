"""Procedural actions: an embedded data set of people who wave, sit down or push each other, in any topology.

Bodies have human proportions and move by forward kinematics; body size, style, speed, amplitude, onset, view and
sensor noise are drawn from seeds. A performer's number fixes the body and the style, so disjoint numbers make
training and test sets of people who never met.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from skeletonllm.skeleton.segment import Segment
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.synthesis import two_person  # noqa: F401  (registers its actions)
from skeletonllm.skeleton.synthesis.actions import ACTIONS, Action
from skeletonllm.skeleton.synthesis.body import JOINTS, Performer, performer
from skeletonllm.skeleton.synthesis.captions import captions, captions_of_sequence
from skeletonllm.skeleton.synthesis.description import describe_motion
from skeletonllm.skeleton.synthesis.performance import MOTION_STREAM, SENSOR_STREAM, act, generator
from skeletonllm.skeleton.synthesis.sensor import disturb, view
from skeletonllm.skeleton.synthesis.several import act_several
from skeletonllm.skeleton.synthesis.truth import known_facts, known_facts_of_sequence
from skeletonllm.skeleton.topologies import get_topology
from skeletonllm.skeleton.topology import Topology

__all__ = [
    "ACTIONS",
    "JOINTS",
    "Action",
    "Performer",
    "captions",
    "captions_of_sequence",
    "describe",
    "known_facts",
    "known_facts_of_sequence",
    "perform",
    "perform_sequence",
    "performer",
    "synthesize",
    "synthesize_sequence",
]


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
    return act(label, performer, take, fps, seconds)[0]


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
    rng = generator(label, performer, take, SENSOR_STREAM)
    joints, valid = disturb(view(scene, rng, yaw), fps, rng, noise)
    return SkeletonSequence(
        joints=joints[:, :, chosen],
        valid=valid[:, :, chosen],
        fps=fps,
        topology=topology,
        label=label,
        source=f"synthetic/{label}/p{performer:03d}/t{take:03d}",
    )


def perform_sequence(
    labels: Sequence[str], *, performer: int, take: int = 0, fps: float = 30.0
) -> tuple[np.ndarray, tuple[Segment, ...]]:
    """The motion of several actions, (T, 1, len(JOINTS), 3) metres of the scene as in ``perform``, and its segments.

    Raises:
        KeyError: an unknown action.
        ValueError: labels that no one person can do one after the other, see ``synthesize_sequence``.
    """
    return act_several(labels, performer, take, fps, generator(" ".join(labels), performer, take, MOTION_STREAM))


def synthesize_sequence(
    labels: Sequence[str],
    *,
    topology: str | Topology = "kinect_v2",
    performer: int,
    take: int = 0,
    fps: float = 30.0,
    noise: float = 1.0,
    yaw: float | None = None,
) -> tuple[SkeletonSequence, tuple[Segment, ...]]:
    """A recording of several actions, one after the other with short transitions, and when each of them happens.

    Args:
        labels: actions of one person. Whoever sits down can only stand up next, and nobody else can.
        topology, performer, take, fps, noise, yaw: as in ``synthesize``; ``yaw`` is the view of the beginning.

    Returns:
        The sequence, without a label, and a segment per action, in seconds.

    Raises:
        KeyError: unknown label or topology.
        ValueError: labels that do not fit one behind the other, or as ``synthesize``.
    """
    if not noise >= 0:
        raise ValueError(f"noise is {noise}, expected 0 or more")
    topology = get_topology(topology)
    chosen = _selection(topology)
    scene, segments = perform_sequence(labels, performer=performer, take=take, fps=fps)
    name = ", ".join(labels)
    rng = generator(name, performer, take, SENSOR_STREAM)
    joints, valid = disturb(view(scene, rng, yaw), fps, rng, noise)
    sequence = SkeletonSequence(
        joints=joints[:, :, chosen],
        valid=valid[:, :, chosen],
        fps=fps,
        topology=topology,
        source=f"synthetic/{name}/p{performer:03d}/t{take:03d}",
    )
    return sequence, segments
