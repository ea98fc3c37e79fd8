"""Where both feet are at any beat: planted without moving at all, or on their way."""

from dataclasses import dataclass

import numpy as np

from skeletonllm.dance.synthesis.score import HOME, SIDES, Score
from skeletonllm.dance.synthesis.timing import bump, channel, ease

# How far the toes hang in the middle of a step, in degrees, of a foot that is so high: less than would touch the floor.
_HANGING = 150.0


@dataclass(frozen=True)
class Foot:
    """One foot over time.

    Args:
        ground: (T, 2) metres, where the ankle is or would be above the floor.
        height: (T,) metres above standing.
        yaw: (T,) degrees, the heading of the foot.
        pitch: (T,) degrees, toes down.
        kick: (T,) from 0 to 1, how far it is from there to where the leg is stretched.
        direction: (T, 3) of that leg, in the dancer's axes.
        planted: (T,) bool.
    """

    ground: np.ndarray
    height: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray
    kick: np.ndarray
    direction: np.ndarray
    planted: np.ndarray


def feet(score: Score, beats: np.ndarray) -> dict[str, Foot]:
    """Both feet at any beats (T,), without jumps."""
    return {side: _foot(score, side, beats) for side in SIDES}


def _foot(score: Score, side: str, beats: np.ndarray) -> Foot:
    home = HOME if side == "left" else -HOME
    frames = len(beats)
    steps = sorted((step for step in score.steps if step.side == side), key=lambda step: step.start)
    stops = np.array([step.stop for step in steps])
    centre = np.stack([channel(score.keys[name], stops) for name in ("centre_x", "centre_y")], -1)
    heading = channel(score.keys["heading"], stops)
    ground, yaw = np.tile([home, 0.0], (frames, 1)), np.zeros(frames)
    height, pitch, kick = np.zeros(frames), np.zeros(frames), np.zeros(frames)
    direction = np.tile([0.0, 0.0, -1.0], (frames, 1))
    planted = np.ones(frames, bool)
    place, facing = np.array([home, 0.0]), 0.0
    for step, middle, turned in zip(steps, centre, heading, strict=True):
        angle = np.radians(turned + step.turn)
        x, y = step.place
        target = middle + [np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y]
        share = (beats - step.start) / (step.stop - step.start)
        after, swing = share > 0, (share > 0) & (share < 1)
        moved = ease(share)[after]
        ground[after] = place + moved[:, None] * (target - place)
        yaw[after] = facing + moved * (turned + step.turn - facing)
        height[swing] = step.height * bump(share[swing])
        pitch[swing] = _HANGING * height[swing]
        planted &= ~swing
        place, facing = target, turned + step.turn
    for one in (one for one in score.kicks if one.side == side):
        away = np.abs(beats - one.beat) < 1
        kick[away] = ease(1 - np.abs(beats[away] - one.beat))
        direction[away] = one.direction
        planted &= ~away
    return Foot(ground, height, yaw, pitch, kick, direction, planted)
