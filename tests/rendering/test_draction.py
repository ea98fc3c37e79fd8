"""What the default renderer promises: one set of parameters for every skeleton, everyone in view, honest gaps."""

import pytest
import torch

from skeletonllm.rendering.camera import frame_clips
from skeletonllm.rendering.draction import DrAction
from skeletonllm.rendering.modulator import MODULATORS, Modulator
from skeletonllm.skeleton.batch import ClipBatch
from skeletonllm.skeleton.sequence import Clip
from skeletonllm.skeleton.topologies import TOPOLOGIES, get_topology
from skeletonllm.skeleton.topology import Topology

SIZE = 64
ROUNDING = 2e-5  # float32 sums in another order
LEVEL = 1 / 255

# A person of 1.75 m who faces the camera, hands at the sides: x to the left of a photograph, so left is at smaller x.
SIDEWAYS = {
    "left_shoulder": 0.18, "left_collar": 0.08, "left_elbow": 0.24, "left_wrist": 0.28, "left_hand": 0.29,
    "left_hand_tip": 0.30, "left_thumb": 0.27, "left_hip": 0.09, "left_knee": 0.10, "left_ankle": 0.10,
    "left_foot": 0.12, "left_eye": 0.03, "left_ear": 0.07, "left_eye_inner": 0.02, "left_eye_outer": 0.05,
    "left_mouth": 0.03, "left_pinky": 0.30, "left_index": 0.28, "left_heel": 0.10, "left_small_toe": 0.15,
}  # fmt: skip
HEIGHT = {
    "pelvis": 0.0, "spine": 0.15, "spine_upper": 0.25, "chest": 0.38, "neck": 0.48, "head": 0.64, "nose": 0.62,
    "eye": 0.65, "ear": 0.63, "collar": 0.40, "shoulder": 0.42, "elbow": 0.14, "wrist": -0.10, "hand": -0.17,
    "hand_tip": -0.22, "thumb": -0.16, "hip": -0.03, "knee": -0.46, "ankle": -0.87, "foot": -0.92,
    "eye_inner": 0.65, "eye_outer": 0.65, "mouth": 0.58, "pinky": -0.17, "index": -0.17, "heel": -0.92,
    "small_toe": -0.92,
}  # fmt: skip


def person(topology: Topology, x: float = 0.0, z: float = 3.0) -> torch.Tensor:
    """(J, 3) metres."""
    joints = []
    for name, side in zip(topology.joints, topology.sides, strict=True):
        across = SIDEWAYS.get(name.replace("right_", "left_"), 0.0) * {"left": -1, "right": 1, "centre": 0}[side]
        toes = -0.1 if name.endswith("foot") else 0.0
        joints.append((x + across, HEIGHT[name.removeprefix("left_").removeprefix("right_")], z + toes))
    return torch.tensor(joints)


def still(topology: str, *persons: tuple[float, float], frames: int = 3) -> Clip:
    """A clip of people who stand at (x, z)."""
    topology = get_topology(topology)
    joints = torch.stack([person(topology, *place) for place in persons or [(0.0, 3.0)]])
    joints = joints.expand(frames, *joints.shape).clone()
    valid = torch.ones(joints.shape[:-1], dtype=torch.bool)
    return Clip(joints, torch.zeros_like(joints), valid, torch.arange(frames) / 10, topology)


def walking(topology: str, frames: int = 4) -> Clip:
    """A clip of somebody who crosses the picture at 1.5 m/s while the arms swing."""
    clip = still(topology, frames=frames)
    step = torch.arange(frames)[:, None, None]
    clip.joints[..., 0] += 0.15 * step
    clip.velocities[..., 0] = 1.5
    return clip


@pytest.fixture
def renderer() -> DrAction:
    torch.manual_seed(0)
    return DrAction()


@pytest.fixture
def perturbed(renderer) -> DrAction:
    """A renderer as training leaves it: one whose modulator no longer starts at zero effect."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in renderer.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return renderer


def draw(renderer: DrAction, clips, size: int | tuple[int, int] = SIZE, **settings) -> torch.Tensor:
    with torch.no_grad():
        return renderer.render(clips, image_size=size, **settings)


@pytest.mark.parametrize("topology", list(TOPOLOGIES))
@pytest.mark.parametrize("modulator", MODULATORS)
def test_every_topology_gives_a_gradient_to_the_one_set_of_parameters(topology, modulator):
    torch.manual_seed(0)
    renderer = DrAction(modulator=modulator)
    weights = torch.randn(1, 4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    (renderer.render(walking(topology), image_size=SIZE) * weights).sum().backward()
    for name, parameter in renderer.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_the_gradient_of_a_mixed_batch_is_the_sum_of_the_gradients_of_its_clips(perturbed):
    clips = [walking("kinect_v2"), walking("smpl_22"), walking("coco_17")]
    weights = torch.randn(3, 4, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    parameters = list(perturbed.parameters())
    together = torch.autograd.grad((perturbed.render(clips, image_size=32) * weights).sum(), parameters)
    alone = [
        torch.autograd.grad((perturbed.render(clip, image_size=32)[0] * weight).sum(), parameters)
        for clip, weight in zip(clips, weights, strict=True)
    ]
    for whole, *parts in zip(together, *alone, strict=True):
        torch.testing.assert_close(whole, sum(parts), rtol=1e-3, atol=1e-3 * float(whole.abs().max()))


def test_a_mixed_batch_is_drawn_as_its_clips_alone(perturbed):
    clips = [walking("kinect_v2"), still("coco_17", (-0.5, 3.0), (0.5, 3.5), frames=4), walking("smpl_24")]
    together = draw(perturbed, clips)
    for image, clip in zip(together, clips, strict=True):
        torch.testing.assert_close(image, draw(perturbed, clip)[0], rtol=0, atol=ROUNDING)


def test_equal_joint_counts_need_no_topology_and_unequal_ones_refuse(renderer):
    clip = still("smpl_22")
    with torch.no_grad():
        images = renderer(clip.joints[None], clip.velocities[None], clip.valid[None], image_size=SIZE)
    assert torch.equal(images, draw(renderer, clip))
    with pytest.raises(ValueError, match="no topology has 23 joints"):
        renderer(torch.zeros(1, 2, 1, 23, 3), torch.zeros(1, 2, 1, 23, 3), torch.ones(1, 2, 1, 23, dtype=torch.bool))


@pytest.mark.parametrize("topology", list(TOPOLOGIES))
def test_the_left_arm_of_somebody_who_faces_the_camera_is_on_the_right_of_the_picture(renderer, topology):
    clip = still(topology, frames=1)
    whole = draw(renderer, clip)[0, 0]
    clip.joints[:, :, [clip.topology.index("left_elbow"), clip.topology.index("left_wrist")], 1] += 0.5
    change = (draw(renderer, clip)[0, 0] - whole).abs().sum(dim=(0, 1))
    assert change[: SIZE // 2 - 2].sum() < 0.02 * change.sum()


def test_up_is_up(renderer):
    clip = still("kinect_v2", frames=2)
    head = clip.topology.index("head")
    clip.valid[1, :, head] = False
    with_head, without = draw(renderer, clip)[0]
    change = (with_head - without).abs().sum(dim=(0, 2))
    assert change[: SIZE // 3].sum() > 0.99 * change.sum()


def border(images: torch.Tensor) -> float:
    """The brightest pixel at the edges of pictures (..., H, W)."""
    return float(torch.cat([images[..., 0], images[..., -1], images[..., 0, :], images[..., -1, :]], dim=-1).max())


@pytest.mark.parametrize("distance", [0.5, 2.0, 5.0, 12.0])
def test_people_who_walk_out_to_the_sides_stay_in_view(renderer, distance):
    clip = still("kinect_v2", (0.0, 3.0), (0.0, 3.2), frames=5)
    steps = torch.linspace(0, distance, 5)[:, None]
    clip.joints[:, 0, :, 0] -= steps
    clip.joints[:, 1, :, 0] += steps
    shift, intrinsics, _ = frame_clips(clip.joints[None], clip.valid[None], 128, 128)
    rays = (clip.joints + shift[0, :, None, None]) @ intrinsics[0].T
    columns, rows = rays[..., 0] / rays[..., 2], intrinsics[0, 1, 2] * 2 - rays[..., 1] / rays[..., 2]
    for pixels in (columns, rows):
        assert 0 < pixels.min() and pixels.max() < 127
    images = draw(renderer, clip, size=128)[0]
    # At the end, each half of the picture shows a whole person, equally large.
    left, right = images[-1, ..., :64].sum(), images[-1, ..., 64:].sum()
    assert 0.7 < left / right < 1.4 and left > 10
    if distance <= 2:  # a pixel is a few centimetres wide: then bodies, not only joints, keep clear of the border
        assert border(images) < 0.3


@pytest.mark.parametrize("distance", [2.4, 9.0])
def test_somebody_who_comes_close_stays_in_view_and_grows(renderer, distance):
    clip = still("kinect_v2", (0.0, 3.0 + distance), frames=5)
    clip.joints[..., 2] -= torch.linspace(0, distance, 5)[:, None, None]
    images = draw(renderer, clip, size=128)[0]
    assert border(images) < 0.5  # the soft rim of the head may be felt there, its core (0.9) not
    assert (images.amax(1) > 0.2).sum(dim=(1, 2)).diff().min() > 0


def test_where_somebody_stands_makes_no_difference(renderer):
    clip, moved = walking("kinect_v1"), walking("kinect_v1")
    moved.joints += torch.tensor([2.0, -1.0, 1.5])
    torch.testing.assert_close(draw(renderer, clip), draw(renderer, moved), rtol=0, atol=1e-3)


def test_a_missing_joint_takes_only_its_own_limb_away(renderer):
    clip = still("kinect_v2", frames=2)
    hand = [clip.topology.index(name) for name in ("left_hand", "left_hand_tip", "left_thumb")]
    clip.valid[1, :, hand] = False
    clip.joints[1, :, hand] = 0.0  # at the sensor: a renderer that looked at it would draw a bone across the picture
    whole, masked = draw(renderer, clip, size=128)[0]
    change = (masked - whole).abs().amax(0)
    assert change.max() > 0.2
    # The hand is 30 cm (18 pixels) right of the middle and 3 cm above to 8 cm below it, and a few centimetres wide.
    rows, columns = (change > LEVEL).nonzero(as_tuple=True)
    assert 54 <= rows.min() and rows.max() <= 76 and 72 <= columns.min() and columns.max() <= 92


def test_what_stands_at_an_invalid_joint_is_never_looked_at(perturbed):
    clip = walking("kinect_v2")
    clip.valid[1:3, :, [10, 11, 23, 24]] = False
    pictures = []
    for junk in (0.0, 1e6, torch.nan, torch.inf, -torch.inf):
        clip.joints[~clip.valid] = junk
        clip.velocities[~clip.valid] = junk
        pictures.append(draw(perturbed, clip))
    assert all(torch.equal(pictures[0], other) for other in pictures[1:])


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_nan_coordinates_marked_valid_leave_finite_pictures_and_gradients(perturbed, backend):
    clip = walking("kinect_v2")
    reference = draw(perturbed, clip, size=32, backend=backend)
    clip.joints[2, 0, 7] = torch.nan
    clip.velocities[3, 0, 12] = torch.inf
    joints = clip.joints[None].requires_grad_()
    images = perturbed(joints, clip.velocities[None], clip.valid[None], image_size=32, backend=backend)
    assert images.isfinite().all() and images.max() <= 1
    assert torch.allclose(images[0, :2], reference[0, :2], atol=ROUNDING)
    images.square().sum().backward()
    assert joints.grad.isfinite().all() and joints.grad.abs().max() > 0
    assert all(parameter.grad.isfinite().all() for parameter in perturbed.parameters())


@pytest.mark.parametrize("persons", [1, 2])
def test_nobody_is_a_black_picture_with_gradients_of_zero(renderer, persons):
    joints = torch.zeros(1, 2, persons, 25, 3, requires_grad=True)
    images = renderer(joints, joints * 0, torch.zeros(1, 2, persons, 25, dtype=torch.bool), image_size=16)
    assert images.shape == (1, 2, 3, 16, 16) and images.abs().max() == 0
    images.sum().backward()
    assert joints.grad is None or joints.grad.abs().sum() == 0


def test_a_second_person_who_is_absent_changes_nothing(perturbed):
    one, two = walking("kinect_v2"), still("kinect_v2", (0.0, 3.0), (9.0, 9.0), frames=4)
    two.joints[:, :1], two.velocities[:, :1] = one.joints, one.velocities
    two.valid[:, 1] = False
    torch.testing.assert_close(draw(perturbed, one), draw(perturbed, two), rtol=0, atol=ROUNDING)


def test_a_clip_may_have_one_frame(renderer):
    assert draw(renderer, still("kinect_v2", frames=1)).shape == (1, 1, 3, SIZE, SIZE)


def test_the_nearer_person_hides_the_farther_one(renderer):
    clip = still("kinect_v2", (0.0, 3.0), (0.0, 3.8), frames=3)
    clip.valid[1, 1], clip.valid[2, 0] = False, False
    with torch.no_grad():
        renderer.depth_mix_logit.fill_(8.0)  # depth colours alone, which differ between the two
    down_the_torso = (0, ..., slice(SIZE // 3, SIZE // 2), SIZE // 2)
    torso = draw(renderer, clip)[down_the_torso]
    both, front, back = torso
    assert (front - back).abs().mean() > 0.2
    # Two standard Gaussians deep, the front lets 5 % of the back through.
    assert (both - front).abs().max() < 0.1

    clip.joints, clip.valid = clip.joints.flip(1), clip.valid.flip(1)
    torch.testing.assert_close(draw(renderer, clip)[down_the_torso], torso, rtol=0, atol=ROUNDING)


def test_autocast_around_the_renderer_changes_nothing(perturbed):
    clip = walking("smpl_22")
    plain = draw(perturbed, clip)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        images = draw(perturbed, clip)
    assert images.dtype == torch.float32 and torch.equal(images, plain)


def test_half_precision_joints_are_drawn_in_float32(perturbed):
    clip = walking("smpl_22")
    clip.joints, clip.velocities = clip.joints.bfloat16().float(), clip.velocities.bfloat16().float()
    plain = draw(perturbed, clip)
    joints, velocities = clip.joints.bfloat16()[None], clip.velocities.bfloat16()[None]
    with torch.no_grad():
        images = perturbed(joints, velocities, clip.valid[None], image_size=SIZE)
    assert images.dtype == torch.float32 and torch.equal(images, plain)


@pytest.mark.parametrize("modulator", MODULATORS)
def test_speed_shows_from_the_start_where_there_is_a_modulator(modulator):
    torch.manual_seed(0)
    renderer = DrAction(modulator=modulator)
    fast, slow = walking("kinect_v2"), walking("kinect_v2")
    slow.velocities *= 0.1
    if modulator == "none":
        assert torch.equal(draw(renderer, fast), draw(renderer, slow))
        return
    brighter = draw(renderer, fast) - draw(renderer, slow)
    assert brighter.max() > 0.1 and brighter.min() > -0.05  # the start values of other weights are noise


@pytest.mark.parametrize("recurrent", [False, True])
def test_an_untrained_modulator_brightens_what_moves_and_tints_it_by_where_it_goes(recurrent):
    torch.manual_seed(0)
    modulator = Modulator(recurrent)
    inputs = torch.zeros(7, 4, 10)  # at rest, and along each axis both ways
    for axis in range(3):
        inputs[1 + 2 * axis, :, 3 + axis], inputs[2 + 2 * axis, :, 3 + axis] = 1.0, -1.0
    rest, *moving = modulator(inputs)[:, -1, :3].detach()
    for number, change in enumerate(moving):
        axis, forth = number // 2, number % 2 == 0
        others = [other for other in range(3) if other != axis]
        assert (change - rest > 0.1).all()
        assert (change[axis] > change[others]).all() if forth else (change[axis] < change[others]).all()


def test_the_gru_remembers_earlier_frames_and_the_mlp_does_not():
    torch.manual_seed(0)
    clip, changed = walking("kinect_v2"), walking("kinect_v2")
    changed.velocities[0] *= -1
    for modulator, remembers in (("gru", True), ("mlp", False)):
        renderer = DrAction(modulator=modulator)
        with torch.no_grad():
            renderer.modulator.mlp[2].weight.normal_(std=0.5)
        difference = (draw(renderer, clip) - draw(renderer, changed)).abs().amax(dim=(0, 2, 3, 4))
        assert difference[0] > 0.01 and (difference[1] > 1e-3) == remembers


def test_later_frames_do_not_reach_back(perturbed):
    clip, changed = walking("kinect_v2"), walking("kinect_v2")
    changed.velocities[3] *= -1
    before, after = draw(perturbed, clip)[0], draw(perturbed, changed)[0]
    assert torch.equal(before[:3], after[:3]) and not torch.equal(before[3], after[3])


def test_both_paths_draw_the_same(perturbed):
    clip = still("kinect_v2", (-0.4, 3.0), (0.4, 3.4), frames=1)
    dense, fast = draw(perturbed, clip, backend="reference"), draw(perturbed, clip, backend="cpu")
    assert (dense - fast).abs().max() < 2 * LEVEL


def test_pictures_may_be_wider_than_high(renderer):
    image = draw(renderer, still("kinect_v2", frames=1), size=(48, 96))
    assert image.shape == (1, 1, 3, 48, 96)
    square = draw(renderer, still("kinect_v2", frames=1), size=48)
    torch.testing.assert_close(image[..., 24:72], square, rtol=0, atol=ROUNDING)


def test_settings_rebuild_the_renderer():
    torch.manual_seed(0)
    renderer = DrAction(modulator="mlp", samples_per_bone=4, feature_dim=3)
    again = DrAction.from_settings(renderer.settings)
    again.load_state_dict(renderer.state_dict())
    clip = walking("kinect_v1")
    assert torch.equal(draw(renderer, clip), draw(again, clip))


@pytest.mark.parametrize(
    ("joints", "velocities", "valid", "message"),
    [
        ((2, 1, 25, 3), (2, 1, 25, 3), (2, 1, 25), r"joints have shape \(2, 1, 25, 3\), expected \(B, N, P, J, 3\)"),
        ((1, 2, 1, 25, 3), (1, 2, 1, 20, 3), (1, 2, 1, 25), r"velocities have shape \(1, 2, 1, 20, 3\)"),
        ((1, 2, 1, 25, 3), (1, 2, 1, 25, 3), (1, 2, 1, 20), r"valid has.* 20\).*expected \(1, 2, 1, 25\)"),
    ],
)
def test_wrong_shapes_are_named(renderer, joints, velocities, valid, message):
    with pytest.raises(ValueError, match=message):
        renderer(torch.zeros(joints), torch.zeros(velocities), torch.zeros(valid, dtype=torch.bool))


def test_wrong_names_are_answered_with_the_right_ones(renderer):
    clip = still("kinect_v2", frames=1)
    arguments = clip.joints[None], clip.velocities[None], clip.valid[None]
    with pytest.raises(KeyError, match="kinect_v3.*known: .*kinect_v2"):
        renderer(*arguments, topology="kinect_v3")
    with pytest.raises(ValueError, match="2 topologies for 1 clips"):
        renderer(*arguments, topology=["kinect_v2", "kinect_v2"])
    with pytest.raises(ValueError, match="gru, mlp, none"):
        DrAction(modulator="lstm")
    with pytest.raises(ValueError, match="auto, reference, cpu"):
        renderer(*arguments, backend="fpga", image_size=8)


def test_clips_of_different_lengths_cannot_share_a_batch():
    with pytest.raises(ValueError, match=r"one frame count, found \[2, 3\]"):
        ClipBatch.from_clips([still("kinect_v2", frames=2), still("kinect_v2", frames=3)])
