"""Dense splatting in plain torch: every Gaussian at every pixel. Slow, differentiable by autograd, exact in float64.

The definition that the other paths are tested against. Projection and compositing follow the published DrAction
renderer: isotropic Gaussians, pinhole camera looking along +Z with Y up, pixel centres at integer coordinates,
opacity law alpha = 1 - exp(-tau) with optical depth tau = opacity * exp(-q / 2).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ..constants import COVARIANCE_EPSILON, MIN_DEPTH, NEAR_PLANE, WORLD_LIMIT


class Projected(NamedTuple):
    """Gaussians in the image plane; `...` is any batch shape."""

    centers: Tensor  # (..., K, 2) pixels
    variances: Tensor  # (..., K, 2) square pixels, diagonal of the 2D covariance
    precisions: Tensor  # (..., K, 3) entries xx, xy, yy of the inverse 2D covariance


def mask_absent(
    means: Tensor, scales: Tensor, colors: Tensor, opacities: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Replaces every Gaussian that is not to be drawn by a harmless one of zero opacity.

    Absent are: opacity <= 0, any value that is not finite, coordinates or size beyond `WORLD_LIMIT`, and centres in
    front of `NEAR_PLANE`. Their gradients are exactly zero.

    Shapes as in `skeleton_kernels.splat`.
    """
    present = (
        (opacities > 0)
        & opacities.isfinite()
        & (means.abs() <= WORLD_LIMIT).all(-1)
        & (means[..., 2] >= NEAR_PLANE)
        & (scales.abs() <= WORLD_LIMIT)
        & colors.isfinite().all(-1)
    )
    ahead = means.new_tensor([0.0, 0.0, 1.0])
    return (
        torch.where(present[..., None], means, ahead),
        torch.where(present, scales, 1.0),
        torch.where(present[..., None], colors, 0.0),
        torch.where(present, opacities, 0.0),
    )


def project(means: Tensor, scales: Tensor, intrinsics: Tensor) -> Projected:
    """Perspective projection with the first-order (EWA) covariance s^2 J J^T + epsilon I.

    means (..., K, 3) metres, scales (..., K) metres, intrinsics (..., 3, 3) pixels.
    """
    x, y, z = means.unbind(-1)
    z = z.clamp_min(MIN_DEPTH)
    focal_x, focal_y = intrinsics[..., 0, 0, None], intrinsics[..., 1, 1, None]
    slope_x, slope_y = x / z, y / z
    centers = torch.stack(
        [focal_x * slope_x + intrinsics[..., 0, 2, None], intrinsics[..., 1, 2, None] - focal_y * slope_y], -1
    )

    # J = [[fx/z, 0, -fx x/z^2], [0, -fy/z, fy y/z^2]]; size_x and size_y are the standard deviations on the axis.
    size_x, size_y = scales * focal_x / z, scales * focal_y / z
    own_x, own_y = size_x.square() * (1 + slope_x.square()), size_y.square() * (1 + slope_y.square())
    variance_x, variance_y = own_x + COVARIANCE_EPSILON, own_y + COVARIANCE_EPSILON
    covariance = -size_x * size_y * slope_x * slope_y
    # Expanded by hand: every term is positive, so nothing cancels at the rim of a wide picture.
    determinant = (
        (size_x * size_y).square() * (1 + slope_x.square() + slope_y.square())
        + COVARIANCE_EPSILON * (own_x + own_y)
        + COVARIANCE_EPSILON**2
    )
    precisions = torch.stack([variance_y, -covariance, variance_x], -1) / determinant[..., None]
    return Projected(centers, torch.stack([variance_x, variance_y], -1), precisions)


def splat(
    means: Tensor,
    scales: Tensor,
    colors: Tensor,
    opacities: Tensor,
    intrinsics: Tensor,
    height: int,
    width: int,
    cutoff: float,
) -> Tensor:
    """Images (N, 3, height, width) of N independent frames. `cutoff` plays no part: nothing is left out.

    means (N, K, 3), scales (N, K), colors (N, K, 3), opacities (N, K), intrinsics (N, 3, 3), all of one dtype.
    """
    means, scales, colors, opacities = mask_absent(means, scales, colors, opacities)
    centers, _, precisions = project(means, scales, intrinsics)
    nearest_first = means[..., 2].argsort(dim=-1, stable=True)

    frames = torch.arange(len(means), device=means.device)
    columns = torch.arange(width, device=means.device, dtype=means.dtype)
    rows = torch.arange(height, device=means.device, dtype=means.dtype)[:, None]
    image = means.new_zeros(len(means), 3, height, width)
    transmittance = means.new_ones(len(means), height, width)
    for index in nearest_first.unbind(-1):
        center_x, center_y = centers[frames, index, :, None, None].unbind(1)
        xx, xy, yy = precisions[frames, index, :, None, None].unbind(1)
        offset_x, offset_y = columns - center_x, rows - center_y
        quadratic = xx * offset_x.square() + 2 * xy * offset_x * offset_y + yy * offset_y.square()
        optical_depth = opacities[frames, index, None, None] * torch.exp(-0.5 * quadratic)
        alpha = -torch.expm1(-optical_depth)
        image = image + (transmittance * alpha)[:, None] * colors[frames, index, :, None, None]
        transmittance = transmittance * torch.exp(-optical_depth)
    return image


def touched_patches(
    means: Tensor,
    scales: Tensor,
    colors: Tensor,
    opacities: Tensor,
    intrinsics: Tensor,
    height: int,
    width: int,
    cutoff: float,
    patch: int,
) -> Tensor:
    """Which patches (..., H / patch, W / patch) overlap the box around some ellipse of optical depth >= `cutoff`.

    Arguments as `skeleton_kernels.splat`.
    """
    means, scales, colors, opacities = mask_absent(means, scales, colors, opacities)
    centers, variances, _ = project(means, scales, intrinsics)
    reach = 2 * (opacities / cutoff).log()
    extents = (reach.clamp_min(0)[..., None] * variances).sqrt()
    last = centers.new_tensor([width - 1, height - 1])
    # First and last pixel inside; neither clamp moves a box into the picture that lies outside.
    low = (centers - extents).clamp_min(0).minimum(last + 1).ceil()
    high = (centers + extents).clamp_min(-1).minimum(last).floor()
    seen = (reach > 0) & (low <= high).all(-1)

    def overlaps(axis: int, side: int) -> Tensor:
        first = torch.arange(0, side, patch, device=means.device)
        return (low[..., axis, None] < first + patch) & (high[..., axis, None] >= first)

    rows, columns = overlaps(1, height) & seen[..., None], overlaps(0, width)
    return (rows.float().mT @ columns.float()) > 0
