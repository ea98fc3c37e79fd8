"""Frames reach each tower as its own image processor would hand them over."""

import pytest
import torch
from backbone_families import each_family, each_layout
from transformers import InternVLConfig, Qwen2_5_VLConfig, Qwen3VLConfig, SmolVLMConfig

from skeletonllm.models.backbones import FAMILIES
from skeletonllm.models.pixels import frames_to_inputs
from skeletonllm.models.tiny import tiny_backbone

CONFIGS = {
    "internvl": InternVLConfig(),
    "qwen2_5_vl": Qwen2_5_VLConfig(),
    "qwen3_vl": Qwen3VLConfig(),
    "smolvlm": SmolVLMConfig(vision_config=dict(image_size=512, patch_size=16), scale_factor=4),
}
# Small ones, but no smaller than the processors leave as they are: 56 x 56 pixels.
SIZES = {"internvl": 56, "qwen2_5_vl": 84, "qwen3_vl": 64, "smolvlm": 64}


def pictures(size: int, count: int = 3) -> torch.Tensor:
    """(2, N, 3, size, size) uint8: noise, different in every frame."""
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (2, count, 3, size, size), generator=generator, dtype=torch.uint8)


def own_image_processor(family: str, size: int):
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

    middle = dict(image_mean=[0.5] * 3, image_std=[0.5] * 3)  # in the preprocessor_config.json of Qwen3-VL
    imagenet = dict(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])  # in that of InternVL
    whole = dict(do_image_splitting=False, size={"longest_edge": size}, max_image_size={"longest_edge": size})
    return {
        "internvl": lambda: GotOcr2ImageProcessorPil(size={"height": size, "width": size}, **imagenet),
        "qwen2_5_vl": Qwen2VLImageProcessorPil,
        "qwen3_vl": lambda: Qwen2VLImageProcessorPil(patch_size=16, **middle),
        "smolvlm": lambda: SmolVLMImageProcessorPil(**whole),
    }[family]()


def by_own_processor(family: str, frames: torch.Tensor) -> dict[str, torch.Tensor]:
    processor = own_image_processor(family, frames.shape[-1])
    rows = [[picture.permute(1, 2, 0).numpy() for picture in clip] for clip in frames]
    if family != "smolvlm":  # which alone wants to know which pictures belong together
        rows = [picture for row in rows for picture in row]
    return processor(rows, return_tensors="pt")


@each_family
def test_pictures_are_those_of_the_backbones_own_image_processor(family):
    frames = pictures(SIZES[family])
    ours, wanted = frames_to_inputs(frames / 255, CONFIGS[family], SIZES[family]), by_own_processor(family, frames)
    assert ours["pixel_values"].shape == wanted["pixel_values"].shape
    # Same arithmetic in another order: a few units in the last place of values up to 2.7.
    torch.testing.assert_close(ours["pixel_values"], wanted["pixel_values"], atol=1e-6, rtol=0)
    if "image_grid_thw" in wanted:
        assert torch.equal(ours["image_grid_thw"], wanted["image_grid_thw"])
    if "pixel_attention_mask" in wanted:  # left out, since every pixel counts
        assert wanted["pixel_attention_mask"].all()


@each_family
def test_placeholders_are_as_many_as_the_processor_makes_patches_for(family):
    frames, size = pictures(SIZES[family]), SIZES[family]
    tokens, wanted = FAMILIES[family].tokens_per_frame(CONFIGS[family], size), by_own_processor(family, frames)
    if family.startswith("qwen"):
        assert tokens == int(wanted["image_grid_thw"][0].prod()) // 4
    else:
        patch, merge = FAMILIES[family].cell_size(CONFIGS[family])
        assert tokens == (wanted["pixel_values"].shape[-1] // patch // merge) ** 2


@pytest.mark.parametrize(
    ("family", "size", "tokens"), [("internvl", 448, 256), ("qwen2_5_vl", 448, 256), ("qwen3_vl", 448, 196)]
)
def test_frames_of_published_models_have_448_pixels(family, size, tokens):
    assert FAMILIES[family].native_image_size(CONFIGS[family]) == size
    assert FAMILIES[family].tokens_per_frame(CONFIGS[family], size) == tokens


@pytest.mark.parametrize(("size", "patch", "scale", "tokens"), [(512, 16, 4, 64), (384, 14, 3, 81)])
def test_smolvlm_takes_the_sizes_of_its_published_models(size, patch, scale, tokens):
    config = SmolVLMConfig(vision_config=dict(image_size=size, patch_size=patch), scale_factor=scale)
    assert FAMILIES["smolvlm"].native_image_size(config) == size
    assert FAMILIES["smolvlm"].tokens_per_frame(config, size) == tokens  # image_seq_len of their processors


@pytest.mark.parametrize("count", [4, 5])
def test_qwen3_videos_have_the_patches_of_its_own_video_processor(count):
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

    frames = pictures(64, count) / 255
    ours = frames_to_inputs(frames, CONFIGS["qwen3_vl"], 64, layout="video")
    wanted, *grid = Qwen3VLVideoProcessor.patchify(None, (frames - 0.5) / 0.5, 16, 2, 2)
    assert torch.equal(ours["pixel_values_videos"], wanted.flatten(0, 1))
    assert ours["video_grid_thw"].tolist() == [grid] * 2 == [[(count + 1) // 2, 4, 4]] * 2


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_a_qwen_video_that_shows_each_frame_twice_has_the_patches_of_the_pictures(family):
    frames = pictures(SIZES[family]) / 255
    single = frames_to_inputs(frames, CONFIGS[family], SIZES[family])["pixel_values"]
    twice = frames_to_inputs(frames.repeat_interleave(2, 1), CONFIGS[family], SIZES[family], layout="video")
    assert torch.equal(twice["pixel_values_videos"], single)
    assert twice["video_grid_thw"][:, 0].tolist() == [3, 3]


@each_layout
@pytest.mark.parametrize("normalize", ["backbone", "none"])
def test_every_pixel_receives_a_gradient(family, layout, normalize):
    size = SIZES[family]
    frames = torch.full((1, 3, 3, size, size), 0.3, requires_grad=True)
    inputs = frames_to_inputs(frames, CONFIGS[family], size, normalize, layout)
    next(iter(inputs.values())).square().sum().backward()
    assert frames.grad.isfinite().all() and (frames.grad != 0).all()


@each_family
def test_raw_pixels_are_not_normalised(family):
    size = SIZES[family]
    ours = frames_to_inputs(pictures(size) / 255, CONFIGS[family], size, normalize="none")["pixel_values"]
    assert 0 <= ours.min() < ours.max() <= 1


@each_family
def test_sizes_that_the_tower_cannot_take_are_refused(family):
    with pytest.raises(ValueError, match="image size 50"):
        FAMILIES[family].tokens_per_frame(CONFIGS[family], 50)


def test_smolvlm_does_not_stretch_its_positions():
    with pytest.raises(ValueError, match="image size 1024 is more than the 512"):
        FAMILIES["smolvlm"].tokens_per_frame(CONFIGS["smolvlm"], 1024)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_heads_that_rotary_positions_do_not_fit_are_refused(family):
    with pytest.raises(ValueError, match="heads do not fit"):
        tiny_backbone(["a"], family=family, vision_hidden_size=36, heads=6)
