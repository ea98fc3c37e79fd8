"""A motion in plain words: what each part of the body does over time, told from the joints alone.

The describer is not told the action. So whatever it says holds for the very motion that it was given, and no name of
an action slips into the evidence; what the motion amounts to is left to whoever reads it.
"""

import numpy as np

from skeletonllm.skeleton.synthesis.body import LEFT, RIGHT
from skeletonllm.skeleton.synthesis.encounter import describe_pair
from skeletonllm.skeleton.synthesis.measures import HANGING, SIDES, Body, extremes, onset, steps, times

# Degrees by which an upright trunk may be tipped forwards, and from which on it is bent far.
UPRIGHT, FAR = 15, 33
# What begins within this share of the motion begins at the same time; what begins later is told with "then".
LATER = 0.15

# The frame in which something begins, and what; None for what goes on all the time.
Event = tuple[int | None, str]


def describe_motion(joints: np.ndarray) -> str:
    """A few sentences of plain English about a motion.

    Args:
        joints: (T, P, len(JOINTS), 3) metres, as ``perform`` gives them; P is 1 or 2.

    Raises:
        ValueError: another number of persons.
    """
    bodies = [Body(person) for person in joints.swapaxes(0, 1)]
    if len(bodies) == 1:
        return _in_order([_legs(bodies[0]), *_arms(bodies[0]), _trunk(bodies[0])], len(joints))
    if len(bodies) == 2:
        return describe_pair(*bodies)
    raise ValueError(f"a motion of {len(bodies)} persons, expected one or two")


def _in_order(events: list[Event], frames: int) -> str:
    """What happens by when it begins, then what goes on all the time.

    What begins at the same time is told in the given order.
    """
    moving = sorted((event for event in events if event[0] is not None), key=lambda event: event[0])
    sentences = []
    while moving:
        together = [event for event in moving if event[0] - moving[0][0] <= LATER * frames]
        told = [text for start, text in events if (start, text) in together]
        sentences += [f"then {told[0]}" if sentences else told[0], *told[1:]]
        moving = moving[len(together) :]
    sentences += [text for start, text in events if start is None]
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in sentences)


def _arms(body: Body) -> list[Event]:
    if body.arms_alternate:
        return [(None, "the two arms swing forward and back one after the other")]
    if body.hanging.all():
        return [(None, "the two arms stay beside the body")]
    meetings = _meetings(body)
    if len(meetings) > 1:
        # At the first of them the hands may still be on their way up.
        middle = meetings[len(meetings) // 2]
        lower = int(body.pair("hand")[:, middle, 1].argmin())
        told = f"the two hands rise {body.level(lower, middle)}, come together and part again"
        return [(_both_onset(body), f"{told} {times(len(meetings))}")]
    for side in (LEFT, RIGHT):
        if swings := _inward_swings(body, side):
            return _swinging(body, side, swings)
        if len(thrusts := _thrusts(body, side)) > 1:
            return _thrusting(body, side, thrusts)
    return _lifting(body)


def _both_onset(body: Body) -> int:
    return min(body.arm_onset(LEFT), body.arm_onset(RIGHT))


def _meetings(body: Body) -> list[int]:
    """Frames at which the hands are nearest to each other, between two at which they are apart."""
    gap = np.linalg.norm(body["left_hand"] - body["right_hand"], axis=-1) / body.arm
    return [frame for frame in extremes(gap, 0.2)[1] if gap[frame] < 0.25]


def _inward_swings(body: Body, side: int) -> list[int]:
    """Frames at which a hand above the shoulder is furthest in, between two swings out."""
    above = np.flatnonzero(body.pair("hand")[side, :, 1] > body.pair("shoulder")[side, :, 1])
    if not len(above):
        return []
    lows = extremes(body.reach[side, above[0] : above[-1] + 1, 0], 0.2)[1]
    # Two arms that go over the head and come down again are both furthest in there, once.
    return lows if len(lows) > 1 or body.hanging[1 - side] else []


def _thrusts(body: Body, side: int) -> list[int]:
    """Frames at which a bent arm is stretched forwards, between two at which it is bent."""
    highs = extremes(np.linalg.norm(body.reach[side], axis=-1), 0.25)[0]
    return [frame for frame in highs if body.reach[side, frame, 2] > 0.7]


def _swinging(body: Body, side: int, swings: list[int]) -> list[Event]:
    level = body.level(side, int(body.pair("hand")[side, :, 1].argmax()))
    other = ", while the other arm hangs down" if body.hanging[1 - side] else ""
    told = f"the {SIDES[side]} hand rises {level} and swings in and out {times(len(swings))}{other}"
    return [(body.arm_onset(side), told)]


def _thrusting(body: Body, side: int, thrusts: list[int]) -> list[Event]:
    told = f"the {SIDES[side]} hand shoots straight forward {times(len(thrusts))} and comes back each time"
    if body.hanging[1 - side]:
        return [(body.arm_onset(side), f"{told}, while the other arm hangs down")]
    level = body.level(1 - side, thrusts[0])
    close = np.linalg.norm(body.reach[1 - side, thrusts], axis=-1).max() < 0.75
    held = f", while the other hand is held close {level}" if close else ""
    return [(_both_onset(body), f"the two hands rise {level}, then {told}{held}")]


def _lifting(body: Body) -> list[Event]:
    """Arms that go somewhere and perhaps come back, without doing anything there."""
    sides = [side for side in (LEFT, RIGHT) if not body.hanging[side]]
    ways = [_way(body, side, many=len(sides) == 2) for side in sides]
    if len(sides) == 2 and ways[0] == ways[1]:
        return [(_both_onset(body), f"the two hands {ways[0]}")]
    return [(body.arm_onset(side), f"the {SIDES[side]} hand {_way(body, side, many=False)}") for side in sides]


def _way(body: Body, side: int, many: bool) -> str:
    """The way of a hand, for a sentence about one hand or about many."""
    lifted, reach = body.lifted[side], body.reach[side]
    s, go = ("", "go") if many else ("s", "goes")
    top = int(lifted.argmax())
    begins_up, ends_up = lifted[[0, -1]] > HANGING
    if begins_up:
        ahead = "in front of" if reach[0, 2] > abs(reach[0, 0]) else "beside"
        return f"start{s} {ahead} the body and " + (f"stay{s} there" if ends_up else f"{go} down beside the hips")
    halfway = int(np.abs(lifted[: top + 1] - lifted[top] / 2).argmin())
    if reach[:top, 2].min(initial=0.0) < -0.3:
        how = f"swing{s} back, then forward"
    else:
        how = f"rise{s} " + ("sideways" if reach[halfway, 0] > abs(reach[halfway, 2]) else "forward")
    return f"{how} {body.level(side, top)} and " + (f"stay{s} there" if ends_up else f"come{s} down again")


def _legs(body: Body) -> Event:
    flights = extremes(body.lower_foot, 0.1)[0]
    if flights:
        bent = "the knees bend, then " if body.knees[:, : flights[0]].min() < 120 else ""
        return onset(body.hips), f"{bent}the two feet leave the floor together and land again {times(len(flights))}"
    quarters = min(4, round(abs(body.heading[-1]) / 90))
    if quarters:
        share = ("a quarter of a circle", "half a circle", "three quarters of a circle", "a full circle")[quarters - 1]
        side = SIDES[LEFT if body.heading[-1] > 0 else RIGHT]
        return onset(body.heading), f"the whole body rotates {share} to its {side} with {steps(body.steps)}"
    if abs(body.advance) > 0.3 and body.steps:
        way = "forward" if body.advance > 0 else "back"
        told = f"the feet go {way} one after the other and the body travels {way} with {steps(body.steps)}"
        return onset(body["pelvis"] @ body.forward[0]), told
    heights = body.ankles[..., 1].max(1)
    if heights.max() > 0.25 and heights.min() < 0.05:
        return _lifted_leg(body, int(heights.argmax()))
    return _hips(body)


def _lifted_leg(body: Body, side: int) -> Event:
    ahead, height = body.ankles[side].T
    top = int(height.argmax())
    ankle, knee, hip = body.pair("ankle")[side, top, 1], *(body.pair(j)[1 - side, top, 1] for j in ("knee", "hip"))
    level = "to the hip" if ankle > (knee + hip) / 2 else "to the knee" if ankle > 0.8 * knee else "to below the knee"
    drawn = "goes back, then " if ahead[:top].min(initial=0.0) < -0.2 else ""
    way = "forward and up" if ahead[top] > 0.2 else "up"
    return onset(height), f"the {SIDES[side]} foot {drawn}swings {way} {level}, while the other foot stays on the floor"


def _hips(body: Body) -> Event:
    """What the hips and knees do while nobody goes anywhere."""
    sinks = extremes(body.hips, 0.15)[1]
    change = body.hips[-1] - body.hips[0]
    if sinks:
        far = " far" if body.knees.min() < 100 else ""
        return onset(body.hips), f"the knees bend{far}, the hips sink and come up again {times(len(sinks))}"
    if change < -0.15:
        above_knees = (body["pelvis"] - body["left_knee"])[-1, 1] / body.leg
        level = " to the height of the knees" if abs(above_knees) < 0.15 else ""
        return onset(body.hips), f"the knees bend, the hips sink{level} and stay low"
    if change > 0.15:
        straight = " until the legs are straight" if body.knees[:, -1].min() > 150 else ""
        return onset(body.hips), f"the hips are low at first and rise{straight}"
    feet = " and the feet do not move" if body.feet_still else ""
    ahead = (body.pair("ankle")[:, 0] - body["pelvis"][0]) @ body.forward[0] / body.leg
    if abs(ahead[LEFT] - ahead[RIGHT]) > 0.2:
        return None, f"the {SIDES[int(ahead.argmax())]} foot is in front{feet}"
    return None, f"the legs {'stay straight' if body.knees.min() > 150 else 'are bent a little'}{feet}"


def _trunk(body: Body) -> Event:
    most, last = body.lean.max(), body.lean[-1]
    if most > FAR:
        back = "comes up again" if last < UPRIGHT else "stays low"
        return onset(body.lean), f"the upper body goes far forward and down from the hips and {back}"
    if most > UPRIGHT:
        return None, "the upper body leans forward a little" + (" on the way" if last < UPRIGHT else "")
    return None, "the upper body stays upright"
