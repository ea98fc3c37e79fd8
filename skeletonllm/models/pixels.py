"""How rendered frames reach a multimodal LLM's vision tower, differentiably.

A backbone's own image processor works on 8-bit pictures and stops gradients, so each family gets a function here that
gives the same numbers from float frames. Adding a family is one function for its pixels, one for its token count and
one line in ``FAMILIES``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional
from transformers import PretrainedConfig

# Mean and standard deviation of ImageNet's RGB, which InternVL's image processor subtracts and divides by.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

NORMALIZATIONS = ("backbone", "none")


@dataclass(frozen=True)
class PixelFamily:
    """What one family of backbones wants.

    Args:
        model_inputs: (B, N, 3, S, S) frames in [0, 1] and ``normalize`` to the keyword arguments of the backbone.
        tokens_per_frame: backbone config and image size S to the number of placeholder tokens of a frame; raises
            ValueError if the tower cannot take S.
        native_image_size: backbone config to the S that the tower was made for.
    """

    model_inputs: Callable[[torch.Tensor, bool], dict[str, torch.Tensor]]
    tokens_per_frame: Callable[[PretrainedConfig, int], int]
    native_image_size: Callable[[PretrainedConfig], int]


def _internvl_inputs(frames: torch.Tensor, normalize: bool) -> dict[str, torch.Tensor]:
    """InternVL takes the frames of all rows stacked in order: (B * N, 3, S, S)."""
    pixel_values = frames.flatten(0, 1)
    if normalize:
        mean = pixel_values.new_tensor(IMAGENET_MEAN)[:, None, None]
        std = pixel_values.new_tensor(IMAGENET_STD)[:, None, None]
        pixel_values = (pixel_values - mean) / std
    return {"pixel_values": pixel_values}


def _internvl_tokens(config: PretrainedConfig, image_size: int) -> int:
    """Patches of the tower after InternVL's pixel shuffle, which merges squares of 1 / downsample_ratio patches."""
    merge = int(1 / config.downsample_ratio)
    cell = config.vision_config.patch_size[0] * merge
    if image_size < cell or image_size % cell:
        patch = config.vision_config.patch_size[0]
        raise ValueError(f"image size {image_size} is no multiple of {cell} ({merge} patches of {patch} pixels)")
    return (image_size // cell) ** 2


FAMILIES: dict[str, PixelFamily] = {
    "internvl": PixelFamily(_internvl_inputs, _internvl_tokens, lambda config: config.vision_config.image_size[0]),
}


def pixel_family(backbone_config: PretrainedConfig) -> PixelFamily:
    """The family of a backbone. Raises ValueError that lists the known ones."""
    if backbone_config.model_type not in FAMILIES:
        known = ", ".join(sorted(FAMILIES))
        raise ValueError(f"no pixel hand-over for backbones of type {backbone_config.model_type!r}; known: {known}")
    return FAMILIES[backbone_config.model_type]


def frames_to_inputs(
    frames: torch.Tensor, backbone_config: PretrainedConfig, image_size: int, normalize: str = "backbone"
) -> dict[str, torch.Tensor]:
    """Frames to the keyword arguments that carry pictures into a backbone, with gradients to the frames.

    Args:
        frames: (B, N, 3, H, W) in [0, 1]; brought to ``image_size`` by bicubic resampling with antialiasing (as the
            Pillow form of InternVL's processor does) if H or W differs.
        image_size: S, pixels.
        normalize: ``backbone`` for the mean and deviation that the tower was trained with, ``none`` for raw [0, 1]
            as in the published release.

    Raises:
        ValueError: frames of another shape, an unknown ``normalize`` or an unknown family.
    """
    if frames.ndim != 5 or frames.shape[2] != 3:
        raise ValueError(f"frames have shape {tuple(frames.shape)}, expected (B, N, 3, H, W)")
    if normalize not in NORMALIZATIONS:
        raise ValueError(f"unknown normalize {normalize!r}, expected one of {', '.join(NORMALIZATIONS)}")
    family = pixel_family(backbone_config)
    if frames.shape[-2:] != (image_size, image_size):
        batch, count = frames.shape[:2]
        resized = functional.interpolate(frames.flatten(0, 1), (image_size, image_size), mode="bicubic", antialias=True)
        frames = resized.clamp(0, 1).unflatten(0, (batch, count))
    return family.model_inputs(frames, normalize == "backbone")
