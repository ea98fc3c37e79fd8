"""What the look of Gaussians is made from: where they are, how they move, and how far away they are."""

import torch
from torch import Tensor

from ..splat import choose_backend
from . import reference


def skin(
    joints: Tensor,
    velocities: Tensor,
    skin_index: Tensor,
    skin_weight: Tensor,
    middle: Tensor,
    span: float,
    *,
    backend: str = "auto",
) -> tuple[Tensor, Tensor, Tensor]:
    """Blends positions and velocities of joints to Gaussians, and colours them by depth; one launch on a GPU.

    The positions returned are centres that `splat` takes, so that joints need not be read again.

    Args:
        joints: (B, N, P, J, 3) metres, finite.
        velocities: (B, N, P, J, 3), finite.
        skin_index: (B, K, 2) integer joint numbers.
        skin_weight: (B, K, 2); no gradient flows to them.
        middle: (B,) depth in metres that is green; nearer is blue, farther red (the published depth colours).
        span: metres before and behind the middle over which colours run.
        backend: "auto", "reference" or "triton"; "cpu" is the reference.

    Returns:
        positions, velocities and colours, each (B, N, P, K, 3). Differentiable in joints, velocities and middle.

    Raises:
        ValueError: a shape, the span or the backend's name is wrong.
        RuntimeError: the backend is not available here.
    """
    if joints.ndim != 5 or joints.shape[-1] != 3:
        raise ValueError(f"joints has shape {tuple(joints.shape)}, wanted (B, N, P, J, 3)")
    clips = len(joints)
    count = skin_index.shape[1] if skin_index.ndim == 3 else -1
    for name, value, wanted in (
        ("velocities", velocities, tuple(joints.shape)),
        ("skin_index", skin_index, (clips, count, 2)),
        ("skin_weight", skin_weight, (clips, count, 2)),
        ("middle", middle, (clips,)),
    ):
        if tuple(value.shape) != wanted:
            raise ValueError(f"{name} has shape {tuple(value.shape)}, wanted {wanted}")
    if not span > 0:
        raise ValueError(f"span is {span}, wanted a number > 0")
    dtype = torch.float64 if joints.dtype == torch.float64 else torch.float32
    floats = (value.to(dtype) for value in (joints, velocities))
    arguments = *floats, skin_index.long(), skin_weight.detach().to(dtype), middle.to(dtype)
    if choose_backend(backend, joints.device, dtype) != "triton":
        return reference.skin(*arguments, span)
    from . import triton_kernels

    return triton_kernels.skin(*(value.contiguous() for value in arguments), span)
