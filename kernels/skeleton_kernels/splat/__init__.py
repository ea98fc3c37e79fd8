"""Bone Gaussians to pictures: the public operations, which choose among the paths beside this file.

`reference` and `cpu` are modules with a function `splat` of the signature in `reference.py`. The Triton path also takes
bodies whole, and writes pictures in their final layout.
"""

import functools
import importlib.util
import logging
import math
import os
from collections.abc import Sequence

import torch
from torch import Tensor

from ..constants import DEFAULT_CUTOFF
from . import cpu, reference
from .bones import hang
from .layout import choose_layout

BACKENDS = ("reference", "cpu", "triton")
logger = logging.getLogger(__name__)


def splat(
    means: Tensor,
    scales: Tensor,
    colors: Tensor,
    opacities: Tensor,
    intrinsics: Tensor,
    image_size: int | tuple[int, int],
    *,
    backend: str = "auto",
    cutoff: float = DEFAULT_CUTOFF,
    dtype: torch.dtype | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Tensor:
    """Pictures of isotropic Gaussians, composited front to back over black.

    Args:
        means: (..., K, 3) centres in the camera frame, metres: X and Y across, Y up, Z away from the camera.
        scales: (..., K) standard deviations, metres.
        colors: (..., K, 3).
        opacities: (..., K), >= 0. Zero or less, like any value that is not finite, means that the Gaussian is absent.
        intrinsics: broadcastable to (..., 3, 3), pixels. u = fx X / Z + cx, v = cy - fy Y / Z. A negative fx mirrors.
        image_size: side of a square picture, or (height, width).
        backend: "auto", "reference" (dense, exact), "cpu" or "triton".
        cutoff: optical depth under which a Gaussian may be left out at a pixel; 0 leaves nothing out.
        dtype: of the pictures; by default float32, or float64 when the means are float64. All arithmetic is in that
            default whatever the inputs.
        mean, std: three numbers each; the pictures returned are (picture - mean) / std.

    Returns:
        (..., 3, H, W). Differentiable in all five tensors.

    Raises:
        ValueError: a shape, the size, the cut-off, the layout or the backend's name is wrong.
        RuntimeError: the backend is not available here.
    """
    height, width = _check_size(image_size)
    if not cutoff >= 0:
        raise ValueError(f"cutoff is {cutoff}, wanted a number >= 0")
    if means.ndim < 2 or means.shape[-1] != 3:
        raise ValueError(f"means has shape {tuple(means.shape)}, wanted (..., K, 3)")
    *batch, count, _ = means.shape
    _check_shape("scales", scales, (*batch, count))
    _check_shape("colors", colors, (*batch, count, 3))
    _check_shape("opacities", opacities, (*batch, count))
    compute = torch.float64 if means.dtype == torch.float64 else torch.float32
    layout = choose_layout(dtype, mean, std, compute)
    intrinsics = _expand_intrinsics(intrinsics, batch)

    frames = math.prod(batch)
    gaussians = (
        means.to(compute).reshape(frames, count, 3),
        scales.to(compute).reshape(frames, count),
        colors.to(compute).reshape(frames, count, 3),
        opacities.to(compute).reshape(frames, count),
        intrinsics.to(means.device, compute).reshape(frames, 3, 3),
    )
    chosen = _take(backend, means.device, compute)
    if chosen == "triton":
        images = _module(chosen).splat(*gaussians, size=(height, width), cutoff=cutoff, **layout._asdict())
    else:
        images = layout.apply(_module(chosen).splat(*gaussians, height, width, cutoff))
    return images.reshape(*batch, 3, height, width)


def splat_bones(
    joints: Tensor,
    skin_index: Tensor,
    skin_weight: Tensor,
    offsets: Tensor,
    scales: Tensor,
    colors: Tensor,
    opacities: Tensor,
    intrinsics: Tensor,
    image_size: int | tuple[int, int],
    *,
    backend: str = "auto",
    cutoff: float = DEFAULT_CUTOFF,
    dtype: torch.dtype | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Tensor:
    """Pictures of bodies whose Gaussians hang on two joints each; all persons of a frame occlude one another.

    Args:
        joints: (B, N, P, J, 3) camera frame, metres. Gaussians that hang on a joint that is not finite are absent.
        skin_index: (B, K, 2) integer joint numbers.
        skin_weight: (B, K, 2) weights; centre k = offsets[k] + sum_i skin_weight[k, i] * joints[skin_index[k, i]].
        offsets: (B, K, 3) metres.
        scales: (B, K) standard deviations, metres.
        colors: (B, N, P, K, 3).
        opacities: (B, N, P, K); zero means absent.
        intrinsics: broadcastable to (B, N, 3, 3).
        image_size, backend, cutoff, dtype, mean, std: as in `splat`.

    Returns:
        (B, N, 3, H, W), as `splat`.

    Raises:
        ValueError, RuntimeError: as `splat`.
    """
    size = _check_size(image_size)
    layout = choose_layout(dtype, mean, std, torch.float64 if joints.dtype == torch.float64 else torch.float32)
    bodies = _check_bodies(joints, skin_index, skin_weight, offsets, scales, colors, opacities, intrinsics, cutoff)
    chosen = _take(backend, joints.device, bodies[0].dtype)
    if chosen == "triton":
        return _module(chosen).splat_bones(*bodies, size=size, cutoff=cutoff, **layout._asdict())
    return layout.apply(splat(*hang(*bodies), size, backend=chosen, cutoff=cutoff))


def splat_patches(
    joints: Tensor,
    skin_index: Tensor,
    skin_weight: Tensor,
    offsets: Tensor,
    scales: Tensor,
    colors: Tensor,
    opacities: Tensor,
    intrinsics: Tensor,
    image_size: int | tuple[int, int],
    patch_size: int,
    *,
    backend: str = "auto",
    cutoff: float = DEFAULT_CUTOFF,
    dtype: torch.dtype | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> tuple[Tensor, Tensor]:
    """Only the patches of the pictures of `splat_bones` that a body reaches, for vision towers that take some patches.

    A patch counts as reached when it overlaps the box around the ellipse where some Gaussian's optical depth is at
    least `cutoff`. All other patches are black, up to what the cut-off leaves out.

    Args:
        patch_size: side of a patch in pixels; divides both sides of the picture.
        Everything else: as in `splat_bones`.

    Returns:
        patches: (M, 3, patch_size, patch_size), differentiable.
        index: (M, 4) int64, ascending: clip, frame, row and column of each patch.

    Raises:
        ValueError, RuntimeError: as `splat`; ValueError also if the patches do not fill the picture.
    """
    size = _check_size(image_size)
    if patch_size < 1 or size[0] % patch_size or size[1] % patch_size:
        raise ValueError(f"patch_size is {patch_size}, wanted a divisor of the sides {size}")
    layout = choose_layout(dtype, mean, std, torch.float64 if joints.dtype == torch.float64 else torch.float32)
    bodies = _check_bodies(joints, skin_index, skin_weight, offsets, scales, colors, opacities, intrinsics, cutoff)
    grid = (joints.shape[1], size[0] // patch_size, size[1] // patch_size)
    chosen = _take(backend, joints.device, bodies[0].dtype)
    if chosen == "triton":
        patches, number = _module(chosen).splat_patches(
            *bodies, size=size, patch=patch_size, cutoff=cutoff, **layout._asdict()
        )
        index = [number // math.prod(grid), *torch.unravel_index(number % math.prod(grid), grid)]
        return patches, torch.stack(index, -1)
    gaussians = hang(*bodies)
    images = splat(*gaussians, size, backend=chosen, cutoff=cutoff)
    with torch.no_grad():
        index = reference.touched_patches(*gaussians, *size, cutoff, patch_size).nonzero()
    patches = images.unflatten(4, (grid[2], patch_size)).unflatten(3, (grid[1], patch_size)).movedim((3, 5), (2, 3))
    return layout.apply(patches[index.unbind(-1)]), index


def choose_backend(backend: str, device: torch.device, dtype: torch.dtype) -> str:
    """The path, a key of ``BACKENDS``, that ``splat`` takes. Raises what ``splat`` raises for ``backend``."""
    if backend == "auto":
        if dtype == torch.float64:
            return "reference"
        return "triton" if device.type == "cuda" and _has_triton() else "cpu"
    if backend not in BACKENDS:
        raise ValueError(f"backend is {backend!r}, wanted one of {', '.join(['auto', *BACKENDS])}")
    if backend == "triton":
        if not _has_triton():
            raise RuntimeError("backend 'triton' needs the package triton, which is not installed")
        if device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
            raise RuntimeError(f"backend 'triton' needs tensors on a CUDA device, these are on {device.type!r}")
    return backend


@functools.cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None


@functools.cache
def _announce(backend: str) -> None:
    logger.info("splat runs on its %s path", backend)


@torch.compiler.assume_constant_result
def _take(backend: str, device: torch.device, dtype: torch.dtype) -> str:
    """As `choose_backend`, and says once which path it is."""
    chosen = choose_backend(backend, device, dtype)
    _announce(chosen)
    return chosen


def _module(backend: str):
    if backend != "triton":
        return cpu if backend == "cpu" else reference
    from . import triton_ops  # heavy, and a machine without a GPU may not have triton

    return triton_ops


def _check_size(image_size: int | tuple[int, int]) -> tuple[int, int]:
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"image_size is {image_size}, wanted a side >= 1 or (height, width)")
    return int(size[0]), int(size[1])


def _check_shape(name: str, value: Tensor, wanted: tuple[int, ...]) -> None:
    if tuple(value.shape) != wanted:
        raise ValueError(f"{name} has shape {tuple(value.shape)}, wanted {wanted}")


def _check_bodies(
    joints, skin_index, skin_weight, offsets, scales, colors, opacities, intrinsics, cutoff
) -> tuple[Tensor, ...]:
    """The eight tensors in one floating dtype, after checks of their shapes."""
    if not cutoff >= 0:
        raise ValueError(f"cutoff is {cutoff}, wanted a number >= 0")
    if joints.ndim != 5 or joints.shape[-1] != 3:
        raise ValueError(f"joints has shape {tuple(joints.shape)}, wanted (B, N, P, J, 3)")
    clips, frames, persons, _, _ = joints.shape
    count = skin_index.shape[1] if skin_index.ndim == 3 else -1
    _check_shape("skin_index", skin_index, (clips, count, 2))
    _check_shape("skin_weight", skin_weight, (clips, count, 2))
    _check_shape("offsets", offsets, (clips, count, 3))
    _check_shape("scales", scales, (clips, count))
    _check_shape("colors", colors, (clips, frames, persons, count, 3))
    _check_shape("opacities", opacities, (clips, frames, persons, count))
    intrinsics = _expand_intrinsics(intrinsics, [clips, frames]).to(joints.device)
    dtype = torch.float64 if joints.dtype == torch.float64 else torch.float32
    floats = (value.to(dtype) for value in (skin_weight, offsets, scales, colors, opacities, intrinsics))
    return joints.to(dtype), skin_index.long(), *floats


def _expand_intrinsics(intrinsics: Tensor, batch: list[int]) -> Tensor:
    try:
        return intrinsics.expand(*batch, 3, 3)
    except RuntimeError:
        raise ValueError(
            f"intrinsics has shape {tuple(intrinsics.shape)}, wanted one that broadcasts to {(*batch, 3, 3)}"
        ) from None
