"""Small scenes that several tests of the splatting operation look at."""

import torch
from torch import Tensor


def camera(width: int, height: int, focal: float | None = None) -> Tensor:
    """(3, 3) intrinsics; by default 60 degrees across the width, as the published renderer has."""
    focal = focal or width * 3**0.5 / 2
    return torch.tensor([[focal, 0.0, width / 2], [0.0, abs(focal), height / 2], [0.0, 0.0, 1.0]])


def cloud(*batch: int, count: int, seed: int = 0, size: float = 0.05, dtype=torch.float32) -> list[Tensor]:
    """Random Gaussians [means, scales, colors, opacities] in front of the camera, some beyond the picture's border."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*batch, count, *shape, generator=generator, dtype=dtype)

    means = (uniform(3) - 0.5) * torch.tensor([2.6, 2.6, 2.0], dtype=dtype) + torch.tensor([0, 0, 2.5], dtype=dtype)
    return [means, size * (0.5 + uniform()), uniform(3), 0.2 + 1.5 * uniform()]


def one(x: float, y: float, z: float, color: tuple[float, float, float], size: float = 0.05, opacity: float = 2.0):
    """A single Gaussian as [means (1, 3), scales (1,), colors (1, 3), opacities (1,)]."""
    return [torch.tensor([[x, y, z]]), torch.tensor([size]), torch.tensor([color]), torch.tensor([opacity])]


def together(*gaussians: list[Tensor]) -> list[Tensor]:
    """Several lists of Gaussians as one."""
    return [torch.cat(parts) for parts in zip(*gaussians, strict=True)]
