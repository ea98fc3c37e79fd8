"""Models of every family learn, answer, are saved and read again in every layout."""

import pytest
import torch
from backbone_families import each_family, each_layout

from skeletonllm.models import SkeletonLLMForConditionalGeneration

ANSWERS = ["throw", "throw ball", "sit down"]
# float32 sums of another shape (padding, masks, rotary angles of other positions) on losses of about 8 nats.
ROUNDING = 5e-5


@each_layout
def test_the_loss_reaches_every_renderer_parameter(build, clips, prompts, family, layout):
    model, processor = build(family=family, frame_layout=layout)
    model(**processor(clips, prompts, ANSWERS)).loss.backward()
    for name, parameter in model.renderer.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


@each_layout
def test_the_loss_of_a_batch_is_the_mean_of_single_ones(build, clips, prompts, family, layout):
    model, processor = build(family=family, frame_layout=layout)
    with torch.no_grad():
        whole = model(**processor(clips, prompts, ANSWERS))
        rows = zip(clips, prompts, ANSWERS, strict=True)
        single = torch.stack([model(**processor([c], [p], [a])).loss for c, p, a in rows])
    torch.testing.assert_close(whole.sample_losses, single, atol=ROUNDING, rtol=0)
    torch.testing.assert_close(whole.loss, single.mean(), atol=ROUNDING, rtol=0)
    assert single.unique().numel() == 3


@each_layout
def test_left_padded_rows_are_scored_and_answered_as_each_alone(build, clips, prompts, labels, family, layout):
    model, processor = build(family=family, frame_layout=layout)
    candidates, settings = processor.candidate_token_ids(labels), dict(max_new_tokens=6, do_sample=False)
    batch, scores, answers = processor(clips, prompts), [], []
    for clip, prompt in zip(clips, prompts, strict=True):
        row = processor([clip], [prompt])
        scores.append(model.label_log_likelihoods(candidate_token_ids=candidates, **row)[0])
        answers += processor.decode(model.generate(**row, **settings), row["input_ids"].shape[1])
    together = model.label_log_likelihoods(candidate_token_ids=candidates, **batch)
    torch.testing.assert_close(together, torch.stack(scores), atol=5 * ROUNDING, rtol=0)  # sums of up to 5 tokens
    assert processor.decode(model.generate(**batch, **settings), batch["input_ids"].shape[1]) == answers
    assert len(set(answers)) > 1


@each_layout
def test_scores_and_answers_are_those_of_whole_passes_without_a_cache(build, clips, prompts, labels, family, layout):
    model, processor = build(family=family, frame_layout=layout)
    scores = model.label_log_likelihoods(
        candidate_token_ids=processor.candidate_token_ids(labels), **processor(clips[:1], prompts[:1])
    )
    with torch.no_grad():
        losses = [model(**processor(clips[:1], prompts[:1], [label])).loss for label in labels]
    wanted = torch.stack([-loss * len(processor.answer_ids(label)) for loss, label in zip(losses, labels, strict=True)])
    torch.testing.assert_close(scores[0], wanted, atol=5 * ROUNDING, rtol=0)
    row = processor(clips[:1], prompts[:1])
    start = row["input_ids"].shape[1]
    placeholder = model.config.frame_token_id  # which an untrained model may say, and no whole pass could read
    generated = model.generate(
        **row, max_new_tokens=4, do_sample=False, eos_token_id=None, suppress_tokens=[placeholder]
    )
    for end in range(start, start + 4):
        whole = {**row, "input_ids": generated[:, :end], "attention_mask": torch.ones(1, end, dtype=torch.long)}
        with torch.no_grad():
            logits = model(**whole).logits[0, -1]
        logits[placeholder] = -torch.inf
        assert logits.argmax() == generated[0, end]


@each_layout
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_samples_of_a_row_have_the_losses_of_rows_of_their_own(build, clips, prompts, family, layout, attention):
    model, processor = build(family=family, frame_layout=layout)
    model.backbone.set_attn_implementation(attention)
    clips[1].times = clips[1].times * 3
    wanted = processor(clips, prompts, ANSWERS)
    room = int(wanted["attention_mask"].sum(1).sort().values[1:].sum())
    with torch.no_grad():
        wanted = model(**wanted).sample_losses
        for row_length in (4096, room):
            packed = processor(clips, prompts, ANSWERS, row_length=row_length)
            assert len(packed["input_ids"]) == (1 if row_length == 4096 else 2)
            torch.testing.assert_close(model(**packed).sample_losses, wanted, atol=ROUNDING, rtol=0)


@each_layout
@pytest.mark.parametrize("changed", [0, 2])
def test_no_sample_of_a_row_sees_another(build, clips, prompts, family, layout, changed):
    model, processor = build(family=family, frame_layout=layout)
    batch = processor(clips, prompts, ANSWERS, row_length=4096)
    with torch.no_grad():
        batch["frames"] = model.render(batch.pop("clips"))
        before = model(**batch).sample_losses
        batch["frames"][changed] = 1 - batch["frames"][changed]  # the prompts are longest first, as the row is
        same = model(**batch).sample_losses == before
    # To the bit: what is masked has weight zero in the same sums.
    assert same.tolist() == [index != changed for index in range(3)]


@each_layout
def test_activations_that_are_computed_again_give_the_same_gradients(build, clips, prompts, family, layout):
    found = []
    for again in (False, True):
        model, processor = build(family=family, frame_layout=layout)
        if again:
            backbone = model.backbone
            enable = getattr(backbone, "activation_checkpointing_enable", backbone.gradient_checkpointing_enable)
            enable(dict(use_reentrant=False))
            backbone.disable_input_require_grads()
        model.train()(**processor(clips, prompts, ANSWERS)).loss.backward()
        found.append({name: parameter.grad for name, parameter in model.named_parameters()})
        if again:
            flags = [module.gradient_checkpointing for module in backbone.modules() if hasattr(module, "layers")]
            assert flags and all(flags)
    for name, wanted in found[0].items():
        assert (wanted is None) == (found[1][name] is None), name
        if wanted is not None:
            torch.testing.assert_close(found[1][name], wanted, atol=1e-6, rtol=1e-5)  # the same sums again


@each_layout
def test_a_saved_model_answers_as_before(build, clips, prompts, tmp_path, family, layout):
    model, processor = build(family=family, frame_layout=layout)
    model.save_pretrained(tmp_path)
    again = SkeletonLLMForConditionalGeneration.from_pretrained(tmp_path).eval()
    assert again.config.frame_layout == layout and again.config.backbone_config.model_type == family
    batch = processor(clips, prompts)
    with torch.no_grad():
        assert torch.equal(again(**batch).logits, model(**batch).logits)


@each_family
def test_what_a_model_says_depends_on_the_clip_and_on_the_order_of_its_frames(build, clips, family):
    model, processor = build(family=family)
    batch = processor(clips[:1], ["What happens?"])
    with torch.no_grad():
        frames = model.render(batch.pop("clips"))
        said = model(**batch, frames=frames).logits[0, -1]
        for other in (frames.flip(1), torch.zeros_like(frames)):
            assert (model(**batch, frames=other).logits[0, -1] - said).abs().max() > 1e-3


@each_family
@pytest.mark.parametrize("normalize", ["backbone", "none"])
def test_a_frame_without_anybody_is_a_frame(build, clips, family, normalize):
    model, processor = build(family=family, normalize=normalize)
    batch = processor(clips[:1], ["What happens?"], ["throw"])
    del batch["clips"]
    frames = torch.rand(1, 3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    frames[:, 1] = 0.0
    frames[:, 2] = 0.5  # nothing is left of it behind SmolVLM's mean
    frames.requires_grad_()
    model(**batch, frames=frames).loss.backward()
    assert all(frame.any() for frame in frames.grad[0])


@each_family
def test_patches_are_embedded_by_products(build, family):
    from skeletonllm.models.patches import PatchConv2d, PatchConv3d

    model, _ = build(family=family)
    convolutions = [
        module for module in model.backbone.modules() if isinstance(module, torch.nn.Conv2d | torch.nn.Conv3d)
    ]
    assert [type(module) for module in convolutions] == [PatchConv3d if family.startswith("qwen") else PatchConv2d]


@each_family
def test_the_renderer_stays_float32_before_a_backbone_in_bfloat16(build, clips, prompts, family):
    model, processor = build(family=family)
    model.to(torch.bfloat16)
    loss = model(**processor(clips, prompts, ANSWERS)).loss
    loss.backward()
    assert loss.isfinite()
    for parameter in model.renderer.parameters():
        assert parameter.dtype == torch.float32 and parameter.grad.isfinite().all()
