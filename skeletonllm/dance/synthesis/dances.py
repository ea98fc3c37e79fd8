"""Procedural dances on the beats of a song: moves in phrases of eight beats, of the song's style."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from skeletonllm.dance.body import Body, centre_of_mass, default_body, forward_kinematics
from skeletonllm.dance.motion import FPS, Motion
from skeletonllm.dance.synthesis import moves
from skeletonllm.dance.synthesis.feet import feet
from skeletonllm.dance.synthesis.posing import pose
from skeletonllm.dance.synthesis.score import NEUTRAL, SIDES, Phrase, Score
from skeletonllm.dance.synthesis.songs import Song
from skeletonllm.dance.synthesis.timing import GRAVITY, Jump, bump, channel, ease, plan_jump


@dataclass(frozen=True)
class Manner:
    """How a style is danced.

    Args:
        size: amplitude of the moves, 1 being ordinary.
        sharpness: share of a beat in which a move happens, before it holds.
        bounce: metres that the hips sink at every beat.
        moves: what is danced.
    """

    size: float
    sharpness: float
    bounce: float
    moves: tuple[str, ...]


MANNERS: Mapping[str, Manner] = {
    "house": Manner(1.0, 0.9, 0.035, ("step_touch", "march", "shuffle", "jump", "punch_up", "half_turn", "twist")),
    "hip_hop": Manner(1.1, 0.8, 0.05, ("body_roll", "arm_wave", "step_touch", "squat", "punch_up", "twist", "march")),
    "rock": Manner(1.15, 0.85, 0.03, ("jump", "punch_up", "side_kick", "march", "squat", "shuffle", "step_touch")),
    "latin": Manner(
        0.9, 1.0, 0.02, ("hip_sway", "half_turn", "step_touch", "twist", "shuffle", "arm_wave", "side_kick")
    ),
}
# A slow song leaves room for large moves. At this tempo they have their ordinary size.
_ORDINARY_TEMPO = 110.0
# Knees are never quite straight.
_SOFT_KNEES = 0.035
# Feet in flight come nearer to the hips by this much.
_TUCK = 0.06
# Nobody holds quite still: degrees, and beats of the slow waves that it is made of.
_UNREST = 1.2
_UNREST_BEATS = (5.3, 8.9, 13.7)


def make_dance(song: Song, seed: int, body: Body | None = None, fps: float = FPS) -> Motion:
    """A dance to a song, the same for the same arguments.

    Standing feet do not move at all, knees bend forwards, and in a jump the centre of mass falls freely.

    Args:
        song: its beats, style and length.
        seed: of the choice of moves, their order and the dancer's habits.
        body: who dances; lengths are those of ``default_body()`` otherwise.
        fps: frames per second.

    Returns:
        Song.seconds * fps frames, rounded; contacts are 1 for both joints of a foot that is planted.
    """
    body = body or default_body()
    manner = MANNERS[song.style]
    rng = np.random.default_rng([seed, 0xDA])
    beat = 60.0 / song.tempo
    first = float(song.beats[0]) if len(song.beats) else song.seconds
    last = (song.seconds - first) / beat
    size = manner.size * float(np.clip((_ORDINARY_TEMPO / song.tempo) ** 0.5, 0.8, 1.15) * rng.uniform(0.9, 1.1))
    names = [manner.moves[place] for place in rng.permutation(len(manner.moves))]
    score = choreograph(names, last, size, rng)
    jumps = [plan_jump(first + at * beat, beat, size) for at in score.jumps]

    frames = max(1, round(song.seconds * fps))
    edges = np.array([edge for one in jumps for edge in (one.takeoff, one.landing)])
    times = np.concatenate([np.arange(frames) / fps, edges])
    root, rotations, planted = _perform(body, score, manner, jumps, (times - first) / beat, times, rng)
    _fall_freely(body, root, rotations, times, frames, jumps)
    contacts = np.stack([planted[side] for side in SIDES] * 2, -1)
    return Motion(root[:frames], rotations[:frames], contacts[:frames], fps, source=f"dance-{song.name}-{seed}")


def choreograph(names: list[str], beats: float, size: float, rng: np.random.Generator) -> Score:
    """A score of so many beats: the moves in turn, each to one side and then to the other."""
    score = Score()
    start, place = 0, 0
    while start < beats:
        lead = bool(rng.integers(2))
        for mirrored in (lead, not lead):
            phrase = Phrase(score, start, size * rng.uniform(0.92, 1.08), mirrored)
            moves.MOVES[names[place % len(names)]](phrase)
            phrase.rest_of_the_body(1)
            start += moves.BEATS
        place += 1
    return score


def _perform(
    body: Body,
    score: Score,
    manner: Manner,
    jumps: list[Jump],
    beats: np.ndarray,
    times: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    channels = {name: channel(keys, beats, manner.sharpness) for name, keys in score.keys.items()}
    # Feet arrive with the centre and the heading, which no style makes sharper.
    channels |= {name: channel(score.keys[name], beats) for name in ("centre_x", "centre_y", "heading")}
    for name in NEUTRAL:
        if name.partition("_")[2] and not name.startswith("pelvis"):
            waves = [np.sin(2 * np.pi * (beats / length + rng.random())) for length in _UNREST_BEATS]
            channels[name] = channels[name] + _UNREST * np.mean(waves, 0)
    height = -_SOFT_KNEES - channels["drop"]
    bounce = manner.bounce * (0.5 + 0.5 * np.cos(2 * np.pi * beats))
    lifted = np.zeros_like(times)
    flying = np.zeros(len(times), bool)
    for one in jumps:
        middle, whole = (one.takeoff + one.landing) / 2, one.room + one.push + (one.landing - one.takeoff) / 2
        height += one.height(times)
        bounce *= ease(np.abs(times - middle) / (whole / 2) - 1)
        in_flight = one.in_flight(times)
        share = (times - one.takeoff) / (one.landing - one.takeoff)
        lifted += np.where(in_flight, one.height(times) - one.tall + _TUCK * bump(share), 0.0)
        flying |= in_flight
    both = feet(score, beats)
    # Knees are soft below a jump, too: its rest is lower than straight legs.
    root, rotations = pose(body, channels, both, height - bounce, lifted)
    return root, rotations, {side: foot.planted & ~flying for side, foot in both.items()}


def _fall_freely(
    body: Body, root: np.ndarray, rotations: np.ndarray, times: np.ndarray, frames: int, jumps: list[Jump]
) -> None:
    """Moves the whole body in each flight so that its centre of mass, not the hips, is on the parabola. The take-offs
    and landings are the samples after the first ``frames``."""
    for number, one in enumerate(jumps):
        ends = np.array([frames + 2 * number, frames + 2 * number + 1])
        inside = np.flatnonzero(one.in_flight(times[:frames]))
        which = np.concatenate([ends, inside])
        centres = centre_of_mass(body, *forward_kinematics(body, root[which], rotations[which]))
        share = ((times[inside] - one.takeoff) / (one.landing - one.takeoff))[:, None]
        wanted = centres[0] + share * (centres[1] - centres[0])
        wanted[:, 2] += GRAVITY / 2 * (times[inside] - one.takeoff) * (one.landing - times[inside])
        root[inside] += wanted - centres[2:]
