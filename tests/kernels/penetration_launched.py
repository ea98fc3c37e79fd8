"""The penetration kernels against the float64 reference, on a GPU or interpreted. See test_penetration_triton.py."""

import math

import pytest
import torch
from penetration_scenes import BODY, SEGMENTS, bodies, cotangents, segments
from torch.utils.checkpoint import checkpoint

from skeleton_kernels import non_neighbouring_pairs, penetration
from skeleton_kernels.penetration import triton_kernels

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
NAMES = ("energy", "depths", "gradient of joints", "gradient of radii")
# (number of joints, capsules)
LARGE = [(joint, joint + 1) for joint in range(24)]
SPREAD = [(joint, 37 - joint) for joint in range(38)]
SHAPES = {
    "one pair": (4, [(0, 1), (2, 3)]),
    "a body": (12, BODY),
    "more pairs than a block": (25, LARGE),
    "more joints than a block": (38, SPREAD),
}


def run(backend, values, capsules, pairs, grads, **options):
    """Energy, depths and gradients of joints and radii, on the CPU, where the path is alone with its numbers."""
    device = DEVICE if backend == "triton" else "cpu"
    joints, radii = (value.detach().to(device).requires_grad_() for value in values)
    found = penetration(joints, torch.tensor(capsules), radii, pairs, backend=backend, **options)
    kept = [grad.to(device, joints.dtype) for grad in grads]
    return [value.detach().cpu() for value in (*found, *torch.autograd.grad(found, [joints, radii], kept))]


def compare(values, capsules, pairs, grads):
    exact = run("reference", [value.double() for value in values], capsules, pairs, grads)
    found = run("triton", [value.float() for value in values], capsules, pairs, grads)
    for name, mine, wanted in zip(NAMES, found, exact, strict=True):
        assert mine.isfinite().all(), name
        # Directions between axes at least a millimetre apart are off by float32's 1e-7 m over that gap.
        bound = 2e-5 * wanted.norm() + 1e-6
        assert (mine.double() - wanted).norm() <= bound, f"{name}: {(mine.double() - wanted).norm():.1e} > {bound:.1e}"
    return found


@pytest.fixture(autouse=True)
def poisoned_memory():
    """In deterministic mode torch fills every fresh buffer with NaN, so that what a kernel leaves unwritten shows."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("batch", [(), (1,), (2, 3)])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_equal_the_reference(shape, batch):
    joints, capsules = SHAPES[shape]
    pairs = non_neighbouring_pairs(capsules)
    values = bodies(*batch, joints=joints, capsules=len(capsules), seed=5)
    values[1] = values[1] + (0.3 if shape == "one pair" else 0.0)
    energy, *_ = compare(values, capsules, pairs, cotangents(*batch, pairs=len(pairs)))
    assert (energy > 0).all()


@pytest.mark.parametrize("name", SEGMENTS)
def test_degenerate_segments_equal_the_reference(name):
    values = [segments(name), torch.full((2,), 3.0, dtype=torch.float64)]
    compare(values, [(0, 1), (2, 3)], torch.tensor([[0, 1]]), cotangents(pairs=1))


@pytest.mark.parametrize("missing", [math.nan, -math.inf, 1e30])
def test_missing_joints_and_capsules_take_only_their_own_pairs_away(missing):
    values = bodies(3)
    values[0][1, 4, 2] = missing
    values[1][5] = missing
    pairs = non_neighbouring_pairs(BODY)
    _, depths, gradient, radius_gradient = compare(values, BODY, pairs, cotangents(3, pairs=len(pairs)))
    assert (depths > 0).any() and gradient[1, 4].abs().max() == 0 and radius_gradient[5] == 0


def test_joints_that_are_not_valid_are_missing():
    pairs, valid = non_neighbouring_pairs(BODY), torch.ones(3, 12, dtype=torch.bool)
    valid[2, 6] = False
    options = [bodies(3, dtype=torch.float32), BODY, pairs, cotangents(3, pairs=len(pairs))]
    found = run("triton", *options, valid=valid.to(DEVICE))
    for mine, wanted in zip(found, run("reference", *options, valid=valid), strict=True):
        torch.testing.assert_close(mine, wanted, atol=1e-5, rtol=1e-4)
    assert found[2][2, 6].abs().max() == 0 and found[2][1, 6].abs().max() > 0


def test_each_body_may_have_its_own_radii():
    joints, radii = bodies(2, 2)
    radii = radii * torch.linspace(0.5, 1.5, 4, dtype=torch.float64).view(2, 2, 1)
    pairs = non_neighbouring_pairs(BODY)
    compare([joints, radii], BODY, pairs, cotangents(2, 2, pairs=len(pairs)))


def test_strides_do_not_matter():
    joints, radii = bodies(2, 2, dtype=torch.float32)
    strided = [torch.stack([value, -value], -1)[..., 0] for value in (joints, radii)]
    assert not any(value.is_contiguous() for value in strided)
    pairs = non_neighbouring_pairs(BODY)
    options = [BODY, pairs, cotangents(2, 2, pairs=len(pairs))]
    found, wanted = run("triton", strided, *options), run("triton", [joints, radii], *options)
    assert all(torch.equal(mine, plain) for mine, plain in zip(found, wanted, strict=True))


@pytest.mark.parametrize(("batch", "count"), [((0,), 5), ((2, 0), 5), ((3,), 0)])
def test_no_bodies_and_no_pairs_have_zero_gradients(batch, count):
    pairs = non_neighbouring_pairs(BODY)[:count]
    energy, depths, *gradients = run("triton", bodies(*batch), BODY, pairs, cotangents(*batch, pairs=count))
    assert energy.shape == batch and depths.shape == (*batch, count) and energy.abs().sum() == 0
    assert all(gradient.abs().sum() == 0 for gradient in gradients)


def test_the_backward_kernel_is_the_gradient_of_the_forward_kernel_in_float64():
    capsules = torch.tensor([(0, 1), (2, 3), (3, 4)])
    inputs = [value.to(DEVICE).requires_grad_() for value in bodies(joints=5, capsules=3)]

    def launch(joints, radii):
        return penetration(joints, capsules, 6 * radii, torch.tensor([[0, 1], [0, 2]]), backend="triton")

    assert (launch(*inputs).depths > 0).all()
    assert torch.autograd.gradcheck(launch, inputs, eps=1e-7, atol=1e-6, rtol=1e-5)


def test_the_same_input_gives_the_same_bits():
    pairs = non_neighbouring_pairs(LARGE)
    values = bodies(4, joints=25, capsules=24, dtype=torch.float32)
    options = [values, LARGE, pairs, cotangents(4, pairs=len(pairs))]
    first = run("triton", *options)
    for _ in range(20 if DEVICE == "cuda" else 1):
        assert all(torch.equal(again, once) for again, once in zip(run("triton", *options), first, strict=True))


def test_the_operator_keeps_the_promises_that_compiled_models_rely_on():
    joints, radii = (value.float().to(DEVICE).requires_grad_() for value in bodies(2))
    tables = [table.to(DEVICE) for table in (torch.tensor(BODY), non_neighbouring_pairs(BODY))]
    torch.library.opcheck(triton_kernels.penetration, (joints, tables[0], radii.expand(2, -1), tables[1]))


def test_recomputing_under_a_checkpoint_gives_the_same_gradient():
    pairs = non_neighbouring_pairs(BODY)
    joints, radii = (value.float().to(DEVICE).requires_grad_() for value in bodies(2))

    def energy(joints):
        return penetration(2 * joints, torch.tensor(BODY), radii, pairs, backend="triton").energy.sum()

    plain = torch.autograd.grad(energy(joints), joints)[0]
    again = torch.autograd.grad(checkpoint(energy, joints, use_reentrant=False), joints)[0]
    assert plain.abs().max() > 0 and torch.equal(plain, again)
