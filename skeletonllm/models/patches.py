"""Patch embeddings as matrix products.

Vision towers cut pictures into patches with a convolution whose stride is its kernel. Nobody asks such a convolution
for the gradient of its input, except us: on a CPU that gradient alone took as long as the rest of a tiny model's step.
As one matrix product over flattened patches it is the same sum, at the speed of the other layers.
"""

import torch
from torch import nn
from torch.nn import functional


class PatchConv2d(nn.Conv2d):
    """A ``Conv2d`` without overlap or padding; same parameters, same result."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, D, H / p, W / q) for kernels p x q; a rest at the lower and right edge is not read."""
        p, q = self.kernel_size
        batch, channels, height, width = pictures.shape
        rows, columns = height // p, width // q
        patches = pictures[:, :, : rows * p, : columns * q].reshape(batch, channels, rows, p, columns, q)
        patches = patches.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns, channels * p * q)
        embedded = functional.linear(patches, self.weight.flatten(1), self.bias)
        return embedded.transpose(1, 2).reshape(batch, self.out_channels, rows, columns)


class PatchConv3d(nn.Conv3d):
    """A ``Conv3d`` over inputs that are one patch each; same parameters, same result."""

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """(M, C, T, H, W) to (M, D, 1, 1, 1). Raises ValueError for inputs of another size than the kernel."""
        if patches.shape[2:] != self.kernel_size:
            raise ValueError(f"patches have {tuple(patches.shape[2:])} values, expected {self.kernel_size}")
        return functional.linear(patches.flatten(1), self.weight.flatten(1), self.bias)[..., None, None, None]


# Convolutions that towers embed patches with, by the class that does the same as a product.
_PRODUCTS = {nn.Conv2d: PatchConv2d, nn.Conv3d: PatchConv3d}


def use_patch_products(model: nn.Module) -> int:
    """Turn every convolution of a model that only cuts patches into such a product; returns how many there were."""
    count = 0
    for module in model.modules():
        if (
            type(module) in _PRODUCTS
            and module.kernel_size == module.stride
            and module.padding in ("valid", (0, 0), (0, 0, 0))
            and set(module.dilation) == {1}
            and module.groups == 1
        ):
            module.__class__ = _PRODUCTS[type(module)]
            count += 1
    return count
