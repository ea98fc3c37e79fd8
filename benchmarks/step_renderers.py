"""The compositing that the benchmark compares with ours: a loop over Gaussians, as the published renderer has."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "kernels" / "benchmarks"))

from gpu import per_gaussian_loop  # noqa: E402

from skeletonllm.rendering import renderer  # noqa: E402


def _splat(means, scales, colors, opacities, intrinsics, image_size, *, backend: str = "auto") -> torch.Tensor:
    """As ``skeleton_kernels.splat`` of clips (B, N, K, ...): each frame, and in it each Gaussian, by itself."""
    clips, frames = means.shape[:2]
    cameras = intrinsics.expand(clips, frames, 3, 3)
    gaussians = (value.flatten(0, 1) for value in (means, scales, colors, opacities, cameras))
    return per_gaussian_loop(*gaussians, *image_size).unflatten(0, (clips, frames))


@contextmanager
def per_gaussian_compositing() -> Iterator[None]:
    """Within, renderers composite whole pictures Gaussian by Gaussian and leaves the gradients to autograd.

    All else of the renderer stays: what differs is what the kernels of splatting replace.
    """
    with patch.object(renderer, "splat", _splat):
        yield
