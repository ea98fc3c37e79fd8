"""Compiles every variant of the Triton kernels, so that the first training step does not wait for it.

Triton keeps what it compiled in the folder `TRITON_CACHE_DIR` (by default under the home folder). On a cluster whose
home folder is shared, set it to a folder of each node, so that nodes do not wait for each other.
"""

import torch

from . import penetration, skin, splat_bones, splat_patches
from .splat import launch_table

SIDE = 112  # pixels: a multiple of 16 like the usual sizes, on which compilation depends, and of both patches
PATCHES = (14, 28)


def warm_up(device: torch.device | str) -> None:
    """Runs every operation on tiny bodies, forward and backward: pictures of every size class and in every layout."""
    _warm_up_splat(device)
    _warm_up_skin(device)
    _warm_up_penetration(device)


def _warm_up_splat(device: torch.device | str) -> None:
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


def _warm_up_skin(device: torch.device | str) -> None:
    body = _body(2, 1, device)
    joints = body["joints"].requires_grad_()
    middle = torch.full((1,), 2.0, device=device)
    outputs = skin(joints, joints, body["skin_index"], body["skin_weight"], middle, 1.0, backend="triton")
    torch.autograd.grad(sum(output.sum() for output in outputs), joints)


def _warm_up_penetration(device: torch.device | str) -> None:
    joints = torch.rand(1, 4, 3, device=device, requires_grad=True)
    capsules = torch.tensor([[0, 1], [2, 3]], device=device)
    pairs = torch.tensor([[0, 1]], device=device)
    energy, _ = penetration(joints, capsules, torch.full((2,), 2.0, device=device), pairs, backend="triton")
    torch.autograd.grad(energy.sum(), joints)


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
