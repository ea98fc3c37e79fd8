"""Runs that take seconds: fifty thousand parameters, pictures of 32 pixels, three actions."""

import copy
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from minute_runs import before_step

from skeletonllm.training.arguments import Recipe, recipe_from_dict
from skeletonllm.training.build import build_model
from skeletonllm.training.parts import learning_parameters
from skeletonllm.training.run import train
from skeletonllm.training.stages import StageSpan, schedule

LABELS = ["raise both arms", "squat", "walk"]
# Twelve recordings, so three steps are an epoch.
MINUTE = dict(
    name="minute",
    data=dict(options=dict(labels=LABELS, performers=4, test_performers=2, topologies=["coco_17"])),
    model=dict(
        num_frames=3,
        renderer=dict(samples_per_bone=2),
        tiny=dict(
            image_size=32, patch_size=8, vision_hidden_size=32, vision_layers=1, hidden_size=32, layers=1, heads=2
        ),
        lora=dict(rank=4, alpha=8, dropout=0.05),
    ),
    augmentation=dict(trim=0.2, yaw=20.0, tilt=5.0, size=0.1, noise=0.01, missing=0.1),
    optimization=dict(batch_size=4, threads=1),
    stages=dict(
        scratch=dict(
            train=["renderer", "projector", "vision", "language"],
            epochs=6, learning_rate=5e-3, renderer_learning_rate=1e-2,
        )
    ),
    log_every=4,
    save_every=5,
    pictures_every=0,
)  # fmt: skip
# A stage that gives the stand-in for a trained backbone something to know, then the four.
FOUR_STAGES = dict(
    foundation=dict(train=["projector", "vision", "language"], learning_rate=5e-3),
    warmup=dict(renderer_learning_rate=1e-2),
    discriminate=dict(learning_rate=1e-3),
    distill=dict(learning_rate=1e-3),
    refine=dict(learning_rate=1e-3, epochs=2),
)


@pytest.fixture(scope="session")
def minute():
    """The recipe as plain values, with some changed: ``minute(optimization=dict(seed=1))``; ``stages`` are replaced,
    ``scratch`` changes values of the only stage there is."""

    def make(scratch=None, **changes):
        content = copy.deepcopy(MINUTE)
        content["stages"]["scratch"].update(scratch or {})
        for key, value in copy.deepcopy(changes).items():
            if isinstance(value, dict) and key != "stages":
                content.setdefault(key, {}).update(value)
            else:
                content[key] = value
        return content

    return make


@pytest.fixture(scope="session")
def recipe(minute):
    """The recipe itself, with some values changed."""
    return lambda **changes: recipe_from_dict(minute(**changes))


@dataclass
class StagedRun:
    """A run of all stages: its folder, its recipe, its spans by name, and what was there when each stage began.

    ``begun`` has for each stage all parameters of the model and the names of those that learn.
    """

    folder: Path
    recipe: Recipe
    spans: dict[str, StageSpan]
    begun: dict[str, tuple[dict[str, torch.Tensor], set[str]]]


@pytest.fixture(scope="session")
def four_recipe(recipe):
    """The recipe of all stages, with some values changed."""
    return lambda **changes: recipe(**{"stages": FOUR_STAGES, "log_every": 2, "save_every": 1000, **changes})


@pytest.fixture(scope="session")
def four_spans(four_recipe):
    return {span.name: span for span in schedule(four_recipe().stages, steps_per_epoch=3)}


@pytest.fixture(scope="session")
def staged(four_recipe, four_spans, tmp_path_factory) -> StagedRun:
    """All stages by one command; read only."""
    asked = four_recipe(pictures_every=1000)
    begun = {}

    def note(trainer):
        if trainer.step == trainer.span.first:
            model = trainer.engine.model
            parameters = {name: p.detach().clone() for name, p in model.named_parameters()}
            begun[trainer.span.name] = parameters, set(learning_parameters(model))

    folder = tmp_path_factory.mktemp("staged")
    patch = before_step(note)
    try:
        train(asked, folder)
    finally:
        patch.undo()
    return StagedRun(folder, asked, four_spans, begun)


@pytest.fixture
def start_of():
    """The model of a recipe before its first step."""
    return lambda recipe: build_model(recipe.model, LABELS, recipe.optimization.seed)[0]
