"""Which pieces of the body may touch, found from the body itself."""

from functools import lru_cache

import numpy as np
import torch

from skeleton_kernels import penetration
from skeletonllm.dance.body.tree import Body, capsule_ends, forward_kinematics
from skeletonllm.skeleton.topology import ROOT

# A joint and the one two further up the limb: across a short bone (collar, neck, wrist) they are as good as joined.
NEIGHBOURS = 2
# Metres. Pieces that all but touch in the T-pose are joined by flesh.
REST_MARGIN = 0.005


@lru_cache(maxsize=64)
def excluded_pairs(body: Body) -> tuple[tuple[int, int], ...]:
    """Pairs of joints i < j whose pieces are never said to collide: neighbours along a limb, and those whose capsules
    overlap in the T-pose."""
    count = len(body.names)
    pairs = torch.combinations(torch.arange(count), 2)
    joints, frames = forward_kinematics(body, np.zeros(3), np.broadcast_to(np.eye(3), (count, 3, 3)))
    ends = torch.from_numpy(capsule_ends(body, frames, joints)).reshape(-1, 3)
    axes = torch.arange(2 * count).reshape(count, 2)
    radii = torch.as_tensor(body.capsules.radii + REST_MARGIN / 2)
    overlapping = penetration(ends, axes, radii, pairs).depths > 0
    neighbours = {(joint, above) for joint in range(count) for above in _ancestors(body, joint)[:NEIGHBOURS]}
    return tuple(
        (i, j) for (i, j), overlap in zip(pairs.tolist(), overlapping.tolist(), strict=True)
        if overlap or (j, i) in neighbours or (i, j) in neighbours
    )  # fmt: skip


def collision_pairs(body: Body) -> torch.Tensor:
    """(M, 2) int64: the pairs of capsules that may collide, for ``skeleton_kernels.penetration``."""
    excluded = set(excluded_pairs(body))
    pairs = torch.combinations(torch.arange(len(body.names)), 2).tolist()
    return torch.tensor([pair for pair in pairs if tuple(pair) not in excluded])


def _ancestors(body: Body, joint: int) -> list[int]:
    found = []
    while (joint := body.parents[joint]) != ROOT:
        found.append(joint)
    return found
