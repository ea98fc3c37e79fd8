"""Samples that share a row give what each gives in a row of its own."""

import pytest
import torch

from skeletonllm.models.packing import first_fit_decreasing

ANSWERS = ["throw", "throw ball", "sit down"]
# float32 sums in another order (masked attention, rotary angles of other positions) on losses of about 8 nats.
ROUNDING = 1e-5


@pytest.fixture(params=["sdpa", "eager"])
def attending(build, request):
    """Models whose language model attends in one of the two ways."""

    def builder():
        model, processor = build()
        model.backbone.set_attn_implementation(request.param)
        return model, processor

    return builder


@pytest.fixture
def row_length(build, clips, prompts) -> int:
    """Room for the two longest samples but not for all three: two rows, of different lengths."""
    _, processor = build()
    lengths = processor(clips, prompts, ANSWERS)["attention_mask"].sum(1)
    return int(lengths.sum() - lengths.min())


def _losses(model, batch):
    with torch.no_grad():
        return model(**batch).sample_losses


def test_packed_samples_have_the_losses_of_separate_ones(attending, clips, prompts, row_length):
    model, processor = attending()
    packed = processor(clips, prompts, ANSWERS, row_length=row_length)
    assert len(packed["input_ids"]) == 2 and (packed["sample_ids"] < 0).any()
    wanted = _losses(model, processor(clips, prompts, ANSWERS))
    assert wanted.unique().numel() == 3  # in another order they would differ
    torch.testing.assert_close(_losses(model, packed), wanted, atol=ROUNDING, rtol=0)
    one_row = processor(clips, prompts, ANSWERS, row_length=4096)
    assert len(one_row["input_ids"]) == 1
    torch.testing.assert_close(_losses(model, one_row), wanted, atol=ROUNDING, rtol=0)


def test_packed_samples_have_the_gradients_of_separate_ones(attending, clips, prompts, row_length):
    model, processor = attending()
    found = []
    for length in (0, row_length):
        model.zero_grad()
        model(**processor(clips, prompts, ANSWERS, row_length=length)).loss.backward()
        found.append({name: parameter.grad for name, parameter in model.named_parameters()})
    parts = {"renderer.": 0, "backbone.model.multi_modal_projector.": 0, "backbone.model.language_model.": 0}
    for name, wanted in found[0].items():
        # Relative to the largest of a tensor: the same sums in another order, through two layers and back.
        error = (found[1][name] - wanted).abs().max()
        assert error <= 1e-4 * wanted.abs().max(), name
        for part in parts:
            parts[part] += name.startswith(part) and bool(wanted.abs().max() > 0)
    assert all(parts.values())


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_no_sample_sees_another(attending, clips, prompts, changed):
    model, processor = attending()
    batch = processor(clips, prompts, ANSWERS, row_length=4096)
    with torch.no_grad():
        batch["frames"] = model.render(batch.pop("clips"))
    before = _losses(model, batch)
    batch["frames"][changed] = 1 - batch["frames"][changed]  # the prompts are longest first, as the row is
    text = batch["input_ids"] > processor.tokenizer.convert_tokens_to_ids("<video>")  # the last special token
    text &= (batch["labels"] == -100) & (batch["sample_ids"] == changed)
    batch["input_ids"][text] = processor.tokenizer.convert_tokens_to_ids("a")
    same = _losses(model, batch) == before
    # To the bit: what is masked has weight zero in the same sums.
    assert same.tolist() == [index != changed for index in range(3)]


def test_what_stands_on_padding_does_not_matter(attending, clips, prompts, row_length):
    model, processor = attending()
    batch = processor(clips, prompts, ANSWERS, row_length=row_length)
    before = _losses(model, batch)
    batch["input_ids"][batch["sample_ids"] < 0] = processor.tokenizer.eos_token_id
    assert torch.equal(_losses(model, batch), before)


def test_a_cache_that_the_caller_asks_for_does_not_let_samples_see_each_other(build, clips, prompts):
    model, processor = build()
    batch = processor(clips, prompts, ANSWERS, row_length=4096)
    with torch.no_grad():
        assert torch.equal(model(**batch, use_cache=True).loss, model(**batch).loss)
        del batch["labels"]
        logits = model(**batch).logits
        alone = model(**processor(clips[1:2], prompts[1:2], ANSWERS[1:2])).logits[0]
    own = (batch["sample_ids"][0] == 1).nonzero()[:, 0]
    torch.testing.assert_close(logits[0, own][-len(alone) - 1 : -1], alone, atol=1e-4, rtol=0)  # logits of about 10


def test_rows_may_be_split_into_parts(build, clips, prompts, row_length):
    model, processor = build()
    wanted = _losses(model, processor(clips, prompts, ANSWERS))
    batch = processor(None, prompts, ANSWERS, row_length=row_length)
    for row in range(2):
        part = {key: value[row : row + 1] for key, value in batch.items()}
        ids = part["sample_ids"][0]
        order = [int(index) for index in ids[ids >= 0].unique_consecutive()]
        frames = model.render([clips[index] for index in order])
        losses = _losses(model, {**part, "frames": frames})
        torch.testing.assert_close(losses, wanted[sorted(order)], atol=ROUNDING, rtol=0)


def test_packed_rows_hold_each_sample_once_and_whole(build, clips, prompts, row_length):
    _, processor = build()
    apart = processor(clips, prompts, ANSWERS)
    packed = processor(clips, prompts, ANSWERS, row_length=row_length)
    assert "attention_mask" not in packed
    for index, mask in enumerate(apart["attention_mask"].bool()):
        own = packed["sample_ids"] == index
        assert torch.equal(packed["input_ids"][own], apart["input_ids"][index, mask])
        assert torch.equal(packed["labels"][own], apart["labels"][index, mask])
        assert torch.equal(packed["position_ids"][own], torch.arange(int(mask.sum())))
    padding = packed["sample_ids"] < 0
    assert (packed["labels"][padding] == -100).all()
    assert packed["input_ids"].shape[1] <= row_length


def test_clips_come_in_the_order_of_the_rows(build, clips, prompts):
    _, processor = build()
    packed = processor(clips[::-1], prompts[::-1], row_length=4096)
    assert "labels" not in packed
    # The prompts were shortest first; the longest comes first in the row.
    assert [topology.name for topology in packed["clips"].topologies] == [clip.topology.name for clip in clips]


def test_first_fit_decreasing_fills_rows_and_breaks_ties_by_place():
    assert first_fit_decreasing([3, 5, 2, 5, 4, 1], 10) == [[1, 3], [4, 0, 2, 5]]


def test_a_sample_longer_than_a_row_is_named(build, clips, prompts):
    _, processor = build()
    lengths = processor(clips, prompts, ANSWERS)["attention_mask"].sum(1)
    with pytest.raises(ValueError, match=rf"sample 0 has {lengths[0]} tokens, rows at most {lengths[1]}"):
        processor(clips, prompts, ANSWERS, row_length=int(lengths[1]))


def test_rows_that_would_leak_are_refused(build, clips, prompts, row_length):
    model, processor = build()
    batch = processor(clips, prompts, ANSWERS, row_length=row_length)
    with pytest.raises(ValueError, match="no attention_mask"):
        model(**batch, attention_mask=torch.ones_like(batch["input_ids"]))
    with pytest.raises(ValueError, match="position_ids that restart"):
        model(**{key: value for key, value in batch.items() if key != "position_ids"})
    counted_on = torch.arange(batch["input_ids"].shape[1]).expand_as(batch["input_ids"])
    with pytest.raises(ValueError, match="position_ids that restart"):
        model(**{**batch, "position_ids": counted_on})
    model.backbone.config.text_config._attn_implementation = "flash_attention_2"
    with pytest.raises(ValueError, match="flash_attention_2 attention cannot keep apart 2 rows"):
        model(**batch)
