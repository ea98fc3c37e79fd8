"""Skinning for the look of Gaussians: blended positions and velocities, and colours of depth."""

import os

import pytest
import torch

from skeleton_kernels.skin import skin

INTERPRETED = ["triton"] if os.environ.get("TRITON_INTERPRET") == "1" else []
PATHS = pytest.mark.parametrize("backend", ["reference", *INTERPRETED])


def scene(clips: int = 2, count: int = 70, joints: int = 35, dtype=torch.float64) -> list:
    """More Gaussians and more joints than one program takes, partly beyond the span of colours."""
    generator = torch.Generator().manual_seed(0)
    position = torch.randn(clips, 2, 2, joints, 3, generator=generator, dtype=dtype) + 3
    velocity = torch.randn(clips, 2, 2, joints, 3, generator=generator, dtype=dtype)
    index = torch.randint(joints, (clips, count, 2), generator=generator)
    weight = torch.rand(clips, count, 2, generator=generator, dtype=dtype)
    return [position, velocity, index, weight / weight.sum(-1, keepdim=True), torch.full((clips,), 3.1, dtype=dtype)]


@PATHS
def test_near_is_blue_the_middle_green_and_far_red(backend):
    joints = torch.tensor([0.0, 2.0, 3.0, 4.0, 9.0]).view(1, 1, 1, 5, 1) * torch.tensor([0.0, 0.0, 1.0])
    index = torch.arange(5)[None, :, None].expand(1, 5, 2)
    weight = torch.tensor([1.0, 0.0]).expand(1, 5, 2)
    *_, colors = skin(joints, joints, index, weight, torch.tensor([3.0]), 1.0, backend=backend)
    wanted = torch.tensor([[0.0, 0, 1], [0, 0, 1], [0.5, 1, 0.5], [1, 0, 0], [1, 0, 0]])
    torch.testing.assert_close(colors[0, 0, 0], wanted)


@PATHS
def test_positions_and_velocities_are_those_of_the_joints_in_their_shares(backend):
    joints, velocities, index, weight, middle = scene()
    positions, motions, _ = skin(joints, velocities, index, weight, middle, 0.8, backend=backend)
    for found, values in ((positions, joints), (motions, velocities)):
        first, second = (values[1, :, :, index[1, :, end]] * weight[1, :, end, None] for end in (0, 1))
        torch.testing.assert_close(found[1], first + second)


@PATHS
def test_gradients_are_those_of_finite_differences(backend):
    joints, velocities, index, weight, middle = scene(count=9, joints=4)
    leaves = [value.requires_grad_() for value in (joints, velocities, middle)]

    def run(joints, velocities, middle):
        return skin(joints, velocities, index, weight, middle, 0.8, backend=backend)

    assert torch.autograd.gradcheck(run, leaves, fast_mode=True, check_undefined_grad=False)


@PATHS
def test_many_joints_and_gaussians_get_the_gradients_of_the_reference(backend):
    joints, velocities, index, weight, middle = scene(dtype=torch.float32)
    gradients = {}
    for path, dtype in ((backend, torch.float32), ("reference", torch.float64)):
        leaves = [value.detach().to(dtype).requires_grad_() for value in (joints, velocities, middle)]
        made = skin(*leaves[:2], index, weight, leaves[2], 0.8, backend=path)
        generator = torch.Generator().manual_seed(1)
        total = sum((value * torch.randn(value.shape, generator=generator)).sum() for value in made)
        gradients[dtype] = torch.autograd.grad(total, leaves)
    for mine, true in zip(gradients[torch.float32], gradients[torch.float64], strict=True):
        # float32 sums of a few hundred terms.
        torch.testing.assert_close(mine.double(), true, atol=1e-4, rtol=1e-4)


@PATHS
def test_no_clips_and_no_gaussians_give_nothing(backend):
    assert skin(*scene(clips=0), 0.8, backend=backend)[0].shape == (0, 2, 2, 70, 3)
    assert skin(*scene(count=0), 0.8, backend=backend)[2].shape == (2, 2, 2, 0, 3)


def test_a_wrong_call_says_what_was_found_and_what_was_wanted():
    joints, velocities, index, weight, middle = scene()
    with pytest.raises(ValueError, match=r"velocities has shape \(2, 2, 2, 34, 3\), wanted \(2, 2, 2, 35, 3\)"):
        skin(joints, velocities[..., 1:, :], index, weight, middle, 0.8)
    with pytest.raises(ValueError, match=r"middle has shape \(1,\), wanted \(2,\)"):
        skin(joints, velocities, index, weight, middle[1:], 0.8)
    with pytest.raises(ValueError, match="span is 0"):
        skin(joints, velocities, index, weight, middle, 0)
