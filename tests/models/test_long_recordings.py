"""Long recordings: what is read window by window is what would be read at once, in memory that does not grow."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from skeletonllm.data.windows import cut_windows, window_clips
from skeletonllm.models.long import (
    ask_about_all,
    clip_log_likelihoods,
    encode_clips,
    encoded_log_likelihoods,
    fitting_tokens,
    long_prompt,
)
from skeletonllm.skeleton.synthesis import synthesize_sequence

QUESTION = "When does she bow?"
# Each place by itself; different rows of a batch and another order of sums move float32 by some 1e-6.
TOLERANCE = dict(atol=1e-4, rtol=1e-4)
FAMILIES = ["internvl", "qwen2_5_vl", "smolvlm"]


@pytest.fixture(scope="module")
def recording():
    return synthesize_sequence(["bow", "clap", "kick"], performer=1, topology="coco_17")[0]


@pytest.fixture
def cut(recording):
    """Clips of the recording for a processor, anew each time, and their seconds."""

    def cut(processor, seconds=2.0, stride=1.0):
        windows = cut_windows(recording.num_frames, recording.fps, seconds, stride)
        return window_clips(recording, windows, processor), [window.span for window in windows]

    return cut


@pytest.mark.parametrize("family", FAMILIES)
def test_windows_that_were_encoded_once_answer_as_clips_do(build, cut, labels, family):
    model, processor = build(family=family)
    encoded = encode_clips(model, *cut(processor))
    for question in ("Which action?", "What is it, of all these?"):
        direct = clip_log_likelihoods(model, processor, cut(processor)[0], question, labels, clips_per_pass=3)
        assert direct.std(0).max() > 0.1  # windows that all look alike would prove nothing
        torch.testing.assert_close(
            encoded_log_likelihoods(model, processor, encoded, question, labels), direct, **TOLERANCE
        )


def test_every_window_is_drawn_and_encoded_once_for_any_number_of_questions(build, cut, labels, monkeypatch):
    model, processor = build()
    pictures, drawn = [], []
    model.backbone.model.vision_tower.register_forward_pre_hook(
        lambda module, args, kwargs: pictures.append(len(kwargs["pixel_values"])), with_kwargs=True
    )
    draw = model.render
    monkeypatch.setattr(model, "render", lambda clips: drawn.append(len(clips)) or draw(clips))
    clips, spans = cut(processor)
    encoded = encode_clips(model, clips, spans, clips_per_pass=4)
    ask_about_all(model, processor, encoded, QUESTION, max_new_tokens=2)
    encoded_log_likelihoods(model, processor, encoded, QUESTION, labels)
    assert sum(drawn) == len(spans) == len(encoded) and max(drawn) == 4
    assert sum(pictures) == len(spans) * processor.num_frames


def test_clips_are_taken_from_a_generator_when_the_model_is_ready_for_them(build, cut, labels, monkeypatch):
    model, processor = build()
    clips, spans = cut(processor)
    taken, waiting = [], []
    score = model.label_log_likelihoods

    def scoring(**inputs):
        waiting.append(len(taken) - sum(waiting))
        return score(**inputs)

    monkeypatch.setattr(model, "label_log_likelihoods", scoring)
    clip_log_likelihoods(
        model, processor, (taken.append(clip) or clip for clip in clips), QUESTION, labels, clips_per_pass=3
    )
    assert max(waiting) == 3 and sum(waiting) == len(taken) == len(spans)


@pytest.mark.parametrize("family", FAMILIES)
def test_one_prompt_of_all_windows_is_what_the_model_reads_with_all_pictures(build, cut, family):
    model, processor = build(family=family)
    clips, spans = cut(processor, 3.0, 3.0)
    clips = list(clips)
    prompt = long_prompt(model, processor, encode_clips(model, clips, spans), QUESTION)
    text = processor.long_prompt_text(QUESTION, spans, processor.num_frames, processor.tokens_per_frame)
    ids = torch.tensor([processor.tokenizer.encode(text, add_special_tokens=False)])
    with torch.no_grad():
        frames = torch.cat([model.render(processor([clip], ["?"])["clips"]) for clip in clips], dim=1)
        whole = model(input_ids=ids, attention_mask=torch.ones_like(ids), frames=frames).logits
        kept = model.backbone(**prompt).logits
    torch.testing.assert_close(kept, whole, **TOLERANCE)
    # Windows in another order are another prompt: the features stand where their seconds are.
    turned = long_prompt(model, processor, encode_clips(model, clips[::-1], spans), QUESTION)
    assert (model.backbone(**turned).logits - whole).abs().max() > 0.01


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_is_what_generation_gives_with_all_pictures(build, cut, family):
    model, processor = build(family=family)
    clips, spans = cut(processor, 3.0, 3.0)
    clips = list(clips)
    text = processor.long_prompt_text(QUESTION, spans, processor.num_frames, processor.tokens_per_frame)
    ids = torch.tensor([processor.tokenizer.encode(text, add_special_tokens=False)])
    frames = torch.cat([model.render(processor([clip], ["?"])["clips"]) for clip in clips], dim=1)
    generated = model.generate(ids, torch.ones_like(ids), frames=frames, max_new_tokens=6, do_sample=False)
    encoded = encode_clips(model, clips, spans)
    (wanted,) = processor.decode(generated, ids.shape[1])
    assert ask_about_all(model, processor, encoded, QUESTION, max_new_tokens=6) == wanted != ""


def test_the_prompt_tells_the_seconds_of_each_window(build):
    _, processor = build()
    text = processor.long_prompt_text(QUESTION, [(12.0, 16.0), (14.04, 18.04)], 2, 1)
    frame = "<img><IMG_CONTEXT></img>"
    shown = f"Frame1: {frame}\nFrame2: {frame}\n"
    assert f"user\n[12.0 s to 16.0 s]\n{shown}[14.0 s to 18.0 s]\n{shown}{QUESTION}<|im_end|>" in text
    with pytest.raises(ValueError, match="contains <IMG_CONTEXT>"):
        processor.long_prompt_text("<IMG_CONTEXT>?", [(0.0, 1.0)], 2, 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_fewer_tokens_are_means_of_neighbouring_ones_and_make_shorter_prompts(build, cut, family):
    model, processor = build(family=family, image_size=128)  # 16 tokens per frame
    whole, fewer, one = (encode_clips(model, *cut(processor), tokens) for tokens in (None, 4, 1))
    assert [encoded.features.shape[2] for encoded in (whole, fewer, one)] == [16, 4, 1]
    corner = whole.features[:, :, [0, 1, 4, 5]].mean(2)
    torch.testing.assert_close(fewer.features[:, :, 0], corner, **TOLERANCE)
    torch.testing.assert_close(one.features[:, :, 0], whole.features.mean(2), **TOLERANCE)
    lengths = [long_prompt(model, processor, e, QUESTION)["attention_mask"].shape[1] for e in (whole, fewer, one)]
    frames = len(whole) * processor.num_frames
    assert lengths[0] - lengths[1] == 12 * frames and lengths[1] - lengths[2] == 3 * frames
    assert isinstance(ask_about_all(model, processor, one, QUESTION, max_new_tokens=3), str)


def test_fewer_tokens_stand_where_those_of_smaller_pictures_would(build, cut):
    small, large = build(family="qwen2_5_vl", image_size=64), build(family="qwen2_5_vl", image_size=128)
    positions = [
        long_prompt(model, processor, encode_clips(model, *cut(processor), 4), QUESTION)["position_ids"]
        for model, processor in (small, large)
    ]
    # Height and width count up to 2 within a picture, not along its tokens.
    assert (positions[0][0] != positions[0][1]).any() and torch.equal(*positions)


def test_what_does_not_fit_into_the_context_is_told_or_made_to_fit(build, cut):
    model, processor = build(image_size=128)
    _, spans = cut(processor)
    text_config = model.config.get_text_config()

    def length(tokens):
        text = processor.long_prompt_text(QUESTION, spans, processor.num_frames, tokens)
        return len(processor.tokenizer.encode(text, add_special_tokens=False))

    for tokens in (16, 9, 4, 1):
        text_config.max_position_embeddings = length(tokens) + 10
        assert fitting_tokens(model, processor, spans, QUESTION, answer_tokens=10) == tokens
    text_config.max_position_embeddings = length(1) + 9
    with pytest.raises(ValueError, match=f"{len(spans)} windows do not fit into the {length(1) + 9} tokens"):
        fitting_tokens(model, processor, spans, QUESTION, answer_tokens=10)
    with pytest.raises(ValueError, match=f"the prompt has {length(16)} tokens, the context {length(1) + 9}"):
        long_prompt(model, processor, encode_clips(model, *cut(processor)), QUESTION)


def test_what_cannot_be_encoded_is_told(build, cut):
    model, processor = build()
    for tokens in (0, 3, 9):
        with pytest.raises(ValueError, match=f"{tokens} tokens per frame, expected a square number of at most 4"):
            encode_clips(model, *cut(processor), tokens)
    clips, spans = cut(processor)
    with pytest.raises(ValueError, match=f"{len(spans)} clips and the seconds of 1"):
        encode_clips(model, clips, spans[:1])
    with pytest.raises(ValueError, match="no clips"):
        clip_log_likelihoods(model, processor, iter([]), QUESTION, ["a"])
    for changes, message in (
        (dict(family="qwen3_vl"), "reads its vision tower in several layers"),
        (dict(family="qwen2_5_vl", frame_layout="video"), "not in the layout 'video'"),
    ):
        model, processor = build(**changes)
        with pytest.raises(ValueError, match=message):
            encode_clips(model, *cut(processor))


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS counts peak memory in other units")
def test_ten_minutes_take_as_much_memory_as_one():
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "kernels")])}
    script = Path(__file__).with_name("long_memory.py")
    printed = subprocess.run([sys.executable, script], env=environment, check=True, capture_output=True, text=True)
    (one, few, least), (ten, many, most) = (map(int, line.split()) for line in printed.stdout.splitlines())
    assert (one, ten) == (1, 10) and (few, many) == (29, 299)
    # Ten minutes of joints are 4 MB and their features 0.3 MB. The pictures of all windows would be 118 MB in the
    # size that they are drawn in, and what they are drawn with several times as much.
    assert most - least < 40e6
