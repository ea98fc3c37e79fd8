"""Compiles every variant of the Triton kernels, so that the first training step does not wait for it.

Triton keeps what it compiled in the folder `TRITON_CACHE_DIR` (by default under the home folder). On a cluster whose
home folder is shared, set it to a folder of each node, so that nodes do not wait for each other.
"""

import torch

from . import launch_table, splat_bones, splat_patches

SIDE = 112  # pixels: a multiple of 16 like the usual sizes, on which compilation depends, and of both patches
PATCHES = (14, 28)


def warm_up(device: torch.device | str) -> None:
    """Draws tiny bodies, forward and backward: of every size class, with joints and without, and in every layout."""
    for count in (*launch_table.SORT_BLOCKS, launch_table.SORT_BLOCKS[-1] + 1):
        for joints in (0, 2):
            body = _body(joints, count, device)
            _differentiate(splat_bones(**body, image_size=SIDE, backend="triton"), body)
    body = _body(2, 1, device)
    for dtype in (torch.float32, torch.bfloat16):
        _differentiate(splat_bones(**body, image_size=SIDE, backend="triton", dtype=dtype), body)
        for patch in PATCHES:
            patches, _ = splat_patches(**body, image_size=SIDE, patch_size=patch, backend="triton", dtype=dtype)
            _differentiate(patches, body)


def _differentiate(images: torch.Tensor, body: dict) -> None:
    torch.autograd.grad(images.sum(), body["offsets"])


def _body(joints: int, count: int, device: torch.device | str) -> dict:
    """One body of `count` Gaussians, one of them in view, which hang on `joints` joints or on none."""
    opacities = torch.zeros(1, 1, 1, count, device=device)
    opacities[..., 0] = 1.0
    camera = [[SIDE, 0.0, SIDE / 2], [0.0, SIDE, SIDE / 2], [0.0, 0.0, 1.0]]
    ahead = torch.tensor([0.0, 0.0, 2.0], device=device)
    return {
        "joints": torch.zeros(1, 1, 1, joints, 3, device=device),
        "skin_index": torch.zeros(1, count, 2, dtype=torch.int64, device=device),
        "skin_weight": torch.full((1, count, 2), 0.5, device=device),
        "offsets": ahead.expand(1, count, 3).clone().requires_grad_(),
        "scales": torch.full((1, count), 0.05, device=device),
        "colors": torch.ones(1, 1, 1, count, 3, device=device),
        "opacities": opacities,
        "intrinsics": torch.tensor(camera, device=device),
    }
