"""Tokens of Qwen's models stand in time, height and width, however samples are laid out in rows."""

import pytest
import torch
from transformers import Qwen2_5_VLConfig

from skeletonllm.models.backbones import FAMILIES
from skeletonllm.models.backbones.base import TinySizes
from skeletonllm.models.backbones.qwen_vl import mrope_section

QWEN = [(family, layout) for family in ("qwen2_5_vl", "qwen3_vl") for layout in ("images", "video")]
each_qwen = pytest.mark.parametrize(("family", "layout"), QWEN, ids=[" ".join(pair) for pair in QWEN])
# Three cells to a side: in a narrower box the library lets the text begin before the second of the last frames is over.
WIDE = 96
ANSWERS = ["throw", "throw ball", "sit down"]


@pytest.fixture
def whole_seconds(clips):
    """The clips with a second per pair of frames, which no release of the library cuts, and one of a single moment."""
    for clip, step in zip(clips, (0.5, 0.5, 0.0), strict=True):
        clip.times = step * torch.arange(len(clip.times))
    return clips


def library_arguments(model, batch, layout) -> dict[str, torch.Tensor]:
    """What the backbone wants to be given to make its positions by itself."""
    with torch.no_grad():
        inputs = dict(model.pixel_inputs(batch["clips"], None))
    kind = 1 if layout == "images" else 2
    inputs["mm_token_type_ids"] = kind * (batch["input_ids"] == model.config.frame_token_id).int()
    if "frame_seconds" in batch:
        inputs["second_per_grid_ts"] = 2 * batch["frame_seconds"]
    return {**inputs, "input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}


@each_qwen
def test_positions_are_those_that_the_backbone_makes_of_short_clips(build, whole_seconds, prompts, family, layout):
    model, processor = build(family=family, frame_layout=layout, image_size=WIDE)
    batch = processor(whole_seconds, prompts)
    inputs = library_arguments(model, batch, layout)
    wanted, _ = model.backbone.model.get_rope_index(**inputs)
    found = model.position_ids(batch["input_ids"], batch["attention_mask"], frame_seconds=batch.get("frame_seconds"))
    held = batch["attention_mask"].bool()
    assert not held.all() and torch.equal(found[:, held], wanted[:, held])
    # Beside the words, rows and columns of pictures differ.
    assert (found[1] != found[2]).any()


@each_qwen
def test_logits_are_those_of_the_backbone_with_token_types_and_not_of_counted_tokens(
    build, whole_seconds, prompts, family, layout
):
    model, processor = build(family=family, frame_layout=layout, image_size=WIDE)
    batch = processor(whole_seconds, prompts)
    with torch.no_grad():
        found = model(**batch).logits[:, -1]
        inputs = library_arguments(model, batch, layout)
        torch.testing.assert_close(found, model.backbone(**inputs).logits[:, -1], atol=1e-4, rtol=0)  # logits of 10
        del inputs["mm_token_type_ids"]
        counted = batch["attention_mask"].cumsum(1) - 1
        assert (model.backbone(**inputs, position_ids=counted).logits[:, -1] - found).abs().max() > 1e-2


def test_what_follows_a_long_video_begins_behind_its_last_second():
    family, config = FAMILIES["qwen2_5_vl"], Qwen2_5_VLConfig(vision_config=dict(tokens_per_second=2))
    video = config.video_token_id
    ids = torch.tensor([[7, *[video] * 12, 8, 9]])  # three pairs of frames of 2 x 2 tokens
    found = family.position_ids(
        ids, config, 56, "video", torch.zeros_like(ids), frame_seconds=torch.tensor([5.0])
    )  # ten seconds a pair, twenty positions
    assert found[0, 0].tolist() == [0, *[1] * 4, *[21] * 4, *[41] * 4, 42, 43]
    assert found[1, 0].tolist() == [0, *[1, 1, 2, 2] * 3, 42, 43]
    assert found[2, 0].tolist() == [0, *[1, 2, 1, 2] * 3, 42, 43]


def test_a_picture_is_as_long_as_it_is_wide():
    family, config = FAMILIES["qwen3_vl"], Qwen2_5_VLConfig()
    ids = torch.tensor([[7, *[config.image_token_id] * 4, 8]])
    found = family.position_ids(ids, config, 56, "images", torch.zeros_like(ids))
    assert found[:, 0].T.tolist() == [[0] * 3, [1, 1, 1], [1, 1, 2], [1, 2, 1], [1, 2, 2], [3] * 3]


@each_qwen
def test_samples_of_a_row_have_the_positions_of_rows_of_their_own(build, clips, prompts, family, layout):
    model, processor = build(family=family, frame_layout=layout)
    clips[1].times = clips[1].times * 7  # so that seconds of one sample are not those of another
    packed, apart = processor(clips, prompts, ANSWERS, row_length=4096), processor(clips, prompts, ANSWERS)
    seconds = packed.get("frame_seconds")
    found = model.position_ids(
        packed["input_ids"], None, packed["sample_ids"], packed["position_ids"], frame_seconds=seconds
    )
    wanted = model.position_ids(apart["input_ids"], apart["attention_mask"], frame_seconds=seconds)
    assert len(found) == 4 and torch.equal(found[0], packed["position_ids"])
    for index, mask in enumerate(apart["attention_mask"].bool()):
        assert torch.equal(found[1:, packed["sample_ids"] == index], wanted[:, index, mask])


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_positions_that_nobody_can_know_are_refused(build, clips, prompts, family):
    model, processor = build(family=family, frame_layout="video")
    batch = processor(clips, prompts)
    cache = model(**batch, use_cache=True).past_key_values
    with pytest.raises(ValueError, match="from which positions are made"):
        model(input_ids=batch["input_ids"][:, -1:], past_key_values=cache)
    with pytest.raises(ValueError, match="from which positions are made"):
        model(inputs_embeds=model.get_input_embeddings()(batch["input_ids"]))


def test_qwen2_5_wants_the_seconds_between_frames(build, clips, prompts):
    model, processor = build(family="qwen2_5_vl", frame_layout="video")
    batch = processor(clips, prompts)
    assert batch["frame_seconds"].tolist() == pytest.approx([float(c.times[-1] - c.times[0]) / 2 for c in clips])
    del batch["frame_seconds"]
    with pytest.raises(ValueError, match="video layout of qwen2_5_vl wants frame_seconds"):
        model(**batch)


@pytest.mark.parametrize(("width", "heads"), [(48, 4), (192, 4), (32, 2)])
def test_a_head_shares_all_of_its_angles(width, heads):
    sections = mrope_section(TinySizes(64, 16, 32, 1, width, 1, heads))
    assert sum(sections) == width // heads // 2 and min(sections) > 0
