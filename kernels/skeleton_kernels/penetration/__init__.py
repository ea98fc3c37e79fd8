"""How deep a body's limbs stand in one another: the public operation, which chooses among the paths beside this file.

A body is a list of capsules: all points within a radius of the segment between two joints.
"""

import functools
import importlib
import importlib.util
import logging
import math
import os
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

BACKENDS = {"reference": "reference", "triton": "triton_kernels"}
logger = logging.getLogger(__name__)


class Penetration(NamedTuple):
    """What `penetration` finds; `...` is the batch shape of the joints."""

    energy: Tensor  # (...) square metres: the sum over all pairs of the squared depth
    depths: Tensor  # (..., M) metres: how far the two capsules of a pair overlap at most, zero where they are apart


def non_neighbouring_pairs(capsules: Tensor | Sequence[tuple[int, int]]) -> Tensor:
    """(M, 2) int64: all pairs i < j of capsules, (C, 2) joint numbers, that share no joint."""
    capsules = torch.as_tensor(capsules, dtype=torch.int64).reshape(-1, 2)
    shared = (capsules[:, None, :, None] == capsules[None, :, None, :]).flatten(2).any(-1)
    return (~shared).triu(diagonal=1).nonzero()


def penetration(
    joints: Tensor,
    capsules: Tensor,
    radii: Tensor,
    pairs: Tensor,
    *,
    valid: Tensor | None = None,
    backend: str = "auto",
) -> Penetration:
    """Overlap of pairs of capsules, max(0, r_i + r_j - distance of the two axes), for each body of a batch.

    Differentiable once in joints and radii. Where two axes cross, and no direction leads apart rather than another,
    the gradient is zero. The largest depth of each pair in a clip is ``depths.amax(...)`` over the frames.

    Args:
        joints: (..., J, 3) metres. A joint that is not finite is missing.
        capsules: (C, 2) integer joint numbers, the two ends of each axis; equal numbers make a ball.
        radii: (C,) or (..., C) metres. Zero or less, or not finite, means that the capsule is absent.
        pairs: (M, 2) integer capsule numbers, such as `non_neighbouring_pairs` lists.
        valid: (..., J) bool, False where a joint is missing. Pairs with a missing joint have depth and gradient zero.
        backend: "auto", "reference" (plain torch) or "triton".

    Returns:
        Energy (...) and depths (..., M), float32, or float64 when the joints are float64.

    Raises:
        ValueError: a shape, a joint or capsule number or the backend's name is wrong. Numbers are checked where
            capsules and pairs lie on the CPU; reading them back from a GPU would hold up every call.
        RuntimeError: the backend is not available here.
    """
    if joints.ndim < 2 or joints.shape[-1] != 3:
        raise ValueError(f"joints has shape {tuple(joints.shape)}, wanted (..., J, 3)")
    *batch, num_joints, _ = joints.shape
    _check_table("capsules", capsules, num_joints, "joints")
    _check_table("pairs", pairs, len(capsules), "capsules")
    shapes = [(len(capsules),), (*batch, len(capsules))]
    if tuple(radii.shape) not in shapes:
        raise ValueError(f"radii has shape {tuple(radii.shape)}, wanted {shapes[0]} or {shapes[1]}")
    dtype = torch.float64 if joints.dtype == torch.float64 else torch.float32
    joints = joints.to(dtype)
    if valid is not None:
        if tuple(valid.shape) != (*batch, num_joints):
            raise ValueError(f"valid has shape {tuple(valid.shape)}, wanted {(*batch, num_joints)}")
        joints = joints.where(valid[..., None], math.nan)

    bodies = math.prod(batch)
    path = _load(choose_backend(backend, joints.device, dtype))
    energy, depths = path.penetration(
        joints.reshape(bodies, num_joints, 3),
        capsules.to(joints.device, torch.int64),
        radii.to(joints.device, dtype).expand(*batch, -1).reshape(bodies, len(capsules)),
        pairs.to(joints.device, torch.int64),
    )
    return Penetration(energy.reshape(batch), depths.reshape(*batch, len(pairs)))


def choose_backend(backend: str, device: torch.device, dtype: torch.dtype) -> str:
    """The path, a key of ``BACKENDS``, that `penetration` takes. Raises what `penetration` raises for ``backend``."""
    installed = importlib.util.find_spec("triton") is not None
    if backend == "auto":
        return "triton" if device.type == "cuda" and dtype == torch.float32 and installed else "reference"
    if backend not in BACKENDS:
        raise ValueError(f"backend is {backend!r}, wanted one of {', '.join(['auto', *BACKENDS])}")
    if backend == "triton" and not installed:
        raise RuntimeError("backend 'triton' needs the package triton, which is not installed")
    if backend == "triton" and device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        raise RuntimeError(f"backend 'triton' needs tensors on a GPU, or TRITON_INTERPRET=1; joints are on {device}")
    return backend


@functools.cache
def _load(backend: str):
    logger.info("penetration runs on its %s path", backend)
    return importlib.import_module(f"{__name__}.{BACKENDS[backend]}")


def _check_table(name: str, table: Tensor, count: int, what: str) -> None:
    if table.ndim != 2 or table.shape[1] != 2 or table.is_floating_point() or table.dtype == torch.bool:
        raise ValueError(f"{name} is {table.dtype} of shape {tuple(table.shape)}, wanted integers of shape (n, 2)")
    if table.device.type == "cpu" and table.numel() and not 0 <= table.min() <= table.max() < count:
        raise ValueError(f"{name} has numbers from {table.min()} to {table.max()}, but there are {count} {what}")
