"""One performance of an action: the motion in the scene, and the draws that made it what it is."""

import zlib

import numpy as np

from skeletonllm.skeleton.synthesis import body
from skeletonllm.skeleton.synthesis.actions import ACTIONS, Take
from skeletonllm.skeleton.synthesis.body import LEFT, RIGHT
from skeletonllm.skeleton.synthesis.gait import stand
from skeletonllm.skeleton.synthesis.pose import Pose

# Separate streams of random numbers for what is done and how it is seen, so that changing the noise or the view
# leaves the motion alone.
MOTION_STREAM, SENSOR_STREAM = 1, 2


def generator(name: str, performer: int, take: int, stream: int) -> np.random.Generator:
    """Random numbers of one take of what is called ``name``."""
    return np.random.default_rng([zlib.crc32(name.encode()), performer, take, stream])


def act(label: str, performer: int, take: int, fps: float, seconds: float | None) -> tuple[np.ndarray, Take]:
    """The joints as ``perform`` gives them, and the take: its side, its clock, how often it repeats.

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
    rng = generator(label, performer, take, MOTION_STREAM)
    tempo = bodies[0].tempo * rng.uniform(0.85, 1.15)
    amplitude = bodies[0].amplitude * rng.uniform(0.9, 1.1)
    preferred = LEFT if bodies[0].left_handed else RIGHT
    side = preferred if rng.random() < 0.75 else 1 - preferred
    begin, end = rng.uniform(0.03, 0.15), rng.uniform(0.88, 0.98)
    if seconds is None:
        seconds = action.seconds / tempo
    clock = np.arange(max(2, round(seconds * fps))) / fps
    time = (clock / seconds - begin) / (end - begin)
    poses = [Pose(each, len(clock)) for each in bodies]
    for pose in poses:
        stand(pose, clock, rng)
    drawn = Take(time, clock, tempo, amplitude, side, rng)
    action.perform(drawn, *poses)
    return np.stack([pose.solve() for pose in poses], 1), drawn
