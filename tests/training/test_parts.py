"""Which parameters learn, and how fast."""

import itertools

import pytest

from skeletonllm.training.arguments import recipe_from_dict
from skeletonllm.training.parts import PARTS, parameter_groups, part_of, set_trainable
from skeletonllm.training.run import build_model


@pytest.fixture
def model(minute):
    return build_model(recipe_from_dict(minute()).model, ["bow", "clap"], seed=0)[0]


def modules_of(model):
    """The parameters of each part by the modules that hold them, not by their names."""
    inner = model.backbone.model
    return {
        "renderer": set(model.renderer.parameters()),
        "projector": set(inner.multi_modal_projector.parameters()),
        "vision": set(inner.vision_tower.parameters()),
        "language": set(inner.language_model.parameters()) | set(model.backbone.lm_head.parameters()),
    }


def test_every_parameter_belongs_to_the_part_whose_module_holds_it(model):
    expected = modules_of(model)
    assert all(expected.values())
    for name, parameter in model.named_parameters():
        assert [part for part in PARTS if parameter in expected[part]] == [part_of(name)], name


@pytest.mark.parametrize("parts", [p for n in range(1, 5) for p in itertools.combinations(PARTS, n)], ids=str)
def test_exactly_the_chosen_parts_learn(model, parts):
    expected = set().union(*(modules_of(model)[part] for part in parts))
    set_trainable(model, PARTS)
    set_trainable(model, parts)
    assert {parameter for parameter in model.parameters() if parameter.requires_grad} == expected
    grouped = [p for group in parameter_groups(model, 1e-3, 1e-2, 0.1) for p in group["params"]]
    assert set(grouped) == expected and len(grouped) == len(expected)


def test_the_renderer_has_a_rate_of_its_own_and_only_matrices_decay(model):
    set_trainable(model, PARTS)
    groups = {group["name"]: group for group in parameter_groups(model, 1e-3, 1e-2, 0.1)}
    assert set(groups["renderer"]["params"]) == set(model.renderer.parameters())
    assert (groups["renderer"]["lr"], groups["renderer"]["weight_decay"]) == (1e-2, 0.0)
    assert (groups["matrices"]["lr"], groups["matrices"]["weight_decay"]) == (1e-3, 0.1)
    assert (groups["vectors"]["lr"], groups["vectors"]["weight_decay"]) == (1e-3, 0.0)
    assert all(parameter.ndim > 1 for parameter in groups["matrices"]["params"])
    assert all(parameter.ndim <= 1 for parameter in groups["vectors"]["params"])


def test_a_part_that_rests_leaves_no_empty_group(model):
    set_trainable(model, ["renderer"])
    assert [group["name"] for group in parameter_groups(model, 1e-3, 1e-2, 0.1)] == ["renderer"]
