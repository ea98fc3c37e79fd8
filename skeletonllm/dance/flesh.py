"""The body's capsules as Gaussians: where they are, how wide, and in which colours."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from skeletonllm.dance.body import SEGMENTS, Body

Color = tuple[float, float, float]

# The hues in which recordings are drawn at first (``rendering.draction``), paler, so that only overlaps are red.
_TRUNK, _HEAD = (0.80, 0.80, 0.82), (0.92, 0.86, 0.55)
_ARMS = {"left": (0.35, 0.54, 0.92), "right": (0.95, 0.56, 0.54)}
_LEGS = {"left": (0.22, 0.74, 0.70), "right": (0.93, 0.63, 0.28)}
_OF_SEGMENT = {
    "pelvis": _TRUNK, "abdomen": _TRUNK, "thorax": _TRUNK, "neck": _HEAD, "head": _HEAD,
    "upper_arm": _ARMS, "forearm": _ARMS, "hand": _ARMS, "thigh": _LEGS, "shin": _LEGS, "foot": _LEGS,
}  # fmt: skip
EYES: Color = (0.12, 0.12, 0.16)
STANDING: Color = (0.55, 1.0, 0.25)
"""Of a foot that stands."""
OVERLAPPING: Color = (1.0, 0.0, 0.05)
"""Of capsules that stand in one another."""

# Optical depth of one Gaussian, and how far apart they are in standard deviations: close enough that the edge of a row
# of them is straight to 3 % of its radius, and deep enough that it is sharp.
_DEPTH, _SPACING = 100.0, 2.5
# Standard deviations at which the depth of a row has fallen to ln 2: half of the light passes. There is the surface.
_SURFACE = float(np.sqrt(2 * np.log(_DEPTH * np.sqrt(2 * np.pi) / _SPACING / np.log(2))))
# Over each dark Gaussian is a thin light one, nearer to the lamp: so round things look round. Numbers are parts of the
# radius: its size, and how far it is to the left and up; and towards the eye, before the dark ones of its own piece.
_SHADE, _LIGHT, _LIGHT_DEPTH, _LIGHT_SIZE = 0.60, 1.12, 0.8, 0.42
_LAMP = np.array([0.16, 0.26])
_BEFORE = 1.2
# Places of the eyes in radii of the head from its middle; the body at rest faces -y.
_EYES = [(-0.36, -0.90, 0.18), (0.36, -0.90, 0.18)]
_EYE_SIZE = 0.13
# Eyes come this many of their own radii nearer: before the light on the head, but behind a head that is turned away.
_EYE_BEFORE = 3.0


@dataclass(frozen=True, eq=False)
class Flesh:
    """K Gaussians that make up a body.

    Args:
        joints: (K,) the joint in whose frame each is fixed.
        places: (K, 3) metres in that frame.
        radii: (K,) metres of the piece that each is a part of.
        capsules: (K,) the capsule that each is a part of.
        eyes: (K,) bool.
    """

    joints: np.ndarray
    places: np.ndarray
    radii: np.ndarray
    capsules: np.ndarray
    eyes: np.ndarray


@lru_cache(maxsize=64)
def flesh_of(body: Body) -> Flesh:
    """Rows of Gaussians in the capsules; in the boxes of the feet three rows, whose lowest points are on the sole."""
    boxes = {int(joint): index for index, joint in enumerate(body.boxes.joints)}
    rows: list[tuple[int, np.ndarray, float, int, bool]] = []
    for capsule, (joint, start, end, radius) in enumerate(zip(*body.capsules, strict=True)):
        if int(joint) in boxes:
            centre, half = body.boxes.centres[boxes[int(joint)]], body.boxes.half_sizes[boxes[int(joint)]]
            radius = float(half[2])
            along, across = np.maximum(half * [0, 1, 0] - radius, 0) * [0, 1, 0], np.maximum(half[0] - radius, 0)
            lines = [(centre + [x, 0, 0] - along, centre + [x, 0, 0] + along) for x in (-across, 0.0, across)]
        else:
            lines = [(start, end)]
        for first, last in lines:
            length = float(np.linalg.norm(last - first))
            count = 1 + int(np.ceil(length / (_SPACING * radius / _SURFACE))) if length else 1
            for share in np.linspace(0, 1, count) if count > 1 else [0.5]:
                rows.append((int(joint), first + share * (last - first), float(radius), capsule, False))
        if body.names[int(joint)] == "head":
            for eye in _EYES:
                rows.append((int(joint), (start + end) / 2 + np.array(eye) * radius, _EYE_SIZE * radius, capsule, True))
    joints, places, radii, capsules, eyes = (np.array(column) for column in zip(*rows, strict=True))
    return Flesh(joints, places, radii, capsules, eyes)


@lru_cache(maxsize=64)
def capsule_colors(body: Body) -> np.ndarray:
    """(C, 3) in [0, 1]: trunk grey, head yellow, the left arm blue and the right pink, the left leg green, the right
    orange."""
    segments = {joint: segment for segment, joints in SEGMENTS.items() for joint in joints}
    colors = []
    for joint in body.capsules.joints:
        name = body.names[int(joint)]
        color = _OF_SEGMENT[segments[name]]
        colors.append(color[name.partition("_")[0]] if isinstance(color, dict) else color)
    return np.array(colors)


def gaussians(
    flesh: Flesh, places: np.ndarray, colors: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What ``skeleton_kernels.splat`` takes: means (T, 2 K, 3), scales (T, 2 K), colors (T, 2 K, 3), opacities.

    Args:
        flesh: K Gaussians.
        places: (T, K, 3) metres in the camera's frame.
        colors: (T, C, 3) of the capsules.
    """
    frames = len(places)
    scales = flesh.radii / _SURFACE
    own = np.where(flesh.eyes[:, None], EYES, colors[:, flesh.capsules])
    places = places * (1 - _EYE_BEFORE * flesh.eyes * flesh.radii / places[..., 2])[..., None]
    lit = places * (1 - _BEFORE * flesh.radii / places[..., 2])[..., None]
    lit[..., :2] += _LAMP * flesh.radii[:, None]
    widths = np.concatenate([scales, _LIGHT_SIZE * flesh.radii])
    depths = np.concatenate([np.full(len(scales), _DEPTH), np.where(flesh.eyes, 0.0, _LIGHT_DEPTH)])
    return (
        np.concatenate([places, lit], 1),
        np.broadcast_to(widths, (frames, len(widths))),
        np.concatenate([_SHADE * own, np.minimum(_LIGHT * own, 1.0)], 1),
        np.broadcast_to(depths, (frames, len(depths))),
    )
