"""Which parameters learn, and how fast."""

import itertools

import pytest
import torch

from skeletonllm.training.build import build_model
from skeletonllm.training.lora import attach_lora
from skeletonllm.training.parts import (
    PARTS,
    canonical_name,
    group_part,
    learning_parameters,
    parameter_groups,
    part_of,
    set_precision,
    set_trainable,
)  # fmt: skip


@pytest.fixture
def plain(recipe):
    return build_model(recipe().model, ["bow", "clap"], seed=0)[0]


@pytest.fixture
def model(plain, recipe):
    attach_lora(plain, recipe().model.lora, seed=0)
    return plain


def modules_of(model):
    """The parameters of each part by the modules that hold them, not by their names."""
    from peft.tuners.lora import LoraLayer

    inner = model.backbone.model
    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    adapters = {p for layer in layers for p in (*layer.lora_A.parameters(), *layer.lora_B.parameters())}
    language = set(inner.language_model.parameters()) | set(model.backbone.lm_head.parameters())
    return {
        "renderer": set(model.renderer.parameters()),
        "projector": set(inner.multi_modal_projector.parameters()),
        "lora": adapters,
        "vision": set(inner.vision_tower.parameters()),
        "language": language - adapters,
    }


def test_every_parameter_belongs_to_the_part_whose_module_holds_it(model):
    expected = modules_of(model)
    assert all(expected.values())
    for name, parameter in model.named_parameters():
        assert [part for part in PARTS if parameter in expected[part]] == [part_of(name)], name


@pytest.mark.parametrize("parts", [p for n in range(1, 6) for p in itertools.combinations(PARTS, n)], ids=str)
def test_exactly_the_chosen_parts_learn(model, parts):
    expected = set().union(*(modules_of(model)[part] for part in parts))
    set_trainable(model, PARTS)
    set_trainable(model, parts)
    assert {parameter for parameter in model.parameters() if parameter.requires_grad} == expected
    groups = parameter_groups(model, 1e-3, 1e-2, 0.1)
    grouped = [p for group in groups for p in group["params"]]
    assert set(grouped) == expected and len(grouped) == len(expected)
    for group in groups:
        assert set(group["params"]) <= modules_of(model)[group_part(group["name"])]
    assert set(learning_parameters(model).values()) == expected


def test_the_renderer_has_a_rate_of_its_own_and_only_matrices_decay(model):
    set_trainable(model, PARTS)
    groups = {group["name"]: group for group in parameter_groups(model, 1e-3, 1e-2, 0.1)}
    assert set(groups["renderer"]["params"]) == set(model.renderer.parameters())
    assert (groups["renderer"]["lr"], groups["renderer"]["weight_decay"]) == (1e-2, 0.0)
    assert any(parameter.ndim > 1 for parameter in groups["renderer"]["params"])  # features and mixing weights
    for part in ("projector", "vision", "language"):
        matrices, vectors = groups[f"{part} matrices"], groups[f"{part} vectors"]
        assert (matrices["lr"], matrices["weight_decay"]) == (1e-3, 0.1)
        assert (vectors["lr"], vectors["weight_decay"]) == (1e-3, 0.0)
        assert all(parameter.ndim > 1 for parameter in matrices["params"])
        assert all(parameter.ndim <= 1 for parameter in vectors["params"])
    assert "lora vectors" not in groups and groups["lora matrices"]["weight_decay"] == 0.1


def test_a_part_that_rests_leaves_no_empty_group(model):
    set_trainable(model, ["renderer"])
    assert [group["name"] for group in parameter_groups(model, 1e-3, 1e-2, 0.1)] == ["renderer"]


def test_parameters_have_the_same_names_with_and_without_adapters(plain, recipe):
    before = {canonical_name(name) for name, _ in plain.named_parameters()}
    attach_lora(plain, recipe().model.lora, seed=0)
    after = {canonical_name(name): part_of(name) for name, _ in plain.named_parameters()}
    assert {name for name, part in after.items() if part != "lora"} == before


@pytest.mark.parametrize("parts", [("projector", "lora"), ("renderer",), ("language",)], ids=str)
def test_what_rests_goes_to_bfloat16_but_never_the_renderer(model, parts):
    set_trainable(model, parts)
    set_precision(model, torch.bfloat16)
    for name, parameter in model.named_parameters():
        exact = part_of(name) in (*parts, "renderer")
        assert parameter.dtype == (torch.float32 if exact else torch.bfloat16), name
    set_precision(model, None)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
