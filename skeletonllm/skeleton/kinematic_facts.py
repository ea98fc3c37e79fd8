"""Facts about a motion, measured on its joints: which arm moves, how often, what the hips do, who touches whom.

A fact is told only where it is clear: between the values that mean one thing and those that mean another there is a
range that means nothing, and a recording in it has no such fact. Lengths are parts of the body's own trunk (about
0.5 m) or leg. The thresholds were chosen by us, where a person who watches would have no doubt. Where a body is a
picture without depth, nothing is told that depends on it. Two people are told about as a pair, nothing about each.
"""

from collections.abc import Callable

import numpy as np

from skeletonllm.skeleton.body_tracks import UP, BodyTracks, extremes
from skeletonllm.skeleton.kinematics import normalize
from skeletonllm.skeleton.pair_facts import TOGETHER
from skeletonllm.skeleton.segment import Segment
from skeletonllm.skeleton.sequence import SkeletonSequence

Facts = dict[str, str]
# Seconds by which the first of two things that happen must be ahead.
AHEAD = 0.4
# Below so many frames nothing is told about a motion.
FEWEST_FRAMES = 8
ORDER = "order"


def measure_facts(sequence: SkeletonSequence, segments: tuple[Segment, ...] = ()) -> Facts:
    """What is clear about a recording, by topic: see the functions below for the topics and their values.

    Args:
        sequence: of any topology. One person or two; of a crowd nothing is told.
        segments: what is done when, for recordings of several actions; tells also which of two comes first, under
            ``order/ONE/OTHER`` with the labels in alphabetical order.
    """
    facts = order_of(segments)
    persons = [person for person in range(sequence.num_persons) if sequence.valid[:, person].any(1).mean() > 0.5]
    if sequence.num_frames < FEWEST_FRAMES or len(persons) not in (1, 2):
        return facts
    bodies = [BodyTracks(sequence, person) for person in persons]
    if not all(body.complete for body in bodies):
        return facts
    told = ALONE if len(bodies) == 1 else TOGETHER
    values = {topic: tell(*bodies) for topic, tell in told.items()}
    return facts | {topic: value for topic, value in values.items() if value is not None}


def order_of(segments: tuple[Segment, ...]) -> Facts:
    """For every two actions that are done once, which of them is done first."""
    labels = [segment.label for segment in segments]
    once = [segment for segment in segments if labels.count(segment.label) == 1]
    pairs = [(one, other) for one in once for other in once if one.label < other.label]
    apart = [(one, other) for one, other in pairs if one.stop <= other.start or other.stop <= one.start]
    return {
        f"{ORDER}/{one.label}/{other.label}": min(one, other, key=lambda segment: segment.start).label
        for one, other in apart
    }


def _one_of(amounts: dict[str, float], least: float, factor: float) -> str | None:
    """The name of the largest amount, if it is large enough and so many times as large as the next."""
    (first, most), (_, second) = sorted(amounts.items(), key=lambda item: -item[1])[:2]
    return first if most > least and most > factor * second else None


def _from_shoulders(body: BodyTracks) -> np.ndarray:
    return body.pair("wrist") - body.middle("shoulder")


def arm(body: BodyTracks) -> str | None:
    """Which arm moves more: left, right, or both alike."""
    if body.turns:
        return None
    left, right = (body.way(track) for track in _from_shoulders(body))
    least, most = sorted((left, right))
    if most < 0.6 or 0.35 < least / most < 0.75:
        return None
    return "both" if least / most >= 0.75 else "left" if left > right else "right"


def raised(body: BodyTracks) -> str | None:
    """How many hands go above the head: none, one, both."""
    head = body.point("head", "nose", "neck")
    if head is None or body.tilt.max() > 45 or body.topology.find("head", "nose") is None:
        return None
    above = np.percentile((body.pair("wrist") - head)[..., 1], 95, axis=1) / body.trunk
    if ((above > -0.2) & (above < 0.15)).any():
        return None
    return ("none", "one", "both")[int((above > 0).sum())]


def leg(body: BodyTracks) -> str | None:
    """Which foot is lifted high while the other stays down: left, right."""
    left, right = body.pair("ankle")[..., 1]
    low, high = np.percentile((left - right) / body.leg, (2, 98))
    if max(-low, high) < 0.28 or min(-low, high) > 0.12:
        return None
    return "left" if high > -low else "right"


def part(body: BodyTracks) -> str | None:
    """What moves most: arms, legs, trunk."""
    if body.turns:
        return None
    legs = body.pair("ankle") - body.middle("hip")
    amounts = {
        "arms": max(map(body.way, _from_shoulders(body))),
        "legs": max(map(body.way, legs)),
        "trunk": body.way(body.middle("shoulder") - body.middle("hip")),
    }
    return _one_of(amounts, 0.5, 1.8)


def _count(signal: np.ndarray, least: tuple[float, float], which: int) -> int | None:
    """How many highs (0) or lows (1) a signal has, if the smaller and the larger hysteresis agree on it."""
    counts = {len(extremes(signal, each)[which]) for each in least}
    return counts.pop() if len(counts) == 1 else None


def jumps(body: BodyTracks) -> str | None:
    """How often both feet leave the floor, at least once; only in space, as the camera of a picture may move."""
    if body.flat:
        return None
    count = _count(body.flight, (0.09, 0.15), 0)
    return str(count) if count else None


def sinks(body: BodyTracks) -> str | None:
    """How often the hips sink and come up again, at least once, while the feet stay on the floor."""
    count = _count(body.hips, (0.13, 0.22), 1)
    return str(count) if count and body.flight.max() < 0.06 else None


def claps(body: BodyTracks) -> str | None:
    """How often the hands come together and part again, at least twice."""
    if body.turns or not body.frontal:
        return None
    left, right = body.pair("wrist")
    gap = np.linalg.norm(left - right, axis=-1) / body.trunk
    # Arms that cross bring the hands together on their way in and out, which nobody would count.
    if not body.flat and ((left - right) * np.cross(UP, body.forward)).sum(-1).min() < -0.2 * body.trunk:
        return None
    lows = [gap[extremes(gap, least)[1]] for least in (0.15, 0.3)]
    counts = {int((low < most).sum()) for low in lows for most in (0.36, 0.5)}
    count = counts.pop() if len(counts) == 1 else 0
    return str(count) if count > 1 else None


def thrusts(body: BodyTracks) -> str | None:
    """How often a bent arm is stretched forwards and comes back, at least twice; only in space."""
    if body.flat or body.turns:
        return None
    reach = body.pair("wrist") - body.pair("shoulder")
    length = np.percentile(np.linalg.norm(reach, axis=-1), 98, axis=1).max()
    bent = np.linalg.norm(reach, axis=-1) / length
    ahead = (reach * body.forward).sum(-1) / length
    counts = set()
    for least in (0.2, 0.3):
        highs = [(side, frame) for side in (0, 1) for frame in extremes(bent[side], least)[0]]
        counts.add(sum(ahead[place] > 0.65 for place in highs))
    count = counts.pop() if len(counts) == 1 else 0
    return str(count) if count > 1 else None


def hips(body: BodyTracks) -> str | None:
    """What the hips do in height: level, down, up, or down and up again (dip)."""
    start, end = body.ends(body.hips)
    lowest, range_ = body.hips.min(), np.ptp(body.hips)
    if range_ < 0.12:
        return "level"
    if body.flight.max() > 0.08:
        return None
    if abs(end - start) > 0.28 and range_ < abs(end - start) + 0.12:
        return "down" if end < start else "up"
    return "dip" if abs(end - start) < 0.12 and min(start, end) - lowest > 0.25 else None


def travel(body: BodyTracks) -> str | None:
    """Where the body goes as it looks: forward, backward, or nowhere (stay); only in space."""
    if body.flat:
        return None
    place = body.middle("hip") * [1.0, 0.0, 1.0]
    if body.way(place) < 0.6:
        return "stay"
    if np.abs(body.heading).max() > 50:
        return None
    start, end = body.ends(place)
    facing = normalize(body.forward.mean(0))
    ahead, aside = (end - start) @ facing, np.abs((end - start) @ np.cross(UP, facing))
    if abs(ahead) < 1.3 * body.trunk or aside > 0.6 * abs(ahead):
        return None
    return "forward" if ahead > 0 else "backward"


def turn(body: BodyTracks) -> str | None:
    """To which side the body turns: left, right, or neither (none); only in space."""
    if body.flat:
        return None
    total, steps = body.ends(body.heading)[1], np.abs(np.diff(body.heading))
    # A quarter of a turn in a thirtieth of a second is a sensor that takes left for right.
    if steps.max() * body.fps > 600:
        return None
    if np.ptp(body.heading) < 30:
        return "none"
    return ("left" if total > 0 else "right") if abs(total) > 75 else None


def _activity(body: BodyTracks) -> np.ndarray:
    """(T,) trunks per second, the mean over hands, feet, hips and shoulders."""
    tracks = [*body.pair("wrist"), *body.pair("ankle"), body.middle("hip"), body.middle("shoulder")]
    moved = [np.linalg.norm(np.gradient(track, axis=0), axis=-1) for track in tracks]
    return np.mean(moved, axis=0) * body.fps / body.trunk


def faster(body: BodyTracks) -> str | None:
    """In which half the body moves faster: first, second."""
    speed = _activity(body)
    middle = len(speed) // 2
    first, second = speed[:middle].mean(), speed[middle:].mean()
    if max(first, second) < 0.5 or max(first, second) < 1.4 * min(first, second):
        return None
    return "first" if first > second else "second"


def pace(body: BodyTracks) -> str | None:
    """How fast the fastest hand or foot gets: slow (up to about 1.3 m/s), fast (from about 3 m/s)."""
    tracks = [*body.pair("wrist"), *body.pair("ankle")]
    speeds = [np.percentile(np.linalg.norm(np.gradient(track, axis=0), axis=-1), 95) for track in tracks]
    fastest = max(speeds) * body.fps / body.trunk
    return "slow" if 0.8 < fastest < 2.6 else "fast" if fastest > 6.0 else None


def _posture(body: BodyTracks, frames: slice) -> str | None:
    names = {name: body.middle(name)[frames].mean(0) for name in ("hip", "knee", "ankle")}
    tilt = body.tilt[frames].mean()
    thigh = (names["hip"] - names["knee"])[1] / body.thigh
    shin = (names["knee"] - names["ankle"])[1] / body.shin
    if tilt > 65 and abs(names["hip"] - names["ankle"])[1] < 0.35 * body.leg:
        return "lying"
    if thigh > 0.8 and shin > 0.8 and tilt < 30:
        return "standing"
    if thigh > 0.75 and shin > 0.75 and tilt > 45:
        return "bent"
    # From the front of a picture sitting and squatting look alike.
    if body.flat or tilt > 60:
        return None
    # Who squats balances over the feet, who sits need not. Depth sensors bend the legs of both in much the same way,
    # so that most who sit before one of them are called neither.
    behind = float(np.linalg.norm((names["hip"] - names["ankle"])[[0, 2]])) / body.leg
    if thigh < 0.5 and shin > 0.92 and behind > 0.33 and tilt < 40:
        return "sitting"
    return (
        "squatting" if 0.2 < shin < 0.88 and (thigh < 0.35 and behind < 0.3 or thigh < 0.6 and behind < 0.05) else None
    )


def _legs(body: BodyTracks, frames: slice) -> str | None:
    height = body.hips[frames].mean()
    return "straight" if height > 0.88 else "bent" if 0.3 < height < 0.72 else None


def legs_first(body: BodyTracks) -> str | None:
    """At the beginning: straight, or bent far as in sitting and squatting."""
    return _legs(body, slice(body.end))


def legs_last(body: BodyTracks) -> str | None:
    """At the end: straight, or bent far."""
    return _legs(body, slice(-body.end, None))


def posture_first(body: BodyTracks) -> str | None:
    """At the beginning: standing, sitting, squatting, bent, lying."""
    return _posture(body, slice(body.end))


def posture_last(body: BodyTracks) -> str | None:
    """At the end: standing, sitting, squatting, bent, lying."""
    return _posture(body, slice(-body.end, None))


def posture_lowest(body: BodyTracks) -> str | None:
    """When the shoulders are lowest, if they get low: sitting, squatting, bent, lying."""
    shoulders = body.middle("shoulder")[:, 1] - body.lower_ankle
    if np.ptp(shoulders) < 0.3 * body.trunk:
        return None
    frame = int(shoulders.argmin())
    posture = _posture(body, slice(max(0, frame - body.end // 2), frame + body.end // 2 + 1))
    return None if posture == "standing" else posture


def hands(body: BodyTracks) -> str | None:
    """Whether the two hands ever come together: meet, apart."""
    if not body.frontal:
        return None
    left, right = body.pair("wrist")
    gap = np.percentile(np.linalg.norm(left - right, axis=-1), 3) / body.trunk
    return "meet" if gap < 0.42 else "apart" if gap > 0.65 else None


def head_lowers(body: BodyTracks) -> str | None:
    """Why the head gets lower, if it does: because of the knees, or of the trunk."""
    if body.flight.max() > 0.08 or (not body.flat and body.way(body.middle("hip") * [1.0, 0.0, 1.0]) > 1.5):
        return None
    shoulders, hip = (body.middle(name)[:, 1] - body.lower_ankle for name in ("shoulder", "hip"))
    frame = int(shoulders.argmin())
    start = body.ends(shoulders)[0], body.ends(hip)[0]
    drop = start[0] - shoulders[frame]
    if drop < 0.3 * body.trunk:
        return None
    share = (start[1] - hip[frame]) / drop
    return "knees" if share > 0.7 else "trunk" if share < 0.3 else None


def hips_rise(body: BodyTracks) -> str | None:
    """Why the hips get higher than they were, if they do: the legs straighten, or both feet leave the floor (leap)."""
    if body.flat or body.way(body.middle("hip") * [1.0, 0.0, 1.0]) > 1.0:
        return None
    height, feet = body.middle("hip")[:, 1] / body.leg, body.lower_ankle / body.leg
    frame = int(height.argmax())
    rise, lifted = height[frame] - body.ends(height)[0], feet[frame] - body.ends(feet)[0]
    if rise < 0.12:
        return None
    if lifted > 0.6 * rise:
        return "leap" if jumps(body) is not None else None
    return "legs" if lifted < 0.2 * rise and rise > 0.22 else None


def _onset(body: BodyTracks, tracks: np.ndarray) -> float:
    """Seconds until the first of (2, T, 3) tracks has gone 0.4 trunks from where it was; infinite if none does."""
    start = body.ends(tracks.swapaxes(0, 1))[0]
    moved = np.linalg.norm(tracks - start[:, None], axis=-1).max(0) / body.trunk
    # Who is on the move when the recording begins did not begin in it.
    return float((moved > 0.4).argmax()) / body.fps if moved.max() > 0.4 and moved[: body.end].max() < 0.15 else np.inf


def _first(one: float, other: float, names: tuple[str, str]) -> str | None:
    if not np.isfinite([one, other]).all() or abs(one - other) < AHEAD:
        return None
    return names[0] if one < other else names[1]


def first_limbs(body: BodyTracks) -> str | None:
    """What begins to move first, if both move: arms, legs."""
    if body.turns:
        return None
    legs = body.pair("ankle") - body.middle("hip")
    return _first(_onset(body, _from_shoulders(body)), _onset(body, legs), ("arms", "legs"))


def first_hand(body: BodyTracks) -> str | None:
    """Which hand is raised above the shoulders first, if both are: left, right."""
    above = (body.pair("wrist") - body.middle("shoulder"))[..., 1] > 0.1 * body.trunk
    left, right = (float(each.argmax()) / body.fps if each.any() else np.inf for each in above)
    return _first(left, right, ("left", "right"))


ALONE: dict[str, Callable[[BodyTracks], str | None]] = {
    tell.__name__: tell
    for tell in (
        arm, raised, leg, part, jumps, sinks, claps, thrusts, hips, travel, turn, faster, pace, posture_first,
        posture_last, posture_lowest, legs_first, legs_last, hands, head_lowers, hips_rise, first_limbs, first_hand,
    )
}  # fmt: skip
