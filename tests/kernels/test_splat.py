"""What the pictures of the splatting operation look like, on its torch paths; where triton interprets, on that too."""

import math
import os

import pytest
import torch
from splat_scenes import camera, cloud, one, together

from skeleton_kernels import splat, splat_bones
from skeleton_kernels.constants import DEFAULT_CUTOFF
from skeleton_kernels.splat import cpu

RED, GREEN, BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
INTERPRETED = ["triton"] if os.environ.get("TRITON_INTERPRET") == "1" else []
PATHS = pytest.mark.parametrize("backend", ["reference", "cpu", *INTERPRETED])
EVERYTHING = 1e-9  # a cut-off that leaves out only what float32 cannot show
ROUNDING = 2e-5  # float32 sums of up to a few hundred terms of size one


@PATHS
def test_one_gaussian_has_the_value_of_the_formula_at_its_centre_and_one_sigma_beside_it(backend):
    # Focal length 32, depth 2, size 1/16: one standard deviation is one pixel.
    image = splat(*one(0.25, 0.5, 2.0, RED, size=1 / 16, opacity=0.7), camera(32, 32, focal=32.0), 32, backend=backend)
    column, row = 16 + 4, 16 - 8
    assert image[0, row, column].item() == pytest.approx(1 - math.exp(-0.7), abs=1e-5)
    # Off the axis the footprint is wider than sigma by the slope x / z = 1/8.
    variance = 1 + 1 / 64
    slope_y = 1 + 1 / 16
    expected = 0.7 * math.exp(-0.5 * slope_y / (variance * slope_y - 1 / 64 / 16))
    assert image[0, row, column + 1].item() == pytest.approx(1 - math.exp(-expected), abs=1e-4)
    assert image[1:].abs().max() == 0


@PATHS
def test_up_in_the_world_is_up_in_the_picture_and_away_is_smaller(backend):
    image = splat(*one(0.0, 0.5, 2.0, RED), camera(64, 64), 64, backend=backend)[0]
    assert image[:32].sum() > 100 * image[32:].sum()
    farther = splat(*one(0.0, 0.5, 4.0, RED), camera(64, 64), 64, backend=backend)[0]
    assert farther.sum() < 0.4 * image.sum()


@PATHS
@pytest.mark.parametrize("red_first", [True, False])
def test_the_nearer_gaussian_hides_the_farther_one_whatever_their_order(backend, red_first):
    red, green = one(0.0, 0.0, 2.0, RED, opacity=4.0), one(0.0, 0.0, 3.0, GREEN, opacity=4.0)
    scene = together(red, green) if red_first else together(green, red)
    image = splat(*scene, camera(32, 32), 32, backend=backend)
    assert image[0, 16, 16] == pytest.approx(1 - math.exp(-4.0), abs=1e-5)
    assert image[1, 16, 16] == pytest.approx(math.exp(-4.0) * (1 - math.exp(-4.0)), abs=1e-5)


@PATHS
def test_equal_depths_keep_the_given_order(backend):
    scene = together(*(one(0.0, 0.0, 2.0, color, opacity=5.0) for color in (BLUE, RED, GREEN)))
    image = splat(*scene, camera(16, 16), 16, backend=backend)[:, 8, 8]
    assert image[2] > 0.99 and image[0] < 0.01 and image[1] < image[0]


@pytest.mark.parametrize(
    ("batch", "count", "height", "width"),
    [
        ((), 1, 1, 1),
        ((1,), 3, 8, 8),
        ((3,), 50, 17, 41),
        ((2, 3), 40, 33, 7),
        ((5,), 7, 64, 9),
        ((1,), 300, 24, 24),
    ],
)
def test_cpu_path_equals_the_dense_reference_when_nothing_is_cut(batch, count, height, width):
    scene = cloud(*batch, count=count, seed=count)
    dense = splat(*scene, camera(width, height), (height, width), backend="reference")
    fast = splat(*scene, camera(width, height), (height, width), backend="cpu", cutoff=EVERYTHING)
    assert fast.shape == (*batch, 3, height, width) and fast.dtype == torch.float32
    torch.testing.assert_close(fast, dense, atol=ROUNDING, rtol=0)


def test_cutoff_zero_leaves_nothing_out():
    scene = cloud(2, count=20, size=0.01)
    dense = splat(*[value.double() for value in scene], camera(20, 20).double(), 20, backend="reference")
    fast = splat(*[value.double() for value in scene], camera(20, 20).double(), 20, backend="cpu", cutoff=0.0)
    torch.testing.assert_close(fast, dense, atol=1e-12, rtol=0)


def test_a_smaller_cutoff_leaves_a_smaller_error_and_the_default_stays_under_one_grey_level():
    scene = cloud(2, count=250, size=0.02)
    scene[3] = torch.full_like(scene[3], 0.34)
    dense = splat(*scene, camera(96, 96), 96, backend="reference")
    errors = [
        (splat(*scene, camera(96, 96), 96, backend="cpu", cutoff=cutoff) - dense).abs().max().item()
        for cutoff in (1e-1, 1e-2, DEFAULT_CUTOFF, 1e-5)
    ]
    assert errors[0] > 3 * errors[1] > 9 * errors[2] > 27 * errors[3]
    assert errors[2] < 1 / 255


@PATHS
def test_what_is_behind_the_camera_beside_the_picture_or_transparent_is_not_drawn(backend):
    seen = one(0.1, 0.1, 2.0, RED)
    unseen = [
        one(0.0, 0.0, -2.0, GREEN),
        one(0.0, 0.0, 0.0, GREEN),
        one(0.0, 0.0, 1e-3, GREEN),
        one(9.0, 0.0, 2.0, GREEN),
        one(0.0, -9.0, 2.0, GREEN),
        one(0.0, 0.0, 2.0, GREEN, opacity=0.0),
        one(0.0, 0.0, 2.0, GREEN, opacity=-1.0),
    ]
    alone = splat(*seen, camera(40, 24), (24, 40), backend=backend)
    assert alone[0].max() > 0.5
    assert torch.equal(splat(*together(seen, *unseen), camera(40, 24), (24, 40), backend=backend), alone)
    assert splat(*together(*unseen), camera(40, 24), (24, 40), backend=backend).abs().max() == 0


@PATHS
@pytest.mark.parametrize(
    ("place", "value"),
    [(place, value) for place in range(4) for value in (math.nan, math.inf, -math.inf)] + [(0, 1e30), (1, 1e30)],
)
def test_a_broken_gaussian_is_absent_and_the_rest_keeps_picture_and_gradient(backend, place, value):
    scene = [tensor.requires_grad_() for tensor in cloud(count=12)]
    whole = [tensor[1:] for tensor in scene]
    broken = [tensor.detach().clone() for tensor in scene]
    broken[place][0] = value
    broken = [tensor.requires_grad_() for tensor in broken]
    pictures = [splat(*gaussians, camera(24, 24), 24, backend=backend) for gaussians in (whole, broken)]
    torch.testing.assert_close(pictures[1], pictures[0], atol=1e-6, rtol=0)
    expected = torch.autograd.grad(pictures[0].square().sum(), scene)
    found = torch.autograd.grad(pictures[1].square().sum(), broken)
    for mine, wanted in zip(found, expected, strict=True):
        assert mine[0].abs().max() == 0
        torch.testing.assert_close(mine[1:], wanted[1:], atol=1e-5, rtol=1e-4)


@PATHS
@pytest.mark.parametrize("size", [0.0, 1e-4, 1e-3])
def test_gaussians_smaller_than_a_pixel_agree_with_float64(backend, size):
    # Centres on pixels, where the quadratic form of a vanishing Gaussian loses the most digits.
    focal = 32.0
    pixels = torch.tensor([[3.0, 5.0], [20.0, 11.0], [31.0, 31.0]], dtype=torch.float64)
    means = torch.stack([(pixels[:, 0] - 16) / 16, (16 - pixels[:, 1]) / 16, torch.full((3,), 2.0)], -1)
    scene = [means, torch.full((3,), size), torch.rand(3, 3), torch.tensor([0.3, 1.0, 2.0])]
    exact = splat(*[value.double() for value in scene], camera(32, 32, focal).double(), 32, backend="reference")
    assert exact.max() > 0.1
    image = splat(*[value.float() for value in scene], camera(32, 32, focal), 32, backend=backend)
    torch.testing.assert_close(image.double(), exact, atol=1e-4, rtol=0)


@PATHS
def test_a_negative_horizontal_focal_length_draws_the_mirror_image(backend):
    scene = cloud(count=30)
    middle = torch.tensor([[40.0, 0, 15.5], [0, 40.0, 11.5], [0, 0, 1]])
    mirrored = middle * torch.tensor([[-1.0, 1, 1], [1, 1, 1], [1, 1, 1]])
    image = splat(*scene, middle, (24, 32), backend=backend, cutoff=EVERYTHING)
    flipped = splat(*scene, mirrored, (24, 32), backend=backend, cutoff=EVERYTHING)
    assert (image - image.flip(-1)).abs().max() > 0.1
    torch.testing.assert_close(flipped, image.flip(-1), atol=ROUNDING, rtol=0)


@PATHS
def test_each_frame_of_a_batch_is_the_frame_drawn_alone_with_its_own_camera(backend):
    scene = cloud(2, 3, count=25)
    cameras = torch.stack([camera(24, 24, focal) for focal in (15.0, 20.0, 25.0)])
    images = splat(*scene, cameras, 24, backend=backend)
    for clip in range(2):
        for frame in range(3):
            alone = splat(*[value[clip, frame] for value in scene], cameras[frame], 24, backend=backend)
            torch.testing.assert_close(images[clip, frame], alone, atol=1e-6, rtol=0)


@PATHS
@pytest.mark.parametrize(("batch", "count"), [((0,), 5), ((2, 0), 5), ((2,), 0), ((0,), 0)])
def test_nothing_to_draw_gives_black_or_no_pictures_and_zero_gradients(backend, batch, count):
    scene = [value.requires_grad_() for value in cloud(*batch, count=count)]
    images = splat(*scene, camera(10, 12), (12, 10), backend=backend)
    assert images.shape == (*batch, 3, 12, 10) and images.abs().sum() == 0
    if images.requires_grad:
        assert all(gradient.abs().sum() == 0 for gradient in torch.autograd.grad(images.sum(), scene))


@PATHS
def test_half_precision_and_strided_inputs_are_accepted(backend):
    scene = cloud(3, count=20)
    wanted = splat(*[value.bfloat16().float() for value in scene], camera(16, 16), 16, backend=backend)
    assert torch.equal(splat(*[value.bfloat16() for value in scene], camera(16, 16), 16, backend=backend), wanted)
    strided = [torch.stack([value, value], -1)[..., 0] for value in scene]
    assert not strided[0].is_contiguous()
    plain = splat(*scene, camera(16, 16), 16, backend=backend)
    assert torch.equal(splat(*strided, camera(16, 16), 16, backend=backend), plain)


def picture_and_gradient(scene):
    scene = [value.requires_grad_() for value in scene]
    image = splat(*scene, camera(32, 32), 32, backend="cpu")
    return [image, *torch.autograd.grad(image.square().sum(), scene)]


def test_autocast_leaves_picture_and_gradient_alone():
    scene = cloud(2, count=40)
    plain = picture_and_gradient(scene)
    with torch.autocast("cpu", torch.bfloat16):
        cast = picture_and_gradient(scene)
    assert all(torch.equal(mine, wanted) for mine, wanted in zip(cast, plain, strict=True))


def test_reduced_matrix_precision_leaves_picture_and_gradient_alone_and_stays_set():
    scene = cloud(2, count=40)
    plain = picture_and_gradient(scene)
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        reduced = picture_and_gradient(scene)
        assert torch.get_float32_matmul_precision() == "medium" and torch.backends.mkldnn.enabled
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.set_float32_matmul_precision(precision)
    assert all(torch.equal(mine, wanted) for mine, wanted in zip(reduced, plain, strict=True))


def test_a_batch_drawn_in_parts_to_save_memory_has_the_same_pictures_and_gradients(monkeypatch):
    scene = cloud(5, count=40)
    whole = picture_and_gradient(scene)
    monkeypatch.setattr(cpu, "PAIRS", 100)
    parts = picture_and_gradient(scene)
    for mine, wanted in zip(parts, whole, strict=True):
        # Tiles share matrix products with other tiles, whose sums round in another order.
        torch.testing.assert_close(mine, wanted, atol=1e-6 * wanted.abs().max().item(), rtol=1e-5)


def test_the_same_input_gives_the_same_bits():
    scene = [value.requires_grad_() for value in cloud(4, count=200)]
    cotangent = torch.randn(4, 3, 40, 40, generator=torch.Generator().manual_seed(1))

    def run():
        image = splat(*scene, camera(40, 40), 40, backend="cpu")
        return [image, *torch.autograd.grad(image, scene, cotangent)]

    first = run()
    for _ in range(3):
        assert all(torch.equal(again, once) for again, once in zip(run(), first, strict=True))


def test_the_picture_does_not_depend_on_what_memory_held_before():
    scene = [value.requires_grad_() for value in cloud(2, count=60)]
    reference = splat(*scene, camera(41, 23), (23, 41), backend="cpu")
    gradient = torch.autograd.grad(reference.sum(), scene)
    # In deterministic mode torch fills every fresh buffer with NaN.
    torch.use_deterministic_algorithms(True)
    try:
        image = splat(*scene, camera(41, 23), (23, 41), backend="cpu")
        again = torch.autograd.grad(image.sum(), scene)
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(image, reference)
    assert all(torch.equal(one, other) for one, other in zip(again, gradient, strict=True))


def test_auto_takes_the_cpu_path_for_float32_and_the_reference_for_float64():
    scene = cloud(2, count=20)
    fast = splat(*scene, camera(16, 16), 16, backend="cpu")
    assert torch.equal(splat(*scene, camera(16, 16), 16), fast)
    double = [value.double() for value in scene]
    exact = splat(*double, camera(16, 16), 16, backend="reference")
    assert exact.dtype == torch.float64
    assert torch.equal(splat(*double, camera(16, 16), 16), exact)


def test_a_wrong_call_says_what_was_found_and_what_was_wanted():
    means, scales, colors, opacities = cloud(2, count=5)
    size = camera(8, 8)
    with pytest.raises(ValueError, match="'gpu'.*auto, reference, cpu, triton"):
        splat(means, scales, colors, opacities, size, 8, backend="gpu")
    with pytest.raises(ValueError, match=r"means has shape \(2, 5, 2\), wanted \(\.\.\., K, 3\)"):
        splat(means[..., :2], scales, colors, opacities, size, 8)
    with pytest.raises(ValueError, match=r"scales has shape \(2, 4\), wanted \(2, 5\)"):
        splat(means, scales[:, 1:], colors, opacities, size, 8)
    with pytest.raises(ValueError, match=r"colors has shape \(2, 5, 1\), wanted \(2, 5, 3\)"):
        splat(means, scales, colors[..., :1], opacities, size, 8)
    with pytest.raises(ValueError, match=r"intrinsics has shape \(3, 3, 3\).*\(2, 3, 3\)"):
        splat(means, scales, colors, opacities, size.expand(3, 3, 3), 8)
    with pytest.raises(ValueError, match="image_size is 0"):
        splat(means, scales, colors, opacities, size, 0)
    with pytest.raises(ValueError, match="cutoff is -1"):
        splat(means, scales, colors, opacities, size, 8, cutoff=-1)


def bones(persons: int, *, clips: int = 2, frames: int = 2, joints: int = 4):
    """A chain of joints with one Gaussian per joint and one half-way along each bone."""
    generator = torch.Generator().manual_seed(0)
    position = torch.rand(clips, frames, persons, joints, 3, generator=generator) - 0.5
    position[..., 2] += 2
    index = [[joint, joint] for joint in range(joints)] + [[joint, joint + 1] for joint in range(joints - 1)]
    weight = [[1.0, 0.0]] * joints + [[0.5, 0.5]] * (joints - 1)
    count = len(index)
    return {
        "joints": position,
        "skin_index": torch.tensor(index).expand(clips, -1, -1),
        "skin_weight": torch.tensor(weight).expand(clips, -1, -1),
        "offsets": 0.02 * torch.randn(clips, count, 3, generator=generator),
        "scales": torch.full((clips, count), 0.05),
        "colors": torch.rand(clips, frames, persons, count, 3, generator=generator),
        "opacities": torch.full((clips, frames, persons, count), 0.8),
        "intrinsics": camera(32, 32),
        "image_size": 32,
    }


@PATHS
def test_bones_are_gaussians_at_the_weighted_joints(backend):
    body = bones(persons=2)
    joints, half_way = body["joints"], (body["joints"][..., :-1, :] + body["joints"][..., 1:, :]) / 2
    means = torch.cat([joints, half_way], 3) + body["offsets"][:, None, None]
    wanted = splat(
        means.flatten(2, 3),
        torch.full((2, 2, 14), 0.05),
        body["colors"].flatten(2, 3),
        body["opacities"].flatten(2, 3),
        body["intrinsics"],
        32,
        backend=backend,
    )
    torch.testing.assert_close(splat_bones(**body, backend=backend), wanted, atol=1e-6, rtol=0)


@PATHS
def test_two_persons_occlude_each_other(backend):
    body = bones(persons=2, clips=1, frames=2, joints=1)
    body["offsets"] = torch.zeros(1, 1, 3)
    body["joints"] = torch.tensor([[[[0.0, 0, 2]], [[0.0, 0, 3]]], [[[0.0, 0, 3]], [[0.0, 0, 2]]]])[None]
    body["colors"] = torch.tensor([RED, GREEN]).view(1, 1, 2, 1, 3).expand(1, 2, 2, 1, 3)
    body["opacities"] = torch.full((1, 2, 2, 1), 5.0)
    first, second = splat_bones(**body, backend=backend)[0, :, :, 16, 16]
    assert first[0] > 0.99 and first[1] < 0.01
    assert second[1] > 0.99 and second[0] < 0.01


@PATHS
def test_an_absent_person_leaves_the_picture_of_the_other_alone(backend):
    body = bones(persons=2)
    body["opacities"] = body["opacities"].clone()
    body["opacities"][:, :, 1] = 0
    alone = dict(body, **{name: body[name][:, :, :1] for name in ("joints", "colors", "opacities")})
    difference = splat_bones(**body, backend=backend) - splat_bones(**alone, backend=backend)
    assert difference.abs().max() < 1e-6


@PATHS
def test_a_missing_joint_takes_only_its_own_gaussians_away(backend):
    body = bones(persons=1)
    without = dict(body, opacities=body["opacities"].clone())
    without["opacities"][0, 1, 0, [1, 4, 5]] = 0  # joint 1 and the bones 0-1 and 1-2
    wanted = splat_bones(**without, backend=backend)
    assert (wanted - splat_bones(**body, backend=backend)).abs().max() > 0.1
    broken = dict(body, joints=body["joints"].clone())
    broken["joints"][0, 1, 0, 1, 2] = math.nan
    tensors = [broken[name].requires_grad_() for name in ("joints", "offsets")]
    image = splat_bones(**broken, backend=backend)
    torch.testing.assert_close(image, wanted, atol=1e-6, rtol=0)
    joints, offsets = torch.autograd.grad(image.square().sum(), tensors)
    assert joints.isfinite().all() and offsets.isfinite().all()
    assert joints[0, 1, 0, 1].abs().max() == 0 and joints[0, 1, 0, 0].abs().max() > 0


@PATHS
def test_a_bone_of_zero_length_is_drawn_where_it_is(backend):
    body = bones(persons=1)
    body["joints"] = body["joints"][..., :1, :].expand(-1, -1, -1, 4, -1).clone().requires_grad_()
    image = splat_bones(**body, backend=backend)
    assert image.isfinite().all() and image.max() > 0.5
    assert torch.autograd.grad(image.sum(), body["joints"])[0].isfinite().all()


def test_wrong_bone_shapes_say_what_was_wanted():
    body = bones(persons=1)
    with pytest.raises(ValueError, match=r"joints has shape \(2, 1, 4, 3\), wanted \(B, N, P, J, 3\)"):
        splat_bones(**dict(body, joints=body["joints"][0]))
    with pytest.raises(ValueError, match=r"skin_index has shape \(2, 7\)"):
        splat_bones(**dict(body, skin_index=body["skin_index"][..., 0]))
    with pytest.raises(ValueError, match=r"opacities has shape \(2, 2, 1, 6\), wanted \(2, 2, 1, 7\)"):
        splat_bones(**dict(body, opacities=body["opacities"][..., 1:]))
