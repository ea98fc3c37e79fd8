"""Rotations, forward kinematics and the two-bone inverse, for NumPy arrays and torch tensors alike.

Everything is batched over leading dimensions and, with torch, differentiable. Quaternions are wxyz; matrices act on
column vectors.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch

from skeletonllm.skeleton.topology import ROOT

Array = np.ndarray | torch.Tensor

# Keeps norms, and their gradients, finite for vectors without a direction.
TINY = 1e-12


def _library(array: Array):
    return torch if isinstance(array, torch.Tensor) else np


def _check(array: Array, name: str, *trailing: int) -> None:
    if tuple(array.shape[-len(trailing) :]) != trailing:
        wanted = ", ".join(str(size) for size in trailing)
        raise ValueError(f"{name} has shape {tuple(array.shape)}, expected (..., {wanted})")


def _dot(a: Array, b: Array) -> Array:
    """Scalar product over the last axis, which is kept."""
    return (a * b).sum(-1)[..., None]


def normalize(vectors: Array) -> Array:
    """Unit vectors (..., N); a vector of zeros stays one."""
    return vectors / (_dot(vectors, vectors) + TINY**2) ** 0.5


def axis_rotation(axis: int, angle: Array) -> Array:
    """Matrices (..., 3, 3) that turn by ``angle`` (...) radians about coordinate axis 0, 1 or 2, right-handed."""
    xp = _library(angle)
    cosine, sine, zero = xp.cos(angle), xp.sin(angle), xp.zeros_like(angle)
    rows = [[zero] * 3 for _ in range(3)]
    after, last = (axis + 1) % 3, (axis + 2) % 3
    rows[axis][axis] = zero + 1
    rows[after][after], rows[after][last] = cosine, -sine
    rows[last][after], rows[last][last] = sine, cosine
    return xp.stack([xp.stack(row, -1) for row in rows], -2)


def axis_angle_to_matrix(rotation: Array) -> Array:
    """Rodrigues' formula: (..., 3) axis times radians to (..., 3, 3). Smooth through zero."""
    _check(rotation, "rotation", 3)
    xp = _library(rotation)
    angle = (_dot(rotation, rotation) + TINY**2) ** 0.5
    first = xp.sinc(angle / np.pi)[..., None]
    second = 0.5 * xp.sinc(angle / (2 * np.pi))[..., None] ** 2
    x, y, z = rotation[..., 0], rotation[..., 1], rotation[..., 2]
    zero = xp.zeros_like(x)
    cross = xp.stack([xp.stack([zero, -z, y], -1), xp.stack([z, zero, -x], -1), xp.stack([-y, x, zero], -1)], -2)
    outer = rotation[..., :, None] * rotation[..., None, :]
    identity = xp.eye(3, dtype=rotation.dtype)
    if xp is torch:
        identity = identity.to(rotation.device)
    # cross @ cross = outer - angle^2 identity
    return identity + first * cross + second * (outer - (angle**2)[..., None] * identity)


def quaternion_multiply(left: Array, right: Array) -> Array:
    """Hamilton product (..., 4): the rotation ``right`` followed by ``left``."""
    _check(left, "left", 4)
    _check(right, "right", 4)
    a, b, c, d = (left[..., i] for i in range(4))
    w, x, y, z = (right[..., i] for i in range(4))
    product = [
        a * w - b * x - c * y - d * z,
        a * x + b * w + c * z - d * y,
        a * y - b * z + c * w + d * x,
        a * z + b * y - c * x + d * w,
    ]
    return _library(left).stack(product, -1)


def quaternion_to_matrix(quaternion: Array) -> Array:
    """Quaternions (..., 4), of any length but zero, to (..., 3, 3)."""
    _check(quaternion, "quaternion", 4)
    xp = _library(quaternion)
    unit = normalize(quaternion)
    w, x, y, z = (unit[..., i] for i in range(4))
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return xp.stack([xp.stack(row, -1) for row in rows], -2)


def matrix_to_quaternion(matrix: Array) -> Array:
    """Rotations (..., 3, 3) to unit quaternions (..., 4) with w >= 0.

    The largest component is found first and the others divided by it (Shepperd 1978), which is exact for half turns.
    """
    _check(matrix, "matrix", 3, 3)
    xp = _library(matrix)
    m = [[matrix[..., i, j] for j in range(3)] for i in range(3)]
    x, y, z = m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]
    xy, xz, yz = m[0][1] + m[1][0], m[0][2] + m[2][0], m[1][2] + m[2][1]
    # Row i is the quaternion times four times its component i.
    rows = xp.stack([
        xp.stack([1 + m[0][0] + m[1][1] + m[2][2], x, y, z], -1),
        xp.stack([x, 1 + m[0][0] - m[1][1] - m[2][2], xy, xz], -1),
        xp.stack([y, xy, 1 - m[0][0] + m[1][1] - m[2][2], yz], -1),
        xp.stack([z, xz, yz, 1 - m[0][0] - m[1][1] + m[2][2]], -1),
    ], -2)  # fmt: skip
    largest = xp.stack([rows[..., i, i] for i in range(4)], -1).argmax(-1)[..., None, None]
    if xp is torch:
        chosen = torch.take_along_dim(rows, largest, -2)[..., 0, :]
    else:
        chosen = np.take_along_axis(rows, largest, -2)[..., 0, :]
    unit = normalize(chosen)
    return xp.where(unit[..., :1] < 0, -unit, unit)


def rotation_6d_to_matrix(rotation: Array) -> Array:
    """Zhou et al. 2019, equation 15: Gram-Schmidt of the first two *columns* (..., 6) to (..., 3, 3)."""
    _check(rotation, "rotation", 6)
    xp = _library(rotation)
    first = normalize(rotation[..., :3])
    second = rotation[..., 3:]
    second = normalize(second - _dot(first, second) * first)
    return xp.stack([first, second, xp.linalg.cross(first, second)], -1)


def matrix_to_rotation_6d(matrix: Array) -> Array:
    """The first two columns of (..., 3, 3), one after the other: (..., 6). Zhou et al. 2019."""
    _check(matrix, "matrix", 3, 3)
    return _library(matrix).concatenate([matrix[..., 0], matrix[..., 1]], -1)


@lru_cache
def _root_first(parents: tuple[int, ...]) -> tuple[int, ...]:
    order, placed = [], {ROOT}
    while len(order) < len(parents):
        ready = [joint for joint, parent in enumerate(parents) if joint not in placed and parent in placed]
        if not ready:
            raise ValueError(f"parents {parents} are not a tree")
        order += ready
        placed |= set(ready)
    return tuple(order)


def forward_kinematics(
    rotations: Array, offsets: Array, parents: Sequence[int], root: Array | None = None
) -> tuple[Array, Array]:
    """Positions of the joints of a tree.

    Args:
        rotations: (..., J, 3, 3) rotation of each joint relative to its parent (of the root relative to the world).
        offsets: (..., J, 3) metres, each joint in its parent's frame; of the root in the world. Broadcastable.
        parents: J indices in any order, -1 for the root.
        root: optional (..., 3) metres added to every joint.

    Returns:
        positions (..., J, 3) in metres and world rotations (..., J, 3, 3).

    Raises:
        ValueError: shapes that do not fit, or parents that are not a tree.
    """
    count = len(parents)
    _check(rotations, "rotations", count, 3, 3)
    _check(offsets, "offsets", count, 3)
    positions, globals_ = [None] * count, [None] * count
    for joint in _root_first(tuple(parents)):
        rotation, offset, parent = rotations[..., joint, :, :], offsets[..., joint, :], parents[joint]
        if parent == ROOT:
            globals_[joint] = rotation
            # Zeros of the batch's shape let offsets without a batch join rotations with one.
            positions[joint] = offset + 0 * rotation[..., 0]
            if root is not None:
                positions[joint] = positions[joint] + root
        else:
            globals_[joint] = globals_[parent] @ rotation
            positions[joint] = positions[parent] + (globals_[parent] @ offset[..., None])[..., 0]
    xp = _library(rotations)
    return xp.stack(positions, -2), xp.stack(globals_, -3)


def two_bone_reach(root: Array, target: Array, pole: Array, upper: Array, lower: Array) -> tuple[Array, Array]:
    """Where the middle and the end of a two-bone limb come to lie when its end reaches for a target.

    Law of cosines in the plane of root, target and pole. A target out of reach is approached as far as the limb's
    length allows, so that bone lengths are kept exactly.

    Args:
        root: (..., 3) hip or shoulder, metres.
        target: (..., 3) where ankle or wrist should be.
        pole: (..., 3) direction towards which knee or elbow bends; not parallel to the limb.
        upper, lower: (...) bone lengths in metres.

    Returns:
        middle and end, (..., 3) each.
    """
    xp = _library(root)
    upper, lower = upper[..., None], lower[..., None]
    towards = target - root
    straight = (_dot(towards, towards) + TINY**2) ** 0.5
    direction = towards / straight
    distance = xp.minimum(xp.maximum(straight, abs(upper - lower)), upper + lower)
    along = (upper**2 - lower**2 + distance**2) / (2 * distance + TINY)
    sideways = normalize(pole - _dot(pole, direction) * direction)
    # A straight limb leaves no height; the floor keeps the root's gradient finite there.
    height = (xp.maximum(upper**2 - along**2, 0 * along) + TINY) ** 0.5
    return root + along * direction + height * sideways, root + distance * direction
