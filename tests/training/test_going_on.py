"""Training goes on from a model that was trained here."""

import pytest
import torch
from minute_runs import assert_same, weights_of

from skeletonllm.models.trained import load_trained
from skeletonllm.training.build import build_model
from skeletonllm.training.run import train


@pytest.fixture(scope="module")
def first(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    train(recipe(), folder)
    return folder


def test_the_second_run_starts_from_the_weights_of_the_first(recipe, first):
    second = recipe(model=dict(backbone=str(first), num_frames=5, face_camera=True))
    model, processor = build_model(second.model, ["bow"], seed=7)
    trained = load_trained(first).model.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in model.state_dict().items())
    assert processor.num_frames == model.config.num_frames == 5 and processor.face_camera


def test_the_four_stages_go_on_from_a_model_with_merged_adapters(staged, recipe, tmp_path):
    second = recipe(model=dict(backbone=str(staged.folder)), stages=dict(refine=dict(epochs=1, learning_rate=1e-3)))
    before, after = weights_of(staged.folder), weights_of(train(second, tmp_path))
    assert after.keys() == before.keys()
    assert_same(*({n: v for n, v in state.items() if n.startswith("renderer.")} for state in (before, after)))
    adapted = "backbone.model.language_model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(after[adapted], before[adapted])


def test_geometry_may_change_and_is_saved(recipe, first, tmp_path):
    renderer = dict(samples_per_bone=3, follow=True)
    train(recipe(model=dict(backbone=str(first), renderer=renderer)), tmp_path / "second")
    settings = load_trained(tmp_path / "second").model.renderer.settings
    assert settings["follow"] and settings["samples_per_bone"] == 3


def test_another_modulator_does_not_fit(recipe, first):
    other = recipe(model=dict(backbone=str(first), renderer=dict(modulator="mlp")))
    with pytest.raises(ValueError, match=r"renderer does not fit.*found {.*expected {"):
        build_model(other.model, ["bow"], seed=0)
