"""A body of average measures, and bodies with longer or shorter limbs.

Where the joints are: the segment lengths of Drillis and Contini 1966, "Body segment parameters", as fractions of
stature (``skeleton/proportions.py``). Masses: the fractions of body mass of Winter 2009, "Biomechanics and Motor
Control of Human Movement", table 4.1 (after Dempster 1955 and Miller and Nelson 1973), and its densities, which
together with the lengths give the thickness of each limb. Left and right are mirror images.
"""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from skeletonllm.dance.body.tree import Body, Boxes, Capsules
from skeletonllm.skeleton.proportions import STATURE, rest_positions
from skeletonllm.skeleton.synthesis.pose import BALL_FORWARD, HEEL_FORWARD, PALM
from skeletonllm.skeleton.topologies import SMPL_24
from skeletonllm.skeleton.topology import ROOT

# Of a body of STATURE.
MASS = 70.0

SEGMENTS: Mapping[str, tuple[str, ...]] = {
    "pelvis": ("pelvis",),
    "abdomen": ("spine",),
    "thorax": ("spine_upper", "chest", "left_collar", "right_collar"),
    "neck": ("neck",),
    "head": ("head",),
    "upper_arm": ("left_shoulder", "right_shoulder"),
    "forearm": ("left_elbow", "right_elbow"),
    "hand": ("left_wrist", "right_wrist", "left_hand", "right_hand"),
    "thigh": ("left_hip", "right_hip"),
    "shin": ("left_knee", "right_knee"),
    "foot": ("left_ankle", "right_ankle", "left_foot", "right_foot"),
}
"""What can be scaled, and the joints with which each turns."""
# What a person can have, and a simulator can hold.
SMALLEST, LARGEST = 0.5, 2.0

# Of each joint's piece: share of the body's mass, and density in kg per cubic metre. Winter's table has hand .006,
# forearm .016, upper arm .028, foot .0145, shank .0465, thigh .100, head and neck .081, thorax .216, abdomen .139 and
# pelvis .142; how these are shared out among the joints of one segment is ours.
_TRUNK, _HEAD, _HAND, _FOOT = 1030.0, 1110.0, 1160.0, 1100.0
_PIECES = {
    "pelvis": (0.142, _TRUNK), "spine": (0.139, _TRUNK), "spine_upper": (0.216 * 0.5, _TRUNK),
    "chest": (0.216 * 0.3, _TRUNK), "collar": (0.216 * 0.1, _TRUNK),
    "neck": (0.081 * 0.15, _HEAD), "head": (0.081 * 0.85, _HEAD),
    "shoulder": (0.028, 1070.0), "elbow": (0.016, 1130.0), "wrist": (0.006 * 0.5, _HAND), "hand": (0.006 * 0.5, _HAND),
    "hip": (0.100, 1050.0), "knee": (0.0465, 1090.0), "ankle": (0.0145 * 0.85, _FOOT), "foot": (0.0145 * 0.15, _FOOT),
}  # fmt: skip
# Capsules that lie across the trunk: length of the axis as a share of stature, and the joints in whose middle it is.
# Chosen so that the breadths come near those of hip, waist and chest (0.19, 0.17 and 0.17 of stature).
_ACROSS = {
    "pelvis": (0.082, ("pelvis", "left_hip", "right_hip")),
    "spine": (0.053, ("spine", "spine_upper")),
    "spine_upper": (0.059, ("spine_upper", "chest")),
    "chest": (0.076, ("chest", "neck")),
}
# Along a bone, to the joint at its end.
_ALONG = {
    "neck": "head", "collar": "shoulder", "shoulder": "elbow", "elbow": "wrist", "wrist": "hand", "hip": "knee",
    "knee": "ankle",
}  # fmt: skip
# Breadth of a foot as a share of stature, in Drillis and Contini's figure.
_FOOT_BREADTH = 0.055
# Length of the toes as a share of the way from heel to ball.
_TOES_TO_SOLE = 1 / (BALL_FORWARD - HEEL_FORWARD) - 1
_ANKLE, _TOES = "ankle", "foot"


@lru_cache(maxsize=64)
def _average(stature: float) -> Body:
    places = {name: np.array([x, -z, y]) for name, (x, y, z) in rest_positions(stature).items()}
    mass = MASS * (stature / STATURE) ** 3
    joints = SMPL_24.joints
    at = np.stack([places[name] for name in joints])
    offsets = at - np.where(np.array(SMPL_24.parents)[:, None] == ROOT, at, at[list(SMPL_24.parents)])
    masses, starts, ends, radii, boxes = [], [], [], [], []
    for index, name in enumerate(joints):
        side, _, kind = name.partition("_") if name.startswith(("left_", "right_")) else ("", "", name)
        share, density = _PIECES[kind]
        masses.append(share * mass)
        volume = share * mass / density
        if kind in (_ANKLE, _TOES):
            centre, half = _foot_box(places, side, kind, volume, stature)
            boxes.append((index, centre - at[index], half))
            radius = half[2]
            reach = np.array([0.0, half[1] - radius, 0.0])
            start, end = centre - reach, centre + reach
        elif kind == "head":
            start = end = at[index]
            radius = (3 * volume / (4 * np.pi)) ** (1 / 3)
        elif kind in _ACROSS:
            length, between = _ACROSS[kind]
            reach = np.array([length * stature / 2, 0.0, 0.0])
            middle = np.mean([places[joint] for joint in between], 0) * [0.0, 1.0, 1.0]
            start, end, radius = middle - reach, middle + reach, _capsule_radius(length * stature, volume)
        else:
            start = at[index]
            end = _finger_tips(places, side) if kind == "hand" else places[f"{side}_{_ALONG[kind]}".lstrip("_")]
            # The volume of a cylinder: the round ends stand in the neighbours.
            radius = np.sqrt(volume / (np.pi * np.linalg.norm(end - start)))
        starts.append(start - at[index])
        ends.append(end - at[index])
        radii.append(radius)
    numbers, centres, halves = (np.array(column) for column in zip(*boxes, strict=True))
    capsules = Capsules(np.arange(len(joints)), np.array(starts), np.array(ends), np.array(radii))
    return Body(offsets, np.array(masses), capsules, Boxes(numbers, centres, halves))


def default_body(scales: Mapping[str, float] | None = None, *, stature: float = STATURE) -> Body:
    """A body of average proportions, 70 kg at 1.70 m.

    Args:
        scales: a factor for some of ``SEGMENTS``, 1 being average: the segment becomes longer and thicker by it, left
            and right alike, and its mass grows with its volume.
        stature: metres, to which everything is scaled before.

    Raises:
        ValueError: an unknown segment, or a factor or stature that no person has.
    """
    if not 0.5 <= stature <= 2.5:
        raise ValueError(f"stature is {stature} m, expected 0.5 to 2.5")
    body = _average(float(stature))
    factors = np.ones(len(body.names))
    for name, factor in (scales or {}).items():
        if name not in SEGMENTS:
            raise ValueError(f"unknown segment {name!r} to scale; known: {', '.join(SEGMENTS)}")
        if not SMALLEST <= factor <= LARGEST:
            raise ValueError(f"the scale of {name!r} is {factor}, expected {SMALLEST:g} to {LARGEST:g}")
        factors[[body.index(joint) for joint in SEGMENTS[name]]] = factor
    of_parent = np.where(np.array(body.parents) == ROOT, 1.0, factors[list(body.parents)])
    capsules, boxes = body.capsules, body.boxes
    of_box = factors[boxes.joints][:, None]
    return Body(
        body.offsets * of_parent[:, None],
        body.masses * factors**3,
        Capsules(
            capsules.joints.copy(),
            capsules.starts * factors[:, None],
            capsules.ends * factors[:, None],
            capsules.radii * factors,
        ),
        Boxes(boxes.joints.copy(), boxes.centres * of_box, boxes.half_sizes * of_box),
    )


def _capsule_radius(length: float, volume: float) -> float:
    """The radius at which a capsule with an axis of this length has this volume: pi r^2 (length + 4/3 r)."""
    roots = np.roots([4 / 3 * np.pi, np.pi * length, 0.0, -volume])
    return float(next(root.real for root in roots if abs(root.imag) < 1e-12 and root.real > 0))


def _finger_tips(places: Mapping[str, np.ndarray], side: str) -> np.ndarray:
    """The middle between palm and finger tips: fingers taper, so a capsule up to the tips would be too long."""
    palm, tips = places[f"{side}_hand"], places[f"{side}_hand_tip"]
    return palm + (tips - palm) * PALM


def _foot_box(
    places: Mapping[str, np.ndarray], side: str, kind: str, volume: float, stature: float
) -> tuple[np.ndarray, np.ndarray]:
    """Centre and half sizes of the box from heel to ball, or from ball to toes, that stands on the floor, z = 0."""
    heel, ball, ankle = places[f"{side}_heel"], places[f"{side}_foot"], places[f"{side}_ankle"]
    toes = ball[1] + (ball[1] - heel[1]) * _TOES_TO_SOLE
    back, front = (heel[1], ball[1]) if kind == _ANKLE else (ball[1], toes)
    breadth = _FOOT_BREADTH * stature
    height = volume / (breadth * abs(front - back))
    return np.array([ankle[0], (back + front) / 2, height / 2]), np.array([breadth, abs(front - back), height]) / 2
