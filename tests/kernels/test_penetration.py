"""How deep capsules stand in one another, and where the gradient moves them, on the plain torch path."""

import itertools
import math

import pytest
import torch
from penetration_scenes import BODY, SEGMENTS, bodies, cotangents, segments

from skeleton_kernels import non_neighbouring_pairs, penetration
from skeleton_kernels.penetration import choose_backend
from skeleton_kernels.penetration.reference import SMALLEST_SINE, closest_points

TWO = torch.tensor([[0, 1], [2, 3]])  # two capsules between four joints
PAIR = torch.tensor([[0, 1]])
CAPSULES = torch.tensor(BODY)
PAIRS = non_neighbouring_pairs(BODY)


def distance(points: torch.Tensor) -> torch.Tensor:
    start, end, other_start, other_end = points.unbind(-2)
    fraction, other_fraction = closest_points(start, end, other_start, other_end)
    one = start + fraction[..., None] * (end - start)
    return (one - other_start - other_fraction[..., None] * (other_end - other_start)).norm(dim=-1)


def two_capsules(points, radius=10.0, **options):
    """Energy, depths and the gradients of the energy to joints (4, 3) and radii (2,)."""
    points = points.clone().requires_grad_()
    radii = torch.full((2,), radius, dtype=points.dtype, requires_grad=True)
    found = penetration(points, TWO, radii, PAIR, backend="reference", **options)
    return *found, *torch.autograd.grad(found.energy, [points, radii])


@pytest.mark.parametrize("name", SEGMENTS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_segments_in_known_places_have_their_known_distance_and_finite_gradients(name, dtype):
    wanted = SEGMENTS[name][4]
    energy, depths, gradient, radius_gradient = two_capsules(segments(name, dtype), radius=5.0)
    # float32 keeps 7 of the 10 metres' digits.
    assert depths.item() == pytest.approx(10 - wanted, abs=1e-12 if dtype == torch.float64 else 2e-6)
    assert energy.item() == pytest.approx(depths.item() ** 2, rel=1e-6)
    assert gradient.isfinite().all() and radius_gradient.isfinite().all()


@pytest.mark.parametrize("name", SEGMENTS)
def test_the_distance_depends_neither_on_which_segment_is_first_nor_on_its_direction(name):
    points = segments(name)
    turned = points + 1e-3 * torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for base, order in itertools.product((points, turned), ([1, 0, 2, 3], [0, 1, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0])):
        energy, _, gradient, _ = two_capsules(base)
        same_energy, _, same_gradient, _ = two_capsules(base[order])
        torch.testing.assert_close(same_energy, energy, rtol=1e-12, atol=0)
        torch.testing.assert_close(same_gradient, gradient[order], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("bend", [1.0, 1e-2, 1e-4, 1e-6, 0.0])
def test_no_two_points_of_random_segments_are_nearer_than_the_closest_ones(bend):
    generator = torch.Generator().manual_seed(0)
    start, along, between, turn = torch.randn(4, 300, 3, generator=generator, dtype=torch.float64).unbind(0)
    points = torch.stack([start, start + along, start + between, start + between - 0.7 * along + bend * turn], -2)
    found = distance(points)
    steps = torch.linspace(0, 1, 101, dtype=torch.float64)
    first = points[:, 0, None].lerp(points[:, 1, None], steps[:, None])
    second = points[:, 2, None].lerp(points[:, 3, None], steps[:, None])
    sampled = torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist").amin((1, 2))
    # Samples lie at most half a step from the closest points, on either segment.
    spacing = ((points[:, 1] - points[:, 0]).norm(dim=-1) + (points[:, 3] - points[:, 2]).norm(dim=-1)) / 200
    # Bent by less than SMALLEST_SINE they count as parallel: their ends, up to 4 m away, are off by that angle.
    assert (found <= sampled + 4 * SMALLEST_SINE).all() and (found >= sampled - spacing).all()


@pytest.mark.parametrize("angle", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 0.0])
def test_float32_finds_the_distance_of_nearly_parallel_segments(angle):
    generator = torch.Generator().manual_seed(0)
    middle = torch.rand(200, 3, generator=generator, dtype=torch.float64) * 2
    along = torch.randn(200, 3, generator=generator, dtype=torch.float64) * 0.3
    other = along + angle * torch.randn(200, 3, generator=generator, dtype=torch.float64) * 0.3
    gap = torch.randn(200, 3, generator=generator, dtype=torch.float64) * 0.01
    points = torch.stack([middle - along, middle + along, middle + gap - other, middle + gap + other], -2).float()
    # Coordinates of 3 m are rounded to 2e-7 m, and so are the differences of points between them.
    torch.testing.assert_close(distance(points).double(), distance(points.double()), atol=2e-6, rtol=0)


def test_energy_is_the_sum_of_squared_depths_over_the_pairs_that_overlap():
    # Three balls of radius 0.1 in a row, 0.15 apart: neighbours overlap by 0.05, the outer two do not.
    joints = torch.tensor([[0.0, 0, 0], [0.15, 0, 0], [0.3, 0, 0]], dtype=torch.float64)
    balls = torch.tensor([[0, 0], [1, 1], [2, 2]])
    pairs = non_neighbouring_pairs(balls)
    energy, depths = penetration(joints, balls, torch.full((3,), 0.1, dtype=torch.float64), pairs)
    assert pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert depths.tolist() == pytest.approx([0.05, 0.0, 0.05])
    assert energy.item() == pytest.approx(2 * 0.05**2)


@pytest.mark.parametrize("seed", range(4))
def test_gradients_are_those_of_finite_differences(seed):
    inputs = [value.requires_grad_() for value in bodies(2, seed=seed)]

    def run(joints, radii):
        return penetration(joints, CAPSULES, radii, PAIRS, backend="reference")

    assert (run(*inputs).depths > 0).sum() > 20
    assert torch.autograd.gradcheck(run, inputs, eps=1e-7, atol=1e-6, rtol=1e-5)


def test_a_small_step_against_the_gradient_moves_capsules_apart():
    joints, radii = bodies(5)
    joints.requires_grad_()
    energy = penetration(joints, CAPSULES, radii, PAIRS).energy
    step = torch.autograd.grad(energy.sum(), joints)[0]
    after = penetration(joints - 1e-4 * step, CAPSULES, radii, PAIRS).energy
    promised = 1e-4 * step.square().sum((-2, -1))
    assert (energy - after > 0.9 * promised).all() and (promised > 0).all()


def test_parallel_capsules_are_pushed_apart_without_being_turned():
    _, _, gradient, _ = two_capsules(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 0.1, 0], [1, 0.1, 0]]), radius=0.1)
    torch.testing.assert_close(gradient[0], gradient[1])
    torch.testing.assert_close(gradient[:2], -gradient[2:])
    assert gradient[0, 1] > 0 and gradient[0, [0, 2]].abs().max() == 0


def test_capsules_that_only_touch_have_no_energy_and_no_gradient():
    points = segments("parallel, side by side")
    energy, depths, gradient, radius_gradient = two_capsules(points, radius=0.1)
    assert energy == depths == 0 and gradient.abs().max() == 0 and radius_gradient.abs().max() == 0
    assert two_capsules(points, radius=0.1 + 1e-6)[1].item() == pytest.approx(2e-6, rel=1e-6)


def test_crossing_axes_have_the_full_depth_and_a_gradient_in_the_radii_alone():
    energy, depths, gradient, radius_gradient = two_capsules(segments("crossing in one point"), radius=0.25)
    assert depths.item() == 0.5 and energy.item() == 0.25
    assert gradient.abs().max() == 0 and radius_gradient.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf, 1e30, "not valid"])
def test_a_missing_joint_takes_away_only_its_own_pairs(missing):
    joints, radii = bodies(3)
    valid = torch.ones(3, 12, dtype=torch.bool)
    if missing == "not valid":
        valid[1, 4] = False
    else:
        joints[1, 4, 2] = missing
    touched = (CAPSULES[PAIRS] == 4).flatten(1).any(1)
    joints.requires_grad_(), radii.requires_grad_()
    energy, depths = penetration(joints, CAPSULES, radii, PAIRS, valid=valid)
    gradients = torch.autograd.grad(energy.sum() + depths.sum(), [joints, radii])
    whole = bodies(3)[0].requires_grad_()
    wanted = penetration(whole, CAPSULES, radii, PAIRS).depths
    assert (wanted[1, touched] > 0).any() and depths[1, touched].abs().max() == 0
    wanted = wanted * ~(touched & torch.tensor([[False], [True], [False]]))
    assert torch.equal(depths, wanted)
    expected = torch.autograd.grad(wanted.square().sum() + wanted.sum(), [whole, radii])
    assert gradients[0][1, 4].abs().max() == 0
    for mine, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("radius", [0.0, -1.0, math.nan, math.inf])
def test_a_capsule_without_a_proper_radius_is_absent(radius):
    joints, radii = bodies(3)
    radii[5] = radius
    radii.requires_grad_(), joints.requires_grad_()
    energy, depths = penetration(joints, CAPSULES, radii, PAIRS)
    touched = (PAIRS == 5).any(1)
    assert depths[:, touched].abs().max() == 0 and (depths[:, ~touched] > 0).any()
    gradients = torch.autograd.grad(energy.sum(), [joints, radii])
    assert all(gradient.isfinite().all() for gradient in gradients) and gradients[1][5] == 0


def test_each_body_of_a_batch_is_the_body_alone_with_its_own_radii():
    joints, radii = bodies(2, 3)
    radii = radii * torch.linspace(0.5, 1.5, 6, dtype=torch.float64).view(2, 3, 1)
    energy, depths = penetration(joints, CAPSULES, radii, PAIRS)
    assert energy.shape == (2, 3) and depths.shape == (2, 3, len(PAIRS))
    for clip, frame in itertools.product(range(2), range(3)):
        alone = penetration(joints[clip, frame], CAPSULES, radii[clip, frame], PAIRS)
        torch.testing.assert_close(energy[clip, frame], alone.energy)
        torch.testing.assert_close(depths[clip, frame], alone.depths)


@pytest.mark.parametrize(("batch", "pairs"), [((0,), PAIRS), ((2, 0), PAIRS), ((3,), PAIRS[:0]), ((), PAIRS[:0])])
def test_no_bodies_and_no_pairs_have_no_energy_and_zero_gradients(batch, pairs):
    inputs = [value.requires_grad_() for value in bodies(*batch)]
    energy, depths = penetration(inputs[0], CAPSULES, inputs[1], pairs)
    assert energy.shape == batch and depths.shape == (*batch, len(pairs)) and energy.abs().sum() == 0
    assert all(gradient.abs().sum() == 0 for gradient in torch.autograd.grad(energy.sum(), inputs))


def test_half_precision_is_computed_in_float32_and_strides_do_not_matter():
    joints, radii = bodies(3, dtype=torch.bfloat16)
    found = penetration(joints, CAPSULES, radii, PAIRS)
    assert found.energy.dtype == torch.float32
    wide = torch.stack([joints.float(), joints.float() + 1], -1)[..., 0]
    assert not wide.is_contiguous()
    again = penetration(wide, CAPSULES, radii.float(), PAIRS)
    assert torch.equal(again.energy, found.energy) and torch.equal(again.depths, found.depths)


def test_gradients_of_both_results_add_up():
    inputs = [value.requires_grad_() for value in bodies(2)]
    energy, depths = penetration(inputs[0], CAPSULES, inputs[1], PAIRS)
    for_energy, for_depths = cotangents(2, pairs=len(PAIRS))
    together = torch.autograd.grad([energy, depths], inputs, [for_energy, for_depths], retain_graph=True)
    combined = torch.autograd.grad(depths, inputs, for_depths + 2 * depths.detach() * for_energy[:, None])
    for mine, wanted in zip(together, combined, strict=True):
        torch.testing.assert_close(mine, wanted)


def test_pairs_are_those_that_share_no_joint_each_listed_once():
    assert non_neighbouring_pairs([(0, 1), (1, 2), (2, 3), (3, 4)]).tolist() == [[0, 2], [0, 3], [1, 3]]
    assert non_neighbouring_pairs(torch.tensor([[0, 1], [2, 2], [1, 2]])).tolist() == [[0, 1]]
    assert non_neighbouring_pairs([]).shape == (0, 2)


def test_a_body_with_spread_arms_stands_clear_of_itself_and_an_arm_through_the_chest_does_not():
    joints = torch.zeros(12, 3)
    # Pelvis, waist, chest, head; elbows and wrists; knees and ankles.
    joints[:, 0] = torch.tensor([0, 0, 0, 0, -0.4, -0.7, 0.4, 0.7, -0.15, -0.15, 0.15, 0.15])
    joints[:, 1] = torch.tensor([1, 1.2, 1.45, 1.7, 1.4, 1.4, 1.4, 1.4, 0.6, 0.1, 0.6, 0.1])
    radii = torch.full((12,), 0.05)
    assert penetration(joints, CAPSULES, radii, PAIRS).energy == 0
    joints[5] = torch.tensor([0.4, 1.25, 0.0])
    depths = penetration(joints, CAPSULES, radii, PAIRS).depths
    forearm, chest = BODY.index((4, 5)), BODY.index((1, 2))
    assert depths.max().item() == pytest.approx(0.1)
    assert PAIRS[depths.argmax()].tolist() == sorted([forearm, chest])


def test_the_triton_path_without_a_gpu_says_what_it_needs(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    with pytest.raises(RuntimeError, match="needs tensors on a GPU.*joints are on cpu"):
        penetration(*bodies(2, dtype=torch.float32)[:1], CAPSULES, bodies(2)[1], PAIRS, backend="triton")
    assert choose_backend("auto", cpu, torch.float32) == "reference"
    assert choose_backend("auto", gpu, torch.float64) == "reference"
    assert choose_backend("triton", gpu, torch.float64) == "triton"


def test_a_wrong_call_says_what_was_found_and_what_was_wanted():
    joints, radii = bodies(2)
    with pytest.raises(ValueError, match=r"joints has shape \(2, 12, 2\), wanted \(\.\.\., J, 3\)"):
        penetration(joints[..., :2], CAPSULES, radii, PAIRS)
    with pytest.raises(ValueError, match=r"radii has shape \(11,\), wanted \(12,\) or \(2, 12\)"):
        penetration(joints, CAPSULES, radii[1:], PAIRS)
    with pytest.raises(ValueError, match=r"valid has shape \(12,\), wanted \(2, 12\)"):
        penetration(joints, CAPSULES, radii, PAIRS, valid=torch.ones(12, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"capsules has numbers from 0 to 12, but there are 12 joints"):
        penetration(joints, CAPSULES.clone().index_fill(0, torch.tensor(3), 12), radii, PAIRS)
    with pytest.raises(ValueError, match=r"pairs has numbers from -1 to 1, but there are 12 capsules"):
        penetration(joints, CAPSULES, radii, torch.tensor([[-1, 1]]))
    with pytest.raises(ValueError, match=r"pairs is torch.float32 of shape \(3, 2\), wanted integers"):
        penetration(joints, CAPSULES, radii, torch.zeros(3, 2))
    with pytest.raises(ValueError, match="'cpu'.*auto, reference, triton"):
        penetration(joints, CAPSULES, radii, PAIRS, backend="cpu")
