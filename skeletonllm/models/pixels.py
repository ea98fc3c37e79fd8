"""How rendered frames reach a multimodal LLM's vision tower, differentiably.

A backbone's own image processor works on 8-bit pictures and stops gradients, so each family in
``skeletonllm.models.backbones`` gives the same numbers from float frames.
"""

import torch
from torch.nn import functional
from transformers import PretrainedConfig

from skeletonllm.models.backbones import family_of

NORMALIZATIONS = ("backbone", "none")


def frames_to_inputs(
    frames: torch.Tensor,
    backbone_config: PretrainedConfig,
    image_size: int,
    normalize: str = "backbone",
    layout: str = "images",
) -> dict[str, torch.Tensor]:
    """Frames to the keyword arguments that carry pictures into a backbone, with gradients to the frames.

    Args:
        frames: (B, N, 3, H, W) in [0, 1]; brought to ``image_size`` by bicubic resampling with antialiasing (as the
            Pillow form of InternVL's processor does) if H or W differs.
        image_size: S, pixels.
        normalize: ``backbone`` for the mean and deviation that the tower was trained with, ``none`` for raw [0, 1]
            as in the published release.
        layout: among those that the family has.

    Raises:
        ValueError: frames of another shape, an unknown ``normalize`` or an unknown family.
    """
    if frames.ndim != 5 or frames.shape[2] != 3:
        raise ValueError(f"frames have shape {tuple(frames.shape)}, expected (B, N, 3, H, W)")
    if normalize not in NORMALIZATIONS:
        raise ValueError(f"unknown normalize {normalize!r}, expected one of {', '.join(NORMALIZATIONS)}")
    family = family_of(backbone_config)
    return family.picture_inputs(resized(frames, image_size), backbone_config, layout, normalize == "backbone")


def resized(frames: torch.Tensor, image_size: int) -> torch.Tensor:
    """Frames (B, N, 3, H, W) in [0, 1] with sides of ``image_size`` pixels."""
    if frames.shape[-2:] == (image_size, image_size):
        return frames
    smaller = functional.interpolate(frames.flatten(0, 1), (image_size, image_size), mode="bicubic", antialias=True)
    return smaller.clamp(0, 1).unflatten(0, frames.shape[:2])
