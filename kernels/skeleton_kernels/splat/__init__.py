"""Bone Gaussians to pictures: the public operations, which choose among the paths beside this file.

Every path is one module with a function `splat` of the signature in `reference.py`.
"""

import functools
import importlib
import importlib.util
import logging
import math

import torch
from torch import Tensor

from ..constants import DEFAULT_CUTOFF

BACKENDS = {"reference": "reference", "cpu": "cpu", "triton": "triton_kernels"}
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

    Returns:
        (..., 3, H, W) float32, or float64 when the means are float64. Differentiable in all five tensors.

    Raises:
        ValueError: a shape, the size, the cut-off or the backend's name is wrong.
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
    dtype = torch.float64 if means.dtype == torch.float64 else torch.float32
    intrinsics = _expand_intrinsics(intrinsics, batch)

    frames = math.prod(batch)
    path = _load(choose_backend(backend, means.device, dtype))
    images = path.splat(
        means.to(dtype).reshape(frames, count, 3),
        scales.to(dtype).reshape(frames, count),
        colors.to(dtype).reshape(frames, count, 3),
        opacities.to(dtype).reshape(frames, count),
        intrinsics.to(means.device, dtype).reshape(frames, 3, 3),
        height,
        width,
        cutoff,
    )
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
        image_size, backend, cutoff: as in `splat`.

    Returns:
        (B, N, 3, H, W), as `splat`.

    Raises:
        ValueError, RuntimeError: as `splat`.
    """
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

    dtype = torch.float64 if joints.dtype == torch.float64 else torch.float32
    joints, skin_weight = joints.to(dtype), skin_weight.to(dtype)
    present = joints.isfinite().all(-1)
    index = skin_index.long().reshape(clips, 1, 1, count * 2)
    ends = joints.where(present[..., None], 0.0).take_along_dim(index[..., None], 3).unflatten(3, (count, 2))
    hangs = present.take_along_dim(index, 3).unflatten(3, (count, 2)) | (skin_weight[:, None, None] == 0)
    means = (ends * skin_weight[:, None, None, :, :, None]).sum(-2) + offsets.to(dtype)[:, None, None]
    scales = scales[:, None, None].expand(clips, frames, persons, count)
    return splat(
        means.flatten(2, 3),
        scales.flatten(2, 3),
        colors.flatten(2, 3),
        opacities.where(hangs.all(-1), 0.0).flatten(2, 3),
        intrinsics,
        image_size,
        backend=backend,
        cutoff=cutoff,
    )


def choose_backend(backend: str, device: torch.device, dtype: torch.dtype) -> str:
    """The path, a key of ``BACKENDS``, that ``splat`` takes. Raises what ``splat`` raises for ``backend``."""
    if backend == "auto":
        if dtype == torch.float64:
            return "reference"
        return "triton" if device.type == "cuda" and _is_available("triton") else "cpu"
    if backend not in BACKENDS:
        raise ValueError(f"backend is {backend!r}, wanted one of {', '.join(['auto', *BACKENDS])}")
    if not _is_available(backend):
        raise RuntimeError(f"backend {backend!r} is not available in this installation")
    return backend


@functools.cache
def _is_available(backend: str) -> bool:
    return importlib.util.find_spec(f"{__name__}.{BACKENDS[backend]}") is not None


@functools.cache
def _load(backend: str):
    logger.info("splat runs on its %s path", backend)
    return importlib.import_module(f"{__name__}.{BACKENDS[backend]}")


def _check_size(image_size: int | tuple[int, int]) -> tuple[int, int]:
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"image_size is {image_size}, wanted a side >= 1 or (height, width)")
    return int(size[0]), int(size[1])


def _check_shape(name: str, value: Tensor, wanted: tuple[int, ...]) -> None:
    if tuple(value.shape) != wanted:
        raise ValueError(f"{name} has shape {tuple(value.shape)}, wanted {wanted}")


def _expand_intrinsics(intrinsics: Tensor, batch: list[int]) -> Tensor:
    try:
        return intrinsics.expand(*batch, 3, 3)
    except RuntimeError:
        raise ValueError(
            f"intrinsics has shape {tuple(intrinsics.shape)}, wanted one that broadcasts to {(*batch, 3, 3)}"
        ) from None
