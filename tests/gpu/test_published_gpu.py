"""The released renderer on a GPU, against pictures and gradients that the released code produced."""

import numpy as np
import pytest
import torch

from skeletonllm.rendering.draction import DrAction

PICTURE = 2 / 255  # what the default cut-off leaves out
GRADIENT = 1e-2  # it drops the faint rim of each Gaussian: about three per mille of a gradient


def load(shared, stored) -> DrAction:
    candidate = int(stored["candidate"])
    path = shared / "golden" / "weights" / f"draction_candidate_{candidate:02d}.safetensors"
    return DrAction.from_published(path, check=candidate != 3).cuda()


def difference(images: torch.Tensor, stored: np.ndarray) -> float:
    images = images[0].permute(0, 2, 3, 1).detach().cpu().numpy()
    assert images.shape == stored.shape and np.isfinite(images).all()
    return float(np.abs(images - stored.astype(np.float32)).max())


@pytest.mark.parametrize("name", ["frames_a001_c1_448", "frames_a050_c2_224", "frames_a050_c3_224"])
def test_released_frames_are_reproduced(shared, name):
    stored = np.load(shared / "golden" / f"{name}.npz")
    joints, velocities = (torch.from_numpy(stored[key])[None].cuda() for key in ("poses", "velocities"))
    valid = joints.abs().sum(-1) > 0
    with torch.no_grad():
        images = load(shared, stored)(joints, velocities, valid, image_size=int(stored["size"]), backend="triton")
    assert difference(images, stored["images"]) <= PICTURE


@pytest.mark.parametrize("name", ["grad_a001_c1_64", "grad_a050_c3_64"])
def test_released_gradients_are_reproduced(shared, name):
    stored = np.load(shared / "golden" / f"{name}.npz")
    renderer = load(shared, stored)
    joints = torch.from_numpy(stored["poses"])[None].cuda()
    velocities = torch.from_numpy(stored["velocities"])[None].cuda()
    # A placeholder stands where the weights have no modulator, and so no use for velocities.
    velocities = velocities if velocities.shape == joints.shape else torch.zeros_like(joints)
    valid = joints.abs().sum(-1) > 0
    joints.requires_grad_()
    images = renderer(joints, velocities, valid, image_size=64, backend="triton")
    assert difference(images, stored["images"]) <= PICTURE
    (images[0].permute(0, 2, 3, 1) * torch.from_numpy(stored["loss_weights"]).cuda()).sum().backward()
    found = {f"grad/{name}": parameter.grad for name, parameter in renderer.named_parameters()}
    found["grad_poses"] = joints.grad[0]
    compared = [key for key in stored if key in found and stored[key].shape != (1,)]
    assert len(compared) >= 5
    for key in compared:
        error = np.linalg.norm(found[key].cpu().numpy() - stored[key]) / np.linalg.norm(stored[key])
        assert error < GRADIENT, key
