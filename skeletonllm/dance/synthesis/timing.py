"""Channels of a score between their keys, and the height of a jump."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

GRAVITY = 9.81


def ease(share: np.ndarray) -> np.ndarray:
    """From 0 to 1 with neither speed nor acceleration at the ends: the minimum-jerk curve of Flash and Hogan 1985."""
    share = np.clip(share, 0.0, 1.0)
    return share**3 * (10 - 15 * share + 6 * share**2)


def bump(share: np.ndarray) -> np.ndarray:
    """0 at 0 and 1, with no speed there; 1 in the middle; 0 beyond."""
    share = np.clip(share, 0.0, 1.0)
    return 16 * share**2 * (1 - share) ** 2


def channel(keys: Sequence[tuple[float, float]], beats: np.ndarray, sharpness: float = 1.0) -> np.ndarray:
    """The values of a channel at any beats: at rest at each key, and on its way to the next one in the last
    ``sharpness`` of the time between them."""
    at, values = np.array(keys, float).T
    at, values = np.append(at, np.inf), np.append(values, values[-1])
    before = np.clip(np.searchsorted(at, beats, side="right") - 1, 0, len(at) - 2)
    length = at[before + 1] - at[before]
    share = np.where(np.isfinite(length), (beats - at[before]) / np.where(np.isfinite(length), length, 1.0), 0.0)
    moved = ease((share - (1 - sharpness)) / sharpness)
    return values[before] + (values[before + 1] - values[before]) * moved


class Jump(NamedTuple):
    """A jump in seconds and metres: off the floor from ``takeoff`` to ``landing``. The push before it takes ``push``
    seconds from ``deep`` below rest to ``tall`` above, getting down takes ``room`` seconds, and after the landing
    all that comes backwards."""

    takeoff: float
    landing: float
    push: float
    deep: float
    tall: float
    room: float

    @property
    def speed(self) -> float:
        """Upwards at take-off, metres per second."""
        return GRAVITY * (self.landing - self.takeoff) / 2

    def height(self, time: np.ndarray) -> np.ndarray:
        """(T,) metres of the hips above rest: down, push (a cubic with the speed of take-off at its end), a parabola,
        and all of it backwards."""
        middle = (self.takeoff + self.landing) / 2
        # Symmetric in time about the highest point.
        time = middle - np.abs(time - middle)
        bottom = self.takeoff - self.push
        down = -self.deep * ease(1 - (bottom - time) / self.room)
        share = np.clip((time - bottom) / self.push, 0.0, 1.0)
        rise = self.deep + self.tall
        push = -self.deep + rise * share**2 * (3 - 2 * share) + self.push * self.speed * share**2 * (share - 1)
        flight = self.tall + GRAVITY / 2 * (time - self.takeoff) * (self.landing - time)
        return np.select([time < bottom, time < self.takeoff], [down, push], flight)

    def in_flight(self, time: np.ndarray) -> np.ndarray:
        """(T,) bool, the two ends excluded."""
        return (time > self.takeoff) & (time < self.landing)


def plan_jump(middle: float, beat: float, size: float) -> Jump:
    """A jump that is highest at ``middle`` seconds, and takes two beats of ``beat`` seconds before and after it."""
    flight = np.clip(0.32 * size, 0.2, 0.42)
    speed = GRAVITY * flight / 2
    tall = 0.02
    # As long as a steady push over so many metres would take, as far as there is time.
    push = min(2 * (0.2 + tall) / speed, beat)
    deep = push * speed / 2 - tall
    return Jump(middle - flight / 2, middle + flight / 2, push, deep, tall, 2 * beat - flight / 2 - push)
