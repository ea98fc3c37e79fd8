"""Geometric features of a clip: 32 yes-or-no questions about poses, after Müller et al. 2005 as in fairmotion."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from skeletonllm.dance.body import Body, forward_kinematics
from skeletonllm.dance.metrics.performance import Performance
from skeletonllm.skeleton.kinematics import normalize

NUM_FEATURES = 32
_LEGACY_STEP = 1 / 120


@dataclass(frozen=True)
class Lengths:
    """Metres of the upper arm, and between the shoulders and the hips: what thresholds are multiples of."""

    upper_arm: float
    shoulders: float
    hips: float


# Of the person whom the scripts were made with.
_LEGACY_LENGTHS = Lengths(0.25684, 0.39085, 0.11925)


def geometric_features(performance: Performance, legacy: bool = False) -> np.ndarray:
    """(32,): the share of frames in which each question is answered by yes.

    Thresholds are multiples of the body's own lengths. Features of one side are mirror images of those of the other.

    Legacy: thresholds are those of one person; speeds are as of 120 frames per second whatever the clip has; features
    5 and 6, of rising hands, measure the chest, since the hand is passed where it is not looked at; and between 1 and
    2, and 15 and 16, left and right are exchanged in a cross product, which turns it round: what is asked of the right
    hand moving backwards is asked of the left moving forwards.
    """
    return questions(performance, legacy).mean(0)


def questions(performance: Performance, legacy: bool = False) -> np.ndarray:
    """(T - 1, 32) bool: the answers from the second frame on."""
    places = {name: performance.joint(name) for name in performance.body.names}
    step = _LEGACY_STEP if legacy else 1 / performance.fps
    lengths = _LEGACY_LENGTHS if legacy else body_lengths(performance.body)
    view = _View(places, performance.joints[1:, :, 2].min(1), step)
    answers = [None] * NUM_FEATURES
    for side, other, offset in (("right", "left", 0), ("left", "right", 1)):
        for number, answer in _one_sided(view, side, other, lengths, legacy).items():
            answers[number - 1 + offset] = answer
    for number, answer in _of_both(view, lengths).items():
        answers[number - 1] = answer
    return np.stack(answers, -1)


@lru_cache(maxsize=64)
def body_lengths(body: Body) -> Lengths:
    """Of a body at rest."""
    joints, _ = forward_kinematics(body, np.zeros(3), np.broadcast_to(np.eye(3), (len(body.names), 3, 3)))

    def between(first: str, second: str) -> float:
        return float(np.linalg.norm(joints[body.index(first)] - joints[body.index(second)]))

    return Lengths(
        between("right_shoulder", "right_elbow"),
        between("left_shoulder", "right_shoulder"),
        between("left_hip", "right_hip"),
    )


class _View:
    """Directions, distances and speeds by the names of joints; all (T - 1, ...), from the second frame on."""

    def __init__(self, places: dict[str, np.ndarray], lowest: np.ndarray, step: float):
        self.places, self.lowest, self.step = places, lowest, step

    def at(self, name: str) -> np.ndarray:
        return self.places[name][1:]

    def velocity(self, name: str) -> np.ndarray:
        return np.diff(self.places[name], axis=0) / self.step

    def speed(self, name: str) -> np.ndarray:
        return np.linalg.norm(self.velocity(name), axis=-1)

    def height(self, name: str) -> np.ndarray:
        """Above the lowest joint."""
        return self.at(name)[:, 2] - self.lowest

    def towards(self, start: str, stop: str) -> np.ndarray:
        return normalize(self.at(stop) - self.at(start))

    def normal(self, first: str, second: str, third: str) -> np.ndarray:
        """Across the plane of three joints: (third - first) x (second - first)."""
        return normalize(np.cross(self.at(third) - self.at(first), self.at(second) - self.at(first)))

    def along(self, direction: np.ndarray, base: str, name: str) -> np.ndarray:
        """How fast a joint moves in a direction, relative to another."""
        return ((self.velocity(name) - self.velocity(base)) * direction).sum(-1)

    def beyond(self, direction: np.ndarray, base: str, name: str) -> np.ndarray:
        """How far a joint is in a direction, from another."""
        return ((self.at(name) - self.at(base)) * direction).sum(-1)

    def angle(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Degrees between unit vectors."""
        return np.degrees(np.arccos(np.clip((one * other).sum(-1), -1, 1)))


def _one_sided(view: _View, side: str, other: str, lengths: Lengths, legacy: bool) -> dict[int, np.ndarray]:
    """The features that come in pairs, by the number of the right one."""
    arm, left = lengths.upper_arm, side == "left"
    wrist, elbow, shoulder = (f"{side}_{joint}" for joint in ("wrist", "elbow", "shoulder"))
    hip, knee, ankle = (f"{side}_{joint}" for joint in ("hip", "knee", "ankle"))
    other_hip, other_foot, other_wrist = f"{other}_hip", f"{other}_foot", f"{other}_wrist"
    forwards = view.normal("neck", "left_hip", "right_hip")
    leg_front = view.normal("pelvis", other_hip, other_foot)
    if legacy:
        forwards = view.normal("neck", hip, other_hip)
    elif left:
        leg_front = -leg_front
    bent = view.angle(view.towards(elbow, shoulder), view.towards(elbow, wrist))
    knee_bent = view.angle(view.towards(knee, hip), view.towards(knee, ankle))
    down = view.towards("neck", "pelvis")
    arm_raised = view.angle(down, view.towards(shoulder, elbow))
    thigh_raised = view.angle(down, view.towards(hip, knee))
    upwards = view.towards("spine", "chest")
    raised = view.along(upwards, "spine", "chest" if legacy else wrist)
    return {
        1: view.along(forwards, "neck", wrist) > 1.8 * arm,
        3: view.beyond(view.towards("chest", "neck"), "neck", wrist) > 0.2 * arm,
        5: raised > 1.8 * arm,
        7: (bent > 0) & (bent < 110),
        11: view.along(view.towards(wrist, "pelvis"), wrist, other_wrist) > 1.4 * arm,
        13: view.speed(wrist) > 2.5 * arm,
        15: view.beyond(leg_front, "pelvis", ankle) > 0.38 * arm,
        17: view.height(ankle) > 1.2 * arm,
        20: (knee_bent > 0) & (knee_bent < 110),
        22: view.speed(ankle) > 2.5 * arm,
        24: (arm_raised > 25) & (arm_raised < 180),
        26: (thigh_raised > 50) & (thigh_raised < 180),
        30: view.height(wrist) < 1.2 * arm,
    }


def _of_both(view: _View, lengths: Lengths) -> dict[int, np.ndarray]:
    """The features that are their own mirror images."""
    arm = lengths.upper_arm
    lying = view.angle(view.towards("neck", "pelvis"), np.array([0.0, 0.0, 1.0]))
    return {
        9: view.beyond(view.towards("left_shoulder", "right_shoulder"), "left_wrist", "right_wrist")
        > 2.5 * lengths.shoulders,
        10: view.along(view.towards("left_wrist", "right_wrist"), "left_wrist", "right_wrist") > 1.4 * arm,
        19: view.beyond(view.towards("left_hip", "right_hip"), "left_ankle", "right_ankle") > 2.1 * lengths.hips,
        28: view.beyond(view.normal("right_ankle", "neck", "left_ankle"), "right_ankle", "pelvis") > 0.5 * arm,
        29: (lying > 70) & (lying < 110),
        32: view.speed("pelvis") > 2.3 * arm,
    }
