"""Patches drawn alone are those of the whole picture, values and gradients."""

import pytest
import torch

from skeletonllm.rendering.draction import DrAction
from skeletonllm.rendering.published import PublishedDrAction
from skeletonllm.skeleton.batch import ClipBatch
from skeletonllm.skeleton.sequence import sample_clip
from skeletonllm.skeleton.synthesis import synthesize

SIZE, PATCH = 64, 16  # patches of whole tiles of the CPU path, where what is left out is left out for whole tiles


@pytest.fixture
def clips() -> ClipBatch:
    """Three frames each of one person in two topologies, the last frame of the first clip empty."""
    labels = {"kinect_v2": "wave left hand", "smpl_22": "kick"}
    made = [sample_clip(synthesize(label, topology=name, performer=1), 3) for name, label in labels.items()]
    batch = ClipBatch.from_clips(made)
    batch.valid[0, 2] = False
    return batch


def renderers() -> dict[str, DrAction]:
    torch.manual_seed(0)
    return {"default": DrAction(), "following": DrAction(follow=True), "published": PublishedDrAction("gru")}


def in_patches(images: torch.Tensor, patch: int = PATCH) -> torch.Tensor:
    """(B, N, 3, H, W) to (B, N, H / patch, W / patch, 3, patch, patch)."""
    return images.unfold(3, patch, patch).unfold(4, patch, patch).permute(0, 1, 3, 4, 2, 5, 6)


@pytest.mark.parametrize("kind", ["default", "following", "published"])
def test_patches_have_the_pixels_of_the_picture_and_all_others_are_black(clips, kind):
    renderer = renderers()[kind]
    with torch.no_grad():
        whole = in_patches(renderer.render(clips, image_size=SIZE))
        patches, index = renderer.render_patches(clips, image_size=SIZE, patch_size=PATCH)
    assert torch.equal(patches, whole[index.unbind(1)])
    assert 0 < len(index) < whole[..., 0, 0, 0].numel() / 2  # bodies touch few of them
    assert not ((index[:, 0] == 0) & (index[:, 1] == 2)).any()  # nobody is there
    rest = whole.clone()
    rest[index.unbind(1)] = 0
    assert not rest.any()


def test_the_gradient_is_that_of_the_same_pixels_of_the_picture(clips):
    renderer = renderers()["default"]
    parameters = list(renderer.parameters())
    patches, index = renderer.render_patches(clips, image_size=SIZE, patch_size=PATCH)
    weights = torch.randn(patches.shape, generator=torch.Generator().manual_seed(1))
    found = torch.autograd.grad((patches * weights).sum(), parameters)
    whole = in_patches(renderer.render(clips, image_size=SIZE))[index.unbind(1)]
    wanted = torch.autograd.grad((whole * weights).sum(), parameters)
    for one, other in zip(found, wanted, strict=True):
        assert other.abs().max() > 0
        # float32 sums over the same pixels, of which one path may add some in another order.
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))


def test_patches_that_are_no_whole_tiles_differ_by_what_the_cut_off_leaves_out(clips):
    renderer, patch = renderers()["default"], 14
    with torch.no_grad():
        whole = in_patches(renderer.render(clips, image_size=56), patch)
        patches, index = renderer.render_patches(clips, image_size=56, patch_size=patch)
    assert torch.equal(patches, whole[index.unbind(1)])
    rest = whole.clone()
    rest[index.unbind(1)] = 0
    assert rest.max() < 1 / 255


def test_a_higher_cut_off_touches_fewer_patches(clips):
    renderer = renderers()["default"]
    counts = [
        len(renderer.render_patches(clips, image_size=112, patch_size=14, cutoff=cutoff)[1])
        for cutoff in (1 / 2048, 1 / 64, 0.5)
    ]
    assert counts[0] > counts[1] > counts[2] > 0


def test_positions_are_not_rounded_under_autocast(clips):
    renderer = renderers()["default"]
    wanted, places = renderer.render_patches(clips, image_size=SIZE, patch_size=PATCH)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        patches, index = renderer.render_patches(clips, image_size=SIZE, patch_size=PATCH)
    assert torch.equal(patches, wanted) and torch.equal(index, places)


def test_clips_of_nobody_touch_nothing_and_odd_patches_are_refused(clips):
    renderer = renderers()["default"]
    with pytest.raises(ValueError, match="patch_size is 15"):
        renderer.render_patches(clips, image_size=SIZE, patch_size=15)
    clips.valid[:] = False
    patches, index = renderer.render_patches(clips, image_size=SIZE, patch_size=PATCH)
    assert patches.shape == (0, 3, PATCH, PATCH) and index.shape == (0, 4)
    nobody = ClipBatch(
        clips.joints[:, :, :0], clips.velocities[:, :, :0], clips.valid[:, :, :0], clips.topologies, None
    )
    patches, index = renderer.render_patches(nobody, image_size=SIZE, patch_size=PATCH)
    assert patches.shape == (0, 3, PATCH, PATCH) and index.shape == (0, 4) and index.dtype == torch.int64
