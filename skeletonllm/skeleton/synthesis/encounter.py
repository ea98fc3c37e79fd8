"""What two people do with each other, in plain words, told from their joints alone."""

import numpy as np

from skeletonllm.skeleton.synthesis.measures import SIDES, Body, extremes, steps, times

# Metres between two hands that hold each other, and between a hand and the joint in the chest that it touches: about
# the size of a hand and the depth of a chest with a hand.
HELD, TOUCHED = 0.15, 0.30


def describe_pair(first: Body, second: Body) -> str:
    """Where the two look, who touches whom, and who goes where."""
    towards = second["pelvis"][0] - first["pelvis"][0]
    looks = first.forward[0] @ towards, -second.forward[0] @ towards
    facing = "face each other" if min(looks) > 0 else "face away from each other" if max(looks) < 0 else "are together"
    told = _held_hands(first, second) or _touch(first, second) or _touch(second, first) or _ways(first, second)
    return " ".join([f"Two people {facing}.", *told])


def _held_hands(first: Body, second: Body) -> list[str]:
    gaps = np.linalg.norm(first.pair("hand")[:, None] - second.pair("hand")[None], axis=-1)
    held = (gaps < HELD).mean(-1)
    if held.max() < 0.1:
        return []
    mine, other = np.unravel_index(held.argmax(), held.shape)
    together = np.flatnonzero(gaps[mine, other] < HELD)
    begin, end = together[0], together[-1] + 1
    hands = f"the {SIDES[mine]} hand" if mine == other else "one hand"
    level = first.level(mine, begin).replace("to the", "as high as the")
    moves = len(extremes(first.pair("hand")[mine, begin:end, 1], 0.04)[0])
    shaken = f"go up and down together {times(moves)}" if moves else "stay there"
    parted = ", then they part" if gaps[mine, other, -1] > 2 * HELD else ""
    still = ", while the feet do not move" if first.feet_still and second.feet_still else ""
    return [
        f"Each reaches forward with {hands} and the hands meet between them, {level}.",
        f"The hands {shaken}{parted}{still}.",
    ]


def _touch(one: Body, other: Body) -> list[str]:
    """What the first does to the second, and what comes of it."""
    near = np.linalg.norm(one.pair("hand") - other["chest"], axis=-1).min(1) < TOUCHED
    if not near.any():
        return []
    hands = "the two hands" if near.all() else f"the {SIDES[int(near.argmax())]} hand"
    came = f"goes forward with {steps(one.steps)}, " if one.advance > 0.1 and one.steps else ""
    told = [f"One {came}reaches forward with {hands} and touches the chest of the other."]
    follows = ["tips back"] if other.lean.min() < other.lean[0] - 8 else []
    if other.advance < -0.2:
        follows.append(f"goes back with {steps(other.steps)}")
    if follows:
        told.append(f"Then the other {' and '.join(follows)}, so that the space between them {_space(one, other)}.")
    return told


def _space(first: Body, second: Body) -> str:
    begin, end = (np.linalg.norm(first["pelvis"][frame] - second["pelvis"][frame]) for frame in (0, -1))
    return "grows" if end > begin else "shrinks"


def _ways(first: Body, second: Body) -> list[str]:
    """Where two people go who do not touch."""
    if min(abs(first.advance), abs(second.advance)) < 0.3:
        return ["They stay where they are."]
    way = "forward" if min(first.advance, second.advance) > 0 else "away"
    few, many = sorted((first.steps, second.steps))
    taken = f"each with {steps(few)}" if few == many else f"one with {steps(few)} and the other with {steps(many)}"
    told = [f"They travel {way} at the same time, {taken}, so that the space between them {_space(first, second)}."]
    if first.arms_alternate and second.arms_alternate:
        told.append("The feet go one after the other, and so do the arms, which swing forward and back.")
    return told
