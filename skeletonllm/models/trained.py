"""Trained models in a folder: the model, its processor, and what it was taught.

A folder holds either the whole model, or the trained part alone: adapters and projector as PEFT writes them, and the
renderer, for the backbone that they were trained on.
"""

import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, PreTrainedModel
from transformers.utils import logging

from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.rendering.registry import read_renderer
from skeletonllm.rendering.weights import RENDERER_FILE

TRAINING_FILE = "training.json"
MODEL_FOLDER = "model"
# Of a folder that holds the trained part alone.
ADAPTER_FILE = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
BACKBONE_FOLDER = "backbone"
# What such a folder says of the frames, in the JSON file beside its renderer.
FRAME_SETTINGS = ("num_frames", "image_size", "normalize", "frame_layout", "foreground")
# Those that folders of earlier releases do not have.
NEWER_SETTINGS = {"frame_layout": "images", "foreground": None}
AT_ONCE = 100 * 2**20  # bytes of weights that are read within a second


@dataclass
class Trained:
    """A model ready to be asked; ``labels`` are those it was trained on, ``recipe`` how."""

    model: SkeletonLLMForConditionalGeneration
    processor: SkeletonLLMProcessor
    labels: list[str]
    recipe: dict

    @property
    def listed(self) -> bool:
        """Whether the questions of recognition that it was taught list the labels."""
        return self.recipe.get("data", {}).get("list_candidates", True)


def save_trained(folder: Path, trained: Trained) -> None:
    """Write a folder for ``load_trained`` and for ``from_pretrained``."""
    trained.model.save_pretrained(folder)
    save_facts(folder, trained)


def save_facts(folder: Path, trained: Trained) -> None:
    """Write everything but the weights; ``training.json``, without which a folder is no trained model, last."""
    trained.processor.save_pretrained(folder)
    (folder / TRAINING_FILE).write_text(json.dumps(dict(labels=trained.labels, recipe=trained.recipe), indent=1))


def find_trained(folder: str | Path) -> Path | None:
    """The folder of a trained model, given it or the run that made it; None if neither is there."""
    candidates = (Path(folder) / MODEL_FOLDER, Path(folder))
    return next((path for path in candidates if (path / TRAINING_FILE).is_file()), None)


def load_trained(folder: str | Path, backbone: str | Path | None = None) -> Trained:
    """Read the folder of a trained model, or of the run that made it.

    A folder with adapters is read onto its backbone, which stays as it is: the adapters work beside its layers.

    Args:
        folder: which.
        backbone: where the backbone of a folder with adapters lies, if not where the folder says.

    Raises:
        FileNotFoundError: neither is there, or the backbone is not.
        ValueError: what is there is damaged; a backbone is given for a whole model; adapters, and no PEFT.
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
        if (folder / ADAPTER_FILE).is_file():
            model = _load_adapted(folder, backbone).eval()
        elif backbone is None:
            with _bar_if_large(folder):
                model = SkeletonLLMForConditionalGeneration.from_pretrained(folder).eval()
        else:
            raise ValueError(f"{folder} holds a whole model, which takes no other backbone")
    except SafetensorError as error:
        raise ValueError(f"{folder}: the weights are damaged: {error}") from error
    return Trained(model, SkeletonLLMProcessor.from_pretrained(folder), labels, recipe)


@contextmanager
def _bar_if_large(folder: Path) -> Iterator[None]:
    """No bar of progress from transformers before weights that are read at once: it only stands before the answer."""
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    muted = size < AT_ONCE and logging.is_progress_bar_enabled()
    if muted:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if muted:
            logging.enable_progress_bar()


def _load_adapted(folder: Path, backbone: str | Path | None) -> SkeletonLLMForConditionalGeneration:
    """The backbone of a folder with adapters, with adapters, projector and renderer of that folder."""
    if importlib.util.find_spec("peft") is None:
        raise ValueError(f"{folder} holds adapters, and PEFT is not installed; pip install 'skeletonllm[train]'")
    try:
        frames = json.loads((folder / RENDERER_FILE).with_suffix(".json").read_text())
        frames = {name: (NEWER_SETTINGS | frames)[name] for name in FRAME_SETTINGS}
        base = json.loads((folder / ADAPTER_FILE).read_text())["base_model_name_or_path"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder}: its settings are damaged: {error!r}") from error
    renderer = read_renderer(folder / RENDERER_FILE)
    if backbone is None:
        backbone = folder / BACKBONE_FOLDER if (folder / BACKBONE_FOLDER).is_dir() else base
    adapted = _load_backbone(backbone)
    _attach(adapted, folder, backbone)
    model = SkeletonLLMForConditionalGeneration.from_backbone(adapted, renderer=renderer.settings, **frames)
    model.renderer = renderer
    return model


def _attach(model: PreTrainedModel, folder: Path, place: str | Path) -> None:
    """Put a folder's adapters beside the layers of a backbone, and its projector's weights in the backbone's."""
    try:
        model.load_adapter(str(folder))
    except RuntimeError as error:
        raise ValueError(f"the adapters in {folder} do not fit the backbone at {place}: {error}") from error
    # A second projector beside the first is PEFT's way to keep both. The model shall be like one never stored.
    config = model.peft_config["default"]
    for path in [path for path, _ in model.named_modules() if path.endswith(tuple(config.modules_to_save or ()))]:
        parent, _, child = path.rpartition(".")
        setattr(model.get_submodule(parent), child, model.get_submodule(path).original_module)
    config.modules_to_save = None
    # Releases of transformers load such projectors not at all, or adapters rounded to the backbone's type.
    stored = {_name_in_model(name): value for name, value in load_file(folder / ADAPTER_WEIGHTS).items()}
    parameters = dict(model.named_parameters())
    unfit = [name for name in parameters if ".lora_" in name and name not in stored]
    unfit += [n for n, value in stored.items() if n not in parameters or parameters[n].shape != value.shape]
    if unfit:
        raise ValueError(f"the adapters in {folder} do not fit the backbone at {place}: {', '.join(unfit[:3])}")
    for name, value in stored.items():
        parameters[name].data = value if ".lora_" in name else value.to(parameters[name].dtype)


def _name_in_model(name: str) -> str:
    """The name of a parameter that has another one in PEFT's files."""
    name = name.removeprefix("base_model.model.")
    return f"{name.removesuffix('weight')}default.weight" if ".lora_" in name else name


def _load_backbone(place: str | Path) -> PreTrainedModel:
    """A backbone by its name or folder, or that of a model that was trained here."""
    if Path(place).is_absolute() and not Path(place).is_dir():
        raise FileNotFoundError(f"no backbone at {place}; {ADAPTER_FILE} says where it lies")
    if find_trained(place) is None:
        return AutoModelForImageTextToText.from_pretrained(place)
    model = load_trained(place).model
    model.backbone.generation_config = model.generation_config
    return model.backbone
