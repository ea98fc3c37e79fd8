import warnings

import pytest
import torch
from torch.nn import functional


@pytest.fixture
def learning_batch(build, clips, prompts):
    _, processor = build()
    return processor(clips, prompts, ["throw", "throw ball", "sit down"])


@pytest.mark.parametrize("modulator", ["gru", "mlp", "none"])
def test_the_loss_reaches_every_renderer_parameter(build, learning_batch, modulator):
    model, _ = build(renderer=dict(modulator=modulator))
    model(**learning_batch).loss.backward()
    for name, parameter in model.renderer.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_every_sample_counts_the_same_however_long_its_answer(build, learning_batch):
    model, _ = build()
    labels = learning_batch.pop("labels")
    assert len((labels != -100).sum(1).unique()) > 1
    logits = model(**learning_batch).logits
    wanted = torch.stack(
        [functional.cross_entropy(row[:-1], answer[1:]) for row, answer in zip(logits, labels, strict=True)]
    )
    outputs = model(**learning_batch, labels=labels)
    torch.testing.assert_close(outputs.sample_losses, wanted, atol=1e-5, rtol=0)  # float32 sums in another order
    torch.testing.assert_close(outputs.loss, wanted.mean(), atol=1e-5, rtol=0)


def test_the_loss_of_a_batch_is_the_mean_of_its_parts(build, clips, prompts):
    model, processor = build()
    answers = ["throw", "throw ball", "sit down"]
    with torch.no_grad():
        whole = model(**processor(clips, prompts, answers)).loss
        parts = [
            model(**processor(clips[part], prompts[part], answers[part])).loss * (part.stop - part.start)
            for part in (slice(0, 1), slice(1, 3))
        ]
    torch.testing.assert_close(sum(parts) / 3, whole, atol=1e-5, rtol=0)  # another padding, so other sums


def test_only_columns_that_predict_an_answer_have_logits(build, learning_batch):
    model, _ = build()
    labels = learning_batch["labels"]
    predicting = (labels != -100).any(0).nonzero()[:, 0] - 1
    whole = model(**{key: value for key, value in learning_batch.items() if key != "labels"}).logits
    kept = model(**learning_batch).logits
    assert kept.shape[1] < whole.shape[1] / 2  # picture tokens have none
    torch.testing.assert_close(kept, whole[:, predicting], atol=1e-4, rtol=0)  # products of another shape


def test_a_sample_without_an_answer_is_refused_and_named(build, learning_batch):
    model, _ = build()
    learning_batch["labels"][1] = -100
    with pytest.raises(ValueError, match=r"no token to learn for samples \[1\]"):
        model(**learning_batch)


def test_losses_are_float32_under_autocast(build, learning_batch):
    model, _ = build()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = model(**learning_batch)
    assert outputs.logits.dtype == torch.bfloat16
    assert outputs.loss.dtype == outputs.sample_losses.dtype == torch.float32
    outputs.sample_losses.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.renderer.parameters())


def test_frames_drawn_beforehand_give_the_same_logits_as_clips(build, learning_batch):
    model, _ = build()
    with torch.no_grad():
        wanted = model(**learning_batch).logits
        frames = model.render(learning_batch["clips"])
        assert frames.shape == (3, 3, 3, 64, 64) and 0 <= frames.min() < frames.max() <= 1
        clips = learning_batch.pop("clips")
        assert torch.equal(model(**learning_batch, frames=frames).logits, wanted)
        with pytest.raises(ValueError, match="not both"):
            model(**learning_batch, frames=frames, clips=clips)


def test_what_the_model_says_depends_on_the_clip(build, clips, prompts):
    model, processor = build()
    with torch.no_grad():
        one, other = (model(**processor([clip], prompts[:1])).logits[:, -1] for clip in clips[:2])
    # An untrained model hardly looks; without pictures both would be equal to the bit.
    assert (one - other).abs().max() > 1e-4


def test_normalisation_is_taken_from_the_config(build, learning_batch):
    normalised, _ = build()
    raw, _ = build(normalize="none")
    frames = normalised.render(learning_batch["clips"])
    assert torch.equal(raw.pixel_inputs(None, frames)["pixel_values"], frames.flatten(0, 1))
    assert not torch.allclose(normalised.pixel_inputs(None, frames)["pixel_values"], frames.flatten(0, 1))


def test_a_left_padded_batch_answers_as_each_row_alone(build, clips, prompts):
    model, processor = build()
    settings = dict(max_new_tokens=8, do_sample=False)
    batch = processor(clips, prompts)
    assert (batch["attention_mask"].sum(1).unique()).numel() == 3  # three lengths, so two rows are padded
    together = processor.decode(model.generate(**batch, **settings), batch["input_ids"].shape[1])
    alone = []
    for clip, prompt in zip(clips, prompts, strict=True):
        row = processor([clip], [prompt])
        alone += processor.decode(model.generate(**row, **settings), row["input_ids"].shape[1])
    assert together == alone
    assert len(set(alone)) > 1  # an answer that never changes would prove nothing


def test_generation_settings_of_the_model_are_used(build, clips, prompts):
    model, processor = build()
    model.generation_config.max_new_tokens = 2
    model.generation_config.eos_token_id = None
    row = processor(clips[:1], prompts[:1])
    assert model.generate(**row).shape[1] == row["input_ids"].shape[1] + 2


def test_beams_which_would_mix_up_frames_are_refused(build, clips, prompts):
    model, processor = build()
    row = processor(clips[:1], prompts[:1])
    with pytest.raises(ValueError, match="num_beams above 1"):
        model.generate(**row, num_beams=3)
    model.generation_config.num_return_sequences = 2
    with pytest.raises(ValueError, match="num_return_sequences above 1"):
        model.generate(**row)


def test_the_renderer_stays_float32_when_the_model_is_cast(build, learning_batch):
    model, _ = build()
    before = {name: value.clone() for name, value in model.renderer.state_dict().items()}
    clips = learning_batch["clips"]
    wanted = model.render(clips)
    wanted.sum().backward()
    for cast in (lambda: model.to(torch.bfloat16), model.half, model.bfloat16):
        cast()
        for name, value in model.renderer.state_dict().items():
            assert value.dtype == torch.float32 and torch.equal(value, before[name]), name
    assert {parameter.dtype for parameter in model.backbone.parameters()} == {torch.bfloat16}
    assert all(parameter.grad.dtype == torch.float32 for parameter in model.renderer.parameters())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model.render(clips), wanted)
        loss = model(**learning_batch).loss
    loss.backward()
    assert loss.isfinite() and all(p.grad.isfinite().all() for p in model.renderer.parameters())


def test_moving_the_model_moves_the_renderer(build):
    model, _ = build()
    assert next(model.to("meta").renderer.parameters()).is_meta


def test_a_new_renderer_in_front_of_a_loaded_backbone_keeps_the_backbone(build, learning_batch):
    from skeletonllm.models import SkeletonLLMForConditionalGeneration

    source, _ = build()
    before = {name: value.clone() for name, value in source.backbone.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is missing, so nothing is to be warned of
        model = SkeletonLLMForConditionalGeneration.from_backbone(
            source.backbone, renderer=dict(modulator="mlp"), num_frames=3
        )
    assert all(torch.equal(value, before[name]) for name, value in model.backbone.state_dict().items())
    assert model.config.image_size == 64 and model.renderer.settings["modulator"] == "mlp"
    assert model(**learning_batch).loss.isfinite()
    with pytest.raises(TypeError, match="dtype would have no effect"):
        SkeletonLLMForConditionalGeneration.from_backbone(source.backbone, dtype=torch.bfloat16)


def test_smaller_frames_than_the_tower_was_made_for_cost_fewer_tokens(build):
    from skeletonllm.models import SkeletonLLMForConditionalGeneration, SkeletonLLMProcessor

    source, processor = build()
    model = SkeletonLLMForConditionalGeneration.from_backbone(source.backbone, num_frames=3, image_size=32)
    smaller = SkeletonLLMProcessor.for_model(model.config, processor.tokenizer)
    assert (processor.tokens_per_frame, smaller.tokens_per_frame) == (4, 1)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_new_renderer_leaves_the_backbones_attention_and_its_predictions_as_they_were(
    build, learning_batch, tmp_path, attention
):
    from skeletonllm.models import SkeletonLLMForConditionalGeneration

    source, _ = build()
    source.backbone.save_pretrained(tmp_path)
    model = SkeletonLLMForConditionalGeneration.from_backbone(
        str(tmp_path), num_frames=3, attn_implementation=attention
    ).eval()
    model.renderer = source.renderer
    used = {part.config._attn_implementation for part in model.backbone.modules() if hasattr(part, "config")}
    assert used == {attention}
    # The two attentions differ by float32 rounding. With none chosen there is no causal mask, and losses differ by
    # hundredths.
    expected = source(**learning_batch).sample_losses
    assert model(**learning_batch).sample_losses.tolist() == pytest.approx(expected.tolist(), abs=1e-4)
