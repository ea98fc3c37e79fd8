"""The performers of the synthetic actions: a body with every joint that the topologies know, and a personal style."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

# Distinguishes the draws of performers from those of takes, whatever their numbers.
PERFORMER_STREAM = 101

LEFT, RIGHT = 0, 1

# The tree of the trunk and head, posed by forward kinematics. Positions are fractions of stature when standing, as
# (outwards or 0, height, forward). Landmark heights and breadths are those of Drillis and Contini 1966 as drawn in
# Winter 2009, "Biomechanics and Motor Control of Human Movement", figure 4.1: hip 0.530, shoulder 0.818, eyes 0.936.
# Its shoulder breadth of 0.259 is between the tips of the acromia; the joints' centres lie about 0.02 further inwards.
HIP_HEIGHT, KNEE_HEIGHT, ANKLE_HEIGHT = 0.530, 0.285, 0.039
UPPER_ARM, FOREARM, HAND, FOOT = 0.186, 0.146, 0.108, 0.152
_TRUNK = [
    ("pelvis", None, (0.0, 0.555, 0.0)),
    ("spine", "pelvis", (0.0, 0.630, 0.0)),
    ("spine_upper", "spine", (0.0, 0.710, -0.005)),
    ("chest", "spine_upper", (0.0, 0.795, 0.0)),
    ("neck", "chest", (0.0, 0.850, 0.005)),
    ("head", "neck", (0.0, 0.930, 0.010)),
    ("nose", "head", (0.0, 0.915, 0.070)),
    ("left_eye", "head", (0.018, 0.936, 0.055)),
    ("left_ear", "head", (0.043, 0.928, 0.008)),
    ("left_collar", "chest", (0.030, 0.812, 0.005)),
    ("left_shoulder", "left_collar", (0.109, 0.818, 0.0)),
    ("left_hip", "pelvis", (0.052, HIP_HEIGHT, 0.0)),
]
_LIMBS = ("elbow", "wrist", "hand", "hand_tip", "thumb", "knee", "ankle", "foot")
# What pose estimators from pictures add. Chosen by us: corners of the eyes 16 and 46 mm, of the mouth 24 mm from the
# midline of a person of 1.71 m.
_FACE = [
    ("left_eye_inner", "head", (0.0095, 0.936, 0.056)),
    ("left_eye_outer", "head", (0.0270, 0.936, 0.047)),
    ("left_mouth", "head", (0.0140, 0.893, 0.062)),
]
_ESTIMATED_LIMBS = ("pinky", "index", "heel", "small_toe")
# Whose errors they have when a sensor sees them: those of the joint that they move with.
_NEIGHBOURS = {
    "eye_inner": "eye", "eye_outer": "eye", "mouth": "eye",
    "pinky": "hand", "index": "hand", "heel": "ankle", "small_toe": "foot",
}  # fmt: skip


def _mirrored(rows):
    for name, parent, place in rows:
        yield name, parent, place
        if name.startswith("left_"):
            yield name.replace("left_", "right_"), parent.replace("left_", "right_"), place


def _places(rows):
    return np.array([
        (place[0] * (-1 if name.startswith("left_") else 1), place[1], -place[2]) for name, _, place in _mirrored(rows)
    ])  # fmt: skip


def _names(limbs):
    return tuple(f"{side}_{joint}" for joint in limbs for side in ("left", "right"))


TRUNK = tuple(name for name, _, _ in _mirrored(_TRUNK))
TRUNK_PARENTS = tuple(-1 if parent is None else TRUNK.index(parent) for _, parent, _ in _mirrored(_TRUNK))
PLACES = _places(_TRUNK)
FACE = tuple(name for name, _, _ in _mirrored(_FACE))
FACE_PLACES = _places(_FACE)

SENSED = TRUNK + _names(_LIMBS)
"""The joints that a sensor errs about, each by itself."""
JOINTS = SENSED + FACE + _names(_ESTIMATED_LIMBS)
"""Every joint of the body: the names that a topology may choose from."""


def _errs_like(joint):
    side, _, rest = joint.partition("_")
    return SENSED.index(joint if joint in SENSED else f"{side}_{_NEIGHBOURS[rest]}")


ERRS_LIKE = np.array([_errs_like(joint) for joint in JOINTS])
"""For each of ``JOINTS`` the one of ``SENSED`` whose errors it has."""


@dataclass(frozen=True, eq=False)
class Performer:
    """One body and its habits.

    Args:
        stature: metres.
        trunk_offsets: (len(TRUNK), 3) metres, each joint of the trunk from its parent when standing upright. Axes of
            a person who faces the camera: x to their right, y up, z backwards.
        face_offsets: (len(FACE), 3) metres, each joint of the face from the head, likewise.
        thigh, shin, ankle_height, foot, upper_arm, forearm, hand: metres.
        tempo, amplitude: habitual speed and size of movements, 1 is average.
        left_handed: prefers the left hand and foot.
        slouch: degrees that the trunk leans forwards at rest.
        carry: how far the arms hang away from the body, as sideways part of a unit vector.
        stance: half the distance of the ankles, metres.
        sway: size of the idle sway, 1 is average.
    """

    stature: float
    trunk_offsets: np.ndarray
    face_offsets: np.ndarray
    thigh: float
    shin: float
    ankle_height: float
    foot: float
    upper_arm: float
    forearm: float
    hand: float
    tempo: float
    amplitude: float
    left_handed: bool
    slouch: float
    carry: float
    stance: float
    sway: float

    @property
    def leg(self) -> float:
        """Thigh and shin, metres."""
        return self.thigh + self.shin

    @property
    def arm(self) -> float:
        """Upper arm and forearm, metres."""
        return self.upper_arm + self.forearm

    @property
    def shoulder(self) -> float:
        """From the midline to a shoulder joint, metres."""
        return float(self.trunk_offsets[[TRUNK.index("right_collar"), TRUNK.index("right_shoulder")], 0].sum())


@lru_cache(maxsize=4096)
def performer(number: int, partner: int = 0) -> Performer:
    """The performer with this number: always the same body and style.

    Args:
        number: not negative. Disjoint numbers give people who never met.
        partner: 0 for the performer, 1 for the person who acts with this performer, and with no other, in
            two-person actions; so disjoint performers have disjoint partners.
    """
    if number < 0:
        raise ValueError(f"performer is {number}, expected 0 or more")
    rng = np.random.default_rng([PERFORMER_STREAM, number, partner])

    def vary(spread):
        return float(np.clip(rng.normal(1.0, spread), 1 - 2 * spread, 1 + 2 * spread))

    stature = float(np.clip(rng.normal(1.71, 0.11), 1.50, 1.95))
    legs = vary(0.025)
    hip = HIP_HEIGHT * legs
    # What the legs gain the trunk loses, so that the stature stays what it is.
    upper = (1 - hip) / (1 - HIP_HEIGHT)
    places = PLACES.copy()
    places[:, 1] = hip + (places[:, 1] - HIP_HEIGHT) * upper
    for joint, spread in (("shoulder", 0.06), ("collar", 0.06), ("hip", 0.05)):
        factor = vary(spread)
        for side in ("left_", "right_"):
            places[TRUNK.index(side + joint), 0] *= factor
    parents = np.array(TRUNK_PARENTS)
    offsets = places - np.where(parents[:, None] < 0, 0.0, places[parents])
    offsets[0] = places[0] - [0.0, hip, 0.0]  # the pelvis from between the hips
    face = FACE_PLACES - PLACES[TRUNK.index("head")]
    knee = KNEE_HEIGHT * legs * vary(0.015)
    ankle = ANKLE_HEIGHT * vary(0.06)
    arms = vary(0.03)
    return Performer(
        stature=stature,
        trunk_offsets=stature * offsets,
        face_offsets=stature * face * [1.0, upper, 1.0],
        thigh=stature * (hip - knee),
        shin=stature * (knee - ankle),
        ankle_height=stature * ankle,
        foot=stature * FOOT * vary(0.04),
        upper_arm=stature * UPPER_ARM * arms * vary(0.02),
        forearm=stature * FOREARM * arms * vary(0.02),
        hand=stature * HAND * vary(0.04),
        tempo=vary(0.08),
        amplitude=vary(0.08),
        left_handed=bool(rng.random() < 0.12),
        slouch=float(rng.normal(3.0, 2.5)),
        carry=float(rng.uniform(0.08, 0.22)),
        stance=stature * float(rng.uniform(0.050, 0.085)),
        sway=float(rng.uniform(0.5, 1.5)),
    )
