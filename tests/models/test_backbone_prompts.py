"""Frames stand in a prompt as each family's own processor writes them."""

from types import SimpleNamespace

import pytest
import torch
from backbone_families import each_family, each_layout

from skeletonllm.models.backbones import FAMILIES
from skeletonllm.models.processing import SkeletonLLMProcessor

TIMES = [0.0, 0.5, 1.0, 1.5, 2.25]


def own_processor(kind: type, family: str):
    """A processor without tokenizer and image processors, for the methods that only write text."""
    processor = object.__new__(kind)
    for name, token in FAMILIES[family].named_tokens.items():
        setattr(processor, name, token)
    return processor


def own_video_text(family: str, tokens: int) -> str:
    from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
    from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
    from transformers.models.smolvlm import processing_smolvlm

    kinds = {
        "qwen2_5_vl": Qwen2_5_VLProcessor,
        "qwen3_vl": Qwen3VLProcessor,
        "smolvlm": processing_smolvlm.SmolVLMProcessor,
    }
    processor = own_processor(kinds[family], family)
    processor.image_seq_len = tokens
    processor.video_processor = SimpleNamespace(merge_size=2, temporal_patch_size=2)
    metadata = SimpleNamespace(fps=4.0, frames_indices=[int(4 * t) for t in TIMES], timestamps=TIMES, duration=None)
    grid = torch.tensor([[(len(TIMES) + 1) // 2, 2, 2 * tokens]])
    video = {"video_grid_thw": grid, "video_metadata": [metadata], "pixel_values": torch.zeros(1, len(TIMES))}
    return processor.replace_video_token(video, 0)


def test_qwen2_5_writes_a_video_as_one_run_of_placeholders():
    text = FAMILIES["qwen2_5_vl"].clip_text("video", 3, TIMES)
    assert text == "<|vision_start|>" + own_video_text("qwen2_5_vl", 3) + "<|vision_end|>"
    assert text.count("<|video_pad|>") == 9  # three pairs of frames, the last frame with itself


def test_qwen3_writes_the_seconds_before_each_pair_of_frames():
    text = FAMILIES["qwen3_vl"].clip_text("video", 3, TIMES)
    assert text == own_video_text("qwen3_vl", 3)
    assert text.startswith("<0.2 seconds><|vision_start|>") and "<2.2 seconds>" in text


def test_smolvlm_writes_how_many_frames_and_the_time_before_each(monkeypatch):
    from transformers.models.smolvlm import processing_smolvlm

    monkeypatch.setattr(processing_smolvlm, "num2words", {5: "five"}.__getitem__)
    assert FAMILIES["smolvlm"].clip_text("video", 3, TIMES) == own_video_text("smolvlm", 3)


@pytest.mark.parametrize(("count", "words"), [(1, "one"), (12, "twelve"), (20, "twenty"), (64, "sixty-four")])
def test_smolvlm_counts_frames_in_words(count, words):
    text = FAMILIES["smolvlm"].clip_text("video", 1, [90 * number for number in range(count)])
    assert f" {words} frames from a {90 * (count - 1) // 3600}:" in text


def test_smolvlm_shows_no_more_frames_than_its_own_processor():
    with pytest.raises(ValueError, match="at most 64 frames, found 65"):
        FAMILIES["smolvlm"].clip_text("video", 1, [0.1] * 65)


def test_smolvlm_writes_a_whole_picture_as_its_processor_does():
    from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

    wanted = get_image_prompt_string(0, 0, 3, "<fake_token_around_image>", "<image>", "<global-img>")
    assert FAMILIES["smolvlm"].frame_text("images", 3) == wanted


def test_internvl_writes_frames_of_videos_as_pictures():
    from transformers.models.internvl.processing_internvl import InternVLProcessor

    processor = own_processor(InternVLProcessor, "internvl")
    processor.image_token, processor.image_seq_length = processor.context_image_token, 3
    wanted = processor.replace_video_token({"pixel_values_videos": torch.zeros(1, len(TIMES))}, 0)
    assert FAMILIES["internvl"].clip_text("images", 3, TIMES) == wanted + "\n"


@each_family
def test_pictures_stand_behind_their_seconds_if_they_are_shown(build, clips, tmp_path, family):
    _, processor = build(family=family)
    plain = processor.prompt_text("When?", TIMES)
    processor.show_times = True
    processor.save_pretrained(tmp_path)
    text = SkeletonLLMProcessor.from_pretrained(tmp_path).prompt_text("When?", TIMES)
    assert "Frame1 (0.0 s): " in text and "Frame5 (2.2 s): " in text and "s)" not in plain
    with pytest.raises(ValueError, match="tells times"):
        processor(None, ["When?"])
    assert len(processor(clips, ["When?"] * len(clips))["input_ids"]) == len(clips)


@each_layout
def test_a_prompt_has_a_place_for_every_token_of_the_frames(build, clips, family, layout):
    model, processor = build(family=family, frame_layout=layout)
    batch = processor(clips[:2], ["What happens?", "And here, what does the person do?"])
    pictures = 2 if family.startswith("qwen") and layout == "video" else 3  # three frames are two pairs
    counts = (batch["input_ids"] == model.config.frame_token_id).sum(1).tolist()
    assert counts == [pictures * processor.tokens_per_frame] * 2


@each_family
def test_answers_begin_and_end_as_in_the_familys_own_conversations(build, clips, family):
    _, processor = build(family=family)
    template = processor.tokenizer.apply_chat_template
    message = [
        {"role": "user", "content": processor.family.content("What?")},
        {"role": "assistant", "content": processor.family.content("sit down")},
    ]
    text = template(message[:1], tokenize=False, add_generation_prompt=True)
    text += processor.tokenizer.decode(processor.answer_ids("sit down"))
    assert template(message, tokenize=False) == text + "\n"


@each_layout
def test_a_question_cannot_smuggle_in_frames_of_any_family(build, clips, family, layout):
    _, processor = build(family=family, frame_layout=layout)
    for token in processor.family.frame_tokens:
        assert len(processor.tokenizer.encode(token, add_special_tokens=False)) == 1
        with pytest.raises(ValueError, match="stands for a frame"):
            processor(clips[:1], [f"And this: {token}?"])


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl", "smolvlm"])
def test_videos_whose_times_nobody_knows_are_refused(build, family):
    _, processor = build(family=family, frame_layout="video")
    with pytest.raises(ValueError, match="times"):
        processor(None, ["What?"])


def test_a_chat_template_that_loses_the_frames_is_refused(build, clips):
    _, processor = build()
    processor.tokenizer.chat_template = (
        "{% for m in messages %}{% for part in m.content %}{{ part.text }}{% endfor %}{% endfor %}"
    )
    with pytest.raises(ValueError, match="frames are missing in the prompt"):
        processor(clips[:1], ["What?"])


def test_a_layout_that_the_family_does_not_have_is_refused(build):
    with pytest.raises(ValueError, match="frame_layout 'video': internvl has the layouts images"):
        build(frame_layout="video")


@each_layout
def test_processors_come_back_as_they_were_saved(build, clips, tmp_path, family, layout):
    _, processor = build(family=family, frame_layout=layout)
    processor.save_pretrained(tmp_path)
    again = SkeletonLLMProcessor.from_pretrained(tmp_path)
    wanted, found = processor(clips, ["What?"] * 3, ["throw"] * 3), again(clips, ["What?"] * 3, ["throw"] * 3)
    assert set(found) == set(wanted) and torch.equal(found["input_ids"], wanted["input_ids"])
