"""From bodies that hang on joints to Gaussians, in plain torch: what the torch paths take."""

import torch
from torch import Tensor


def hang(
    joints: Tensor,
    skin_index: Tensor,
    skin_weight: Tensor,
    offsets: Tensor,
    scales: Tensor,
    colors: Tensor,
    opacities: Tensor,
    intrinsics: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Arguments of `splat_bones` to means (B, N, P * K, 3), scales, colors, opacities and intrinsics of `splat`.

    Gaussians that hang on a joint that is not finite get an opacity of zero.
    """
    clips, frames, persons, _, _ = joints.shape
    count = skin_index.shape[1]
    present = joints.isfinite().all(-1)
    index = skin_index.reshape(clips, 1, 1, count * 2)
    ends = joints.where(present[..., None], 0.0).take_along_dim(index[..., None], 3).unflatten(3, (count, 2))
    hangs = present.take_along_dim(index, 3).unflatten(3, (count, 2)) | (skin_weight[:, None, None] == 0)
    means = (ends * skin_weight[:, None, None, :, :, None]).sum(-2) + offsets[:, None, None]
    return (
        means.flatten(2, 3),
        scales[:, None, None].expand(clips, frames, persons, count).flatten(2, 3),
        colors.flatten(2, 3),
        torch.where(hangs.all(-1), opacities, 0.0).flatten(2, 3),
        intrinsics,
    )
