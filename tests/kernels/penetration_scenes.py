"""Small bodies of capsules that several tests of the penetration operation look at."""

import torch
from torch import Tensor

# The spine of four joints with two arms, two legs and a ball on the last joint.
BODY = [(0, 1), (1, 2), (2, 3), (2, 4), (4, 5), (2, 6), (6, 7), (0, 8), (8, 9), (0, 10), (10, 11), (3, 3)]

# Two segments each: start, end, other start, other end; and how far apart they are.
SEGMENTS = {
    "crossing above": ([-1, 0, 0], [1, 0, 0], [0, 0.3, -1], [0, 0.3, 1], 0.3),
    "crossing in one point": ([-1, 0, 0], [1, 0, 0], [0, 0, -1], [0, 0, 1], 0.0),
    "crossing nearer than can be told": ([-1, 0, 0], [1, 0, 0], [0, 5e-7, -1], [0, 5e-7, 1], 0.0),
    "end over the middle": ([-1, 0, 0], [1, 0, 0], [0.5, 0.4, 0], [0.5, 2, 0.1], 0.4),
    "middle over an end": ([0.5, 0.4, 0], [0.5, 2, 0.1], [-1, 0, 0], [1, 0, 0], 0.4),
    "corner to corner": ([0, 0, 0], [-1, 0, 0], [3, 4, 0], [3, 5, 0], 5.0),
    "parallel, side by side": ([0, 0, 0], [2, 0, 0], [1, 0.2, 0], [4, 0.2, 0], 0.2),
    "parallel, against each other": ([0, 0, 0], [2, 0, 0], [4, 0.2, 0], [1, 0.2, 0], 0.2),
    "parallel, one after the other": ([0, 0, 0], [1, 0, 0], [4, 4, 0], [5, 4, 0], 5.0),
    "in one line, apart": ([0, 0, 0], [1, 0, 0], [1.5, 0, 0], [2, 0, 0], 0.5),
    "in one line, overlapping": ([0, 0, 0], [1, 0, 0], [0.5, 0, 0], [2, 0, 0], 0.0),
    "first is a point": ([0.3, 0.7, 0], [0.3, 0.7, 0], [0, 0, 0], [1, 0, 0], 0.7),
    "second is a point": ([0, 0, 0], [1, 0, 0], [0.3, 0.7, 0], [0.3, 0.7, 0], 0.7),
    "both are points": ([0, 0, 0], [0, 0, 0], [3, 4, 0], [3, 4, 0], 5.0),
    "shorter than can be told": ([0, 0, 0], [1e-20, 0, 0], [3, 4, 0], [3, 4, 1e-20], 5.0),
}


def segments(name: str, dtype=torch.float64) -> Tensor:
    """(4, 3) joints of one of `SEGMENTS`."""
    return torch.tensor(SEGMENTS[name][:4], dtype=dtype)


def bodies(*batch: int, joints: int = 12, capsules: int = 12, seed: int = 0, dtype=torch.float64) -> list[Tensor]:
    """Joints (*batch, joints, 3) thrown into a box of 0.6 m, and radii (capsules,), so that many capsules overlap."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.rand(*batch, joints, 3, generator=generator, dtype=torch.float64) * 0.6
    radii = 0.03 + 0.08 * torch.rand(capsules, generator=generator, dtype=torch.float64)
    return [places.to(dtype), radii.to(dtype)]


def cotangents(*batch: int, pairs: int, seed: int = 1) -> list[Tensor]:
    """Random gradients of energy (*batch) and depths (*batch, pairs)."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in (batch, (*batch, pairs))]
