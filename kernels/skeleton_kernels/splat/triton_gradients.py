"""Backward kernels: from the gradient of the picture to those of Gaussians, of cameras and of joints.

With incoming gradient g(p) and the notation of `triton_kernels.py`, where what lies behind Gaussian k is

    B[k] = sum_{m > k} (E[m-1] - E[m]) g.c[m]                 the total less the running sum up to k
    h[k] = dL/dlog tau[k] = tau[k] (E[k] g.c[k] - B[k])       at each pixel

a Gaussian needs nine sums over the pixels: those of h times 1, x, y, x^2, xy, y^2 about its centre, and of
g (E[k-1] - E[k]). The total comes from compositing the tile once more, so that nothing is kept from the forward pass.

No atomics. A program owns every n-th tile of a frame and a row of the workspace per Gaussian, to which it adds tile
after tile; the rows of the programs of a frame are then added in their order. The same input gives the same bits.
"""

import triton
import triton.language as tl

from .triton_kernels import (
    COLUMNS,
    WORD,
    last_word,
    load_by_rank,
    load_camera,
    load_gaussian,
    load_vectors,
    load_word,
    lowest_bit,
    optical_depth,
    project,
)

LN_2 = tl.constexpr(0.6931471805599453)


@triton.jit
def load_cotangent(grad_images, at, inside, gain, dtype: tl.constexpr):
    return tl.load(grad_images + at, mask=inside, other=0.0).to(dtype) * gain


@triton.jit
def as_row(lane, a, b, c, d, e, f, g, h, i):
    """Nine numbers as one vector, so that they are loaded and stored together."""
    low = tl.where(lane == 0, a, tl.where(lane == 1, b, tl.where(lane == 2, c, tl.where(lane == 3, d, e))))
    high = tl.where(lane == 5, f, tl.where(lane == 6, g, tl.where(lane == 7, h, i)))
    return tl.where(lane < 5, low, high)


@triton.jit(do_not_specialize=["total", "rows", "columns", "words", "programs"])
def composite_backward_kernel(
    table, lines, slots, grad_images, partials, total, rows, columns, words, programs,
    height, width, step_y, step_x, channel_stride, row_stride, gain_red, gain_green, gain_blue,
    LISTED: tl.constexpr, TILE_Y: tl.constexpr, TILE_X: tl.constexpr,
):  # fmt: skip
    """One program per frame and share of its tiles. `partials` (frames, programs, total, 9) starts as zeros.

    LISTED: the gradient is that of separate pictures, and `slots` (frames, rows, columns) says which is whose.
    """
    program = tl.program_id(0).to(tl.int64)
    frame, share = program // programs, program % programs
    frame_lines = lines + frame * (rows + columns) * words
    frame_partials = partials + program * total * COLUMNS
    lane = tl.arange(0, 16)
    dtype = table.dtype.element_ty
    local_y, local_x = tl.arange(0, TILE_Y)[:, None], tl.arange(0, TILE_X)[None, :]
    channel = tl.cast(channel_stride, tl.int64)

    tile = share
    while tile < rows * columns:
        row, column = tile // columns, tile % columns
        row_line, column_line = frame_lines + row * words, frame_lines + (rows + column) * words
        last = last_word(row_line, column_line, words)
        if last >= 0:
            pixel_y, pixel_x = (row * step_y + local_y).to(dtype), (column * step_x + local_x).to(dtype)
            inside = (local_y < step_y) & (local_x < step_x)
            inside = inside & (row * step_y + local_y < height) & (column * step_x + local_x < width)
            corner = frame * 3 * channel_stride + row * step_y * row_stride + column * step_x
            if LISTED:
                corner = tl.load(slots + frame * rows * columns + tile).to(tl.int64) * 3 * channel_stride
            at = corner + local_y.to(tl.int64) * row_stride + local_x
            grad_red = load_cotangent(grad_images, at, inside, gain_red, dtype)
            grad_green = load_cotangent(grad_images, at + channel, inside, gain_green, dtype)
            grad_blue = load_cotangent(grad_images, at + 2 * channel, inside, gain_blue, dtype)

            depth = tl.zeros((TILE_Y, TILE_X), dtype)
            before = tl.full((TILE_Y, TILE_X), 1.0, dtype)
            farther = depth
            word = 0
            while word <= last:
                bits = load_word(row_line, column_line, word)
                while bits != 0:
                    rank = word * WORD + lowest_bit(bits)
                    x, y, xx, xy, yy, level, red, green, blue = load_gaussian(table, frame * total + rank)
                    depth += optical_depth(pixel_x - x, pixel_y - y, xx, xy, yy, level)
                    behind = tl.exp2(-depth)
                    farther += (before - behind) * (grad_red * red + grad_green * green + grad_blue * blue)
                    before = behind
                    bits = bits & (bits - 1)
                word += 1

            depth = tl.zeros((TILE_Y, TILE_X), dtype)
            before = tl.full((TILE_Y, TILE_X), 1.0, dtype)
            word = 0
            while word <= last:
                bits = load_word(row_line, column_line, word)
                while bits != 0:
                    rank = word * WORD + lowest_bit(bits)
                    partial = frame_partials + rank.to(tl.int64) * COLUMNS + lane
                    earlier = tl.load(partial, mask=lane < COLUMNS, other=0.0)
                    x, y, xx, xy, yy, level, red, green, blue = load_gaussian(table, frame * total + rank)
                    away_x, away_y = pixel_x - x, pixel_y - y
                    own = optical_depth(away_x, away_y, xx, xy, yy, level)
                    depth += own
                    behind = tl.exp2(-depth)
                    visible = before - behind
                    toward = grad_red * red + grad_green * green + grad_blue * blue
                    farther -= visible * toward
                    change = own * LN_2 * (behind * toward - farther)
                    along_x, along_y = change * away_x, change * away_y
                    sums = as_row(
                        lane,
                        tl.sum(change),
                        tl.sum(along_x),
                        tl.sum(along_y),
                        tl.sum(along_x * away_x),
                        tl.sum(along_x * away_y),
                        tl.sum(along_y * away_y),
                        tl.sum(grad_red * visible),
                        tl.sum(grad_green * visible),
                        tl.sum(grad_blue * visible),
                    )
                    tl.store(partial, earlier + sums, mask=lane < COLUMNS)
                    tl.debug_barrier()  # the next tile of this program reads what was just written
                    before = behind
                    bits = bits & (bits - 1)
                word += 1
        tile += programs


@triton.jit(do_not_specialize=["frames", "persons", "num_joints", "count", "words", "programs"])
def gaussian_gradients_kernel(
    joints, skin_index, skin_weight, offsets, scales, colors, opacities, intrinsics, order, partials,
    grad_centers, grad_scales, grad_colors, grad_opacities, grad_cameras,
    frames, persons, num_joints, count, words, programs,
    SKINNED: tl.constexpr,
):  # fmt: skip
    """One program per frame and 32 Gaussians in order of depth.

    Adds up their partial sums, and takes the gradient back through the projection. grad_centers (frames, total, 3) and
    grad_scales (frames, total) are per drawn Gaussian, grad_cameras (frames, words, 4) per program.
    """
    program = tl.program_id(0).to(tl.int64)
    frame, word = program // words, program % words
    total = persons * count
    lane = tl.arange(0, WORD)
    rank = word * WORD + lane
    mask = rank < total
    own, present, x, y, z, scale, opacity, red, green, blue = load_by_rank(
        joints, skin_index, skin_weight, offsets, scales, colors, opacities, order,
        frame, rank, mask, frames, persons, num_joints, count, SKINNED,
    )  # fmt: skip

    sum_1 = tl.zeros((WORD,), partials.dtype.element_ty)
    sum_x, sum_y, sum_xx, sum_xy, sum_yy = sum_1, sum_1, sum_1, sum_1, sum_1
    sum_red, sum_green, sum_blue = sum_1, sum_1, sum_1
    share = 0
    while share < programs:
        partial = partials + ((frame * programs + share) * total + rank) * COLUMNS
        sum_1 += tl.load(partial, mask=mask, other=0.0)
        sum_x += tl.load(partial + 1, mask=mask, other=0.0)
        sum_y += tl.load(partial + 2, mask=mask, other=0.0)
        sum_xx += tl.load(partial + 3, mask=mask, other=0.0)
        sum_xy += tl.load(partial + 4, mask=mask, other=0.0)
        sum_yy += tl.load(partial + 5, mask=mask, other=0.0)
        sum_red += tl.load(partial + 6, mask=mask, other=0.0)
        sum_green += tl.load(partial + 7, mask=mask, other=0.0)
        sum_blue += tl.load(partial + 8, mask=mask, other=0.0)
        share += 1

    focal_x, focal_y, _, _ = load_camera(intrinsics, frame)
    slope_x, slope_y, size_x, size_y, _, _, xx, xy, yy = project(x, y, z, scale, focal_x, focal_y)
    grad_middle_x, grad_v = xx * sum_x + xy * sum_y, xy * sum_x + yy * sum_y
    # The precision P is the inverse of the covariance, dP = -P dC P, and dL/dP is -S / 2 with S the second moments:
    # dL/dC = P S P / 2.
    left_x, left_y = xx * sum_xx + xy * sum_xy, xx * sum_xy + xy * sum_yy
    right_x, right_y = xy * sum_xx + yy * sum_xy, xy * sum_xy + yy * sum_yy
    grad_variance_x = 0.5 * (left_x * xx + left_y * xy)
    grad_covariance = left_x * xy + left_y * yy
    grad_variance_y = 0.5 * (right_x * xy + right_y * yy)

    grad_size_x = 2.0 * size_x * (1.0 + slope_x * slope_x) * grad_variance_x
    grad_size_x -= size_y * slope_x * slope_y * grad_covariance
    grad_size_y = 2.0 * size_y * (1.0 + slope_y * slope_y) * grad_variance_y
    grad_size_y -= size_x * slope_x * slope_y * grad_covariance
    grad_slope_x = 2.0 * size_x * size_x * slope_x * grad_variance_x - size_x * size_y * slope_y * grad_covariance
    grad_slope_y = 2.0 * size_y * size_y * slope_y * grad_variance_y - size_x * size_y * slope_x * grad_covariance
    grad_slope_x += focal_x * grad_middle_x
    grad_slope_y -= focal_y * grad_v
    grad_z = -(grad_size_x * size_x + grad_size_y * size_y + grad_slope_x * slope_x + grad_slope_y * slope_y) / z

    centers = grad_centers + own * 3
    tl.store(centers, tl.where(present, grad_slope_x / z, 0.0), mask=mask)
    tl.store(centers + 1, tl.where(present, grad_slope_y / z, 0.0), mask=mask)
    tl.store(centers + 2, tl.where(present, grad_z, 0.0), mask=mask)
    grad_scale = (grad_size_x * focal_x + grad_size_y * focal_y) / z
    tl.store(grad_scales + own, tl.where(present, grad_scale, 0.0), mask=mask)
    tl.store(grad_opacities + own, tl.where(present, sum_1 / opacity, 0.0), mask=mask)
    tl.store(grad_colors + own * 3, tl.where(present, sum_red, 0.0), mask=mask)
    tl.store(grad_colors + own * 3 + 1, tl.where(present, sum_green, 0.0), mask=mask)
    tl.store(grad_colors + own * 3 + 2, tl.where(present, sum_blue, 0.0), mask=mask)

    camera = grad_cameras + program * 4
    tl.store(camera, tl.sum(tl.where(present, grad_size_x * scale / z + grad_middle_x * slope_x, 0.0)))
    tl.store(camera + 1, tl.sum(tl.where(present, grad_size_y * scale / z - grad_v * slope_y, 0.0)))
    tl.store(camera + 2, tl.sum(tl.where(present, grad_middle_x, 0.0)))
    tl.store(camera + 3, tl.sum(tl.where(present, grad_v, 0.0)))


@triton.jit(do_not_specialize=["frames", "persons", "num_joints", "count", "blocks"])
def joint_gradients_kernel(
    skin_index, skin_weight, grad_centers, grad_joints, frames, persons, num_joints, count, blocks,
    JOINTS: tl.constexpr, GAUSSIANS: tl.constexpr,
):  # fmt: skip
    """One program per person of a frame and block of joints: what the Gaussians that hang on each joint hand on."""
    program = tl.program_id(0).to(tl.int64)
    body, block = program // blocks, program % blocks
    clip = body // persons // frames
    joint = block * JOINTS + tl.arange(0, JOINTS)
    x = tl.zeros((JOINTS,), grad_centers.dtype.element_ty)
    y, z = x, x
    start = 0
    while start < count:
        gaussian = start + tl.arange(0, GAUSSIANS)
        mask = gaussian < count
        skin = (clip * count + gaussian) * 2
        grad_x, grad_y, grad_z = load_vectors(grad_centers, body * count + gaussian, mask)
        for end in tl.static_range(2):
            index = tl.load(skin_index + skin + end, mask=mask, other=-1)
            weight = tl.load(skin_weight + skin + end, mask=mask, other=0.0)
            share = tl.where(index[None, :] == joint[:, None], weight[None, :], 0.0)
            x += tl.sum(share * grad_x[None, :], axis=1)
            y += tl.sum(share * grad_y[None, :], axis=1)
            z += tl.sum(share * grad_z[None, :], axis=1)
        start += GAUSSIANS
    mask = joint < num_joints
    row = grad_joints + (body * num_joints + joint) * 3
    tl.store(row, x, mask=mask)
    tl.store(row + 1, y, mask=mask)
    tl.store(row + 2, z, mask=mask)
