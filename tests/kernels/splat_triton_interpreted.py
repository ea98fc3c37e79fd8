"""The Triton path against the float64 reference, interpreted on the CPU. Run by `test_splat_triton.py`."""

import pytest
import torch
from splat_scenes import camera, cloud
from test_splat import bones
from torch.library import opcheck
from torch.utils.checkpoint import checkpoint

from skeleton_kernels import splat, splat_bones
from skeleton_kernels.splat import launch_table, splat_patches, triton_launch, triton_ops
from skeleton_kernels.warmup import warm_up

# The interpreter takes as long for a large tile as for a small one, so that small tiles only cost time. Sorting in a
# kernel takes longest of all, which is done for small scenes and for one test of a thousand.
BIG, SMALL = (launch_table.FORWARD._replace(height=side, width=side) for side in (64, 8))
launch_table.FORWARD = launch_table.BACKWARD = BIG
launch_table.SORT_BLOCKS = (8,)
NAMES = ("means", "scales", "colors", "opacities", "intrinsics")
BODY = ("joints", "skin_weight", "offsets", "scales", "colors", "opacities", "intrinsics")
EVERYTHING = 1e-9  # a cut-off that leaves out only what float32 cannot show


@pytest.fixture
def small_tiles(monkeypatch):
    """Pictures of several tiles, of which each backward program has several."""
    monkeypatch.setattr(launch_table, "FORWARD", SMALL)
    monkeypatch.setattr(launch_table, "BACKWARD", SMALL)
    monkeypatch.setattr(launch_table, "BACKWARD_PROGRAMS", 6)


@pytest.fixture
def poison():
    """Fresh buffers hold NaN, so that whatever is not written shows."""
    torch.use_deterministic_algorithms(True)
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


def image_and_gradients(values, size, backend, dtype, cutoff=EVERYTHING):
    values = [value.detach().to(dtype).requires_grad_() for value in values]
    image = splat(*values, size, backend=backend, cutoff=cutoff)
    cotangent = torch.randn(image.shape, generator=torch.Generator().manual_seed(7)).to(dtype)
    return image, torch.autograd.grad(image, values, cotangent)


def assert_equal_to_reference(values, size):
    found, gradients = image_and_gradients(values, size, "triton", torch.float32)
    exact, wanted = image_and_gradients(values, size, "reference", torch.float64)
    assert not found.isnan().any()
    # float32 sums of up to a thousand terms of size one.
    torch.testing.assert_close(found.double(), exact, atol=2e-5, rtol=0)
    for name, mine, true in zip(NAMES, gradients, wanted, strict=True):
        assert not mine.isnan().any(), name
        # float32 leaves about 1e-5 of the gradient, and 1e-7 of what comes in where transmittances differ by little.
        bound = 5e-5 * true.norm() + 1e-6 * found.numel() ** 0.5
        assert (mine - true).norm() < bound, f"{name}: {(mine - true).norm() / true.norm():.1e}"


@pytest.mark.parametrize(
    ("batch", "count", "height", "width", "size"),
    [((), 1, 1, 1, 0.4), ((), 1, 5, 3, 0.05), ((3,), 20, 17, 41, 0.05), ((2, 1), 12, 33, 8, 0.1)],
)
def test_pictures_and_gradients_equal_the_reference(poison, batch, count, height, width, size):
    values = [*cloud(*batch, count=count, seed=count, size=size), camera(width, height)]
    assert_equal_to_reference(values, (height, width))


def test_pictures_of_many_tiles_equal_the_reference(poison, small_tiles):
    assert_equal_to_reference([*cloud(2, count=20, size=0.03), camera(30, 21)], (21, 30))


@pytest.mark.parametrize("count", [1000, 1030])
def test_a_thousand_gaussians_equal_the_reference_however_they_are_sorted(monkeypatch, count):
    monkeypatch.setattr(launch_table, "SORT_BLOCKS", (1024,))
    # Most of them are beyond the picture, which costs nothing; sorting sees them all.
    values = [*cloud(count=count, size=0.02), camera(16, 16, focal=80.0)]
    assert_equal_to_reference(values, 16)


@pytest.mark.parametrize(("seed", "count"), [(0, 1), (1, 2), (2, 4), (3, 8), (4, 12), (5, 50)])
def test_gradients_are_those_of_finite_differences(seed, count):
    # A wide Gaussian reaches every pixel of so small a picture, so that the cut-off makes no step.
    scene = cloud(count=count, seed=seed, size=0.4, dtype=torch.float64)
    inputs = [value.requires_grad_() for value in [*scene, camera(8, 8).double()]]

    def draw(*values):
        return splat(*values, 8, backend="triton", cutoff=0.0)

    # Random directions instead of one by one; that gradients may be undefined is not what this is about.
    assert torch.autograd.gradcheck(
        draw, inputs, eps=1e-6, atol=1e-6, rtol=1e-4, fast_mode=True, check_undefined_grad=False
    )


@pytest.mark.parametrize("persons", [1, 2])
def test_gradients_reach_everything_that_bodies_are_made_of(poison, persons):
    body = bones(persons=persons, clips=2, frames=2)
    body["joints"] = body["joints"].clone()
    body["joints"][1, 0, 0, 2] = torch.nan
    body["intrinsics"] = camera(32, 32).expand(2, 2, 3, 3)
    gradients = {}
    for backend, dtype in (("triton", torch.float32), ("reference", torch.float64)):
        leaves = [body[name].detach().to(dtype).requires_grad_() for name in BODY]
        image = splat_bones(**(body | dict(zip(BODY, leaves, strict=True))), backend=backend, cutoff=EVERYTHING)
        cotangent = torch.randn(image.shape, generator=torch.Generator().manual_seed(7)).to(dtype)
        gradients[backend] = torch.autograd.grad(image, leaves, cotangent)
    for name, mine, true in zip(BODY, *gradients.values(), strict=True):
        assert not mine.isnan().any(), name
        assert (mine - true).norm() < 5e-5 * true.norm() + 1e-4, name


def test_bodies_without_a_single_person_in_view_are_black_and_have_zero_gradients(poison):
    body = bones(persons=2, clips=1, frames=1)
    body["opacities"] = torch.zeros_like(body["opacities"])
    leaves = [body[name].clone().requires_grad_() for name in BODY]
    image = splat_bones(**(body | dict(zip(BODY, leaves, strict=True))), backend="triton")
    assert image.abs().max() == 0
    assert all(gradient.abs().max() == 0 for gradient in torch.autograd.grad(image.sum(), leaves))


def test_the_same_input_gives_the_same_bits(small_tiles):
    values = [*cloud(2, count=15), camera(20, 20)]
    image, gradients = image_and_gradients(values, 20, "triton", torch.float32)
    again, repeated = image_and_gradients(values, 20, "triton", torch.float32)
    assert torch.equal(image, again)
    assert all(torch.equal(one, other) for one, other in zip(gradients, repeated, strict=True))


def test_default_cutoff_leaves_out_what_the_cpu_path_leaves_out():
    values = [*cloud(count=40, size=0.02), camera(48, 48)]
    exact = splat(*values, 48, backend="reference")
    assert (splat(*values, 48, backend="triton") - exact).abs().max() < 1 / 255
    coarse = [(splat(*values, 48, backend=path, cutoff=0.05) - exact).abs().max() for path in ("triton", "cpu")]
    assert coarse[0] > 1 / 255  # it is a parameter of this path too
    assert coarse[0] < 2 * coarse[1]  # whose tiles are larger here, and so leave out less


def test_pictures_leave_normalised_and_in_half_precision_like_those_of_the_other_paths():
    values = [value.requires_grad_() for value in [*cloud(2, count=10), camera(16, 16)]]
    layout = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    found, wanted = (splat(*values, 16, backend=path, cutoff=EVERYTHING, **layout) for path in ("triton", "reference"))
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
    cotangent = torch.randn(found.shape, generator=torch.Generator().manual_seed(7)).bfloat16()
    gradients = [torch.autograd.grad(image, values, cotangent.float()) for image in (found, wanted)]
    half = splat(*values, 16, backend="triton", cutoff=EVERYTHING, dtype=torch.bfloat16, **layout)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), found, atol=0, rtol=2**-7)  # the interpreter cuts off where GPUs round
    gradients.append(torch.autograd.grad(half, values, cotangent))
    for mine, true, halved in zip(*gradients, strict=True):
        assert (mine - true).norm() < 1e-4 * true.norm()
        assert torch.equal(halved, mine)  # what comes in has the same value in either precision


@pytest.mark.parametrize("normalised", [False, True])
def test_patches_are_those_of_the_whole_picture_that_a_body_reaches(poison, normalised):
    body = bones(persons=2, clips=1, frames=2) | {"image_size": (42, 28), "patch_size": 14}
    body["intrinsics"] = camera(28, 42, focal=40.0)
    body["joints"] = body["joints"] * torch.tensor([0.3, 0.3, 1.0]) + torch.tensor([-0.3, 0.4, 0.0])
    layout = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)} if normalised else {}
    results = {}
    for backend in ("triton", "cpu"):
        joints = body["joints"].detach().requires_grad_()
        patches, index = splat_patches(**(body | {"joints": joints}), backend=backend, cutoff=1e-3, **layout)
        cotangent = torch.randn(patches.shape, generator=torch.Generator().manual_seed(7))
        results[backend] = patches, index, *torch.autograd.grad(patches, joints, cotangent)
    patches, index, gradient = results["triton"]
    assert 0 < len(index) < 12  # some of 2 frames of 3 x 2 patches, not all
    assert torch.equal(index, results["cpu"][1])
    torch.testing.assert_close(patches, results["cpu"][0], atol=1e-2, rtol=0)  # the cut-off, times the Gaussians
    assert (gradient - results["cpu"][2]).norm() < 0.02 * gradient.norm()
    whole = splat_bones(
        **{name: value for name, value in body.items() if name != "patch_size"}, backend="triton", cutoff=1e-3, **layout
    )
    black = -torch.tensor(layout["mean"]) / torch.tensor(layout["std"]) if normalised else torch.zeros(3)
    rest = whole.clone()
    for patch, (clip, frame, row, column) in zip(patches, index, strict=True):
        window = (clip, frame, slice(None), slice(row * 14, row * 14 + 14), slice(column * 14, column * 14 + 14))
        torch.testing.assert_close(patch, whole[window], atol=1e-2, rtol=0)
        rest[window] = black[:, None, None]
    torch.testing.assert_close(rest, black.view(3, 1, 1).expand(rest.shape), atol=1e-2, rtol=0)


def composite_arguments():
    body = bones(persons=1, clips=1, frames=1, joints=2)
    tensors = [body[name] for name in ("joints", "skin_index", *BODY[1:-1])]
    tensors = [value.contiguous().requires_grad_(value.is_floating_point()) for value in tensors]
    tensors.append(camera(8, 8).expand(1, 1, 3, 3).contiguous())
    return (*tensors, None, [8, 8], 0, EVERYTHING, torch.float32, [1.0, 1.0, 1.0], [0.0, 0.0, 0.0])


def test_the_operator_keeps_the_contract_of_torch():
    opcheck(triton_ops.composite, composite_arguments())


def test_compiled_and_checkpointed_models_get_the_same_pictures_and_gradients():
    body = bones(persons=1, clips=1, frames=2, joints=2)

    def model(joints):
        return splat_bones(**(body | {"joints": 1.1 * joints}), backend="triton").square() * 2

    found = []
    for run in (
        model,
        torch.compile(model, backend="aot_eager", fullgraph=True),
        lambda joints: checkpoint(model, joints, use_reentrant=False),
    ):
        joints = body["joints"].clone().requires_grad_()
        image = run(joints)
        found.append((image, *torch.autograd.grad(image.sum(), joints)))
    for result in found[1:]:
        assert all(torch.equal(mine, wanted) for mine, wanted in zip(result, found[0], strict=True))


def test_warming_up_launches_every_kernel_in_every_layout(monkeypatch):
    launched = set()

    class Recorded:
        """A kernel that notes the constants it is launched with."""

        def __init__(self, kernel):
            self.kernel = kernel

        def __getitem__(self, grid):
            def launch(*arguments, **constants):
                picture = [value.dtype for value in arguments if getattr(value, "ndim", 0) == 4 and value.shape[1] == 3]
                launched.add((self.kernel.fn.__name__, *sorted(constants.items()), *picture))
                return self.kernel[grid](*arguments, **constants)

            return launch

    names = [name for name in vars(triton_launch) if name.endswith("_kernel")]
    for name in names:
        monkeypatch.setattr(triton_launch, name, Recorded(getattr(triton_launch, name)))
    warm_up("cpu")
    assert {entry[0] for entry in launched} == set(names)
    # Pictures and two sizes of patches, in two precisions.
    assert sum(entry[0] == "composite_kernel" for entry in launched) == 6
    assert sum(entry[0] == "composite_backward_kernel" for entry in launched) == 6
