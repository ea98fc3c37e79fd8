import pytest
import torch
from transformers import InternVLConfig

from skeletonllm.models.backbones.internvl import FRAME_TOKEN
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.tiny import tiny_tokenizer


def test_the_prompt_shows_numbered_frames_and_then_the_question(build, clips):
    _, processor = build()
    frame = "<img>" + 4 * "<IMG_CONTEXT>" + "</img>\n"
    row = processor(clips[:1], ["What happens?"])["input_ids"][0]
    assert processor.tokenizer.decode(row) == (
        f"<|im_start|>user\nFrame1: {frame}Frame2: {frame}Frame3: {frame}What happens?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_a_system_message_stands_first(build, clips):
    _, processor = build()
    expert = SkeletonLLMProcessor(processor.tokenizer, 3, 4, system="You watch people.")
    row = expert(clips[:1], ["What happens?"])["input_ids"][0]
    assert processor.tokenizer.decode(row).startswith(
        "<|im_start|>system\nYou watch people.<|im_end|>\n<|im_start|>user"
    )


def test_only_the_answer_and_the_end_of_its_turn_are_learnt(build, clips, prompts):
    _, processor = build()
    batch = processor(clips, prompts, ["throw", "throw ball", "sit down"])
    for row, answer in enumerate(["throw", "throw ball", "sit down"]):
        labels = batch["labels"][row]
        learnt = labels[labels != -100]
        assert processor.tokenizer.decode(learnt) == answer + "<|im_end|>"
        assert torch.equal(batch["input_ids"][row, -len(learnt) :], learnt)


def test_padding_is_on_the_left_and_masked(build, clips, prompts):
    _, processor = build()
    batch = processor(clips, prompts)
    alone = [processor([clip], [prompt])["input_ids"][0] for clip, prompt in zip(clips, prompts, strict=True)]
    for ids, mask, wanted in zip(batch["input_ids"], batch["attention_mask"], alone, strict=True):
        assert torch.equal(ids[-len(wanted) :], wanted)
        assert mask.sum() == len(wanted) and mask[-len(wanted) :].all()


def test_answers_are_tokenised_as_candidates_are(build, clips, prompts, labels):
    _, processor = build()
    batch = processor(clips, prompts, labels[:3])
    for row, candidate in zip(batch["labels"], processor.candidate_token_ids(labels[:3]), strict=True):
        assert row[row != -100].tolist() == candidate


def test_a_question_cannot_smuggle_in_frames(build, clips):
    _, processor = build()
    with pytest.raises(ValueError, match="contains <IMG_CONTEXT>"):
        processor(clips[:1], [f"And this: {FRAME_TOKEN}?"])


def test_numbers_of_clips_and_prompts_must_agree(build, clips, prompts):
    _, processor = build()
    with pytest.raises(ValueError, match=r"found \[2, 3\]"):
        processor(clips, prompts[:2])


def test_without_clips_there_is_room_for_frames_drawn_beforehand(build, clips, prompts):
    _, processor = build()
    drawn, with_clips = processor(None, prompts), processor(clips, prompts)
    assert "clips" not in drawn and torch.equal(drawn["input_ids"], with_clips["input_ids"])


def test_answers_are_read_back_as_text(build):
    _, processor = build()
    ids = torch.tensor([[1, *processor.answer_ids("sit down")]])
    assert processor.decode(ids, prompt_length=1) == ["sit down"]


def test_a_tokenizer_that_does_not_fit_is_refused(build):
    model, processor = build()
    with pytest.raises(ValueError, match="the model's frame token is 151667"):
        SkeletonLLMProcessor.for_model(_with_backbone(model.config, InternVLConfig()), processor.tokenizer)
    bare = tiny_tokenizer(["hello"])
    bare.chat_template = None
    bare.eos_token = None
    with pytest.raises(ValueError, match="lacks a chat template, an end-of-turn token"):
        SkeletonLLMProcessor(bare)


def _with_backbone(config, backbone_config):
    return type(config)(backbone_config=backbone_config, num_frames=config.num_frames)
