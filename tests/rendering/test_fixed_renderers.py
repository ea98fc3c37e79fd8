"""What renderers that learn nothing promise: upright, not mirrored, in view, and colours that mean what they say."""

import colorsys

import pytest
import torch

from skeletonllm.models import SkeletonLLMForConditionalGeneration
from skeletonllm.models.tiny import build_tiny
from skeletonllm.rendering.cache import FrameCache
from skeletonllm.rendering.camera import frame_clips
from skeletonllm.rendering.draction import DrAction
from skeletonllm.rendering.fixed.stick_figure import FASTEST
from skeletonllm.rendering.registry import RENDERERS, build_renderer, read_renderer
from skeletonllm.skeleton.batch import ClipBatch
from skeletonllm.skeleton.sequence import Clip, sample_clip
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.skeleton.topologies import TOPOLOGIES
from skeletonllm.skeleton.topology import build_topology
from skeletonllm.training.arguments import load_recipe
from skeletonllm.training.build import build_model, stages_that_learn

FIXED = ("projection", "stick_figure", "trajectory_map")
LINES = ("projection", "stick_figure")
SIZE = 64
LIT = 0.2  # of 1; what is fainter is the edge of a line

# One limb of each side and a trunk, of which the colours are known.
CROSS = build_topology(
    "cross",
    [
        ("pelvis", None, "torso"), ("neck", "pelvis", "torso"), ("left_shoulder", "neck", "torso"),
        ("left_elbow", "left_shoulder", "upper_arm"), ("right_shoulder", "neck", "torso"),
        ("right_elbow", "right_shoulder", "upper_arm"),
    ],
)  # fmt: skip
# Somebody who faces the camera, arms to the sides: their left is at smaller x, right in the picture.
CROSS_AT = [(0, 0, 0), (0, 0.5, 0), (0.15, 0.5, 0), (0.6, 0.5, 0), (-0.15, 0.5, 0), (-0.6, 0.5, 0)]


def cross(frames: int = 3, moving: tuple[float, float, float] = (0.0, 0.0, 0.0), turned: bool = False) -> Clip:
    """A cross that moves by so many metres per frame of a tenth of a second."""
    joints = torch.tensor(CROSS_AT) * torch.tensor([-1.0, 1.0, 1.0]) + torch.tensor([0.0, 0.0, 3.0])
    if turned:  # the left arm towards the camera, the right one away from it
        joints = torch.stack([joints[:, 2] - 3, joints[:, 1], 3 + joints[:, 0]], dim=-1)
    path = torch.arange(frames)[:, None, None, None] * torch.tensor(moving)
    joints = joints[None, None] + path
    velocities = torch.tensor(moving).expand_as(joints) * 10
    return Clip(joints, velocities, torch.ones(joints.shape[:-1], dtype=torch.bool), torch.arange(frames) / 10, CROSS)


def arms_apart() -> Clip:
    """One elbow 0.6 m nearer to the camera than the trunk, the other 0.6 m farther away, beside one another."""
    clip = cross(turned=True)
    clip.joints[..., 3, 0] -= 0.3
    clip.joints[..., 5, 0] += 0.3
    return clip


def pixel_of(clip: Clip, joint: str, frame: int = 0, follow: bool = False, size: int = SIZE) -> tuple[int, int]:
    """Row and column of a joint, by the camera that all renderers share."""
    shift, intrinsics, _ = frame_clips(clip.joints[None], clip.valid[None], size, size, follow)
    place = clip.joints[frame, 0, clip.topology.index(joint)] + shift[0, min(frame, shift.shape[1] - 1)]
    column, row, depth = intrinsics[0] @ (place * torch.tensor([1.0, -1.0, 1.0]))
    return int((row / depth).round()), int((column / depth).round())


def color_of(clip: Clip, frames: torch.Tensor, joint: str, frame: int = 0) -> torch.Tensor:
    row, column = pixel_of(clip, joint, frame, size=frames.shape[-1])
    return frames[0, frame, :, row, column]


def hue_of(color: torch.Tensor) -> float:
    return 360 * colorsys.rgb_to_hsv(*color.tolist())[0]


@pytest.mark.parametrize("kind", FIXED)
@pytest.mark.parametrize("size", [64, 224])
def test_every_joint_is_lit_where_the_camera_sees_it(kind, size):
    clip = cross()
    frames = build_renderer({"kind": kind}).render(clip, image_size=size)
    assert frames.shape == (1, 3, 3, size, size) and frames.dtype == torch.float32
    assert frames.min() >= 0 and frames.max() <= 1
    for joint in CROSS.joints:
        assert color_of(clip, frames, joint).max() > LIT, joint


@pytest.mark.parametrize("kind", LINES)
def test_bones_are_lines_without_gaps_on_black(kind):
    clip = cross()
    frame = build_renderer({"kind": kind}).render(clip, image_size=448)[0, 0].amax(0)
    row, left = pixel_of(clip, "left_elbow", size=448)
    _, right = pixel_of(clip, "right_elbow", size=448)
    assert left > right and frame[row, right : left + 1].min() > 0.5  # their left is on our right
    # Eleven of 448 pixels and the dots are all that is lit.
    assert (frame > LIT).float().mean() < 0.06 and frame[row + 16, left - 30] == 0


@pytest.mark.parametrize("kind", FIXED)
@pytest.mark.parametrize("topology", sorted(TOPOLOGIES))
def test_every_topology_is_drawn_upright_and_in_view(kind, topology):
    clip = sample_clip(synthesize("raise both arms", topology=topology, performer=2), 4)
    frames = build_renderer({"kind": kind}).render(clip, image_size=SIZE)[0].amax(1)
    border = torch.cat([frames[:, 0], frames[:, -1], frames[:, :, 0], frames[:, :, -1]], dim=-1)
    assert border.max() < LIT and (frames > LIT).flatten(1).any(-1).all()
    # What changes is arms, which are in the upper half but where they begin.
    changed = (frames[2] - frames[0]).abs()
    assert changed[: SIZE // 2].sum() > 1.5 * changed[SIZE // 2 :].sum()


@pytest.mark.parametrize("kind", LINES)
def test_the_hand_that_waves_is_right_of_the_body_in_the_picture_if_it_is_the_left_one(kind):
    columns = torch.arange(float(SIZE))
    for side, sign in (("left", 1), ("right", -1)):
        sequence = synthesize(f"wave {side} hand", topology="kinect_v2", performer=1, yaw=0.0)
        frames = build_renderer({"kind": kind}).render(sample_clip(sequence, 8), image_size=SIZE)[0].amax(1)
        body, hand = frames.amin(0).sum(0), frames.std(0).sum(0)
        apart = (hand * columns).sum() / hand.sum() - (body * columns).sum() / body.sum()
        assert sign * apart > 3, side


def test_a_stick_figure_is_blue_when_near_red_when_far_and_green_between():
    clip = arms_apart()
    frames = build_renderer({"kind": "stick_figure"}).render(clip, image_size=448)
    near, far = (color_of(clip, frames, f"{side}_elbow") for side in ("left", "right"))
    middle = color_of(clip, frames, "pelvis")
    assert near.argmax() == 2 and far.argmax() == 0 and middle.argmax() == 1


def test_what_moves_faster_is_whiter_in_a_stick_figure_up_to_the_fastest():
    renderer = build_renderer({"kind": "stick_figure", "follow": True})
    least = []
    for speed in (0.0, FASTEST / 2, FASTEST, 5 * FASTEST):
        clip = cross(moving=(0.0, 0.0, 0.0))
        clip.velocities[..., 0] = speed
        least.append(float(color_of(clip, renderer.render(clip, image_size=448), "neck").min()))
    assert least[0] + 0.1 < least[1] < least[2] - 0.1 and least[2] == least[3]


def test_a_projection_shows_neither_depth_nor_speed():
    renderer = build_renderer({"kind": "projection"})
    slow, fast = cross(), cross()
    fast.velocities[:] = 3.0
    assert torch.equal(renderer.render(slow, image_size=SIZE), renderer.render(fast, image_size=SIZE))
    clip, sizes = arms_apart(), {}
    for kind in LINES:
        frame = build_renderer({"kind": kind}).render(clip, image_size=448)[0, 0].amax(0)
        for side in ("left", "right"):
            row, column = pixel_of(clip, f"{side}_elbow", size=448)
            sizes[kind, side] = int((frame[row - 12 : row + 13, column - 12 : column + 13] > 0.5).sum())
    # (4.6 m / 3.4 m) squared is 1.8; a part of each window is arm.
    assert sizes["projection", "left"] == pytest.approx(sizes["projection", "right"], rel=0.1)
    assert sizes["stick_figure", "left"] > 1.3 * sizes["stick_figure", "right"]


@pytest.mark.parametrize("colors", ["parts", "sides", "white"])
def test_a_projection_has_colours_by_part_by_side_or_none(colors):
    clip = cross()
    frames = build_renderer({"kind": "projection", "colors": colors}).render(clip, image_size=448)
    left, right, trunk = (color_of(clip, frames, joint) for joint in ("left_elbow", "right_elbow", "pelvis"))
    if colors == "white":
        assert min(left.min(), right.min(), trunk.min()) > 0.99
    elif colors == "sides":
        assert left.argmax() == 2 and right.argmax() == 0 and trunk.min() > 0.99
    else:
        assert hue_of(trunk) == pytest.approx(0, abs=2)
        assert hue_of(right) == pytest.approx(25, abs=2) and hue_of(left) == pytest.approx(80, abs=2)


def test_a_trajectory_map_keeps_what_was_there():
    clip = cross(frames=6, moving=(0.0, 0.0, 0.0))
    clip.joints[:, 0, 3, 1] += torch.linspace(0, 0.5, 6)  # the left elbow rises
    frames = build_renderer({"kind": "trajectory_map"}).render(clip, image_size=224)
    lit = frames[0].amax(1) > LIT
    assert not (lit[:-1] & ~lit[1:]).any()  # nothing that was lit ever goes out
    assert lit.flatten(1).sum(1).diff().min() > 0
    for earlier in range(6):
        row, column = pixel_of(clip, "left_elbow", earlier, size=224)
        assert lit[5, row, column] and lit[earlier, row, column]
        assert earlier == 5 or not lit[earlier, pixel_of(clip, "left_elbow", 5, size=224)[0], column]


def test_time_is_the_hue_one_way_round_on_the_left_and_the_other_on_the_right():
    clip = cross(frames=5)
    clip.velocities[..., 1] = 1.0  # as fast as the fastest: pure colours
    frames = build_renderer({"kind": "trajectory_map"}).render(clip, image_size=224)
    left = [hue_of(color_of(clip, frames, "left_elbow", frame)) for frame in range(5)]
    right = [hue_of(color_of(clip, frames, "right_elbow", frame)) for frame in range(5)]
    assert left == pytest.approx([240, 180, 120, 60, 0], abs=2)
    assert right == pytest.approx([0, 60, 120, 180, 240], abs=2)
    greys = [color_of(clip, frames, "pelvis", frame) for frame in range(5)]
    assert all(float(grey.max() - grey.min()) < 0.01 for grey in greys)
    assert all(float(before.max()) > float(after.max()) + 0.05 for before, after in zip(greys, greys[1:], strict=False))


def test_the_slower_the_paler_and_darker_is_a_path():
    clip = cross()
    clip.velocities[:, :, clip.topology.index("left_elbow"), 1] = 1.0
    frames = build_renderer({"kind": "trajectory_map"}).render(clip, image_size=224)
    fast, slow = (
        colorsys.rgb_to_hsv(*color_of(clip, frames, joint).tolist()) for joint in ("left_elbow", "left_shoulder")
    )
    assert fast[1] > slow[1] + 0.4 and fast[2] > slow[2] + 0.4


@pytest.mark.parametrize("kind", FIXED)
def test_a_gap_is_not_bridged_and_a_batch_draws_what_each_clip_draws(kind):
    renderer = build_renderer({"kind": kind})
    first, second = cross(), sample_clip(synthesize("kick", topology="coco_17", performer=3), 3)
    first.valid[1, 0, first.topology.index("left_elbow")] = False
    hidden = renderer.render(first, image_size=SIZE)
    row, column = pixel_of(cross(), "left_elbow")
    assert hidden[0, 0, :, row, column].max() > LIT
    if kind in LINES:
        assert hidden[0, 1, :, row, column].max() < LIT
    both = renderer.render(ClipBatch.from_clips([first, second]), image_size=SIZE)
    # Sums in another order; by less than a tenth of what a screen can show.
    for index, clip in enumerate((first, second)):
        alone = renderer.render(clip, image_size=SIZE)[0]
        assert (both[index] - alone).abs().max() < 4e-4
    nobody = cross()
    nobody.valid[:] = False
    assert renderer.render(nobody, image_size=SIZE).max() == 0


@pytest.mark.parametrize("kind", FIXED)
def test_what_is_doubtful_is_fainter(kind):
    renderer, clip = build_renderer({"kind": kind}), cross()
    batch = ClipBatch.from_clips([clip])
    known = (batch.joints, batch.velocities, batch.valid)
    sums = [
        float(renderer(*known, torch.full(batch.valid.shape, value), image_size=SIZE, topology=CROSS).sum())
        for value in (0.0, 0.05, 1.0)
    ]
    assert sums[0] == 0 < sums[1] < 0.7 * sums[2]
    assert torch.equal(renderer(*known, image_size=SIZE, topology=CROSS)[0], renderer.render(clip, image_size=SIZE)[0])


@pytest.mark.parametrize("kind", LINES)
def test_patches_are_those_of_the_whole_picture(kind):
    renderer, clip = build_renderer({"kind": kind}), cross()
    patches, index = renderer.render_patches(clip, image_size=SIZE, patch_size=8)
    frames = renderer.render(clip, image_size=SIZE)
    cut = frames.unfold(3, 8, 8).unfold(4, 8, 8)
    whole = torch.stack([cut[b, n, :, r, c] for b, n, r, c in index.tolist()])
    assert (patches - whole).abs().max() < 1e-5 and len(index) < 3 * 64
    assert float(frames.sum()) == pytest.approx(float(patches.sum()), rel=1e-3)


def test_a_trajectory_map_refuses_patches_by_name():
    with pytest.raises(ValueError, match="trajectory_map is drawn in whole pictures.*model.foreground"):
        build_renderer({"kind": "trajectory_map"}).render_patches(cross(), image_size=SIZE, patch_size=8)


@pytest.mark.parametrize("kind", FIXED)
def test_a_camera_that_follows_keeps_somebody_who_crosses_the_room_large(kind):
    clip = cross(frames=6, moving=(0.6, 0.0, 0.0))
    heights = []
    for follow in (False, True):
        frame = build_renderer({"kind": kind, "follow": follow}).render(clip, image_size=SIZE)[0, -1].amax(0)
        rows = (frame > LIT).any(1).nonzero()
        heights.append(int(rows.max() - rows.min()))
    assert heights[1] > 1.3 * heights[0]


@pytest.mark.parametrize(
    "settings",
    [{"kind": "stick_figure", "follow": True}, {"kind": "projection", "colors": "sides"}, {"kind": "trajectory_map"}],
    ids=FIXED[1:2] + FIXED[:1] + FIXED[2:],
)
def test_a_saved_renderer_is_the_same_one(settings, tmp_path):
    renderer, clip = build_renderer(settings), cross()
    assert not list(renderer.parameters()) and not renderer.state_dict() and not renderer.learns
    renderer.save(tmp_path / "renderer.safetensors")
    read = read_renderer(tmp_path / "renderer.safetensors")
    assert type(read) is type(renderer) and read.settings == renderer.settings
    assert torch.equal(read.render(clip, image_size=SIZE), renderer.render(clip, image_size=SIZE))
    with pytest.raises(ValueError, match=f"renderer.safetensors: holds a renderer of kind {settings['kind']}"):
        DrAction.from_file(tmp_path / "renderer.safetensors")
    cached = [FrameCache(tmp_path / "frames").render(renderer, [clip], SIZE) for _ in range(2)]
    assert torch.equal(cached[0], renderer.render(clip, image_size=SIZE)) and torch.equal(*cached)


def test_settings_without_a_kind_are_those_of_a_draction():
    assert type(build_renderer({})) is DrAction and "kind" not in build_renderer({"kind": "draction"}).settings
    with pytest.raises(ValueError, match="unknown kind of renderer 'oil'.*stick_figure"):
        build_renderer({"kind": "oil"})
    with pytest.raises(ValueError, match="unknown colors 'pink', expected one of parts, sides, white"):
        build_renderer({"kind": "projection", "colors": "pink"})
    with pytest.raises(ValueError, match="settings of a projection renderer: .*'hue'"):
        build_renderer({"kind": "projection", "hue": 3})
    assert set(RENDERERS) == {"draction", *FIXED}


@pytest.mark.parametrize("kind", FIXED)
def test_a_model_with_a_fixed_renderer_is_saved_and_read(kind, tmp_path):
    sizes = dict(image_size=32, patch_size=16, hidden_size=32, vision_hidden_size=32)
    model, _ = build_tiny(["walk"], seed=0, renderer={"kind": kind}, num_frames=3, **sizes)
    model.save_pretrained(tmp_path)
    read = SkeletonLLMForConditionalGeneration.from_pretrained(tmp_path)
    clip = cross()
    assert read.renderer.settings == model.renderer.settings
    assert torch.equal(read.renderer.render(clip, image_size=32), model.renderer.render(clip, image_size=32))
    assert torch.equal(read.render(ClipBatch.from_clips([clip])), model.renderer.render(clip, image_size=32))
    half = read.to(torch.bfloat16).renderer
    assert torch.equal(half.render(clip, image_size=32), model.renderer.render(clip, image_size=32))


def test_stages_that_would_train_nothing_else_are_left_out_and_said(caplog):
    recipe = load_recipe("synthetic", ["model.renderer={kind: projection}", "stages={warmup: {}, refine: {}}"])
    assert list(stages_that_learn(recipe)) == ["refine"] and "warmup is left out" in caplog.text
    recipe = load_recipe("synthetic", ["stages={warmup: {}, refine: {}}"])
    assert list(stages_that_learn(recipe)) == ["warmup", "refine"]
    with pytest.raises(ValueError, match="no stage is left.*projection has nothing to learn"):
        stages_that_learn(load_recipe("synthetic", ["model.renderer={kind: projection}", "stages={warmup: {}}"]))


def test_a_recipe_with_a_key_that_a_kind_does_not_have_is_refused():
    recipe = load_recipe("synthetic", ["model.renderer={kind: stick_figure, modulator: mlp}"])
    with pytest.raises(ValueError, match="model.renderer: unknown key modulator; known: follow"):
        build_model(recipe.model, ["walk"], 0)
