"""A run with a backbone of each family: its parts, its adapters, and what is left of it, which answers the same."""

import json

import pytest
import torch
from torch import nn

from skeletonllm.models.backbones import FAMILIES
from skeletonllm.models.trained import load_trained
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.training.build import build_model
from skeletonllm.training.checkpoint import load_checkpoint
from skeletonllm.training.export import export
from skeletonllm.training.lora import LoraArguments, attach_lora, merge_lora
from skeletonllm.training.parts import part_of
from skeletonllm.training.restore import restore
from skeletonllm.training.run import train

LABELS = ["bow", "clap"]
LAYOUTS = [(name, layout) for name, family in FAMILIES.items() for layout in family.placeholders]
# The parts of each family by the modules that hold them.
TOWERS = {"internvl": "vision_tower", "qwen2_5_vl": "visual", "qwen3_vl": "visual", "smolvlm": "vision_model"}
PROJECTORS = {
    "internvl": ["multi_modal_projector"],
    "qwen2_5_vl": ["visual.merger"],
    "qwen3_vl": ["visual.merger", "visual.deepstack_merger_list"],
    "smolvlm": ["connector"],
}
each_family = pytest.mark.parametrize("family", list(FAMILIES))


def batch_of(processor):
    clips = [processor.sample(synthesize(label, topology="coco_17", performer=7)) for label in LABELS]
    return processor(clips, ["What do the frames show?"] * 2)


def said(model, processor) -> tuple[torch.Tensor, list[str]]:
    """Log-likelihoods of the labels, and what the model writes."""
    batch = batch_of(processor)
    scores = model.eval().label_log_likelihoods(candidate_token_ids=processor.candidate_token_ids(LABELS), **batch)
    written = model.generate(**batch, max_new_tokens=5, do_sample=False)
    return scores, processor.decode(written, batch["input_ids"].shape[1])


@each_family
def test_every_parameter_belongs_to_the_part_whose_module_holds_it(recipe, family):
    model, _ = build_model(recipe(model=dict(family=family)).model, LABELS, seed=0)
    inner = model.backbone.model
    projector = {p for name in PROJECTORS[family] for p in inner.get_submodule(name).parameters()}
    vision = set(inner.get_submodule(TOWERS[family]).parameters()) - projector
    for name, parameter in model.named_parameters():
        wanted = "language"
        if parameter in projector or parameter in vision:
            wanted = "projector" if parameter in projector else "vision"
        assert part_of(name) == ("renderer" if name.startswith("renderer.") else wanted), name


@each_family
def test_adapters_stand_beside_every_linear_layer_of_the_language_model_and_nowhere_else(recipe, family):
    model, processor = build_model(recipe(model=dict(family=family)).model, LABELS, seed=0)
    inner = model.backbone.model
    language = next(child for name, child in inner.named_children() if name in ("language_model", "text_model"))
    linear = {id(module) for module in language.modules() if isinstance(module, nn.Linear)}
    before = said(model, processor)[0]
    attach_lora(model, LoraArguments(rank=4, alpha=8), seed=0)
    torch.testing.assert_close(said(model, processor)[0], before, atol=1e-5, rtol=0)  # nothing but rounding
    adapted = [module for module in model.modules() if hasattr(module, "lora_A")]
    assert {id(module.get_base_layer()) for module in adapted} == linear and len(linear) == 7
    with torch.no_grad():
        for module in adapted:
            module.lora_B["default"].weight.fill_(0.05)
    beside = said(model, processor)[0]
    merge_lora(model)
    assert (beside - before).abs().max() > 1e-3
    torch.testing.assert_close(said(model, processor)[0], beside, atol=1e-4, rtol=0)  # float32 products, other order


@pytest.mark.parametrize(("family", "layout"), LAYOUTS, ids=[" ".join(pair) for pair in LAYOUTS])
def test_a_model_that_was_trained_answers_the_same_when_it_is_read_again(recipe, tmp_path, family, layout):
    asked = recipe(
        model=dict(family=family, frame_layout=layout),
        optimization=dict(row_length=400, activation_checkpointing=True, group_by_length=True),
        stages=dict(
            scratch=dict(train=["renderer", "projector", "vision", "language"], epochs=1, learning_rate=5e-3),
            adapt=dict(train=["renderer", "projector", "lora"], epochs=1, learning_rate=5e-3),
        ),
    )
    train(asked, tmp_path)
    live, left = restore(load_checkpoint(tmp_path)), load_trained(tmp_path)
    assert left.model.config.backbone_config.model_type == family and left.processor.frame_layout == layout
    scores, written = said(left.model, left.processor)
    found, rewritten = said(live.model, live.processor)
    torch.testing.assert_close(scores, found, atol=1e-4, rtol=0)  # adapters merged and beside their layers
    assert written == rewritten and scores.isfinite().all()
    start, _ = build_model(asked.model, left.labels, asked.optimization.seed)
    names = dict(start.named_parameters())
    moved = {part_of(n) for n, p in left.model.named_parameters() if not torch.equal(p, names[n])}
    assert moved == {"renderer", "projector", "vision", "language"}
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 6


@each_family
def test_adapters_are_exported_with_their_projector_and_fit_their_backbone(four_recipe, tmp_path, family):
    asked = four_recipe(
        model=dict(family=family),
        stages=dict(refine=dict(train=["renderer", "projector", "lora"], epochs=1, learning_rate=5e-3)),
    )
    train(asked, tmp_path)
    checkpoint = load_checkpoint(tmp_path)
    folder = export(checkpoint, "adapter")
    live, left = restore(checkpoint), load_trained(folder)
    scores, written = said(live.model, live.processor)
    found, rewritten = said(left.model, left.processor)
    torch.testing.assert_close(found, scores, atol=1e-4, rtol=0)
    assert written == rewritten


def test_a_family_is_that_of_the_tiny_backbone_alone(recipe):
    with pytest.raises(ValueError, match="family is that of the tiny backbone, and backbone is some/model"):
        recipe(model=dict(family="smolvlm", backbone="some/model"))
    with pytest.raises(ValueError, match="'llava'; known: internvl, qwen2_5_vl, qwen3_vl, smolvlm"):
        build_model(recipe(model=dict(family="llava")).model, LABELS, seed=0)
