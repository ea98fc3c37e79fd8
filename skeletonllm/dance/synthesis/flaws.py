"""Flaws of recordings, put into embedded dances: another person danced, and our body repeats the turns of the joints.

Data sets of dances are like that: nobody asked whether the arms of the one fit beside the trunk of the other, and how
high the floor was is a guess. The dances of AIST++ have 135 crossing pairs of triangles in a frame
(Skeleton2Stage, table 1). What learns from such dances dances so, too.
"""

from itertools import pairwise

import numpy as np

from skeletonllm.dance.body import Body
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.synthesis.moves import BEATS
from skeletonllm.dance.synthesis.score import SIDES
from skeletonllm.dance.synthesis.songs import Song
from skeletonllm.dance.synthesis.timing import channel
from skeletonllm.skeleton.kinematics import axis_rotation

# What leans inwards in a phrase, the axis of its parent, and how many degrees at most; signs are those of the left.
# About y an arm comes nearer to the trunk and a leg to the other, whose foot stays flat; about z forearms come to lie
# over the belly.
_LEANS = (({"shoulder": 1}, "y", 22.0), ({"shoulder": -1}, "z", 46.0), ({"hip": 1, "ankle": -1}, "y", 7.0))
# Of one dancer, how much of that.
_DANCERS = (0.7, 1.3)
# Of the most, what a phrase has at least.
_LEAST = 0.3
# Metres that the floor of a dance is off: markers and joints are rarely as low as soles, so more float than sink.
_FLOOR = (-0.03, 0.055)
# Metres that the pelvis wanders, along x and y (feet slide) and up (they float and sink), and the seconds of its waves.
_WANDERING = (0.05, 0.05, 0.02)
_WAVES = (3.1, 4.7, 7.9)


def add_flaws(motion: Motion, song: Song, strength: float, seed: int, body: Body) -> Motion:
    """A dance as if somebody else had danced it, on another floor; the contacts stay what they were.

    Limbs lean inwards, another amount in each phrase, so that arms stand in the trunk and in each other, and legs
    touch; they get there on the beat, as moves do. The pelvis wanders by centimetres, and the whole dance floats or
    sinks.

    Args:
        motion: a dance to the song.
        song: its beats are where phrases begin.
        strength: 0 leaves the dance as it is, 1 is ordinary.
        seed: the same song and seed, the same flaws.
        body: who dances.

    Raises:
        ValueError: a negative strength.
    """
    if strength < 0:
        raise ValueError(f"flaws of strength {strength}, expected 0 or more")
    if not strength:
        return motion
    rng = np.random.default_rng([song.seed, seed, 0xF1])
    times = np.arange(motion.num_frames) / motion.fps
    beats = (times - (song.beats[0] if len(song.beats) else 0.0)) * song.tempo / 60
    leaning = np.radians(strength * rng.uniform(*_DANCERS))
    rotations = motion.rotations.astype(np.float64)
    for joints, axis, most in _LEANS:
        for side, mirrored in zip(SIDES, (1, -1), strict=True):
            angle = leaning * most * mirrored * _by_phrase(beats, rng)
            for joint, sign in joints.items():
                number = body.index(f"{side}_{joint}")
                rotations[:, number] = axis_rotation("xyz".index(axis), sign * angle) @ rotations[:, number]
    root = motion.root + strength * (_wandering(times, rng) + [0.0, 0.0, rng.uniform(*_FLOOR)])
    return motion.replace(root=root, rotations=rotations)


def _by_phrase(beats: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(T,) up to 1: an amount for each phrase of a dance at any beats (T,), reached in its first beat."""
    amounts = rng.uniform(_LEAST, 1.0, max(1, int(np.ceil(beats[-1] / BEATS))) + 1)
    keys = [(0.0, amounts[0])]
    for phrase, (before, amount) in enumerate(pairwise(amounts), start=1):
        keys += [(phrase * BEATS, before), (phrase * BEATS + 1, amount)]
    return channel(keys, beats)


def _wandering(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(T, 3) metres: slow waves of any phase."""
    waves = [np.sin(2 * np.pi * (times[:, None] / seconds + rng.random(3))) for seconds in _WAVES]
    return np.mean(waves, 0) * _WANDERING
