"""The Triton kernels as operators that torch knows: autograd, `torch.compile` and activation checkpointing see through.

The forward pass keeps its inputs alone. Fake implementations give shapes without a device.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from . import triton_launch
from .triton_launch import Bodies


def _log(cutoff: float) -> float:
    return math.log(cutoff) if cutoff > 0 else -math.inf


@torch.library.custom_op("skeleton_kernels::composite", mutates_args=())
def composite(
    joints: Tensor,
    skin_index: Tensor,
    skin_weight: Tensor,
    offsets: Tensor,
    scales: Tensor,
    colors: Tensor,
    opacities: Tensor,
    intrinsics: Tensor,
    tiles: Tensor | None,
    size: Sequence[int],
    patch: int,
    cutoff: float,
    dtype: torch.dtype,
    gain: Sequence[float],
    bias: Sequence[float],
) -> Tensor:
    """As `triton_launch.composite`; the first eight tensors are its `Bodies`."""
    bodies = Bodies(joints, skin_index, skin_weight, offsets, scales, colors, opacities, intrinsics)
    with torch.cuda.device_of(joints):
        return triton_launch.composite(bodies, *size, _log(cutoff), dtype, gain, bias, patch, tiles)


@composite.register_fake
def _(joints, skin_index, skin_weight, offsets, scales, colors, opacities, intrinsics, tiles, size, patch, *rest):
    dtype = rest[1]
    if tiles is None:
        return joints.new_empty(joints.shape[0] * joints.shape[1], 3, *size, dtype=dtype)
    return joints.new_empty(tiles.shape[0], 3, patch, patch, dtype=dtype)


@torch.library.custom_op("skeleton_kernels::composite_backward", mutates_args=())
def composite_backward(
    grad_images: Tensor,
    joints: Tensor,
    skin_index: Tensor,
    skin_weight: Tensor,
    offsets: Tensor,
    scales: Tensor,
    colors: Tensor,
    opacities: Tensor,
    intrinsics: Tensor,
    tiles: Tensor | None,
    size: Sequence[int],
    patch: int,
    cutoff: float,
    gain: Sequence[float],
    weights: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of joints, skin_weight (zero unless `weights`), offsets, scales, colors, opacities and intrinsics."""
    bodies = Bodies(joints, skin_index, skin_weight, offsets, scales, colors, opacities, intrinsics)
    with torch.cuda.device_of(joints):
        found = triton_launch.composite_backward(bodies, grad_images, *size, _log(cutoff), gain, patch, tiles, weights)
    return found.joints, *found[2:]


@composite_backward.register_fake
def _(grad_images, joints, skin_index, *rest):
    return torch.empty_like(joints), *(torch.empty_like(value) for value in rest[:6])


def _keep(ctx, inputs, output) -> None:
    *tensors, ctx.size, ctx.patch, ctx.cutoff, _, ctx.gain, _ = inputs
    ctx.save_for_backward(*tensors)


def _differentiate(ctx, grad_images: Tensor):
    tensors = ctx.saved_tensors
    joints, *others = composite_backward(
        grad_images, *tensors, ctx.size, ctx.patch, ctx.cutoff, ctx.gain, ctx.needs_input_grad[2]
    )
    return joints, None, *others, None, None, None, None, None, None, None


composite.register_autograd(_differentiate, setup_context=_keep)


@torch.library.custom_op("skeleton_kernels::touched_patches", mutates_args=())
def touched_patches(
    joints: Tensor,
    skin_index: Tensor,
    skin_weight: Tensor,
    offsets: Tensor,
    scales: Tensor,
    colors: Tensor,
    opacities: Tensor,
    intrinsics: Tensor,
    size: Sequence[int],
    patch: int,
    cutoff: float,
) -> Tensor:
    """As `triton_launch.touched_patches`. Not differentiable; waits for the device, because the result has its size."""
    bodies = Bodies(joints, skin_index, skin_weight, offsets, scales, colors, opacities, intrinsics)
    with torch.cuda.device_of(joints):
        return triton_launch.touched_patches(bodies, *size, _log(cutoff), patch)


@touched_patches.register_fake
def _(joints, *_):
    return joints.new_empty(torch.library.get_ctx().new_dynamic_size(), dtype=torch.int64)


def splat_bones(*bodies: Tensor, size: tuple[int, int], cutoff: float, dtype, gain, bias) -> Tensor:
    """Pictures (B, N, 3, H, W) of the eight tensors of `Bodies`."""
    bodies = [value.contiguous() for value in bodies]
    images = composite(*bodies, None, list(size), 0, cutoff, dtype, list(gain), list(bias))
    return images.unflatten(0, bodies[0].shape[:2])


def splat(means, scales, colors, opacities, intrinsics, *, size, cutoff, dtype, gain, bias) -> Tensor:
    """Pictures (N, 3, H, W) of Gaussians (N, K, ...): bodies without joints, one frame and one person per clip."""
    frames, count, _ = means.shape
    bodies = (
        means.new_empty(frames, 1, 1, 0, 3),
        means.new_empty(frames, 0, 2, dtype=torch.int64),
        means.new_empty(frames, 0, 2),
        means,
        scales,
        colors[:, None, None],
        opacities[:, None, None],
        intrinsics[:, None],
    )
    return splat_bones(*bodies, size=size, cutoff=cutoff, dtype=dtype, gain=gain, bias=bias)[:, 0]


def splat_patches(*bodies: Tensor, size, patch: int, cutoff: float, dtype, gain, bias) -> tuple[Tensor, Tensor]:
    """Patches (M, 3, patch, patch) that any Gaussian reaches, and their numbers (M,) as in `triton_launch`."""
    bodies = [value.contiguous() for value in bodies]
    with torch.no_grad():
        tiles = touched_patches(*bodies, list(size), patch, cutoff)
    return composite(*bodies, tiles, list(size), patch, cutoff, dtype, list(gain), list(bias)), tiles
