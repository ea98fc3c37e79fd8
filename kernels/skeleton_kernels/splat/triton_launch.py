"""Host side of the Triton kernels: buffers, grids, and the order of launches. No gradient bookkeeping, no checks."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import triton
from torch import Tensor

from . import launch_table
from .launch_table import Tile
from .triton_gradients import composite_backward_kernel, gaussian_gradients_kernel, joint_gradients_kernel
from .triton_kernels import COLUMNS, composite_kernel, order_kernel, project_kernel, touch_kernel


class Bodies(NamedTuple):
    """Contiguous tensors of one floating dtype; B clips of N frames of P persons with K Gaussians each.

    Without joints (J = 0) the offsets are the centres.
    """

    joints: Tensor  # (B, N, P, J, 3)
    skin_index: Tensor  # (B, K, 2) int64
    skin_weight: Tensor  # (B, K, 2)
    offsets: Tensor  # (B, K, 3)
    scales: Tensor  # (B, K)
    colors: Tensor  # (B, N, P, K, 3)
    opacities: Tensor  # (B, N, P, K)
    intrinsics: Tensor  # (B, N, 3, 3)

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Frames per clip, persons, joints, Gaussians per person: the integers that kernels take."""
        return (*self.joints.shape[1:4], self.offsets.shape[1])

    @property
    def total(self) -> int:
        """Gaussians per frame."""
        return self.joints.shape[2] * self.offsets.shape[1]

    @property
    def frames(self) -> int:
        return self.joints.shape[0] * self.joints.shape[1]


class Grid(NamedTuple):
    """Tiles of a picture, `step_y` by `step_x` pixels apart."""

    height: int
    width: int
    step_y: int
    step_x: int

    @property
    def rows(self) -> int:
        return triton.cdiv(self.height, self.step_y)

    @property
    def columns(self) -> int:
        return triton.cdiv(self.width, self.step_x)


class Prepared(NamedTuple):
    """Projected Gaussians of every frame, nearest first; words of 32 bits."""

    order: Tensor  # (frames, total) int32
    table: Tensor  # (frames, total, 9)
    lines: Tensor  # (frames, rows + columns, words) int32
    words: int


def grid_of(height: int, width: int, patch: int, tile: Tile) -> Grid:
    """Tiles of a whole picture, or its patches where `patch` is not 0."""
    return Grid(height, width, patch or tile.height, patch or tile.width)


def tile_of(patch: int, tile: Tile) -> Tile:
    """What one program computes: a tile, or the power of two that a patch fits into."""
    if not patch:
        return tile
    side = triton.next_power_of_2(patch)
    return tile._replace(height=side, width=side, warps=max(1, tile.warps * side * side // (tile.height * tile.width)))


def sort_by_depth(bodies: Bodies) -> Tensor:
    """Gaussians of each frame, nearest first: (frames, total) int32."""
    order = torch.empty(bodies.frames, bodies.total, dtype=torch.int32, device=bodies.joints.device)
    skinned = bodies.joints.shape[3] > 0
    block = next((block for block in launch_table.SORT_BLOCKS if block >= bodies.total), None)
    if block:
        order_kernel[(bodies.frames,)](
            bodies.joints, bodies.skin_index, bodies.skin_weight, bodies.offsets, order, *bodies.sizes,
            SKINNED=skinned, BLOCK=block, num_warps=launch_table.SORT_WARPS,
        )  # fmt: skip
        return order
    depth = bodies.offsets[:, None, None, :, 2]
    if skinned:
        index = bodies.skin_index.clamp(0, bodies.joints.shape[3] - 1).flatten(1)[:, None, None]
        ends = bodies.joints[..., 2].take_along_dim(index, 3).unflatten(3, (-1, 2))
        depth = depth + (ends * bodies.skin_weight[:, None, None]).sum(-1)
    return order.copy_(depth.reshape(order.shape).argsort(dim=1, stable=True))


def prepare(bodies: Bodies, grid: Grid, log_cutoff: float) -> Prepared:
    """Sorts and projects the Gaussians, and marks the tile rows and columns that they reach."""
    order = sort_by_depth(bodies)
    words = triton.cdiv(bodies.total, launch_table.WORD)
    table = bodies.offsets.new_empty(bodies.frames, bodies.total, COLUMNS.value)
    lines = order.new_empty(bodies.frames, grid.rows + grid.columns, words)
    project_kernel[(bodies.frames * words,)](
        *bodies, order, table, lines, *bodies.sizes, *grid, grid.rows, grid.columns, words, log_cutoff,
        SKINNED=bodies.joints.shape[3] > 0, LINES=launch_table.LINE_BLOCK, num_warps=1,
    )  # fmt: skip
    return Prepared(order, table, lines, words)


def composite(
    bodies: Bodies,
    height: int,
    width: int,
    log_cutoff: float,
    dtype: torch.dtype,
    gain: Sequence[float],
    bias: Sequence[float],
    patch: int = 0,
    tiles: Tensor | None = None,
) -> Tensor:
    """gain * picture + bias: (frames, 3, height, width), or the patches of numbers `tiles` (M,): (M, 3, patch, patch).

    Patches are numbered (frame * rows + row) * columns + column.
    """
    tile = tile_of(patch, launch_table.FORWARD)
    grid = grid_of(height, width, patch, launch_table.FORWARD)
    if tiles is None:
        programs, shape = bodies.frames * grid.rows * grid.columns, (bodies.frames, 3, height, width)
    else:
        programs, shape = len(tiles), (len(tiles), 3, patch, patch)
    images = torch.empty(shape, dtype=dtype, device=bodies.joints.device)
    if programs == 0:
        return images
    if bodies.total == 0:
        return images.copy_(torch.tensor(bias, device=images.device).view(3, 1, 1))
    prepared = prepare(bodies, grid, log_cutoff)
    composite_kernel[(programs,)](
        prepared.table, prepared.lines, tiles, images,
        bodies.total, grid.rows, grid.columns, prepared.words, *grid, shape[2] * shape[3], shape[3], *gain, *bias,
        LISTED=tiles is not None, TILE_Y=tile.height, TILE_X=tile.width, num_warps=tile.warps, maxnreg=tile.registers,
    )  # fmt: skip
    return images


def touched_patches(bodies: Bodies, height: int, width: int, log_cutoff: float, patch: int) -> Tensor:
    """Numbers (M,) int64 of the patches that any Gaussian reaches, ascending."""
    grid = grid_of(height, width, patch, launch_table.FORWARD)
    touched = torch.empty(bodies.frames, grid.rows, grid.columns, dtype=torch.int8, device=bodies.joints.device)
    if bodies.frames * bodies.total == 0:
        return torch.empty(0, dtype=torch.int64, device=bodies.joints.device)
    prepared = prepare(bodies, grid, log_cutoff)
    touch_kernel[(bodies.frames * grid.rows, triton.cdiv(grid.columns, launch_table.LINE_BLOCK))](
        prepared.lines, touched, grid.rows, grid.columns, prepared.words, BLOCK=launch_table.LINE_BLOCK, num_warps=1
    )
    return touched.flatten().nonzero()[:, 0]


def composite_backward(
    bodies: Bodies,
    grad_images: Tensor,
    height: int,
    width: int,
    log_cutoff: float,
    gain: Sequence[float],
    patch: int = 0,
    tiles: Tensor | None = None,
    weights: bool = True,
) -> Bodies:
    """Gradients of every input; in the place of the skin's index, which has none, stands a tensor of no meaning.

    Those of the skin's weights, which are seldom learnt and take memory, are zero unless `weights`.

    `grad_images` is the gradient of what `composite` returned, and need not be contiguous.
    """
    if grad_images.numel() == 0 or bodies.total == 0:
        return Bodies(*(torch.zeros_like(value) for value in bodies))
    tile = tile_of(patch, launch_table.BACKWARD)
    grid = grid_of(height, width, patch, launch_table.BACKWARD)
    prepared = prepare(bodies, grid, log_cutoff)
    slots = None
    if tiles is not None:
        slots = prepared.order.new_zeros(bodies.frames * grid.rows * grid.columns)
        slots[tiles] = torch.arange(len(tiles), dtype=torch.int32, device=tiles.device)
    programs = min(max(1, launch_table.BACKWARD_PROGRAMS // bodies.frames), grid.rows * grid.columns)
    partials = prepared.table.new_zeros(bodies.frames, programs, bodies.total, COLUMNS.value)
    grad_images = grad_images.contiguous()
    composite_backward_kernel[(bodies.frames * programs,)](
        prepared.table, prepared.lines, slots, grad_images, partials,
        bodies.total, grid.rows, grid.columns, prepared.words, programs,
        *grid, grad_images.shape[2] * grad_images.shape[3], grad_images.shape[3], *gain,
        LISTED=tiles is not None, TILE_Y=tile.height, TILE_X=tile.width, num_warps=tile.warps, maxnreg=tile.registers,
    )  # fmt: skip
    return _to_bodies(bodies, prepared, partials, weights)


def _to_bodies(bodies: Bodies, prepared: Prepared, partials: Tensor, weights: bool) -> Bodies:
    """From sums per program and Gaussian to gradients of the inputs, in fixed order."""
    clips, frames, persons, num_joints, _ = bodies.joints.shape
    count, skinned = bodies.offsets.shape[1], num_joints > 0
    grad_centers = bodies.offsets.new_empty(clips, frames, persons, count, 3)
    grad_scales = grad_centers.new_empty(clips, frames, persons, count)
    grad_colors, grad_opacities = torch.empty_like(bodies.colors), torch.empty_like(bodies.opacities)
    grad_cameras = grad_centers.new_empty(bodies.frames, prepared.words, 4)
    gaussian_gradients_kernel[(bodies.frames * prepared.words,)](
        *bodies, prepared.order, partials, grad_centers, grad_scales, grad_colors, grad_opacities, grad_cameras,
        *bodies.sizes, prepared.words, partials.shape[1],
        SKINNED=skinned, num_warps=1,
    )  # fmt: skip
    grad_joints, grad_weight = torch.empty_like(bodies.joints), torch.zeros_like(bodies.skin_weight)
    if skinned:
        blocks = triton.cdiv(num_joints, launch_table.JOINT_BLOCK)
        joint_gradients_kernel[(bodies.frames * persons * blocks,)](
            bodies.skin_index, bodies.skin_weight, grad_centers, grad_joints, *bodies.sizes, blocks,
            JOINTS=launch_table.JOINT_BLOCK, GAUSSIANS=launch_table.GAUSSIAN_BLOCK, num_warps=launch_table.JOINT_WARPS,
        )  # fmt: skip
    if skinned and weights:
        known = bodies.joints.where(bodies.joints.isfinite().all(-1, keepdim=True), 0.0)
        index = bodies.skin_index.flatten(1)[:, None, None, :, None]
        ends = known.take_along_dim(index, 3).unflatten(3, (count, 2))
        grad_weight = (ends * grad_centers[..., None, :]).sum((1, 2, 5))
    camera = grad_cameras.sum(1).view(clips, frames, 4)
    grad_intrinsics = torch.zeros_like(bodies.intrinsics)
    grad_intrinsics[..., 0, 0], grad_intrinsics[..., 1, 1] = camera[..., 0], camera[..., 1]
    grad_intrinsics[..., 0, 2], grad_intrinsics[..., 1, 2] = camera[..., 2], camera[..., 3]
    return Bodies(
        grad_joints, torch.empty_like(bodies.skin_index), grad_weight, grad_centers.sum((1, 2)),
        grad_scales.sum((1, 2)), grad_colors, grad_opacities, grad_intrinsics,
    )  # fmt: skip
