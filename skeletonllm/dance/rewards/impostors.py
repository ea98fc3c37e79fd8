"""What may fool a reward without dancing: bodies that are held, moved as a whole, shaken, or torn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from skeletonllm.dance.motion import ROOT, Motion, resample
from skeletonllm.skeleton.kinematics import axis_rotation

Change = Callable[[Motion, np.random.Generator], Motion]

_UP = 2
# Metres per second of a walk, turns per second that a dancer reaches, and how much slower hardly any motion is left.
_GLIDE, _TURNS, _SLOWER = 1.0, 1.0, 10.0
# Of the six numbers of each rotation: their scatter from frame to frame, about 6 degrees.
_TREMBLE = 0.1
# Numbers of an unstable generator: how fast they run away, per second, and from how little.
_GROWTH, _SEED = 1.5, 0.05


@dataclass(frozen=True)
class Impostor:
    """Somebody who does not dance.

    Args:
        text: what is to be seen, for models that read texts.
        make: a dance to what becomes of it, as long and with the same frame rate.
    """

    text: str
    make: Change


def still(motion: Motion, rng: np.random.Generator) -> Motion:
    """One pose of the dance all the time."""
    frame = np.full(motion.num_frames, int(rng.integers(motion.num_frames)))
    return motion.replace(root=motion.root[frame], rotations=motion.rotations[frame], contacts=motion.contacts[frame])


def gliding(motion: Motion, rng: np.random.Generator) -> Motion:
    """One pose that moves over the floor at a walking pace, in any direction."""
    held, heading = still(motion, rng), rng.uniform(0, 2 * np.pi)
    metres = _GLIDE * np.arange(motion.num_frames)[:, None] / motion.fps
    return held.replace(root=held.root + metres * [np.cos(heading), np.sin(heading), 0.0])


def turning(motion: Motion, rng: np.random.Generator) -> Motion:
    """One pose on a turntable."""
    held = still(motion, rng)
    rotations = held.rotations.copy()
    turned = axis_rotation(_UP, 2 * np.pi * _TURNS * np.arange(motion.num_frames) / motion.fps)
    rotations[:, 0] = turned @ rotations[:, 0]
    return held.replace(rotations=rotations)


def trembling(motion: Motion, rng: np.random.Generator) -> Motion:
    """One pose about which all joints jump from frame to frame."""
    vector = still(motion, rng).to_vector()
    vector[:, ROOT.stop :] += rng.normal(0, _TREMBLE, vector[:, ROOT.stop :].shape)
    return Motion.from_vector(vector, motion.fps, motion.source)


def exploding(motion: Motion, rng: np.random.Generator) -> Motion:
    """One pose of which every number runs away exponentially, that of the pelvis as well."""
    vector = still(motion, rng).to_vector()
    away = np.expm1(_GROWTH * np.arange(motion.num_frames)[:, None] / motion.fps)
    vector[:, ROOT.start :] += _SEED * away * rng.normal(size=vector.shape[1] - ROOT.start)
    return Motion.from_vector(vector, motion.fps, motion.source)


def slowed(motion: Motion, rng: np.random.Generator) -> Motion:
    """A tenth of the dance, ten times as slow."""
    length = -(-motion.num_frames // int(_SLOWER)) + 1
    start = int(rng.integers(max(1, motion.num_frames - length + 1)))
    part = motion.slice(start, start + length).replace(fps=motion.fps / _SLOWER)
    return resample(part, motion.fps).slice(0, motion.num_frames)


IMPOSTORS: Mapping[str, Impostor] = {
    "still": Impostor("a person stands still", still),
    "gliding": Impostor("a stiff body glides", gliding),
    "turning": Impostor("a stiff body turns", turning),
    "trembling": Impostor("a person trembles", trembling),
    "exploding": Impostor("a body flies apart", exploding),
    "slowed": Impostor("a person hardly moves", slowed),
}
