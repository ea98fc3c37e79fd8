"""Splatting that evaluates only the tiles each Gaussian touches, written in whole-array torch operations.

Steps: project; list (Gaussian, tile) pairs; sort them by tile, nearest first; composite tiles of similar list length
together. Within a tile of p pixels and g Gaussians everything is a small matrix product:

    log tau   = coefficients (g, 6) @ monomials (6, p)     q is quadratic in the pixel position
    S         = running sum of tau over the Gaussians      for short lists a triangle of ones (g, g) @ tau
    E         = exp(-S)                                    transmittance behind each Gaussian
    picture   = sum_k (E[k-1] - E[k]) c[k]                 with E[-1] = 1

Backward with incoming gradient g(p), from picture = c[0] - sum_k E[k] (c[k] - c[k+1]), c[last + 1] = 0:

    dL/dtau[j] = sum_{k >= j} E[k] g.(c[k] - c[k+1])       a running sum from the far end
    dL/dc[k]   = sum_p g (E[k-1] - E[k])

Tiles are processed in chunks small enough for the second-level cache, and the backward pass computes them again instead
of keeping them, so that memory does not grow with the number of pixels touched. No atomics, no scatter with
collisions: the same input gives the same bits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag, pad

from .reference import mask_absent, project

TILE = 8
CHUNK = 1 << 18  # pixels times Gaussians in flight: 1 MiB of float32 per buffer
NOTHING = -50.0  # logarithm of an optical depth that no sum notices; smaller ones slow exp and products down tenfold
PAIRS = 1 << 20  # (Gaussian, tile) pairs listed at once: bounds the memory when bodies fill whole pictures
SHORT = 64  # Gaussians: longer lists are summed faster by cumsum than by a triangular product
NARROW = 0.05  # pixels: below this standard deviation the quadratic cancels too much for float32


class Boxes(NamedTuple):
    """Tiles that N frames of K Gaussians touch, as (column, row) ranges."""

    low: Tensor  # (N, K, 2)
    high: Tensor  # (N, K, 2) inclusive
    count: Tensor  # (N, K) tiles in the range, 0 for a Gaussian that is not seen


class Pairs(NamedTuple):
    """P (Gaussian, tile) pairs sorted by tile, nearest Gaussian first; M Gaussians, T tiles that have any."""

    gaussian: Tensor  # (P,) row of the Gaussian
    corner: Tensor  # (P, 2) first pixel column and row of the tile
    position: Tensor  # (P,) where the pairs of Gaussian 0, 1, ... went in sorted order
    first_of_gaussian: Tensor  # (M,) where each Gaussian starts in `position`
    tile: Tensor  # (T,) tile number, longest list first
    first: Tensor  # (T,) first pair of the tile
    length: Tensor  # (T,) pairs of the tile
    grid: tuple[int, int]  # tiles per column and row of a frame


def tile_boxes(centers: Tensor, extents: Tensor, visible: Tensor, height: int, width: int) -> Boxes:
    """Tiles with a pixel in the box: centers (N, K, 2), half-sides of the box extents (N, K, 2), visible (N, K)."""
    last = centers.new_tensor([width - 1, height - 1])
    low = (centers - extents).clamp_min(0).minimum(last + 1).ceil().int()
    high = (centers + extents).clamp_min(-1).minimum(last).floor().int()
    visible = visible & (low <= high).all(-1)
    low, high = low // TILE, high // TILE
    return Boxes(low, high, torch.where(visible, (high - low + 1).prod(-1), 0))


def list_pairs(boxes: Boxes, height: int, width: int) -> Pairs:
    """Every (Gaussian, tile) pair of the boxes, in compositing order."""
    device = boxes.count.device
    grid = (-(-height // TILE), -(-width // TILE))
    count = boxes.count.flatten()
    first_of_gaussian = count.cumsum(0) - count
    gaussian = torch.arange(len(count), device=device, dtype=torch.int32).repeat_interleave(count)
    rank = torch.arange(len(gaussian), device=device) - first_of_gaussian.index_select(0, gaussian)
    frame_row = torch.arange(len(boxes.count), device=device)[:, None] * grid[0]
    corner = (frame_row + boxes.low[..., 1]) * grid[1] + boxes.low[..., 0]
    across = (boxes.high - boxes.low + 1)[..., 0].flatten().index_select(0, gaussian)
    tile = corner.flatten().index_select(0, gaussian) + rank // across * grid[1] + rank % across

    tile, order = tile.int().sort(stable=True)
    position = torch.empty_like(gaussian)
    position[order] = torch.arange(len(order), device=device, dtype=torch.int32)
    corner = torch.stack([tile % grid[1], tile // grid[1] % grid[0]], -1).int() * TILE
    tile, length = tile.unique_consecutive(return_counts=True)
    first = length.cumsum(0) - length
    length, by_length = length.sort(descending=True, stable=True)
    tile, first = tile[by_length].long(), first[by_length]
    return Pairs(gaussian.index_select(0, order), corner, position, first_of_gaussian, tile, first, length, grid)


def monomials(like: Tensor) -> Tensor:
    """(6, TILE^2): 1, x, y, x^2, xy, y^2 at the pixels of a tile, measured from its centre."""
    step = torch.arange(TILE, dtype=like.dtype, device=like.device) - (TILE - 1) / 2
    y, x = (axis.flatten() for axis in torch.meshgrid(step, step, indexing="ij"))
    return torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y])


class Lists(NamedTuple):
    """What compositing needs of each pair, with one more row that stands for the padding of short lists."""

    coefficients: Tensor  # (P + 1, 6) of log tau as a polynomial over the tile
    colors: Tensor  # (P + 1, 3)


def gather_lists(table: Tensor, pairs: Pairs) -> Lists:
    """From the Gaussians (M, 9) [center 2, precision 3, opacity, color 3] to their pairs."""
    rows = table.index_select(0, pairs.gaussian)
    narrow = len(rows) > 0 and rows[:, [2, 4]].max() > NARROW**-2
    x, y, xx, xy, yy, opacity = rows[:, :6].to(torch.float64 if narrow else rows.dtype).unbind(-1)
    middle = pairs.corner + (TILE - 1) / 2
    x, y = x - middle[:, 0], y - middle[:, 1]
    slope_x, slope_y = xx * x + xy * y, xy * x + yy * y
    constant = opacity.log() - 0.5 * (x * slope_x + y * slope_y)
    coefficients = torch.stack([constant, slope_x, slope_y, -0.5 * xx, -xy, -0.5 * yy], -1)
    nothing = coefficients.new_tensor([[NOTHING, 0, 0, 0, 0, 0]])
    return Lists(torch.cat([coefficients, nothing]), pad(rows[:, 6:], (0, 0, 0, 1)))


def chunks(pairs: Pairs) -> Iterator[tuple[slice, Tensor]]:
    """Yields (tiles, slots): a slice of tiles and the padded lists (t, g) of their pairs, P where a list has ended."""
    start, end = 0, len(pairs.gaussian)
    while start < len(pairs.tile):
        longest = int(pairs.length[start])
        stop = start + max(1, CHUNK // (longest * TILE * TILE))
        rank = torch.arange(longest, device=pairs.tile.device)
        slots = pairs.first[start:stop, None] + rank
        slots = torch.where(rank < pairs.length[start:stop, None], slots, end)
        yield slice(start, stop), slots
        start = stop


def optical_depths(lists: Lists, slots: Tensor, basis: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Optical depth tau and transmittance E behind each Gaussian, both (t, g, TILE^2)."""
    tau = (lists.coefficients[slots.flatten()] @ basis).to(dtype).clamp_min_(NOTHING).exp_().view(*slots.shape, -1)
    return tau, running_sum(tau).neg_().exp_()


def running_sum(values: Tensor, from_the_end: bool = False) -> Tensor:
    """Inclusive sums over the Gaussians of values (t, g, TILE^2)."""
    length = values.shape[1]
    if length <= SHORT:
        ones = values.new_ones(length, length)
        return torch.matmul(ones.triu_() if from_the_end else ones.tril_(), values)
    sums = values.cumsum(1)
    return values + sums[:, -1:] - sums if from_the_end else sums


def tile_view(images: Tensor) -> Tensor:
    """View (N, rows of tiles, columns of tiles, 3, TILE, TILE) of images (N, 3, H, W) with sides divisible by TILE."""
    return images.unflatten(3, (-1, TILE)).unflatten(2, (-1, TILE)).permute(0, 2, 4, 1, 3, 5)


def tile_index(tiles: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Frame, row and column of tile numbers (t,)."""
    down, across = grid
    return tiles // (down * across), tiles // across % down, tiles % across


def pad_to_tiles(images: Tensor) -> Tensor:
    """images (N, 3, H, W) with zeros at the right and the bottom, where the sides are not divisible by TILE."""
    right, bottom = -images.shape[3] % TILE, -images.shape[2] % TILE
    return pad(images, (0, right, 0, bottom)) if right or bottom else images


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Keeps autocast and reduced matrix precision out: bfloat16 and TF32 products misplace Gaussians by pixels.

    On the CPU, `torch.set_float32_matmul_precision` acts through oneDNN, without which torch multiplies in float32.
    """
    cuda = torch.backends.cuda.matmul
    precision = cuda.fp32_precision
    onednn, *_ = torch.backends.mkldnn.set_flags(_enabled=False, _fp32_precision=None)
    try:
        cuda.fp32_precision = "ieee"
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        cuda.fp32_precision = precision
        torch.backends.mkldnn.set_flags(_enabled=onednn, _fp32_precision=None)


class SplatTiles(torch.autograd.Function):
    """Images (N, 3, height, width) from Gaussians (N * K, 9) [center 2, precision 3, opacity, color 3] and pairs."""

    @staticmethod
    def forward(ctx, table: Tensor, pairs: Pairs, frames: int, height: int, width: int) -> Tensor:
        ctx.save_for_backward(table)
        ctx.pairs = pairs
        with full_precision(table.device):
            return _composite(table, pairs, frames)[:, :, :height, :width]

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_images: Tensor):
        (table,) = ctx.saved_tensors
        with full_precision(table.device):
            per_pair = _composite_backward(table, ctx.pairs, grad_images)
        return _to_gaussians(table, ctx.pairs, *per_pair), None, None, None, None


def _composite(table: Tensor, pairs: Pairs, frames: int) -> Tensor:
    down, across = pairs.grid
    images = table.new_zeros(frames, 3, down * TILE, across * TILE)
    view = tile_view(images)
    lists = gather_lists(table, pairs)
    basis = monomials(lists.coefficients)
    for tiles, slots in chunks(pairs):
        _, behind = optical_depths(lists, slots, basis, table.dtype)
        weight = torch.empty_like(behind)
        torch.sub(1, behind[:, 0], out=weight[:, 0])
        torch.sub(behind[:, :-1], behind[:, 1:], out=weight[:, 1:])
        colors = lists.colors[slots].transpose(1, 2)
        view[tile_index(pairs.tile[tiles], pairs.grid)] = torch.bmm(colors, weight).unflatten(2, (TILE, TILE))
    return images


def _composite_backward(table: Tensor, pairs: Pairs, grad_images: Tensor) -> tuple[Tensor, Tensor]:
    """Per pair: moments (P + 1, 6) of dL/dlog tau about the middle of the tile, and colour gradients (P + 1, 3)."""
    view = tile_view(pad_to_tiles(grad_images))
    lists = gather_lists(table, pairs)
    basis = monomials(table)
    moments = table.new_empty(len(pairs.gaussian) + 1, 6)
    grad_colors = table.new_empty(len(pairs.gaussian) + 1, 3)
    for tiles, slots in chunks(pairs):
        grad = view[tile_index(pairs.tile[tiles], pairs.grid)].flatten(2)
        tau, behind = optical_depths(lists, slots, basis.to(lists.coefficients.dtype), table.dtype)
        behind_gradient = torch.bmm(behind, grad.transpose(1, 2))
        before_gradient = torch.cat([grad.sum(2)[:, None], behind_gradient[:, :-1]], 1)
        grad_colors[slots.flatten()] = (before_gradient - behind_gradient).flatten(0, 1)

        colors = lists.colors[slots]
        behind *= torch.bmm(colors - pad(colors[:, 1:], (0, 0, 0, 1)), grad)
        tau *= running_sum(behind, from_the_end=True)
        moments[slots.flatten()] = tau.flatten(0, 1) @ basis.T
    return moments, grad_colors


def _to_gaussians(table: Tensor, pairs: Pairs, moments: Tensor, grad_colors: Tensor) -> Tensor:
    """Gradient of the table (M, 9) from the moments (P + 1, 6) of dL/dlog tau and the colour gradients (P + 1, 3)."""
    middle = pairs.corner + (TILE - 1) / 2
    x, y = (table[:, :2].index_select(0, pairs.gaussian) - middle).unbind(-1)
    total, sum_x, sum_y, sum_xx, sum_xy, sum_yy = moments[:-1].unbind(-1)
    central = torch.stack(
        [
            total,
            sum_x - x * total,
            sum_y - y * total,
            sum_xx - 2 * x * sum_x + x * x * total,
            sum_xy - x * sum_y - y * sum_x + x * y * total,
            sum_yy - 2 * y * sum_y + y * y * total,
        ],
        -1,
    )
    per_pair = torch.cat([central, grad_colors[:-1]], -1)
    summed = embedding_bag(pairs.position, per_pair, pairs.first_of_gaussian.int(), mode="sum")
    total, along_x, along_y, spread_xx, spread_xy, spread_yy = summed[:, :6].unbind(-1)
    xx, xy, yy, opacity = table[:, 2:6].unbind(-1)
    return torch.stack(
        [
            xx * along_x + xy * along_y,
            xy * along_x + yy * along_y,
            -0.5 * spread_xx,
            -spread_xy,
            -0.5 * spread_yy,
            total / opacity.where(opacity > 0, 1.0),
            *summed[:, 6:].unbind(-1),
        ],
        -1,
    )


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
    """Images (N, 3, height, width). Gaussians are left out at pixels outside the box where tau >= `cutoff`.

    means (N, K, 3), scales (N, K), colors (N, K, 3), opacities (N, K), intrinsics (N, 3, 3), all of one dtype.
    """
    means, scales, colors, opacities = mask_absent(means, scales, colors, opacities)
    order = means[..., 2].argsort(dim=-1, stable=True)
    means, scales, colors, opacities = (
        value.take_along_dim(order.view(*order.shape, *[1] * (value.ndim - 2)), 1)
        for value in (means, scales, colors, opacities)
    )
    centers, variances, precisions = project(means, scales, intrinsics)
    with torch.no_grad():
        reach = 2 * (opacities / cutoff).log()
        extents = (reach.clamp_min(0)[..., None] * variances).sqrt()
        boxes = tile_boxes(centers, extents, reach > 0, height, width)
        group = boxes.count.sum(1).cumsum(0) // PAIRS
        sizes = group.unique_consecutive(return_counts=True)[1].tolist() or [0]
    table = torch.cat([centers, precisions, opacities[..., None], colors], -1)
    parts = [
        SplatTiles.apply(rows.flatten(0, 1), list_pairs(Boxes(*part), height, width), len(rows), height, width)
        for rows, *part in zip(table.split(sizes), *(value.split(sizes) for value in boxes), strict=True)
    ]
    return torch.cat(parts) if len(parts) > 1 else parts[0]
