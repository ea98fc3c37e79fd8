"""A dance written down: where each channel of the body is at which beat, which foot steps when, and the jumps.

Positions are in metres and relative to the dancer: x to the left, y backwards, z up. Angles are in degrees.
"""

from dataclasses import dataclass, field

import numpy as np

SIDES = ("left", "right")

# Half the distance of the ankles at home, a little wider than the hips.
HOME = 0.13

# Beats that a step takes: feet that step in turn stand together for the rest.
SWING = 0.8

NEUTRAL = {
    "sway": 0.0, "surge": 0.0, "drop": 0.0,
    "pelvis_yaw": 0.0, "pelvis_pitch": 0.0, "pelvis_roll": 0.0,
    "spine_yaw": 0.0, "spine_pitch": 3.0, "spine_roll": 0.0,
    "head_yaw": 0.0, "head_pitch": 0.0, "head_roll": 0.0,
    "left_down": 66.0, "left_front": 12.0, "left_twist": 0.0, "left_elbow": 25.0, "left_wrist": 0.0,
    "right_down": 66.0, "right_front": 12.0, "right_twist": 0.0, "right_elbow": 25.0, "right_wrist": 0.0,
}  # fmt: skip
"""The channels and where they rest. Of the pelvis: ``sway`` to the left, ``surge`` backwards, ``drop`` below the
height at rest. Positive yaw turns to the left, pitch bends forwards, roll leans to the left. Of each arm: ``down`` from
the horizontal, ``front`` from sideways to the front, ``twist`` of the upper arm (negative brings a bent forearm up),
``elbow`` bends, ``wrist`` lets the hand hang."""

# What changes its sign when left and right change places.
_MIRRORED = {"sway", "pelvis_yaw", "pelvis_roll", "spine_yaw", "spine_roll", "head_yaw", "head_roll"}


@dataclass(frozen=True)
class Step:
    """A foot leaves the floor at ``start`` and stands at ``stop``, in beats, having been ``height`` above the floor.

    Its place is relative to the dancer's centre at that time, and to the heading then, turned to the left by ``turn``
    degrees, as the foot is, too."""

    side: str
    start: float
    stop: float
    place: tuple[float, float]
    turn: float
    height: float


@dataclass(frozen=True)
class Kick:
    """A leg is stretched towards ``direction`` at ``beat``; its foot leaves the floor one beat before, and stands where
    it stood one beat later."""

    side: str
    beat: float
    direction: tuple[float, float, float]


@dataclass
class Score:
    """The whole dance. ``keys`` by channel, ``(beat, value)`` ascending; ``centre_x``, ``centre_y`` and ``heading`` are
    channels too. ``jumps`` are the beats at which the dancer is highest."""

    keys: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    kicks: list[Kick] = field(default_factory=list)
    jumps: list[float] = field(default_factory=list)

    def __post_init__(self):
        for name in ("centre_x", "centre_y", "heading"):
            self.keys.setdefault(name, [(0.0, 0.0)])
        for name, value in NEUTRAL.items():
            self.keys.setdefault(name, [(0.0, value)])

    def last(self, name: str) -> float:
        return self.keys[name][-1][1]

    def add(self, name: str, beat: float, value: float) -> None:
        keys = self.keys[name]
        if keys[-1][0] >= beat:
            if keys[-1] == (beat, value):
                return
            raise ValueError(f"{name} has a key at beat {keys[-1][0]:g}, a new one at {beat:g} is not after it")
        keys.append((float(beat), float(value)))


@dataclass
class Phrase:
    """A few beats of a score, as a move writes them: beats count from the phrase's start, and in a mirrored phrase left
    and right change places.

    Args:
        score: where it is written to.
        start: beat of the score.
        size: amplitude, 1 being ordinary.
        mirrored: whether left and right change places.
    """

    score: Score
    start: float
    size: float
    mirrored: bool

    def __post_init__(self):
        score = self.score
        self._heading = np.radians(score.last("heading"))
        self._used: set[str] = set()
        for name in score.keys:
            score.add(name, self.start, score.last(name))

    def side(self, side: str) -> str:
        return SIDES[1 - SIDES.index(side)] if self.mirrored else side

    def key(self, beat: float, **channels: float) -> None:
        """Where some channels are at a beat, relative to where they rest. ``arms_...`` stands for both sides."""
        for name, value in channels.items():
            kind = name.removeprefix("arms_")
            for each in [f"{side}_{kind}" for side in SIDES] if kind != name else [name]:
                self._set(beat, each, value)

    def _set(self, beat: float, name: str, value: float) -> None:
        side, _, kind = name.partition("_")
        if side in SIDES:
            name = f"{self.side(side)}_{kind}"
        elif self.mirrored and name in _MIRRORED:
            value = -value
        self._used.add(name)
        self.score.add(name, self.start + beat, NEUTRAL[name] + value)

    def step(
        self, side: str, beat: float, x: float = 0.0, y: float = 0.0, *, turn: float = 0.0, height: float = 0.07
    ) -> None:
        """A foot stands at ``beat``, having left ``SWING`` beats before, so far from its home."""
        sign = -1.0 if self.mirrored else 1.0
        home = HOME if side == "left" else -HOME
        place = (sign * (home + x), y)
        self.score.steps.append(
            Step(self.side(side), self.start + beat - SWING, self.start + beat, place, sign * turn, height)
        )

    def kick(self, side: str, beat: float, direction: tuple[float, float, float]) -> None:
        x, y, z = np.array(direction) / np.linalg.norm(direction)
        self.score.kicks.append(Kick(self.side(side), self.start + beat, (-x if self.mirrored else x, y, z)))

    def jump(self, beat: float) -> None:
        self.score.jumps.append(self.start + beat)

    def travel(self, beat: float, x: float, y: float) -> None:
        """The centre moves on, in the heading that the phrase began with, since its last move."""
        x = -x if self.mirrored else x
        cosine, sine = np.cos(self._heading), np.sin(self._heading)
        self.score.add("centre_x", self.start + beat, self.score.last("centre_x") + cosine * x - sine * y)
        self.score.add("centre_y", self.start + beat, self.score.last("centre_y") + sine * x + cosine * y)

    def turn(self, beat: float, degrees: float) -> None:
        """The heading turns on, to the left."""
        sign = -1.0 if self.mirrored else 1.0
        self.score.add("heading", self.start + beat, self.score.last("heading") + sign * degrees)

    def rest_of_the_body(self, beat: float) -> None:
        """Channels that the move has not used come to rest at ``beat``; the others do so in the next move."""
        for name in NEUTRAL.keys() - self._used:
            self.score.add(name, self.start + beat, NEUTRAL[name])
