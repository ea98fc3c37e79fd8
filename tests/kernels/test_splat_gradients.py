"""Gradients of splatting: the reference against finite differences, the CPU path against the reference."""

import pytest
import torch
from splat_scenes import camera, cloud

from skeleton_kernels import splat, splat_bones

NAMES = ("means", "scales", "colors", "opacities", "intrinsics")


@pytest.mark.parametrize(("seed", "count"), [(0, 1), (1, 6), (2, 15), (3, 50)])
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_gradients_of_both_paths_are_those_of_finite_differences(backend, seed, count):
    # A wide Gaussian reaches every tile of so small a picture, so that the cut-off makes no step in the CPU path.
    scene = cloud(count=count, seed=seed, size=0.4, dtype=torch.float64)
    inputs = [value.requires_grad_() for value in [*scene, camera(8, 8).double()]]

    def draw(*values):
        return splat(*values, 8, backend=backend, cutoff=0.0)

    assert torch.autograd.gradcheck(draw, inputs, eps=1e-6, atol=1e-6, rtol=1e-4, fast_mode=count > 15)


@pytest.mark.parametrize(
    ("batch", "count", "height", "width", "size"),
    [((), 1, 5, 3, 0.05), ((3,), 60, 17, 41, 0.05), ((2, 2), 30, 33, 8, 0.1), ((1,), 300, 24, 24, 0.2)],
)
def test_closed_form_gradients_equal_those_of_the_reference(batch, count, height, width, size):
    inputs = [*cloud(*batch, count=count, seed=count, size=size), camera(width, height)]
    cotangent = torch.randn(*batch, 3, height, width, generator=torch.Generator().manual_seed(7))

    def gradients(backend, dtype):
        values = [value.to(dtype).requires_grad_() for value in inputs]
        image = splat(*values, (height, width), backend=backend, cutoff=1e-9)
        return torch.autograd.grad(image, values, cotangent.to(dtype))

    exact = gradients("reference", torch.float64)
    for name, fast, wanted in zip(NAMES, gradients("cpu", torch.float32), exact, strict=True):
        # float32 leaves about 1e-5 of the gradient, and 1e-7 of what comes in where transmittances differ by little.
        bound = 5e-5 * wanted.norm() + 1e-6 * cotangent.norm()
        assert (fast - wanted).norm() < bound, f"{name}: {(fast - wanted).norm() / wanted.norm():.1e}"
    for name, double, wanted in zip(NAMES, gradients("cpu", torch.float64), exact, strict=True):
        # What the cut-off 1e-9 leaves out, times the number of Gaussians.
        torch.testing.assert_close(double, wanted, atol=1e-5, rtol=1e-6, msg=name)


def test_default_cutoff_keeps_the_gradient_within_two_percent():
    inputs = cloud(2, count=200, size=0.02)
    cotangent = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(7))
    found = {}
    for backend in ("reference", "cpu"):
        values = [value.clone().requires_grad_() for value in inputs]
        found[backend] = torch.autograd.grad(splat(*values, camera(64, 64), 64, backend=backend), values, cotangent)
    for fast, wanted in zip(found["cpu"], found["reference"], strict=True):
        assert (fast - wanted).norm() < 0.02 * wanted.norm()


def test_gradients_reach_the_joints_through_the_bones():
    generator = torch.Generator().manual_seed(0)
    joints = torch.rand(1, 2, 2, 3, 3, generator=generator, dtype=torch.float64) + torch.tensor([-0.5, -0.5, 1.5])
    joints.requires_grad_()
    index = torch.tensor([[[0, 1], [1, 2], [2, 2]]])
    weight = torch.tensor([[[0.3, 0.7], [0.5, 0.5], [1.0, 0.0]]], dtype=torch.float64).requires_grad_()
    offsets = torch.zeros(1, 3, 3, dtype=torch.float64, requires_grad=True)
    scales = torch.full((1, 3), 0.4, dtype=torch.float64, requires_grad=True)
    colors = torch.rand(1, 2, 2, 3, 3, generator=generator, dtype=torch.float64).requires_grad_()
    opacities = torch.full((1, 2, 2, 3), 0.6, dtype=torch.float64, requires_grad=True)

    def draw(joints, weight, offsets, scales, colors, opacities):
        return splat_bones(
            joints, index, weight, offsets, scales, colors, opacities, camera(8, 8), 8, backend="cpu", cutoff=0.0
        )

    assert torch.autograd.gradcheck(draw, (joints, weight, offsets, scales, colors, opacities), fast_mode=True)
