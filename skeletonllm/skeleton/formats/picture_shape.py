"""The shape of a picture that is not told, from the limbs of the people in it."""

from collections.abc import Mapping

import numpy as np

from skeletonllm.skeleton.placement import LIMBS
from skeletonllm.skeleton.proportions import bone_lengths, rest_positions
from skeletonllm.skeleton.topology import Topology

# Width over height of what cameras give, the most usual first.
SHAPES = {"16:9": 16 / 9, "9:16": 9 / 16, "4:3": 4 / 3, "3:4": 3 / 4, "3:2": 3 / 2, "2:3": 2 / 3, "1:1": 1.0}
# Estimators exaggerate depth, by factors from three to ten in the recordings looked at.
DEPTH_FACTORS = np.geomspace(0.03, 1.0, 16)
SHOULDERS = ("left_shoulder", "right_shoulder")
FRAMES = 300
# Joints that fall on each other, in sizes of the picture, say nothing about its shape.
NOTHING = 1e-6


def fit_shape(
    points: np.ndarray, sure: np.ndarray, topology: Topology, shapes: Mapping[str, float] = SHAPES
) -> tuple[str, float]:
    """The shape of the picture and the factor of depth for which limbs keep their lengths best.

    Limbs and the line of the shoulders keep their lengths, whichever way they turn, and have known proportions: an
    upright body's legs measure the height, its shoulders and lifted arms the width. What is made smallest is the
    standard deviation, over frames and bones, of the logarithm of a bone's length over that in an average body.

    Args:
        points: (N, J, 3) x in widths of the picture, y in heights, z on the scale of x.
        sure: (N, J) bool, joints that are seen well.
        topology: the J joints.
        shapes: width over height of those that are tried, by name.

    Returns:
        The name of a shape and the factor of z; the first and 1 where no limb is seen.
    """
    limbs = {ends: metres for ends, metres in bone_lengths(topology).items() if topology.parts[ends[1]] in LIMBS}
    rest = rest_positions()
    limbs[topology.index(SHOULDERS[0]), topology.index(SHOULDERS[1])] = float(
        np.linalg.norm(rest[SHOULDERS[0]] - rest[SHOULDERS[1]])
    )
    starts, ends = np.array(list(limbs)).T
    every = max(1, len(points) // FRAMES)
    points, sure = points[::every], sure[::every]
    bones = (points[:, ends] - points[:, starts]) / np.array(list(limbs.values()))[:, None]
    bones = bones[sure[:, starts] & sure[:, ends]]
    bones = bones[(np.abs(bones[:, :2]) > NOTHING).any(-1)]
    if not len(bones):
        return next(iter(shapes)), 1.0

    def misfit(shape: float, depth: float) -> float:
        return float(np.log(np.linalg.norm(bones * [shape, 1.0, shape * depth], axis=-1)).std())

    _, name, depth = min(
        ((misfit(shape, depth), name, float(depth)) for name, shape in shapes.items() for depth in DEPTH_FACTORS),
        key=lambda fit: fit[0],
    )
    return name, depth
