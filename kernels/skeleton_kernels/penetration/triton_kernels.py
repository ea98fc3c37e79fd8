"""Capsule penetration on a GPU: one launch forward, one backward, nothing kept between them but the inputs.

A program holds one body and walks over its pairs, `PAIRS` at a time; a body's joints are a few hundred bytes and stay
in the first-level cache. The backward pass computes the distances again and sums each joint's share over all pairs in a
fixed order, as a product with the matrix of which pair ends at which joint: no atomics, the same bits every time.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..constants import WORLD_LIMIT
from .reference import SHORTEST_DISTANCE, SHORTEST_SEGMENT, SMALLEST_SINE

# One pair per thread, and of the matrix of pairs and joints 32 numbers per thread.
PAIRS = 128
JOINTS = 32
WARPS = 4

FARTHEST = tl.constexpr(WORLD_LIMIT)
SHORTEST_SQUARED = tl.constexpr(SHORTEST_SEGMENT**2)
SINE_SQUARED = tl.constexpr(SMALLEST_SINE**2)
DISTANCE_SQUARED = tl.constexpr(SHORTEST_DISTANCE**2)


@triton.jit
def load_point(joints, joint, wanted):
    """x, y, z of a joint, and whether it is there; zeros if not."""
    x = tl.load(joints + 3 * joint, mask=wanted, other=0.0)
    y = tl.load(joints + 3 * joint + 1, mask=wanted, other=0.0)
    z = tl.load(joints + 3 * joint + 2, mask=wanted, other=0.0)
    # A comparison with NaN is false.
    here = wanted & (tl.abs(x) <= FARTHEST) & (tl.abs(y) <= FARTHEST) & (tl.abs(z) <= FARTHEST)
    return tl.where(here, x, 0.0), tl.where(here, y, 0.0), tl.where(here, z, 0.0), here


@triton.jit
def project(numerator, squared):
    """Fraction of the way along a segment of this squared length, held between its ends."""
    long = squared > SHORTEST_SQUARED
    fraction = tl.where(long, numerator / tl.where(long, squared, 1.0), 0.5)
    return tl.minimum(tl.maximum(fraction, 0.0), 1.0)


@triton.jit
def overlap_pairs(joints, capsules, radii, radii_step, pairs, pair, wanted):
    """Overlap of a block of pairs of one body, as `reference.penetration` defines it.

    Returns the depth; the unit vector (x, y, z) from the second axis to the first; the fractions along both; the
    numbers of the two capsules; the numbers of the four joints.
    """
    first = tl.load(pairs + 2 * pair, mask=wanted, other=0)
    second = tl.load(pairs + 2 * pair + 1, mask=wanted, other=0)
    a = tl.load(capsules + 2 * first, mask=wanted, other=0)
    b = tl.load(capsules + 2 * first + 1, mask=wanted, other=0)
    c = tl.load(capsules + 2 * second, mask=wanted, other=0)
    d = tl.load(capsules + 2 * second + 1, mask=wanted, other=0)
    first_radius = tl.load(radii + first * radii_step, mask=wanted, other=0.0)
    second_radius = tl.load(radii + second * radii_step, mask=wanted, other=0.0)
    ax, ay, az, a_here = load_point(joints, a, wanted)
    bx, by, bz, b_here = load_point(joints, b, wanted)
    cx, cy, cz, c_here = load_point(joints, c, wanted)
    dx, dy, dz, d_here = load_point(joints, d, wanted)
    present = a_here & b_here & c_here & d_here
    present = present & (first_radius > 0) & (first_radius <= FARTHEST)
    present = present & (second_radius > 0) & (second_radius <= FARTHEST)

    ux, uy, uz = bx - ax, by - ay, bz - az
    vx, vy, vz = dx - cx, dy - cy, dz - cz
    wx, wy, wz = cx - ax, cy - ay, cz - az
    length = ux * ux + uy * uy + uz * uz
    other_length = vx * vx + vy * vy + vz * vz
    both = ux * vx + uy * vy + uz * vz
    ahead = wx * ux + wy * uy + wz * uz
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    sine = nx * nx + ny * ny + nz * nz
    crossing = sine > length * other_length * SINE_SQUARED
    crossing = crossing & (length > SHORTEST_SQUARED) & (other_length > SHORTEST_SQUARED)
    meeting = (wy * vz - wz * vy) * nx + (wz * vx - wx * vz) * ny + (wx * vy - wy * vx) * nz
    meeting = tl.minimum(tl.maximum(meeting / tl.where(crossing, sine, 1.0), 0.0), 1.0)
    middle = 0.5 * (project(ahead, length) + project(ahead + both, length))
    fraction = tl.where(crossing, meeting, middle)
    other_fraction = project(fraction * both - (wx * vx + wy * vy + wz * vz), other_length)
    fraction = project(other_fraction * both + ahead, length)

    x = fraction * ux - other_fraction * vx - wx
    y = fraction * uy - other_fraction * vy - wy
    z = fraction * uz - other_fraction * vz - wz
    squared = x * x + y * y + z * z
    separate = squared > DISTANCE_SQUARED
    distance = tl.sqrt(tl.where(separate, squared, 1.0))
    depth = first_radius + second_radius - tl.where(separate, distance, 0.0)
    depth = tl.where(present & (depth > 0), depth, 0.0)
    scale = tl.where(separate, 1.0 / distance, 0.0)
    return depth, x * scale, y * scale, z * scale, fraction, other_fraction, first, second, a, b, c, d


@triton.jit
def forward_kernel(
    joints, capsules, radii, pairs, energy, depths, num_joints, num_pairs, body_step, radii_step, BLOCK: tl.constexpr
):
    """joints (N, J, 3) contiguous, radii (N, C) of any strides -> energy (N,), depths (N, M). Grid (N,)."""
    body = tl.program_id(0).to(tl.int64)
    joints += body * num_joints * 3
    radii += body * body_step
    depths += body * num_pairs
    total = tl.zeros((BLOCK,), energy.dtype.element_ty)
    start = 0
    while start < num_pairs:
        pair = start + tl.arange(0, BLOCK)
        wanted = pair < num_pairs
        depth, _, _, _, _, _, _, _, _, _, _, _ = overlap_pairs(joints, capsules, radii, radii_step, pairs, pair, wanted)
        tl.store(depths + pair, depth, mask=wanted)
        total += depth * depth
        start += BLOCK
    tl.store(energy + body, tl.sum(total, 0))


@triton.jit
def backward_kernel(
    joints,
    capsules,
    radii,
    pairs,
    grad_energy,
    grad_depths,
    grad_joints,
    grad_radii,
    num_joints,
    num_capsules,
    num_pairs,
    body_step,
    radii_step,
    BLOCK: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Gradients of joints (N, J, 3) and radii (N, C). Grid (N, blocks of `COLUMNS` joints and capsules)."""
    body = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    joints += body * num_joints * 3
    radii += body * body_step
    grad_depths += body * num_pairs
    grad_body = tl.load(grad_energy + body)
    sum_x = tl.zeros((COLUMNS,), grad_joints.dtype.element_ty)
    sum_y = tl.zeros((COLUMNS,), grad_joints.dtype.element_ty)
    sum_z = tl.zeros((COLUMNS,), grad_joints.dtype.element_ty)
    sum_radius = tl.zeros((COLUMNS,), grad_joints.dtype.element_ty)
    start = 0
    while start < num_pairs:
        pair = start + tl.arange(0, BLOCK)
        wanted = pair < num_pairs
        depth, x, y, z, fraction, other_fraction, first, second, a, b, c, d = overlap_pairs(
            joints, capsules, radii, radii_step, pairs, pair, wanted
        )
        grad = 2.0 * depth * grad_body + tl.load(grad_depths + pair, mask=wanted, other=0.0)
        grad = tl.where(depth > 0, grad, 0.0)

        # How the gap between the two axes moves with each joint.
        share = tl.where(a[:, None] == column[None, :], 1.0 - fraction[:, None], 0.0)
        share += tl.where(b[:, None] == column[None, :], fraction[:, None], 0.0)
        share -= tl.where(c[:, None] == column[None, :], 1.0 - other_fraction[:, None], 0.0)
        share -= tl.where(d[:, None] == column[None, :], other_fraction[:, None], 0.0)
        sum_x -= tl.sum(share * (grad * x)[:, None], 0)
        sum_y -= tl.sum(share * (grad * y)[:, None], 0)
        sum_z -= tl.sum(share * (grad * z)[:, None], 0)
        radius = tl.where(first[:, None] == column[None, :], grad[:, None], 0.0)
        radius += tl.where(second[:, None] == column[None, :], grad[:, None], 0.0)
        sum_radius += tl.sum(radius, 0)
        start += BLOCK
    target = grad_joints + (body * num_joints + column) * 3
    tl.store(target, sum_x, mask=column < num_joints)
    tl.store(target + 1, sum_y, mask=column < num_joints)
    tl.store(target + 2, sum_z, mask=column < num_joints)
    tl.store(grad_radii + body * num_capsules + column, sum_radius, mask=column < num_capsules)


@torch.library.custom_op("skeleton_kernels::penetration", mutates_args=())
def penetration(joints: Tensor, capsules: Tensor, radii: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Energy (N,) and depths (N, M) of N bodies; arguments as in `reference.penetration`."""
    bodies, num_joints, _ = joints.shape
    energy = joints.new_empty(bodies)
    depths = joints.new_empty(bodies, len(pairs))
    if bodies:
        forward_kernel[(bodies,)](
            joints.contiguous(),
            capsules.contiguous(),
            radii,
            pairs.contiguous(),
            energy,
            depths,
            num_joints,
            len(pairs),
            *radii.stride(),
            BLOCK=PAIRS,
            num_warps=WARPS,
        )
    return energy, depths


@torch.library.custom_op("skeleton_kernels::penetration_backward", mutates_args=())
def penetration_backward(
    joints: Tensor, capsules: Tensor, radii: Tensor, pairs: Tensor, grad_energy: Tensor, grad_depths: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of joints (N, J, 3) and radii (N, C) from those of energy (N,) and depths (N, M)."""
    bodies, num_joints, _ = joints.shape
    grad_joints = joints.new_empty(bodies, num_joints, 3)
    grad_radii = joints.new_empty(radii.shape)
    columns = triton.cdiv(max(num_joints, len(capsules)), JOINTS)
    if bodies and columns:
        backward_kernel[(bodies, columns)](
            joints.contiguous(),
            capsules.contiguous(),
            radii,
            pairs.contiguous(),
            grad_energy.contiguous(),
            grad_depths.contiguous(),
            grad_joints,
            grad_radii,
            num_joints,
            len(capsules),
            len(pairs),
            *radii.stride(),
            BLOCK=PAIRS,
            COLUMNS=JOINTS,
            num_warps=WARPS,
        )
    return grad_joints, grad_radii


@penetration.register_fake
def _(joints, capsules, radii, pairs):
    return joints.new_empty(joints.shape[0]), joints.new_empty(joints.shape[0], pairs.shape[0])


@penetration_backward.register_fake
def _(joints, capsules, radii, pairs, grad_energy, grad_depths):
    return joints.new_empty(joints.shape), joints.new_empty(radii.shape)


def _keep(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _differentiate(ctx, grad_energy, grad_depths):
    joints, capsules, radii, pairs = ctx.saved_tensors
    grad_joints, grad_radii = penetration_backward(joints, capsules, radii, pairs, grad_energy, grad_depths)
    return grad_joints, None, grad_radii, None


penetration.register_autograd(_differentiate, setup_context=_keep)
