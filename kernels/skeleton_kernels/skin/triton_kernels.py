"""Skinning on a GPU: each joint's position and velocity are read once for everything that is made from them."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..splat import launch_table
from ..splat.triton_gradients import joint_gradients_kernel
from ..splat.triton_kernels import load_vectors


@triton.jit
def store_vectors(pointer, row, x, y, z, mask):
    tl.store(pointer + row * 3, x, mask=mask)
    tl.store(pointer + row * 3 + 1, y, mask=mask)
    tl.store(pointer + row * 3 + 2, z, mask=mask)


@triton.jit(do_not_specialize=["frames", "persons", "num_joints", "count", "blocks", "scale"])
def skin_kernel(
    joints, velocities, skin_index, skin_weight, middle, positions, motions, colors,
    frames, persons, num_joints, count, blocks, scale,
    GAUSSIANS: tl.constexpr,
):  # fmt: skip
    """One program per person of a frame and block of its Gaussians. `scale` is 1 / (2 * span)."""
    program = tl.program_id(0).to(tl.int64)
    body, block = program // blocks, program % blocks
    clip = body // persons // frames
    gaussian = block * GAUSSIANS + tl.arange(0, GAUSSIANS)
    mask = gaussian < count
    x = tl.zeros((GAUSSIANS,), positions.dtype.element_ty)
    y, z, toward_x, toward_y, toward_z = x, x, x, x, x
    for end in tl.static_range(2):
        at = (clip * count + gaussian) * 2 + end
        joint = tl.load(skin_index + at, mask=mask, other=0)
        weight = tl.load(skin_weight + at, mask=mask, other=0.0)
        exists = mask & (joint >= 0) & (joint < num_joints)
        joint_x, joint_y, joint_z = load_vectors(joints, body * num_joints + joint, exists)
        motion_x, motion_y, motion_z = load_vectors(velocities, body * num_joints + joint, exists)
        x, y, z = x + weight * joint_x, y + weight * joint_y, z + weight * joint_z
        toward_x, toward_y = toward_x + weight * motion_x, toward_y + weight * motion_y
        toward_z += weight * motion_z
    row = body * count + gaussian
    store_vectors(positions, row, x, y, z, mask)
    store_vectors(motions, row, toward_x, toward_y, toward_z, mask)
    depth = tl.minimum(tl.maximum(0.5 + (z - tl.load(middle + clip)) * scale, 0.0), 1.0)
    store_vectors(colors, row, depth, 1.0 - 2.0 * tl.abs(depth - 0.5), 1.0 - depth, mask)


@torch.library.custom_op("skeleton_kernels::skin", mutates_args=())
def skin(
    joints: Tensor, velocities: Tensor, skin_index: Tensor, skin_weight: Tensor, middle: Tensor, span: float
) -> tuple[Tensor, Tensor, Tensor]:
    """As `skeleton_kernels.skin.skin`, for contiguous tensors of one floating dtype."""
    clips, frames, persons, num_joints, _ = joints.shape
    count = skin_index.shape[1]
    made = [joints.new_empty(clips, frames, persons, count, 3) for _ in range(3)]
    blocks = triton.cdiv(count, launch_table.GAUSSIAN_BLOCK)
    programs = clips * frames * persons * blocks
    if programs:
        with torch.cuda.device_of(joints):
            skin_kernel[(programs,)](
                joints, velocities, skin_index, skin_weight, middle, *made,
                frames, persons, num_joints, count, blocks, 1 / (2 * span),
                GAUSSIANS=launch_table.GAUSSIAN_BLOCK, num_warps=launch_table.SKIN_WARPS,
            )  # fmt: skip
    return tuple(made)


@skin.register_fake
def _(joints, velocities, skin_index, skin_weight, middle, span):
    shape = (*joints.shape[:3], skin_index.shape[1], 3)
    return joints.new_empty(shape), joints.new_empty(shape), joints.new_empty(shape)


@torch.library.custom_op("skeleton_kernels::hand_to_joints", mutates_args=())
def hand_to_joints(gradient: Tensor, skin_index: Tensor, skin_weight: Tensor, num_joints: int) -> Tensor:
    """Gradient (B, N, P, K, 3) at Gaussians to that (B, N, P, J, 3) of the joints that they hang on, in fixed order."""
    clips, frames, persons, count, _ = gradient.shape
    result = gradient.new_empty(clips, frames, persons, num_joints, 3)
    blocks = triton.cdiv(num_joints, launch_table.JOINT_BLOCK)
    programs = clips * frames * persons * blocks
    if programs:
        with torch.cuda.device_of(gradient):
            joint_gradients_kernel[(programs,)](
                skin_index, skin_weight, gradient.contiguous(), result, frames, persons, num_joints, count, blocks,
                JOINTS=launch_table.JOINT_BLOCK, GAUSSIANS=launch_table.GAUSSIAN_BLOCK,
                num_warps=launch_table.JOINT_WARPS,
            )  # fmt: skip
    return result


@hand_to_joints.register_fake
def _(gradient, skin_index, skin_weight, num_joints):
    return gradient.new_empty(*gradient.shape[:3], num_joints, 3)


def _keep(ctx, inputs, output) -> None:
    joints, _, skin_index, skin_weight, _, ctx.span = inputs
    ctx.num_joints = joints.shape[3]
    ctx.save_for_backward(skin_index, skin_weight, output[2])
    ctx.set_materialize_grads(True)


def _differentiate(ctx, grad_positions: Tensor, grad_motions: Tensor, grad_colors: Tensor):
    skin_index, skin_weight, colors = ctx.saved_tensors
    depth = colors[..., 0]
    slope = grad_colors[..., 0] - grad_colors[..., 2] - 2 * (depth - 0.5).sign() * grad_colors[..., 1]
    # A depth that was clamped does not move; torch's clamp differs at the very ends alone.
    grad_depth = torch.where((depth > 0) & (depth < 1), slope / (2 * ctx.span), 0.0)
    grad_positions = torch.cat([grad_positions[..., :2], grad_positions[..., 2:] + grad_depth[..., None]], -1)
    grad_joints, grad_velocities = (
        hand_to_joints(gradient, skin_index, skin_weight, ctx.num_joints) for gradient in (grad_positions, grad_motions)
    )
    return grad_joints, grad_velocities, None, None, -grad_depth.sum((1, 2, 3)), None


skin.register_autograd(_differentiate, setup_context=_keep)
