"""Splatting on a GPU at full size: what it draws, that it repeats itself bit for bit, and what memory it takes."""

import shutil
import subprocess
import sys

import pytest
import torch
from splat_scenes import camera, cloud
from workloads import Workload, bodies

from skeleton_kernels import splat, splat_bones
from skeleton_kernels.splat import choose_backend, splat_patches

LEAVES = ("joints", "skin_weight", "offsets", "scales", "colors", "opacities", "intrinsics")
EVERYTHING = 1e-9  # a cut-off that leaves out only what float32 cannot show
LARGE = Workload("64 clips, two persons, 448 x 448", clips=64, frames=12, size=448, persons=2)


def body(clips: int, frames: int, size: int, persons: int = 2) -> dict:
    return bodies(Workload("test", clips, frames, size, persons), "cuda")


def draw(arguments: dict, backend: str, **options):
    """Pictures and the gradients of all leaves, for a cotangent that is the same each time."""
    leaves = [arguments[name].detach().requires_grad_() for name in LEAVES]
    images = splat_bones(**(arguments | dict(zip(LEAVES, leaves, strict=True))), backend=backend, **options)
    generator = torch.Generator("cuda").manual_seed(3)
    cotangent = torch.randn(images.shape, generator=generator, device="cuda").to(images.dtype)
    return images.detach(), *torch.autograd.grad(images, leaves, cotangent)


def test_cuda_tensors_take_the_triton_path_by_themselves():
    assert choose_backend("auto", torch.device("cuda"), torch.float32) == "triton"
    arguments = body(1, 2, 64)
    assert torch.equal(splat_bones(**arguments), splat_bones(**arguments, backend="triton"))


@pytest.mark.parametrize(("size", "persons"), [(224, 1), (448, 2), (450, 3)])
def test_pictures_and_gradients_equal_the_reference_at_full_size(size, persons):
    # The reference keeps several pictures per Gaussian: one frame is what fits. Three persons have 795 Gaussians.
    arguments = body(1, 1, size, persons)
    found, wanted = draw(arguments, "triton", cutoff=EVERYTHING), draw(arguments, "reference")
    assert not any(value.isnan().any() for value in found)
    # Sums of hundreds of float32 terms of size one, with the exponential of the hardware.
    torch.testing.assert_close(found[0], wanted[0], atol=1e-4, rtol=0)
    for name, mine, true in zip(LEAVES, found[1:], wanted[1:], strict=True):
        assert (mine - true).norm() < 1e-3 * true.norm(), name


def test_the_default_cut_off_stays_under_a_grey_level_and_two_percent_of_the_gradient():
    arguments = body(1, 1, 448)
    found, wanted = draw(arguments, "triton"), draw(arguments, "reference")
    assert (found[0] - wanted[0]).abs().max() < 1 / 255
    for mine, true in zip(found[1:], wanted[1:], strict=True):
        assert (mine - true).norm() < 0.02 * true.norm()


def test_more_gaussians_than_one_program_sorts_equal_the_reference():
    values = [value.cuda() for value in [*cloud(2, count=3000, size=0.02), camera(128, 128)]]
    found = splat(*values, 128, backend="triton", cutoff=EVERYTHING)
    torch.testing.assert_close(found, splat(*values, 128, backend="reference"), atol=1e-4, rtol=0)


def test_each_clip_of_a_batch_is_the_clip_drawn_alone_bit_for_bit():
    arguments = body(16, 12, 224)
    images = splat_bones(**arguments, backend="triton")
    for clip in (0, 7, 15):
        alone = {
            name: value[clip : clip + 1] if isinstance(value, torch.Tensor) and name != "intrinsics" else value
            for name, value in arguments.items()
        }
        assert torch.equal(splat_bones(**alone, backend="triton")[0], images[clip])


def test_twenty_runs_give_the_same_bits():
    arguments = body(4, 12, 224)
    first = draw(arguments, "triton")
    for _ in range(19):
        assert all(torch.equal(again, once) for again, once in zip(draw(arguments, "triton"), first, strict=True))


def test_half_precision_pictures_are_the_rounded_ones():
    arguments = body(2, 3, 224) | {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    whole, half = (splat_bones(**arguments, backend="triton", dtype=kind) for kind in (None, torch.bfloat16))
    assert torch.equal(half, whole.bfloat16())


def test_patches_are_those_of_the_whole_picture():
    arguments = body(2, 3, 448)
    patches, index = splat_patches(**arguments, patch_size=14, backend="triton")
    whole, wanted = splat_patches(**arguments, patch_size=14, backend="reference")
    assert torch.equal(index, wanted)
    assert 0.01 < len(index) / (2 * 3 * 32 * 32) < 0.5
    assert (patches - whole).abs().max() < 1 / 255


def test_extra_memory_is_under_five_percent_of_the_pictures():
    arguments = bodies(LARGE, "cuda")
    leaves = [arguments[name].requires_grad_() for name in ("joints", "scales", "colors", "opacities")]
    splat_bones(**body(1, 1, 64)).sum()
    torch.cuda.synchronize()
    held = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    images = splat_bones(**arguments, backend="triton")
    output = images.numel() * images.element_size()
    assert torch.cuda.max_memory_allocated() - held < 1.05 * output
    cotangent = torch.ones_like(images)
    held = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    gradients = torch.autograd.grad(images, leaves, cotangent)
    wanted = sum(gradient.numel() * gradient.element_size() for gradient in gradients)
    assert torch.cuda.max_memory_allocated() - held - wanted < 0.05 * output


def test_the_memory_checker_of_the_toolkit_finds_nothing():
    checker = shutil.which("compute-sanitizer")
    if checker is None:
        pytest.skip("needs compute-sanitizer of the CUDA toolkit")
    test = f"{__file__}::test_each_clip_of_a_batch_is_the_clip_drawn_alone_bit_for_bit"
    command = [checker, "--error-exitcode", "9", sys.executable, "-m", "pytest", "-q", test]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
