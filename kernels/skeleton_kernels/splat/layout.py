"""How pictures leave the operation: their dtype, and whether mean and standard deviation have been taken off."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Layout(NamedTuple):
    """gain * picture + bias per channel, then rounded to dtype."""

    dtype: torch.dtype
    gain: tuple[float, float, float]
    bias: tuple[float, float, float]

    def apply(self, images: Tensor) -> Tensor:
        """To images (..., 3, H, W)."""
        if self.gain != (1.0, 1.0, 1.0) or self.bias != (0.0, 0.0, 0.0):
            images = images * images.new_tensor(self.gain).view(3, 1, 1) + images.new_tensor(self.bias).view(3, 1, 1)
        return images.to(self.dtype)


def choose_layout(
    dtype: torch.dtype | None, mean: Sequence[float] | None, std: Sequence[float] | None, default: torch.dtype
) -> Layout:
    """(image - mean) / std in `dtype`. Raises ValueError for other dtypes, and unless mean and std have 3 numbers."""
    dtype = dtype or default
    if dtype not in (torch.float32, torch.bfloat16, torch.float64):
        raise ValueError(f"dtype is {dtype}, wanted torch.float32, torch.bfloat16 or torch.float64")
    mean, std = tuple(mean or (0.0, 0.0, 0.0)), tuple(std or (1.0, 1.0, 1.0))
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise ValueError(f"mean is {mean} and std is {std}, wanted three numbers each, std positive")
    gain = tuple(1.0 / float(each) for each in std)
    return Layout(dtype, gain, tuple(-float(each) * one for each, one in zip(mean, gain, strict=True)))
