"""Foreground patches: what whole pictures give when all is kept, and what is left of them when it is not."""

import pytest
import torch

from skeletonllm.models.configuration import SkeletonLLMConfig
from skeletonllm.models.foreground import (
    Foreground,
    kept_cells,
    patches_of_clips,
    patches_of_frames,
    separating_mask,
    without_dropped,
)
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.skeleton.sequence import sample_clip
from skeletonllm.skeleton.synthesis import synthesize

ALL = {"margin": 99}
ANSWERS = ["throw", "throw ball", "sit down"]
SIZES = dict(image_size=128, patch_size=16)  # 4 x 4 cells of 2 x 2 patches, which are whole tiles of the renderer
# float32 sums in another order, through two layers of the tower and two of the language model.
ROUNDING = 1e-4


@pytest.fixture
def clips():
    """Three people, one of them hidden in the last frame."""
    kinds = {"kinect_v2": "walk", "smpl_22": "kick", "coco_17": "raise both arms"}
    made = [
        sample_clip(synthesize(label, topology=name, performer=number), 3)
        for number, (name, label) in enumerate(kinds.items())
    ]
    made[1].valid[2] = False
    return made


@pytest.fixture
def build_both(build):
    """The same model twice, reading whole pictures and the foreground; and the processor of both."""

    def builder(foreground=None, **changes):
        dense, processor = build(**SIZES, **changes)
        sparse, _ = build(**SIZES, foreground=foreground or {}, **changes)
        return dense, sparse, processor

    return builder


@pytest.fixture
def lengths():
    """How many tokens the language model of a model reads from now on, pass by pass."""

    def watch(model):
        read = []
        model.backbone.model.language_model.register_forward_pre_hook(
            lambda module, args, kwargs: read.append(kwargs["inputs_embeds"].shape[1]), with_kwargs=True
        )
        return read

    return watch


def _see_only(tower, kept):
    """The library's tower on whole pictures, in which nothing attends to what ``kept`` (F, patches) leaves out."""
    seen = torch.cat([kept.new_ones(len(kept), 1), kept], 1)[:, None, None, :]

    def mask(module, args, kwargs):
        return args, kwargs | {"attention_mask": seen.expand(-1, 1, seen.shape[-1], -1)}

    return [layer.attention.register_forward_pre_hook(mask, with_kwargs=True) for layer in tower.encoder.layer]


def _cells(model, clips):
    size, patch = model.config.image_size, 16
    drawn = model.renderer.render_patches(clips, image_size=size, patch_size=patch)
    shape = (*clips.joints.shape[:2], size // patch, size // patch)
    return patches_of_clips(*drawn, shape, 2, Foreground.of(model.config.foreground).margin)[1]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_when_all_is_kept_the_logits_are_those_of_whole_pictures_to_the_bit(build_both, clips, prompts, attention):
    dense, sparse, processor = build_both(ALL)
    for model in (dense, sparse):
        model.backbone.set_attn_implementation(attention)
    batch = processor(clips, prompts, ANSWERS)
    with torch.no_grad():
        wanted, found = dense(**batch), sparse(**batch)
        assert torch.equal(found.logits, wanted.logits)
        assert torch.equal(found.sample_losses, wanted.sample_losses)
        frames = dense.render(batch.pop("clips"))
        assert torch.equal(sparse(**batch, frames=frames).logits, wanted.logits)


def test_when_all_is_kept_the_gradients_are_those_of_whole_pictures(build_both, clips, prompts):
    *models, processor = build_both(ALL)
    batch = processor(clips, prompts, ANSWERS)
    for model in models:
        model(**batch).loss.backward()
    for (name, one), other in zip(models[1].named_parameters(), models[0].parameters(), strict=True):
        # Relative to the largest of a tensor: the same sums in another order.
        assert (one.grad - other.grad).abs().max() <= 1e-4 * other.grad.abs().max(), name


def test_features_and_gradients_are_those_of_whole_pictures_whose_other_patches_nobody_sees(build_both, clips, prompts):
    dense, sparse, processor = build_both()
    batch = processor(clips, prompts)["clips"]
    cells = _cells(sparse, batch)
    assert 0 < cells.float().mean() < 0.7
    assert len(cells.flatten(2).sum(2).unique()) > 1  # frames of several lengths, so some are padded
    kept = cells.flatten(0, 1).repeat_interleave(2, 1).repeat_interleave(2, 2).flatten(1)
    _see_only(dense.backbone.model.vision_tower, kept)
    features = dense.backbone.get_image_features(**dense.pixel_inputs(batch, None)).pooler_output
    wanted = features[cells.view(features.shape[:2])]
    weights = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(3))

    rows = []
    projector = sparse.backbone.model.multi_modal_projector
    projector.register_forward_hook(lambda module, args, result: rows.append(result))
    prompt = processor(clips, prompts)
    sparse(**prompt)
    torch.testing.assert_close(rows[0], wanted, atol=ROUNDING, rtol=0)
    assert wanted.abs().mean() > 0.1

    parameters = [list(model.renderer.parameters()) for model in (sparse, dense)]
    found = torch.autograd.grad((rows[0] * weights).sum(), parameters[0])
    expected = torch.autograd.grad((wanted * weights).sum(), parameters[1])
    for one, other in zip(found, expected, strict=True):
        assert other.abs().max() > 0
        assert (one - other).abs().max() <= 1e-3 * other.abs().max()  # the same sums in another order


def test_a_frame_without_anybody_and_few_cells_make_a_short_prompt(build_both, clips, prompts, lengths):
    dense, sparse, processor = build_both()
    batch = processor(clips[:2], prompts[:2], ANSWERS[:2])
    read, whole = lengths(sparse), lengths(dense)
    cells = _cells(sparse, batch["clips"]).flatten(1).sum(1)
    assert _cells(sparse, batch["clips"])[1, 2].sum() == 1
    sparse(**batch)
    dense(**batch)
    text = batch["attention_mask"].sum(1) - 3 * 16
    assert whole == [int((text + 3 * 16).max())] and read == [int((text + cells).max())]


def test_a_batch_has_the_losses_of_its_samples_alone(build_both, clips, prompts):
    _, sparse, processor = build_both({"margin": 1})
    with torch.no_grad():
        together = sparse(**processor(clips, prompts, ANSWERS)).sample_losses
        alone = [
            sparse(**processor([clip], [prompt], [answer])).loss
            for clip, prompt, answer in zip(clips, prompts, ANSWERS, strict=True)
        ]
    assert together.unique().numel() == 3
    torch.testing.assert_close(together, torch.stack(alone), atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_samples_have_the_losses_of_separate_ones(build_both, clips, prompts, attention):
    _, sparse, processor = build_both()
    sparse.backbone.set_attn_implementation(attention)
    packed = processor(clips, prompts, ANSWERS, row_length=4096)
    assert len(packed["input_ids"]) == 1
    with torch.no_grad():
        wanted = sparse(**processor(clips, prompts, ANSWERS)).sample_losses
        torch.testing.assert_close(sparse(**packed).sample_losses, wanted, atol=ROUNDING, rtol=0)
        packed["frames"] = sparse.render(packed.pop("clips"))
        before = sparse(**packed).sample_losses
        packed["frames"][1] = packed["frames"][1].flip(-1)
        assert (sparse(**packed).sample_losses == before).tolist() == [True, False, True]


def test_packed_rows_that_no_mask_keeps_apart_are_refused():
    with pytest.raises(ValueError, match="need eager or sdpa, not flex_attention"):
        separating_mask(torch.zeros(1, 4), "flex_attention", torch.float32)


def test_a_batch_generates_what_its_rows_generate_alone_and_whole_pictures_if_all_is_kept(build_both, clips, prompts):
    dense, whole, processor = build_both(ALL)
    _, sparse, _ = build_both()
    settings = dict(max_new_tokens=6, do_sample=False, repetition_penalty=1.05)
    batch = processor(clips, prompts)
    length = batch["input_ids"].shape[1]
    assert torch.equal(whole.generate(**batch, **settings), dense.generate(**batch, **settings))
    generated = sparse.generate(**batch, **settings)
    assert torch.equal(generated[:, :length], batch["input_ids"])
    rows = [processor([clip], [prompt]) for clip, prompt in zip(clips, prompts, strict=True)]
    alone = [processor.decode(sparse.generate(**row, **settings), row["input_ids"].shape[1])[0] for row in rows]
    assert processor.decode(generated, length) == alone
    assert len(set(alone)) > 1


def test_candidates_are_scored_as_if_each_were_learnt(build_both, clips, prompts, labels):
    dense, sparse, processor = build_both({"margin": 1})
    candidates = processor.candidate_token_ids(labels)
    batch = processor(clips, prompts)
    found = sparse.label_log_likelihoods(**batch, candidate_token_ids=candidates, candidates_per_pass=2)
    with torch.no_grad():
        for column, (label, tokens) in enumerate(zip(labels, candidates, strict=True)):
            learnt = sparse(**processor(clips, prompts, [label] * 3)).sample_losses * -len(tokens)
            torch.testing.assert_close(found[:, column], learnt, atol=10 * ROUNDING, rtol=0)  # sums of a few tokens
    whole = dense.label_log_likelihoods(**batch, candidate_token_ids=candidates)
    assert (found - whole).abs().max() > 10 * ROUNDING  # something was left out


def test_activation_checkpointing_changes_no_gradient(build_both, clips, prompts):
    _, sparse, processor = build_both()
    batch = processor(clips, prompts, ANSWERS)
    gradients = []
    for checkpointing in (False, True):
        if checkpointing:
            sparse.train()
            sparse.backbone.gradient_checkpointing_enable({"use_reentrant": False})
            assert sparse.backbone.model.vision_tower.encoder.layer[0].gradient_checkpointing
        sparse.zero_grad()
        sparse(**batch).loss.backward()
        gradients.append([parameter.grad.clone() for parameter in sparse.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert torch.equal(one, other)


def test_training_reaches_every_parameter_in_bfloat16_too(build_both, clips, prompts):
    _, sparse, processor = build_both()
    batch = processor(clips, prompts, ANSWERS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        sparse(**batch).loss.backward()
    for name, parameter in sparse.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0, name


def test_a_tower_made_for_other_sizes_takes_its_positions_as_for_whole_pictures(build, clips, prompts):
    made, processor = build(image_size=64, patch_size=16)
    settings = dict(num_frames=3, image_size=128)
    losses = []
    for foreground in (None, ALL):
        model = SkeletonLLMForConditionalGeneration.from_backbone(made.backbone, foreground=foreground, **settings)
        model.renderer = made.renderer
        fitting = type(processor).for_model(model.config, processor.tokenizer)
        with torch.no_grad():
            losses.append(model.eval()(**fitting(clips, prompts, ANSWERS)).sample_losses)
    assert torch.equal(*losses)


def test_a_saved_model_reads_the_foreground_when_it_is_loaded(build_both, clips, prompts, tmp_path):
    _, sparse, processor = build_both({"margin": 1, "cutoff": 0.01})
    sparse.save_pretrained(tmp_path)
    loaded = SkeletonLLMForConditionalGeneration.from_pretrained(tmp_path).eval()
    assert loaded.config.foreground == {"margin": 1, "cutoff": 0.01}
    batch = processor(clips, prompts, ANSWERS)
    with torch.no_grad():
        assert torch.equal(loaded(**batch).sample_losses, sparse(**batch).sample_losses)


def test_margins_widen_what_is_kept_and_where_nobody_is_the_middle_stays():
    touched = torch.zeros(2, 8, 12, dtype=torch.bool)
    touched[0, 0, 5] = touched[0, 1, 4] = touched[0, 7, 11] = True
    cells = kept_cells(touched, 2, 0)
    assert cells.shape == (2, 4, 6)
    assert cells[0].nonzero().tolist() == [[0, 2], [3, 5]]
    assert cells[1].nonzero().tolist() == [[2, 3]]
    wider = kept_cells(touched, 2, 1)[0].nonzero().tolist()
    assert wider == [[0, 1], [0, 2], [0, 3], [1, 1], [1, 2], [1, 3], [2, 4], [2, 5], [3, 4], [3, 5]]
    assert kept_cells(touched, 2, 1)[1].sum() == 9
    assert kept_cells(touched, 2, 99).all()


def test_frames_drawn_already_keep_no_more_than_clips_and_the_pixels_they_have(build_both, clips, prompts):
    _, sparse, processor = build_both()
    batch = processor(clips, prompts)["clips"]
    cells = _cells(sparse, batch)
    with torch.no_grad():
        frames = sparse.render(batch)
    pixels, bright = patches_of_frames(frames, 16, 2, Foreground())
    assert (bright <= cells).all() and bright.sum() > 0.5 * cells.sum()
    assert pixels.sum() == pytest.approx(float(frames.sum()), rel=1e-3)  # hardly anything is left out


def test_placeholders_of_dropped_cells_go_and_positions_stay():
    x, pad = 9, 0
    ids = torch.tensor([[pad, 1, x, x, 2, x, x, 3], [4, 5, x, x, 6, x, x, 7]])
    mask = torch.ones_like(ids)
    mask[0, 0] = 0
    labels = torch.full_like(ids, -100)
    labels[:, -1] = ids[:, -1]
    cells = torch.tensor([[True, False, False, False], [False, True, True, True]])
    rows = dict(input_ids=ids, attention_mask=mask, labels=labels)
    shorter = without_dropped(rows, cells, placeholder=x, padding=pad)
    assert shorter["input_ids"].tolist() == [[0, 0, 0, 1, x, 2, 3], [4, 5, x, 6, x, x, 7]]
    assert shorter["attention_mask"].tolist() == [[0, 0, 0, 1, 1, 1, 1], [1] * 7]
    assert shorter["position_ids"].tolist() == [[0, 0, 0, 1, 2, 4, 7], [0, 1, 3, 4, 5, 6, 7]]
    assert shorter["labels"].tolist() == [[-100] * 6 + [3], [-100] * 6 + [7]]
    with pytest.raises(ValueError, match="have 8 placeholders, the frames 6 cells"):
        without_dropped(rows, cells[:, :3], placeholder=x, padding=pad)


@pytest.mark.parametrize(
    "foreground, message",
    [
        ({"margins": 1}, "foreground has no margins; it takes margin, cutoff"),
        ({"margin": -1}, "margin is -1"),
        ({"margin": 0.5}, "margin is 0.5"),
        ({"cutoff": 0}, "cutoff is 0,"),
    ],
)
def test_wrong_settings_are_refused(build, foreground, message):
    model, _ = build()
    with pytest.raises(ValueError, match=message):
        SkeletonLLMConfig(backbone_config=model.config.backbone_config, foreground=foreground)


def test_towers_of_which_other_layers_are_read_are_refused(build):
    model, _ = build()
    model.config.backbone_config.vision_feature_layer = -2
    with pytest.raises(ValueError, match="vision_feature_layer -1"):
        SkeletonLLMConfig(backbone_config=model.config.backbone_config, foreground={})
