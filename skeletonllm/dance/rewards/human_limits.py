"""What no human body does, whatever else is wished of it: a guard for rewards that can be talked into anything."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from skeletonllm.dance.body.hinges import hinge_axes, hinge_ranges
from skeletonllm.dance.motion import ROTATIONS
from skeletonllm.dance.rewards.dances import Dances
from skeletonllm.skeleton.kinematics import rotation_6d_to_matrix
from skeletonllm.skeleton.topologies import SMPL_24

# Metres per second: a boxer's fist has 10; the fastest joint of 8 embedded dances 7.
_SPEED = 12.0
# Metres per second squared, the mean over a dance: at most 22 in the same dances. A pose in which each of the numbers
# of a rotation trembles by 0.1 from frame to frame has 400.
_ACCELERATION = 100.0
# Radians beyond the ranges of all hinges, in sum, the mean over a dance, that count as much as twice these speeds.
_BEYOND = 0.2
# Keeps gradients finite where an angle is not determined, far below what matters to any other.
_TINY = 1e-9


def beyond_human(dances: Dances) -> Tensor:
    """(B,) from 0, which every embedded dance has: how far a body is from what people can do, differentiable.

    The sum of what hinges turn beyond ``body.hinges.hinge_ranges``, of what joints are faster than 12 m/s, and of what
    they are accelerated more than by 100 m/s^2 in the mean, each in shares of its limit.
    """
    velocity = dances.joints.diff(dim=1) * dances.fps
    acceleration = velocity.diff(dim=1) * dances.fps
    fast = (velocity.norm(dim=-1) / _SPEED - 1).relu().amax(-1).mean(1) if dances.frames > 1 else 0.0
    shaken = (acceleration.norm(dim=-1).mean(1) / _ACCELERATION - 1).relu().amax(-1) if dances.frames > 2 else 0.0
    return beyond_hinges(dances).mean(1) / _BEYOND + fast + shaken


def beyond_hinges(dances: Dances) -> Tensor:
    """(B, T) radians by which the angles of a pose leave the ranges of their hinges, in sum.

    Of the two ways to write a rotation as three turns, the one that leaves them less counts, for each pose by itself.
    """
    matrices = rotation_6d_to_matrix(dances.vectors[..., ROTATIONS].unflatten(-1, (-1, 6)))[..., 1:, :, :]
    places, handed, ranges = (table.to(matrices.device) for table in _hinges())
    entries = matrices.flatten(-2)
    aa, ab, ac, bc, cc = (
        entries.gather(-1, place.expand(entries.shape[:-1])[..., None])[..., 0] for place in places.unbind(0)
    )
    handed, ranges = handed.to(entries), ranges.to(entries)
    middle = torch.atan2(handed * ac, (aa.square() + ab.square() + _TINY**2).sqrt())
    first, last = torch.atan2(-handed * bc, cc + _TINY), torch.atan2(-handed * ab, aa + _TINY)
    written = torch.stack([first, middle, last], -1)
    twin = torch.stack([first + torch.pi, torch.pi - middle, last + torch.pi], -1)
    return torch.minimum(_outside(written, ranges), _outside(twin, ranges)).sum(-1)


def _outside(angles: Tensor, ranges: Tensor) -> Tensor:
    """(..., J) radians by which (..., J, 3) angles, whole turns aside, leave (J, 3, 2), in sum over the hinges."""
    from_middle = torch.remainder(angles - ranges.mean(-1) + torch.pi, 2 * torch.pi) - torch.pi
    return (from_middle.abs() - ranges.diff(dim=-1)[..., 0] / 2).relu().sum(-1)


@cache
def _hinges() -> tuple[Tensor, Tensor, Tensor]:
    """For all joints but the pelvis: where five entries of its matrix are (5, J), whether the axes are in right-handed
    order (J,), 1 or -1, and the ranges (J, 3, 2). The entries are those of ``body.euler.euler_angles``."""
    joints = SMPL_24.joints[1:]
    axes = np.array([["xyz".index(axis) for axis in hinge_axes(joint)] for joint in joints])
    a, b, c = axes.T
    places = np.stack([3 * a + a, 3 * a + b, 3 * a + c, 3 * b + c, 3 * c + c])
    handed = np.where((b - a) % 3 == 1, 1.0, -1.0)
    ranges = np.stack([hinge_ranges(joint) for joint in joints])
    return torch.from_numpy(places), torch.from_numpy(handed), torch.from_numpy(ranges)
