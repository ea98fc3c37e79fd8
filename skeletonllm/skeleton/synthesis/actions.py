"""The single-person actions. Each changes the pose of someone who stands idly; registering it is the decorator line."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skeletonllm.skeleton.synthesis.body import LEFT, RIGHT
from skeletonllm.skeleton.synthesis.gait import walk
from skeletonllm.skeleton.synthesis.pose import Pose, ease, pulse

# Metres per second squared.
GRAVITY = 9.81


@dataclass(frozen=True)
class Action:
    """A class of the embedded data set.

    Args:
        label: plain English.
        persons: 1 or 2.
        seconds: duration at average tempo.
        perform: called with a ``Take`` and one ``Pose`` per person, which it changes.
    """

    label: str
    persons: int
    seconds: float
    perform: Callable[..., None]


@dataclass
class Take:
    """What differs between two performances of the same action by the same performer.

    Args:
        time: (T,) 0 at the beginning and 1 at the end of the action proper, which may begin after and end before
            the recording.
        seconds: (T,) from the beginning of the recording.
        tempo, amplitude: speed and size of the movement, 1 is average.
        side: LEFT or RIGHT, the hand or foot that acts where the label leaves it open.
        rng: for everything else.
        repetitions: how often the action says that it repeats its movement; 0 where it does not draw this.
    """

    time: np.ndarray
    seconds: np.ndarray
    tempo: float
    amplitude: float
    side: int
    rng: np.random.Generator
    repetitions: int = 0

    @property
    def duration(self) -> float:
        """Of the action proper, seconds."""
        return float((self.seconds[-1] - self.seconds[0]) / (self.time[-1] - self.time[0]))

    def vary(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def cycles(self, rate: float) -> np.ndarray:
        """(T,) radians of an oscillation of about ``rate`` hertz with a random phase."""
        rate *= self.tempo * self.vary(0.9, 1.1)
        return 2 * np.pi * (rate * self.seconds + self.vary(0, 1))


ACTIONS: dict[str, Action] = {}
"""Label to action, in the order in which they are defined."""


def action(label: str, seconds: float, persons: int = 1):
    """Register a function as the action of a label."""

    def register(perform):
        ACTIONS[label] = Action(label, persons, seconds, perform)
        return perform

    return register


def _wave(take: Take, pose: Pose, side: int) -> None:
    raised = pulse(take.time, 0.0, 0.26, take.vary(0.76, 0.84), 1.08)
    # The hand comes up on the outside and does not swing before it is up.
    beat = 32 * take.amplitude * np.sin(take.cycles(1.7))
    swing = np.radians(raised**2 * beat + (1 - raised) * 50 + take.vary(0, 12))
    height, forward = take.vary(-0.25, 0.45), take.vary(0.1, 0.35)
    fore = np.stack([np.sin(swing), np.cos(swing), np.full_like(swing, forward)], -1)
    pose.arm(side, raised, (0.9, height, forward), fore)
    pose.lean += raised * (2 if side == RIGHT else -2)


@action("wave left hand", 2.4)
def wave_left(take: Take, pose: Pose) -> None:
    _wave(take, pose, LEFT)


@action("wave right hand", 2.4)
def wave_right(take: Take, pose: Pose) -> None:
    _wave(take, pose, RIGHT)


@action("clap", 2.2)
def clap(take: Take, pose: Pose) -> None:
    body = pose.performer
    raised = pulse(take.time, 0.0, 0.15, 0.9, 1.05)
    open_ = 0.5 - 0.5 * np.cos(take.cycles(1.9))
    apart = 0.03 + 0.24 * take.amplitude * open_
    height = take.vary(0.1, 0.5)
    upper = np.array([0.22, -0.80, 0.50])
    upper /= np.linalg.norm(upper)
    # The forearm turns inwards by as much as brings the wrist to half the gap from the midline.
    inwards = np.clip((apart - body.shoulder - body.upper_arm * upper[0]) / body.forearm, -0.95, 0.95)
    rest = np.sqrt(1 - inwards**2)
    fore = np.stack([inwards, rest * np.sin(height), rest * np.cos(height)], -1)
    for side in (LEFT, RIGHT):
        # Hands stay side by side instead of crossing where the forearms meet.
        pose.arm(side, raised, upper, fore, np.stack([-inwards, 0.3 * rest, 0 * rest], -1))


@action("kick", 2.2)
def kick(take: Take, pose: Pose) -> None:
    side, leg = take.side, pose.performer.leg
    back = pulse(take.time, 0.0, 0.28, 0.30, 0.48)
    out = pulse(take.time, 0.26, 0.52, 0.58, 0.95)
    height = take.vary(0.38, 0.60) * take.amplitude
    pose.feet[side, :, 2] += leg * (0.88 * out - 0.42 * back)
    pose.feet[side, :, 1] += leg * (height * out + 0.20 * back)
    pose.toes_down[side] += 40 * back - 15 * out
    supporting = back + out
    pose.travel[:, 0] += (0.06 if side == RIGHT else -0.06) * np.minimum(supporting, 1)
    pose.travel[:, 1] -= 0.02 * leg * np.minimum(supporting, 1)
    pose.bend += 8 * back - 14 * out
    # The arms balance: the opposite one swings forwards with the leg.
    pose.arm(1 - side, 0.8 * out, (0.45, -0.6, 0.7), (0.2, -0.2, 0.9))
    pose.arm(side, 0.8 * out, (0.6, -0.8, -0.4), (0.5, -0.7, -0.1))


@action("squat", 2.6)
def squat(take: Take, pose: Pose) -> None:
    times = take.repetitions = int(take.rng.choice([1, 2]))
    down = np.sin(np.pi * times * np.clip(take.time, 0, 1)) ** 2
    # A longer hold at the bottom when it is done only once.
    down = down if times == 2 else down**0.6
    depth = np.clip(take.vary(0.42, 0.56) * take.amplitude, 0.38, 0.6)
    pose.squat(depth * down, 0.16 * down)
    pose.bend += 30 * down
    pose.nod -= 18 * down
    pose.knees_out = 0.35
    pose.feet[:, :, 0] += 0.06
    for side in (LEFT, RIGHT):
        pose.arm(side, down, (0.12, -0.05, 1.0), (-0.05, 0.05, 1.0))


def _sit(take: Take, pose: Pose, seated: np.ndarray) -> None:
    """Between standing (``seated`` 0) and sitting on a chair: thighs level, shins and trunk upright."""
    body = pose.performer
    # The chair is a little higher or lower than the knee; the trunk leans forwards on the way.
    lower = take.vary(0.40, 0.50)
    pose.squat(lower * seated, 0.90 * body.thigh / body.leg * seated)
    passing = np.sin(np.pi * seated)
    pose.bend += 32 * passing - 4 * seated
    pose.nod -= 10 * passing
    for side in (LEFT, RIGHT):
        pose.arm(side, seated, (0.16, -0.88, 0.42), (-0.08, -0.25, 0.9), (0.0, -0.25, 0.0))
        pose.arm(side, 0.5 * passing, (0.15, -0.5, 0.6), (0.0, -0.4, 0.9))


@action("sit down", 2.6)
def sit_down(take: Take, pose: Pose) -> None:
    _sit(take, pose, ease(take.time, 0.0, take.vary(0.6, 0.8)))


@action("stand up", 2.6)
def stand_up(take: Take, pose: Pose) -> None:
    _sit(take, pose, 1 - ease(take.time, take.vary(0.15, 0.3), 0.95))


@action("jump", 2.6)
def jump(take: Take, pose: Pose) -> None:
    leg = pose.performer.leg
    times = take.repetitions = int(take.rng.choice([1, 2]))
    phase = np.clip(take.time, 0, 1) * times % 1
    cycle = take.duration / times
    rise = np.clip(take.vary(0.20, 0.32) * take.amplitude, 0.18, 0.34)
    # The flight lasts as long as gravity makes it, whatever the tempo.
    flying = np.sqrt(8 * rise / GRAVITY) / cycle
    up, down = 0.53 - flying / 2, 0.53 + flying / 2
    crouch = 0.24 * pulse(phase, 0.0, 0.55 * up, 0.55 * up, up + 0.01)
    crouch += 0.18 * pulse(phase, down - 0.01, down + 0.3 * (1 - down), down + 0.35 * (1 - down), 1.0)
    flight = np.clip((phase - up) / (down - up), 0, 1)
    height = 4 * flight * (1 - flight) * rise
    pose.squat(crouch, 0.25 * crouch)
    pose.travel[:, 1] += height
    pose.feet[:, :, 1] += height + 0.10 * leg * np.sin(np.pi * flight)
    pose.toes_down += 35 * np.sin(np.pi * flight)
    pose.bend += 110 * crouch
    pose.nod -= 50 * crouch
    # The arms swing back with the crouch and forwards with the leap.
    back, forth = pulse(phase, 0.0, 0.5 * up, 0.5 * up, 1.1 * up), pulse(phase, 0.2 * up, 0.53, 0.6, 1.0)
    swing = np.radians(85 * forth - 25 * back)
    bent = swing + np.radians(10) + 0.2 * np.maximum(swing, 0)
    moving = pulse(phase, 0.0, 0.15, 0.85, 1.0)
    for side in (LEFT, RIGHT):
        upper, fore = (np.stack([np.full_like(a, 0.2), -np.cos(a), np.sin(a)], -1) for a in (swing, bent))
        pose.arm(side, moving, upper, fore)


@action("walk", 2.2)
def walk_forwards(take: Take, pose: Pose) -> None:
    stride = pose.performer.leg * take.vary(0.95, 1.2) * min(take.amplitude, 1.1)
    speed = 0.65 * stride * take.tempo
    walk(pose, take.seconds * speed + take.vary(0, 1) * stride, stride, take.amplitude * take.vary(0.8, 1.2))


@action("turn around", 2.6)
def turn_around(take: Take, pose: Pose) -> None:
    """Half a turn in small steps, to either side."""
    direction = 1 if take.side == LEFT else -1
    steps = 3
    angle = 180 + take.rng.normal(0, 6)
    pose.heading += direction * angle * ease(take.time, 0.0, 1.0)
    pose.twist += direction * 15 * pulse(take.time, 0.0, 0.25, 0.6, 1.0)
    pose.look += direction * 30 * pulse(take.time, -0.05, 0.2, 0.5, 0.95)
    first = take.side
    for side, late in ((first, 0.0), (1 - first, 0.5)):
        progress = np.clip(take.time * (steps + 0.5) - late, 0, steps)
        whole = np.minimum(np.floor(progress), steps - 1)
        stepping = progress - whole
        turned = np.radians(direction * angle * (whole + ease(stepping, 0.0, 0.5)) / steps)
        out = pose.performer.stance
        # (out, forward) of a foot that goes round with the body; out is to the left for the left foot.
        pose.feet[side, :, 0] += out * (np.cos(turned) - 1)
        pose.feet[side, :, 2] += out * np.sin(turned) * (-1 if side == LEFT else 1)
        pose.feet[side, :, 1] += 0.06 * pose.performer.leg * np.sin(np.pi * np.clip(2 * stepping, 0, 1))
        pose.toes_out[side] += (np.degrees(turned) - pose.heading) * (1 if side == LEFT else -1)
    pose.travel[:, 1] -= 0.01 * pose.performer.leg


@action("bow", 2.6)
def bow(take: Take, pose: Pose) -> None:
    down = pulse(take.time, 0.0, take.vary(0.3, 0.4), take.vary(0.55, 0.7), 1.0)
    pose.bend += np.clip(take.vary(60, 85) * take.amplitude, 50, 95) * down
    pose.nod += 10 * down
    pose.squat(0.02 * down, 0.10 * down)
    for side in (LEFT, RIGHT):
        pose.arm(side, down, (0.10, -1.0, 0.18), (-0.05, -1.0, 0.30))


@action("punch", 2.2)
def punch(take: Take, pose: Pose) -> None:
    """From a guard, fists before the chin, straight blows of one hand."""
    side, leg = take.side, pose.performer.leg
    guard = pulse(take.time, -0.05, 0.15, 0.92, 1.1)
    for each in (LEFT, RIGHT):
        pose.arm(each, guard, (0.22, -0.92, 0.30), (-0.25, 0.80, 0.62))
    blows = take.repetitions = int(take.rng.choice([2, 3]))
    phase = np.clip((take.time - 0.15) / 0.77, 0, 0.9999) * blows % 1
    out = pulse(phase, 0.10, 0.45, 0.55, 0.95)
    pose.arm(side, out, (-0.10, take.vary(-0.08, 0.12), 1.0), (-0.22, take.vary(-0.05, 0.12), 1.0))
    turn = 1 if side == RIGHT else -1
    pose.twist += turn * (28 * take.amplitude * out - 8 * guard)
    pose.look -= turn * 18 * out
    pose.bend += 5 * guard + 4 * out
    # The other foot stands in front.
    pose.feet[1 - side, :, 2] += 0.20 * leg
    pose.feet[side, :, 2] -= 0.16 * leg
    pose.squat(0.06 * guard + 0.02)
    pose.travel[:, 2] += 0.07 * leg * out


@action("raise both arms", 2.6)
def raise_both_arms(take: Take, pose: Pose) -> None:
    """Sideways and up over the head, and down again."""
    lifted = pulse(take.time, 0.0, take.vary(0.32, 0.42), take.vary(0.58, 0.7), 1.0)
    top = np.clip(take.vary(150, 172) * take.amplitude, 140, 174)
    angle = np.radians(10 + (top - 10) * lifted)
    forward = np.full_like(angle, take.vary(0.0, 0.2))
    upper = np.stack([np.sin(angle), -np.cos(angle), forward], -1)
    bent = angle + np.radians(take.vary(-4, 10)) * lifted
    fore = np.stack([np.sin(bent), -np.cos(bent), forward], -1)
    for side in (LEFT, RIGHT):
        pose.arm(side, ease(lifted, 0.0, 0.15), upper, fore)
    pose.nod -= 8 * lifted
