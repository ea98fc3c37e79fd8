"""Adapters: they begin as nothing, sit on the language model alone, and can be added into it."""

import pytest
import torch
from minute_runs import learnt_at
from torch import nn

from skeletonllm.models.trained import load_trained
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.training.build import build_model
from skeletonllm.training.checkpoint import load_checkpoint
from skeletonllm.training.lora import LoraArguments, attach_lora, has_lora, merge_lora
from skeletonllm.training.parts import part_of, set_trainable
from skeletonllm.training.restore import restore

LABELS = ["bow", "clap"]


@pytest.fixture
def built(recipe):
    return build_model(recipe().model, LABELS, seed=0)


def batch_of(processor):
    clips = [processor.sample(synthesize(label, topology="coco_17", performer=7)) for label in LABELS]
    return processor(clips, ["What do the frames show?"] * 2, LABELS)


def logits_of(model, batch):
    with torch.no_grad():
        return model.eval()(**batch).logits


@torch.no_grad()
def teach(model, scale=0.3):
    """Give adapters something to say."""
    for name, parameter in model.named_parameters():
        if ".lora_B." in name:
            parameter.normal_(std=scale, generator=torch.Generator().manual_seed(len(name)))


def test_adapters_begin_as_nothing(built):
    model, processor = built
    batch = batch_of(processor)
    before = logits_of(model, batch)
    attach_lora(model, LoraArguments(), seed=0)
    assert has_lora(model) and torch.equal(logits_of(model, batch), before)


def test_every_linear_layer_of_the_language_model_has_an_adapter_and_nothing_else_has(built):
    model, _ = built
    linear = {name for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    wanted = {name for name in linear if ".language_model." in name}
    backbone = type(model.backbone)
    attach_lora(model, LoraArguments(), seed=0)
    adapted = {name.split(".lora_")[0] for name, _ in model.named_parameters() if part_of(name) == "lora"}
    assert adapted == wanted and len(wanted) == 7  # four of attention and three of the one layer's MLP
    assert type(model.backbone) is backbone


def test_an_adapter_has_the_rank_and_the_scale_that_are_asked_for(built):
    model, processor = built
    attach_lora(model, LoraArguments(rank=3, alpha=12, dropout=0.0), seed=0)
    teach(model)
    layer = model.backbone.model.language_model.layers[0].self_attn.q_proj
    down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    assert len(down) == up.shape[1] == 3
    inputs = torch.randn(5, down.shape[1], generator=torch.Generator().manual_seed(0))
    wanted = layer.base_layer(inputs) + 12 / 3 * inputs @ down.T @ up.T
    torch.testing.assert_close(layer(inputs), wanted)  # float32 products of 32 terms


def test_only_adapters_learn_when_they_alone_are_asked_for(built):
    model, processor = built
    attach_lora(model, LoraArguments(), seed=0)
    teach(model)
    set_trainable(model, ["lora"])
    model.train()(**batch_of(processor)).loss.backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None and bool(parameter.grad.any())) == (part_of(name) == "lora"), name


def test_dropout_is_of_the_adapters_alone_and_only_while_they_learn(built):
    model, processor = built
    attach_lora(model, LoraArguments(dropout=0.5), seed=0)
    teach(model)
    batch = batch_of(processor)
    assert torch.equal(logits_of(model, batch), logits_of(model, batch))
    with torch.no_grad():
        assert not torch.equal(model.train()(**batch).logits, model(**batch).logits)


def test_the_same_seed_gives_the_same_adapters_and_leaves_the_global_generator_alone(recipe):
    found = []
    for seed, past in ((0, 1), (0, 2), (5, 1)):
        model, _ = build_model(recipe().model, LABELS, seed=0)
        torch.manual_seed(past)
        before = torch.get_rng_state()
        attach_lora(model, LoraArguments(), seed)
        assert torch.equal(torch.get_rng_state(), before)
        found.append(next(p.detach() for name, p in model.named_parameters() if ".lora_A." in name))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_merged_adapters_give_the_outputs_they_had_beside_their_layers(built):
    model, processor = built
    batch = batch_of(processor)
    names = {name for name, _ in model.named_parameters()}
    without = logits_of(model, batch)
    attach_lora(model, LoraArguments(rank=4, alpha=8), seed=0)
    teach(model)
    beside = logits_of(model, batch)
    merge_lora(model)
    merged = logits_of(model, batch)
    # float32 products in another order, on logits of about 10.
    torch.testing.assert_close(merged, beside, atol=1e-5, rtol=1e-5)
    assert (merged - without).abs().max() > 0.1
    assert not has_lora(model) and {name for name, _ in model.named_parameters()} == names


def test_the_model_that_a_run_leaves_answers_as_the_live_one_with_its_adapters(staged):
    checkpoint = load_checkpoint(staged.folder)
    live, left = restore(checkpoint), load_trained(staged.folder)
    assert has_lora(live.model) and not has_lora(left.model)
    batch = batch_of(left.processor)
    found, wanted = logits_of(left.model, batch), logits_of(live.model, batch)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    merge = "backbone.model.language_model.layers.0.self_attn.q_proj.weight"
    before = learnt_at(staged.folder, staged.spans["foundation"].last)[merge]
    assert not torch.equal(left.model.state_dict()[merge], before)


def test_in_bfloat16_the_sum_is_made_in_float32_and_rounded_once(built):
    model, _ = built
    attach_lora(model, LoraArguments(rank=4, alpha=8), seed=0)
    teach(model)
    layer = model.backbone.model.language_model.layers[0].mlp.down_proj
    wanted = layer.base_layer.weight.detach().bfloat16().float() + layer.get_delta_weight("default").detach()
    layer.base_layer.bfloat16()
    merge_lora(model)
    merged = model.backbone.model.language_model.layers[0].mlp.down_proj.weight
    assert merged.dtype == torch.bfloat16 and torch.equal(merged, wanted.bfloat16())


@pytest.mark.parametrize("wrong", [dict(rank=0), dict(alpha=0), dict(dropout=1.0), dict(dropout=-0.1)], ids=str)
def test_adapters_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="lora: .*expected rank and alpha of 1 or more"):
        LoraArguments(**wrong)
