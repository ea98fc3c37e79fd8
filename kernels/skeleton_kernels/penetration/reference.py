"""Capsule penetration in plain torch: every pair of every body at once. Differentiable by autograd, exact in float64.

The definition that the Triton path is tested against. Closest points of two segments follow Ericson, Real-Time
Collision Detection, section 5.1.9, with three changes: the determinant is taken from the cross product, which does not
cancel when the segments are nearly parallel; the second segment's parameter is always projected back onto the first,
which changes nothing where Ericson stops early and needs no branches; and of parallel segments that run side by side
the middle of the shared stretch counts, so that the gradient pushes them apart without turning them.
"""

import torch
from torch import Tensor

from ..constants import WORLD_LIMIT

SHORTEST_SEGMENT = 1e-6
"""Metres. A shorter segment counts as a point, its middle: float32 resolves no less a few metres from the camera."""

SMALLEST_SINE = 1e-6
"""Segments that enclose a smaller angle count as parallel: the rounding of float32 joints turns them by as much."""

SHORTEST_DISTANCE = 1e-6
"""Metres. Nearer axes count as crossing: no direction leads apart rather than another, so the gradient is zero."""


def closest_points(start: Tensor, end: Tensor, other_start: Tensor, other_end: Tensor) -> tuple[Tensor, Tensor]:
    """Where two segments are nearest to each other, as fractions (...) in [0, 1] of the way from start to end.

    All four points (..., 3) metres, finite.
    """
    along, other_along = end - start, other_end - other_start
    between = other_start - start
    length, other_length = along.square().sum(-1), other_along.square().sum(-1)
    overlap = (along * other_along).sum(-1)
    normal = torch.linalg.cross(along, other_along)
    sine = normal.square().sum(-1)

    def project(numerator: Tensor, squared: Tensor) -> Tensor:
        long = squared > SHORTEST_SEGMENT**2
        return torch.where(long, numerator / torch.where(long, squared, 1.0), 0.5).clamp(0, 1)

    ahead = (between * along).sum(-1)
    middle = (project(ahead, length) + project(ahead + overlap, length)) / 2
    crossing = sine > SMALLEST_SINE**2 * length * other_length
    crossing = crossing & (length > SHORTEST_SEGMENT**2) & (other_length > SHORTEST_SEGMENT**2)
    meeting = (torch.linalg.cross(between, other_along) * normal).sum(-1) / torch.where(crossing, sine, 1.0)
    fraction = torch.where(crossing, meeting.clamp(0, 1), middle)
    other_fraction = project(fraction * overlap - (between * other_along).sum(-1), other_length)
    return project(other_fraction * overlap + ahead, length), other_fraction


def penetration(joints: Tensor, capsules: Tensor, radii: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Energy (N,) and depths (N, M) of N bodies.

    joints (N, J, 3) and radii (N, C) of one dtype, capsules (C, 2), pairs (M, 2).
    """
    here = (joints.abs() <= WORLD_LIMIT).all(-1)
    solid = (radii > 0) & (radii <= WORLD_LIMIT)
    ends = capsules[pairs].flatten(1)  # (M, 4) joints: start and end of either capsule
    present = here[:, ends].all(-1) & solid[:, pairs].all(-1)
    points = joints.where(here[..., None], 0.0)[:, ends]
    with torch.no_grad():
        # The distance is stationary in the fractions, or they are held at an end: its gradient sees them as constants.
        fraction, other_fraction = closest_points(*points.unbind(2))
    start, end, other_start, other_end = points.unbind(2)
    apart = start.lerp(end, fraction[..., None]) - other_start.lerp(other_end, other_fraction[..., None])
    squared = apart.square().sum(-1)
    separate = squared > SHORTEST_DISTANCE**2
    distance = torch.where(separate, torch.where(separate, squared, 1.0).sqrt(), 0.0)
    depths = (radii[:, pairs].sum(-1) - distance).where(present, 0.0).relu()
    return depths.square().sum(-1), depths
