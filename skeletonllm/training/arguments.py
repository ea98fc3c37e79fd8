"""Recipes: everything that makes a run, typed, read from YAML and changed by ``key=value`` on the command line."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from skeletonllm.data.augmentation import Augmentation
from skeletonllm.training.parts import PARTS


@dataclass
class DataArguments:
    """What is trained on.

    Args:
        source: a key of ``skeletonllm.data.sources.SOURCES``.
        root: the folder of its files.
        split: ``train``, ``test`` or ``all`` by the data set's usual protocol.
        where: attributes to keep, such as ``{view: [1]}``.
        options: of the source.
        fewer_candidates: share of the questions that offer only some of the labels.
    """

    source: str = "synthetic"
    root: str | None = None
    split: str = "train"
    where: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)
    fewer_candidates: float = 0.25

    def __post_init__(self):
        _check_least(self, 0, "fewer_candidates")
        _check_most(self, 1, "fewer_candidates")


@dataclass
class ModelArguments:
    """What is trained.

    Args:
        backbone: ``tiny``, the name or folder of an image-text-to-text model, or the folder of a model that was
            trained here, to go on from there.
        tiny: sizes of the tiny backbone, see ``tiny_backbone``.
        renderer: keyword arguments of ``DrAction``.
        num_frames: frames per clip.
        image_size: pixels; default what the backbone was made for.
        normalize: ``backbone`` or ``none``.
        face_camera: turn the first person of every clip to the camera.
    """

    backbone: str = "tiny"
    tiny: dict = field(default_factory=dict)
    renderer: dict = field(default_factory=dict)
    num_frames: int = 12
    image_size: int | None = None
    normalize: str = "backbone"
    face_camera: bool = False


@dataclass
class OptimizationArguments:
    """How it is trained: AdamW with a cosine schedule.

    Args:
        epochs: passes over the training recordings.
        batch_size: clips per step.
        learning_rate: of everything but the renderer.
        renderer_learning_rate: of the renderer, whose few parameters start far from where they are wanted.
        weight_decay: of matrices; vectors and the renderer have none.
        warmup_share: share of the steps over which the learning rates rise.
        max_gradient_norm: gradients are scaled down to it.
        seed: of weights, order and augmentation.
        threads: of a CPU; 0 leaves it to torch.
    """

    epochs: float = 1.0
    batch_size: int = 16
    learning_rate: float = 1e-3
    renderer_learning_rate: float = 3e-3
    weight_decay: float = 0.05
    warmup_share: float = 0.05
    max_gradient_norm: float = 1.0
    seed: int = 0
    threads: int = 0

    def __post_init__(self):
        _check_positive(self, "epochs", "batch_size", "max_gradient_norm")
        _check_least(
            self, 0, "learning_rate", "renderer_learning_rate", "weight_decay", "warmup_share", "seed", "threads"
        )
        _check_most(self, 1, "warmup_share")


@dataclass
class Recipe:
    """A run: data, model, which parts learn, how, and how often progress is written down.

    Args:
        name: of the recipe.
        description: a sentence for people.
        train: the parts that learn, among ``renderer``, ``projector``, ``vision`` and ``language``.
        log_every, save_every: steps.
    """

    name: str = "custom"
    description: str = ""
    data: DataArguments = field(default_factory=DataArguments)
    model: ModelArguments = field(default_factory=ModelArguments)
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimization: OptimizationArguments = field(default_factory=OptimizationArguments)
    train: list = field(default_factory=lambda: list(PARTS))
    log_every: int = 20
    save_every: int = 500

    def __post_init__(self):
        _check_positive(self, "log_every", "save_every")
        unknown = [part for part in self.train if part not in PARTS]
        if unknown or not self.train:
            raise ValueError(f"train is {self.train}, expected some of {', '.join(PARTS)}")

    def as_dict(self) -> dict:
        """Plain values, as in the YAML file."""
        return dataclasses.asdict(self)


def shipped_recipes() -> dict[str, Path]:
    """The recipes of the package by name."""
    folder = Path(str(resources.files("skeletonllm.recipes")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_recipe(name: str, changes: Sequence[str] = ()) -> Recipe:
    """A shipped recipe by name, or one from a YAML file, with changes such as ``data.root=FOLDER``.

    Raises:
        ValueError: no such recipe, or a key or value that a recipe does not have; names the file and the key.
    """
    path = shipped_recipes().get(name, Path(name))
    if not path.is_file():
        raise ValueError(f"no recipe {name!r}; shipped: {', '.join(shipped_recipes())}, or the path of a .yaml file")
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected keys and values, found a {type(content).__name__}")
    content.setdefault("name", path.stem)
    for change in changes:
        _change(content, change)
    return recipe_from_dict(content, str(path))


def recipe_from_dict(content: Mapping[str, Any], place: str = "recipe") -> Recipe:
    """A recipe from plain values. Raises ValueError at keys or types that do not fit."""
    return _build(Recipe, content, place)


def _change(content: dict, change: str) -> None:
    key, equals, value = change.partition("=")
    if not equals or not key:
        raise ValueError(f"{change!r} is not of the form key=value, such as data.root=FOLDER")
    *parents, last = key.split(".")
    for parent in parents:
        content = content.setdefault(parent, {})
        if not isinstance(content, dict):
            raise ValueError(f"{change!r}: {parent} has no parts")
    try:
        content[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ValueError(f"{change!r}: not YAML: {error}") from error


def _build(kind: type, content: Any, place: str):
    if not isinstance(content, Mapping):
        raise ValueError(f"{place}: found {content!r}, expected keys and values")
    hints = get_type_hints(kind)
    unknown = [key for key in content if key not in hints]
    if unknown:
        raise ValueError(f"{place}: unknown key {', '.join(map(str, unknown))}; known: {', '.join(hints)}")
    values = {}
    for key, value in content.items():
        if dataclasses.is_dataclass(hints[key]):
            values[key] = _build(hints[key], value, f"{place}: {key}")
        else:
            values[key] = _checked(hints[key], value, f"{place}: {key}")
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def check_keywords(function: Callable, given: Mapping[str, Any], place: str) -> None:
    """Raises ValueError if a function has no such keyword arguments, or wants them of other types."""
    hints = {key: hint for key, hint in get_type_hints(function).items() if key != "return"}
    unknown = [key for key in given if key not in hints]
    if unknown:
        raise ValueError(f"{place}: unknown key {', '.join(map(str, unknown))}; known: {', '.join(hints)}")
    for key, value in given.items():
        _checked(hints[key], value, f"{place}: {key}")


def _check_positive(arguments: Any, *names: str) -> None:
    _refuse(arguments, names, lambda value: value > 0, "more than 0")


def _check_least(arguments: Any, least: float, *names: str) -> None:
    _refuse(arguments, names, lambda value: value >= least, f"{least} or more")


def _check_most(arguments: Any, most: float, *names: str) -> None:
    _refuse(arguments, names, lambda value: value <= most, f"{most} or less")


def _refuse(arguments: Any, names: Sequence[str], fits: Callable[[float], bool], expected: str) -> None:
    for name in names:
        if not fits(getattr(arguments, name)):
            raise ValueError(f"{name} is {getattr(arguments, name)}, expected {expected}")


def _checked(hint: Any, value: Any, place: str):
    """A value of the type that its field names; whole numbers pass for floats."""
    if hint is float and isinstance(value, str):
        # YAML reads 1e-3, without a point, as text.
        try:
            return float(value)
        except ValueError:
            pass
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, bool) and hint is not bool or not isinstance(value, hint):
        raise ValueError(f"{place}: found {value!r}, expected {getattr(hint, '__name__', hint)}")
    return value
