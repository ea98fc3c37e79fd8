"""Skinning of positions and velocities, and the colours of depth, in plain torch."""

import torch
from torch import Tensor


def skin(
    joints: Tensor, velocities: Tensor, skin_index: Tensor, skin_weight: Tensor, middle: Tensor, span: float
) -> tuple[Tensor, Tensor, Tensor]:
    """As `skeleton_kernels.skin.skin`."""
    clips, count, _ = skin_index.shape
    index = skin_index.reshape(clips, 1, 1, count * 2, 1)
    weight = skin_weight[:, None, None, :, :, None]
    positions, motions = (
        (values.take_along_dim(index, 3).unflatten(3, (count, 2)) * weight).sum(-2) for values in (joints, velocities)
    )
    depth = (0.5 + (positions[..., 2] - middle[:, None, None, None]) / (2 * span)).clamp(0, 1)
    return positions, motions, torch.stack([depth, 1 - 2 * (depth - 0.5).abs(), 1 - depth], -1)
