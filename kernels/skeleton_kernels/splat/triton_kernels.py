"""Forward kernels: order by depth, project, composite. The host side is `triton_launch.py`.

A frame is a few hundred Gaussians, so no pairs of Gaussians and tiles are ever listed. A Gaussian covers a range of
tile rows and a range of tile columns. For each row, and for each column, of tiles a bit string says which Gaussians
(nearest first) reach it; those of a tile are the bits set in both. That takes 2 (rows + columns) bits per Gaussian,
is written once per frame without knowing any count on the host, and visiting the set bits in order visits Gaussians
in order of depth.

Within a tile the transmittance behind a Gaussian is E = exp(-S) with S the sum of optical depths so far, and the
picture is the sum of (E before - E behind) * colour, as in `cpu.py`. Optical depths are kept in units of ln 2, for
which the hardware has an exponential.

All loops are `while` loops over loaded bounds and all arrays are addressed in int64.
"""

import triton
import triton.language as tl

from ..constants import COVARIANCE_EPSILON, NEAR_PLANE, WORLD_LIMIT
from . import launch_table

EPSILON = tl.constexpr(COVARIANCE_EPSILON)
NEAREST = tl.constexpr(NEAR_PLANE)
FARTHEST = tl.constexpr(WORLD_LIMIT)
WORD = tl.constexpr(launch_table.WORD)
WORD_BLOCK = tl.constexpr(launch_table.WORD_BLOCK)
LOG2_E = tl.constexpr(1.4426950408889634)
# Columns of the table: centre x, y; quadratic form xx, xy, yy in units of 2 ln 2; log2 of the peak depth; r, g, b.
COLUMNS = tl.constexpr(9)


@triton.jit
def load_vectors(pointer, row, mask):
    """x, y, z of vectors (..., 3); zero where masked."""
    x = tl.load(pointer + row * 3, mask=mask, other=0.0)
    y = tl.load(pointer + row * 3 + 1, mask=mask, other=0.0)
    z = tl.load(pointer + row * 3 + 2, mask=mask, other=0.0)
    return x, y, z


@triton.jit
def load_centers(
    joints, skin_index, skin_weight, offsets, frame, gaussian, mask,
    frames, persons, num_joints, count, SKINNED: tl.constexpr,
):  # fmt: skip
    """Centres of Gaussians of a frame, and whether every joint that they hang on is known."""
    row = (frame // frames) * count + gaussian % count
    x, y, z = load_vectors(offsets, row, mask)
    known = mask
    if SKINNED:
        first = (frame * persons + gaussian // count) * num_joints
        for end in tl.static_range(2):
            joint = tl.load(skin_index + row * 2 + end, mask=mask, other=0)
            weight = tl.load(skin_weight + row * 2 + end, mask=mask, other=0.0)
            exists = mask & (joint >= 0) & (joint < num_joints)
            at_x, at_y, at_z = load_vectors(joints, first + joint, exists)
            finite = exists & (tl.abs(at_x) < float("inf"))
            finite = finite & (tl.abs(at_y) < float("inf")) & (tl.abs(at_z) < float("inf"))
            known = known & (finite | (weight == 0.0))
            x += weight * tl.where(finite, at_x, 0.0)
            y += weight * tl.where(finite, at_y, 0.0)
            z += weight * tl.where(finite, at_z, 0.0)
    return x, y, z, known


@triton.jit
def is_present(x, y, z, scale, opacity, red, green, blue, known):
    """Whether a Gaussian is to be drawn, as `reference.mask_absent`."""
    here = known & (opacity > 0.0) & (opacity < float("inf")) & (tl.abs(scale) <= FARTHEST)
    here = here & (tl.abs(x) <= FARTHEST) & (tl.abs(y) <= FARTHEST) & (tl.abs(z) <= FARTHEST) & (z >= NEAREST)
    return here & (tl.abs(red) < float("inf")) & (tl.abs(green) < float("inf")) & (tl.abs(blue) < float("inf"))


@triton.jit
def load_camera(intrinsics, frame):
    """Focal lengths and principal point of a frame."""
    camera = intrinsics + frame * 9
    return tl.load(camera), tl.load(camera + 4), tl.load(camera + 2), tl.load(camera + 5)


@triton.jit
def project(x, y, z, scale, focal_x, focal_y):
    """Slopes and sizes on the axis, variances and inverse covariance, as `reference.project`."""
    slope_x, slope_y = x / z, y / z
    size_x, size_y = scale * focal_x / z, scale * focal_y / z
    own_x, own_y = size_x * size_x * (1.0 + slope_x * slope_x), size_y * size_y * (1.0 + slope_y * slope_y)
    variance_x, variance_y = own_x + EPSILON, own_y + EPSILON
    covariance = -size_x * size_y * slope_x * slope_y
    both = size_x * size_y
    determinant = both * both * (1.0 + slope_x * slope_x + slope_y * slope_y)
    determinant += EPSILON * (own_x + own_y) + EPSILON * EPSILON
    xx, xy, yy = variance_y / determinant, -covariance / determinant, variance_x / determinant
    return slope_x, slope_y, size_x, size_y, variance_x, variance_y, xx, xy, yy


@triton.jit
def load_by_rank(
    joints, skin_index, skin_weight, offsets, scales, colors, opacities, order,
    frame, rank, mask, frames, persons, num_joints, count,
    SKINNED: tl.constexpr,
):  # fmt: skip
    """The Gaussians at these places in a frame's order of depth; harmless values stand for those that are absent.

    Forward and backward pass both read here, so that they agree on who is absent. `own` is where a Gaussian stands in
    arrays per frame, person and Gaussian.
    """
    total = persons * count
    gaussian = tl.load(order + frame * total + rank, mask=mask, other=0).to(tl.int64)
    x, y, z, known = load_centers(
        joints, skin_index, skin_weight, offsets, frame, gaussian, mask, frames, persons, num_joints, count, SKINNED
    )
    scale = tl.load(scales + (frame // frames) * count + gaussian % count, mask=mask, other=1.0)
    own = frame * total + gaussian
    opacity = tl.load(opacities + own, mask=mask, other=0.0)
    red, green, blue = load_vectors(colors, own, mask)
    present = is_present(x, y, z, scale, opacity, red, green, blue, known)
    x, y, z = tl.where(present, x, 0.0), tl.where(present, y, 0.0), tl.where(present, z, 1.0)
    scale, opacity = tl.where(present, scale, 1.0), tl.where(present, opacity, 1.0)
    return own, present, x, y, z, scale, opacity, red, green, blue


@triton.jit(do_not_specialize=["frames", "persons", "num_joints", "count"])
def order_kernel(
    joints, skin_index, skin_weight, offsets, order,
    frames, persons, num_joints, count,
    SKINNED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One program per frame: its Gaussians, nearest first; equal depths keep their order."""
    frame = tl.program_id(0).to(tl.int64)
    total = persons * count
    gaussian = tl.arange(0, BLOCK).to(tl.int64)
    mask = gaussian < total
    _, _, z, _ = load_centers(
        joints, skin_index, skin_weight, offsets, frame, gaussian, mask, frames, persons, num_joints, count, SKINNED
    )
    # Positive floats sort like their bits. Whatever is not in front of the camera goes to the end.
    depth = tl.where(mask & (z >= NEAREST), z, float("inf")).to(tl.float32)
    key = (depth.to(tl.int32, bitcast=True).to(tl.int64) << 32) | gaussian
    sorted_gaussian = tl.sort(tl.where(mask, key, 0x7FFFFFFFFFFFFFFF)) & 0xFFFFFFFF
    tl.store(order + frame * total + gaussian, sorted_gaussian.to(tl.int32), mask=mask)


@triton.jit
def mark_lines(lines, low, high, number, words, LINES: tl.constexpr):
    """Writes one word per line of tiles: bit i says that Gaussian i, of the 32 given, reaches it."""
    bit = tl.arange(0, WORD)
    line = tl.arange(0, LINES)
    start = 0
    while start < number:
        here = start + line[:, None]
        reached = (low[None, :] <= here) & (here <= high[None, :])
        bits = tl.sum(tl.where(reached, 1 << bit[None, :], 0), axis=1)
        at = start + line
        tl.store(lines + at.to(tl.int64) * words, bits, mask=at < number)
        start += LINES


@triton.jit(do_not_specialize=["frames", "persons", "num_joints", "count", "rows", "columns", "words", "log_cutoff"])
def project_kernel(
    joints, skin_index, skin_weight, offsets, scales, colors, opacities, intrinsics, order, table, lines,
    frames, persons, num_joints, count, height, width, step_y, step_x, rows, columns, words, log_cutoff,
    SKINNED: tl.constexpr, LINES: tl.constexpr,
):  # fmt: skip
    """One program per frame and 32 Gaussians in order of depth: their table rows and their bits in the tile lines."""
    program = tl.program_id(0).to(tl.int64)
    frame, word = program // words, program % words
    total = persons * count
    rank = word * WORD + tl.arange(0, WORD)
    mask = rank < total
    own, present, x, y, z, scale, opacity, red, green, blue = load_by_rank(
        joints, skin_index, skin_weight, offsets, scales, colors, opacities, order,
        frame, rank, mask, frames, persons, num_joints, count, SKINNED,
    )  # fmt: skip

    focal_x, focal_y, middle_x, middle_y = load_camera(intrinsics, frame)
    slope_x, slope_y, _, _, variance_x, variance_y, xx, xy, yy = project(x, y, z, scale, focal_x, focal_y)
    center_x, center_y = focal_x * slope_x + middle_x, middle_y - focal_y * slope_y

    row = table + (frame * total + rank) * COLUMNS
    tl.store(row, center_x, mask=mask)
    tl.store(row + 1, center_y, mask=mask)
    tl.store(row + 2, xx * (0.5 * LOG2_E), mask=mask)
    tl.store(row + 3, xy * LOG2_E, mask=mask)
    tl.store(row + 4, yy * (0.5 * LOG2_E), mask=mask)
    tl.store(row + 5, tl.log2(opacity * LOG2_E), mask=mask)
    tl.store(row + 6, red, mask=mask)
    tl.store(row + 7, green, mask=mask)
    tl.store(row + 8, blue, mask=mask)

    # The box of the ellipse where opacity * exp(-q / 2) >= cut-off, clamped before it becomes an integer.
    reach = 2.0 * (tl.log(opacity) - log_cutoff)
    extent_x, extent_y = tl.sqrt(tl.maximum(reach, 0.0) * variance_x), tl.sqrt(tl.maximum(reach, 0.0) * variance_y)
    left = tl.ceil(tl.minimum(tl.maximum(center_x - extent_x, 0.0), width))
    right = tl.floor(tl.minimum(tl.maximum(center_x + extent_x, -1.0), width - 1))
    top = tl.ceil(tl.minimum(tl.maximum(center_y - extent_y, 0.0), height))
    bottom = tl.floor(tl.minimum(tl.maximum(center_y + extent_y, -1.0), height - 1))
    seen = present & (reach > 0.0) & (left <= right) & (top <= bottom)
    top, bottom = top.to(tl.int32) // step_y, tl.where(seen, bottom, -1.0).to(tl.int32)
    left, right = left.to(tl.int32) // step_x, tl.where(seen, right, -1.0).to(tl.int32)
    bottom, right = tl.where(seen, bottom // step_y, -1), tl.where(seen, right // step_x, -1)
    first = lines + frame * (rows + columns) * words + word
    mark_lines(first, top, bottom, rows, words, LINES)
    mark_lines(first + rows.to(tl.int64) * words, left, right, columns, words, LINES)


@triton.jit
def lowest_bit(word):
    """Number of the lowest set bit of an uint32. A power of two is exact in float32; its exponent is the answer."""
    low = word ^ (word & (word - 1))
    return (low.to(tl.float32).to(tl.int32, bitcast=True) >> 23) - 127


@triton.jit
def last_word(row_line, column_line, words):
    """The last word with a Gaussian that reaches both the row and the column of a tile; -1 for an empty tile."""
    last = -1
    start = 0
    while start < words:
        word = start + tl.arange(0, WORD_BLOCK)
        mask = word < words
        bits = tl.load(row_line + word, mask=mask, other=0) & tl.load(column_line + word, mask=mask, other=0)
        last = tl.maximum(last, tl.max(tl.where(bits != 0, word, -1), axis=0))
        start += WORD_BLOCK
    return last


@triton.jit
def load_word(row_line, column_line, word):
    bits = tl.load(row_line + word) & tl.load(column_line + word)
    return bits.to(tl.uint32, bitcast=True)


@triton.jit
def load_gaussian(table, rank):
    """A row of the table: centre, quadratic form, logarithm of the peak depth, colour."""
    row = table + rank * COLUMNS
    return (
        tl.load(row), tl.load(row + 1), tl.load(row + 2), tl.load(row + 3), tl.load(row + 4), tl.load(row + 5),
        tl.load(row + 6), tl.load(row + 7), tl.load(row + 8),
    )  # fmt: skip


@triton.jit
def optical_depth(away_x, away_y, xx, xy, yy, level):
    """Optical depths, in units of ln 2, at (rows, 1) and (1, columns) pixels away from the centre."""
    return tl.exp2((level - yy * away_y * away_y) - away_x * (xx * away_x + xy * away_y))


@triton.jit(do_not_specialize=["total", "rows", "columns", "words"])
def composite_kernel(
    table, lines, tiles, images, total, rows, columns, words,
    height, width, step_y, step_x, channel_stride, row_stride,
    gain_red, gain_green, gain_blue, bias_red, bias_green, bias_blue,
    LISTED: tl.constexpr, TILE_Y: tl.constexpr, TILE_X: tl.constexpr,
):  # fmt: skip
    """One program per tile: of every frame, or (LISTED) those whose numbers are in `tiles`, each a picture of its own.

    Tiles lie `step` pixels apart, at most their own size. The picture is gain * colour + bias.
    """
    slot = tl.program_id(0).to(tl.int64)
    tile = slot
    if LISTED:
        tile = tl.load(tiles + slot)
    frame = tile // (rows * columns)
    row, column = tile // columns % rows, tile % columns
    frame_lines = lines + frame * (rows + columns) * words
    row_line, column_line = frame_lines + row * words, frame_lines + (rows + column) * words

    dtype = table.dtype.element_ty
    local_y, local_x = tl.arange(0, TILE_Y)[:, None], tl.arange(0, TILE_X)[None, :]
    pixel_y, pixel_x = (row * step_y + local_y).to(dtype), (column * step_x + local_x).to(dtype)
    depth = tl.zeros((TILE_Y, TILE_X), dtype)
    before = tl.full((TILE_Y, TILE_X), 1.0, dtype)
    image_red, image_green, image_blue = depth, depth, depth
    last = last_word(row_line, column_line, words)
    word = 0
    while word <= last:
        bits = load_word(row_line, column_line, word)
        while bits != 0:
            rank = word * WORD + lowest_bit(bits)
            x, y, xx, xy, yy, level, red, green, blue = load_gaussian(table, frame * total + rank)
            depth += optical_depth(pixel_x - x, pixel_y - y, xx, xy, yy, level)
            behind = tl.exp2(-depth)
            visible = before - behind
            image_red += visible * red
            image_green += visible * green
            image_blue += visible * blue
            before = behind
            bits = bits & (bits - 1)
        word += 1

    inside = (local_y < step_y) & (local_x < step_x)
    inside = inside & (row * step_y + local_y < height) & (column * step_x + local_x < width)
    corner = slot * 3 * channel_stride
    if not LISTED:
        corner = frame * 3 * channel_stride + row * step_y * row_stride + column * step_x
    image = images + corner + local_y.to(tl.int64) * row_stride + local_x
    kind = images.dtype.element_ty
    channel = tl.cast(channel_stride, tl.int64)
    tl.store(image, (image_red * gain_red + bias_red).to(kind), mask=inside)
    tl.store(image + channel, (image_green * gain_green + bias_green).to(kind), mask=inside)
    tl.store(image + 2 * channel, (image_blue * gain_blue + bias_blue).to(kind), mask=inside)


@triton.jit(do_not_specialize=["rows", "columns", "words"])
def touch_kernel(lines, touched, rows, columns, words, BLOCK: tl.constexpr):
    """One program per frame, row of tiles and `BLOCK` of its columns: which tiles any Gaussian reaches."""
    program = tl.program_id(0).to(tl.int64)
    row, column = program % rows, tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    frame_lines = lines + program // rows * (rows + columns) * words
    found = tl.zeros((BLOCK,), tl.int32)
    start = 0
    while start < words:
        word = start + tl.arange(0, WORD_BLOCK)
        row_bits = tl.load(frame_lines + row * words + word, mask=word < words, other=0)[None, :]
        at = (rows + column[:, None]) * words + word[None, :]
        mask = (column[:, None] < columns) & (word[None, :] < words)
        bits = tl.load(frame_lines + at, mask=mask, other=0) & row_bits
        found = tl.maximum(found, tl.max(tl.where(bits != 0, 1, 0), axis=1))
        start += WORD_BLOCK
    tl.store(touched + program * columns + column, found.to(tl.int8), mask=column < columns)
