"""The two-person actions. Both poses are told what to do; where the two stand is part of the action."""

import numpy as np

from skeletonllm.skeleton.synthesis.actions import Take, action
from skeletonllm.skeleton.synthesis.body import LEFT, RIGHT
from skeletonllm.skeleton.synthesis.gait import walk
from skeletonllm.skeleton.synthesis.pose import Pose, ease, pulse

TOWARDS, AWAY = 1, -1


def _stand(first: Pose, second: Pose, apart: float, looking: int) -> None:
    """The first on the left of a picture, the second on the right, ``apart`` metres, face to face or back to back."""
    first.place, second.place = apart / 2, -apart / 2
    first.facing, second.facing = 90.0 * looking, -90.0 * looking


@action("shake hands", 2.8, persons=2)
def shake_hands(take: Take, first: Pose, second: Pose) -> None:
    bodies = first.performer, second.performer
    apart = (0.80 + take.vary(-0.06, 0.10)) * (bodies[0].arm + bodies[1].arm)
    _stand(first, second, apart, TOWARDS)
    held = pulse(take.time, 0.0, 0.25, 0.82, 1.05)
    shaking = 0.045 * take.amplitude * np.sin(take.cycles(2.2)) * pulse(take.time, 0.2, 0.32, 0.75, 0.85)
    height = take.vary(0.58, 0.63) * (bodies[0].stature + bodies[1].stature) / 2
    for pose in (first, second):
        # The palms overlap in the middle; it is the right hand, whoever it is.
        pose.grip[RIGHT, :, 2] = apart / 2 - 0.40 * pose.performer.hand
        pose.grip[RIGHT, :, 1] = height + shaking
        pose.grip_weight[RIGHT] = held
        pose.bend += take.vary(3, 10) * held
        pose.twist += 8 * held
        pose.feet[RIGHT, :, 2] += 0.10 * pose.performer.leg
        pose.feet[LEFT, :, 2] -= 0.05 * pose.performer.leg
        pose.squat(np.full_like(held, 0.01))


@action("push", 2.4, persons=2)
def push(take: Take, first: Pose, second: Pose) -> None:
    """One, left or right in the picture, pushes with one hand or both; the other staggers a step back."""
    pushing, pushed = (first, second) if take.rng.integers(2) == 0 else (second, first)
    arm, leg = pushing.performer.arm, pushing.performer.leg
    contact = 0.80 * arm + 0.20
    approach = take.vary(0.20, 0.32)
    apart = contact + approach
    _stand(first, second, apart, TOWARDS)
    step = ease(take.time, 0.02, 0.32)
    reach = pulse(take.time, 0.10, 0.36, 0.56, 0.90)
    thrust = ease(take.time, 0.36, 0.50)
    pushing.travel[:, 2] += approach * step
    pushing.bend += 6 * step + 12 * pulse(take.time, 0.2, 0.48, 0.55, 0.9)
    front = take.rng.integers(2)
    pushing.feet[front, :, 2] += (approach + 0.28 * leg) * ease(take.time, 0.0, 0.30)
    pushing.feet[front, :, 1] += 0.08 * leg * np.sin(np.pi * ease(take.time, 0.0, 0.30))
    pushing.feet[1 - front, :, 2] -= 0.05 * leg
    pushing.squat(0.09 * step)
    both = take.rng.random() < 0.7
    for side, left in ((LEFT, 1), (RIGHT, -1)):
        if not (both or side == take.side):
            continue
        pushing.grip[side, :, 0] = 0.11 * left
        pushing.grip[side, :, 1] = 0.74 * pushed.performer.stature
        pushing.grip[side, :, 2] = apart - 0.20 + 0.22 * take.amplitude * thrust
        pushing.grip_weight[side] = reach
        pushing.palm[side, :, 1] += 1.3 * reach

    # The trunk gives way first, then the feet catch up one after the other.
    back = take.vary(0.40, 0.60) * take.amplitude
    shoved = ease(take.time, 0.38, 0.72)
    tipped = pulse(take.time, 0.38, 0.55, 0.60, 0.95)
    pushed.travel[:, 2] -= back * shoved
    pushed.bend -= 26 * take.amplitude * tipped
    pushed.nod += 18 * tipped
    pushed.squat(0.06 * tipped + 0.02 * shoved)
    catching = take.rng.integers(2)
    for side, start in ((catching, 0.40), (1 - catching, 0.58)):
        moved = ease(take.time, start, start + 0.20)
        pushed.feet[side, :, 2] -= (back + (0.12 if side == catching else -0.08)) * moved
        pushed.feet[side, :, 1] += 0.09 * pushed.performer.leg * np.sin(np.pi * moved)
    for side in (LEFT, RIGHT):
        pushed.arm(side, 0.8 * tipped, (0.55, -0.55, 0.65), (0.25, 0.05, 1.0))


@action("walk apart", 2.6, persons=2)
def walk_apart(take: Take, first: Pose, second: Pose) -> None:
    _stand(first, second, take.vary(0.60, 0.85), AWAY)
    for pose in (first, second):
        stride = pose.performer.leg * take.vary(1.0, 1.2) * min(take.amplitude, 1.1)
        # Whole steps, so that the walk ends with both feet on the ground.
        distance = stride / 2 * take.rng.integers(2, 4)
        late = take.vary(0.0, 0.12)
        walk(pose, distance * _set_off(take.time, late, 1.0), stride, take.amplitude * take.vary(0.7, 1.1))


def _set_off(time: np.ndarray, start: float, stop: float) -> np.ndarray:
    """From 0 to 1 at constant speed, with a short start and halt."""
    s = np.clip((time - start) / (stop - start), 0, 1)
    ramp = 0.15
    accelerating, braking = s**2 / (2 * ramp), 1 - ramp - (1 - s) ** 2 / (2 * ramp)
    way = np.where(s < ramp, accelerating, np.where(s > 1 - ramp, braking, s - ramp / 2))
    return way / (1 - ramp)
