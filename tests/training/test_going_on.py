"""Training goes on from a model that was trained here."""

import pytest
import torch

from skeletonllm.models.trained import load_trained
from skeletonllm.training.run import build_model, train


@pytest.fixture
def first(recipe, tmp_path):
    folder = tmp_path / "first"
    train(recipe(), folder)
    return folder


def test_the_second_run_starts_from_the_weights_of_the_first(recipe, first):
    second = recipe(model=dict(backbone=str(first), num_frames=5, face_camera=True))
    model, processor = build_model(second.model, ["bow"], seed=7)
    trained = load_trained(first).model.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in model.state_dict().items())
    assert processor.num_frames == model.config.num_frames == 5 and processor.face_camera


def test_geometry_may_change_and_is_saved(recipe, first, tmp_path):
    renderer = dict(samples_per_bone=3, follow=True)
    train(recipe(model=dict(backbone=str(first), renderer=renderer)), tmp_path / "second")
    settings = load_trained(tmp_path / "second").model.renderer.settings
    assert settings["follow"] and settings["samples_per_bone"] == 3


def test_another_modulator_does_not_fit(recipe, first):
    other = recipe(model=dict(backbone=str(first), renderer=dict(modulator="mlp")))
    with pytest.raises(ValueError, match="renderer does not fit"):
        build_model(other.model, ["bow"], seed=0)
