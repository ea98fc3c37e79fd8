"""Trained models in a folder: the model, its processor, and what it was taught."""

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration

TRAINING_FILE = "training.json"
MODEL_FOLDER = "model"


@dataclass
class Trained:
    """A model ready to be asked; ``labels`` are those it was trained on, ``recipe`` how."""

    model: SkeletonLLMForConditionalGeneration
    processor: SkeletonLLMProcessor
    labels: list[str]
    recipe: dict


def save_trained(folder: Path, trained: Trained) -> None:
    """Write a folder for ``load_trained`` and for ``from_pretrained``."""
    trained.model.save_pretrained(folder)
    trained.processor.save_pretrained(folder)
    (folder / TRAINING_FILE).write_text(json.dumps(dict(labels=trained.labels, recipe=trained.recipe), indent=1))


def find_trained(folder: str | Path) -> Path | None:
    """The folder of a trained model, given it or the run that made it; None if neither is there."""
    candidates = (Path(folder) / MODEL_FOLDER, Path(folder))
    return next((path for path in candidates if (path / TRAINING_FILE).is_file()), None)


def load_trained(folder: str | Path) -> Trained:
    """Read the folder of a trained model, or of the run that made it.

    Raises:
        FileNotFoundError: neither is there.
        ValueError: what is there is damaged.
    """
    found = find_trained(folder)
    if found is None:
        raise FileNotFoundError(f"{folder} holds no trained model: {TRAINING_FILE} is missing")
    folder = found
    try:
        facts = json.loads((folder / TRAINING_FILE).read_text())
        labels, recipe = facts["labels"], facts["recipe"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / TRAINING_FILE} is damaged: {error}") from error
    try:
        model = SkeletonLLMForConditionalGeneration.from_pretrained(folder).eval()
    except SafetensorError as error:
        raise ValueError(f"{folder}: the weights are damaged: {error}") from error
    return Trained(model, SkeletonLLMProcessor.from_pretrained(folder), labels, recipe)
