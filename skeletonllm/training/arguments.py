"""Recipes: everything that makes a run, typed, read from YAML and changed by ``key=value`` on the command line."""

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from skeletonllm.data.augmentation import Augmentation
from skeletonllm.training.lora import LoraArguments
from skeletonllm.training.plain_values import from_plain, read_yaml
from skeletonllm.training.stages import STAGES, Stage, stage_defaults

PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass
class SourceArguments:
    """Where recordings come from.

    Args:
        source: a key of ``skeletonllm.data.sources.SOURCES``.
        root: the folder of its files.
        split: ``train``; ``test`` and ``all`` are refused by every protocol but ``everything``.
        protocol: who trains and who tests: ``usual`` for the data set, another name among
            ``skeletonllm.data.splits.SPLITS``, or a YAML file as described there.
        where: attributes to keep, such as ``{view: [1]}``.
        options: of the source.
        rationales: a folder that ``skeletonllm teach`` wrote, instead of the rationales that the source has.
        weight: in a mixture, how often it is drawn from relative to the others; none: as often as it has recordings.
    """

    source: str = "synthetic"
    root: str | None = None
    split: str = "train"
    protocol: str = "usual"
    where: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)
    rationales: str | None = None
    weight: float | None = None


@dataclass
class DataArguments(SourceArguments):
    """What is trained on: a source, or several.

    Args:
        fewer_candidates: share of the questions that offer only some of the labels.
        list_candidates: whether the questions of recognition list the labels. Without them a step has far fewer tokens,
            and a model that is to know a fixed set of labels needs none.
        confusable: what each label is easily taken for: ``default``, ``embeddings`` of the backbone, the JSON file of a
            table, or the ``predictions.jsonl`` of an evaluation of training recordings.
        workers: processes that prepare steps in advance; 0: a thread. The steps are the same.
        mixture: sources by names of one's own, instead of the one above. Labels that mean the same action become one.
    """

    fewer_candidates: float = 0.25
    list_candidates: bool = True
    confusable: str = "default"
    workers: int = 0
    mixture: dict[str, SourceArguments] = field(default_factory=dict)

    def __post_init__(self):
        check_least(self, 0, "fewer_candidates", "workers")
        check_most(self, 1, "fewer_candidates")
        if self.mixture and (self.root or self.options or self.where or self.rationales):
            raise ValueError("mixture has sources of its own; root, options, where and rationales belong to them")


@dataclass
class ModelArguments:
    """What is trained.

    Args:
        backbone: ``tiny``, the name or folder of an image-text-to-text model, or the folder of a model that was
            trained here, to go on from there.
        family: of the tiny backbone, see ``skeletonllm.models.backbones``; others say themselves what they are.
        tiny: sizes of the tiny backbone, see ``tiny_backbone``; and ``every_task``, whether its tokenizer has whole
            words for captions, questions and times too.
        renderer: keyword arguments of ``DrAction``; or ``kind``, see ``skeletonllm.rendering.registry.RENDERERS``, and
            those of that kind. One that learns nothing may be among the parts that a stage trains.
        renderer_weights: a file of released renderer weights to begin with, instead of ``renderer``.
        num_frames: frames per clip.
        image_size: pixels; default what the backbone was made for.
        normalize: ``backbone`` or ``none``.
        frame_layout: ``images`` or ``video``, see ``skeletonllm.models.backbones``.
        foreground: read only the patches that bodies touch: ``margin`` and ``cutoff``, see ``Foreground``; none: all.
        show_times: put each picture of the prompt behind its second; what the task localization needs.
        face_camera: turn the first person of every clip to the camera.
        attention: of a backbone that is loaded: ``sdpa``, ``flash_attention_2`` or ``eager``.
        lora: adapters of the stages that train them.
    """

    backbone: str = "tiny"
    family: str | None = None
    tiny: dict = field(default_factory=dict)
    renderer: dict = field(default_factory=dict)
    renderer_weights: str | None = None
    num_frames: int = 12
    image_size: int | None = None
    normalize: str = "backbone"
    frame_layout: str = "images"
    foreground: dict | None = None
    show_times: bool = False
    face_camera: bool = False
    attention: str = "sdpa"
    lora: LoraArguments = field(default_factory=LoraArguments)

    def __post_init__(self):
        if self.renderer and self.renderer_weights:
            raise ValueError("renderer_weights come with settings of their own; leave renderer empty")
        if self.family and self.backbone != "tiny":
            raise ValueError(f"family is that of the tiny backbone, and backbone is {self.backbone}; leave it out")


@dataclass
class OptimizationArguments:
    """How it is trained: AdamW with a cosine schedule in every stage.

    Args:
        batch_size: clips per step, over all processes.
        micro_batch_size: clips that a process computes at once; gradients are accumulated over the rest of its share.
            0: all of its share.
        weight_decay: of matrices; vectors and the renderer have none.
        warmup_share: share of a stage's steps over which the learning rates rise.
        max_gradient_norm: gradients are scaled down to it.
        precision: ``bfloat16`` keeps what rests in bfloat16 and computes under autocast, with everything that learns in
            float32; ``auto`` takes it on a GPU and ``float32`` elsewhere.
        activation_checkpointing: compute activations of the backbone again in the backward pass instead of keeping
            them.
        row_length: tokens of a row into which several samples are packed; 0: one sample per row.
        group_by_length: samples of like length share a microbatch; a step has the same samples with and without.
        compile: torch.compile of the backbone's layers.
        seed: of weights, order and augmentation.
        threads: of a CPU; 0 leaves it to torch.
    """

    batch_size: int = 16
    micro_batch_size: int = 0
    weight_decay: float = 0.05
    warmup_share: float = 0.05
    max_gradient_norm: float = 1.0
    precision: str = "auto"
    activation_checkpointing: bool = False
    row_length: int = 0
    group_by_length: bool = True
    compile: bool = False
    seed: int = 0
    threads: int = 0

    def __post_init__(self):
        check_positive(self, "batch_size", "max_gradient_norm")
        check_least(self, 0, "micro_batch_size", "weight_decay", "warmup_share", "row_length", "seed", "threads")
        check_most(self, 1, "warmup_share")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}, expected {', '.join(PRECISIONS)}")


_INDIFFERENT = ("log_every", "save_every", "pictures_every", "keep_last", "keep_best", "patience_minutes")


class PlainRecipe:
    """What recipes of every kind can tell of themselves; they are dataclasses."""

    def as_dict(self) -> dict:
        """Plain values, as in the YAML file."""
        return dataclasses.asdict(self)

    def decisive(self) -> dict:
        """The values that decide what is learnt: without how often progress is told."""
        return {key: value for key, value in self.as_dict().items() if key not in _INDIFFERENT}


@dataclass
class Recipe(PlainRecipe):
    """A run: data, model, its stages, and how often progress is written down.

    Args:
        name: of the recipe.
        description: a sentence for people.
        stages: in their order, by name. A value that a stage of ``skeletonllm.training.stages.STAGES`` does not give is
            the one declared there.
        log_every, save_every, pictures_every: steps; 0 pictures: none.
        keep_last: the newest checkpoints that stay, beside those at the ends of stages.
        keep_best: whether the one with the least training loss of its stage since the one before stays too.
        patience_minutes: after which a process that finishes no step is ended, with its stacks written down; 0: never.
    """

    name: str = "custom"
    description: str = ""
    data: DataArguments = field(default_factory=DataArguments)
    model: ModelArguments = field(default_factory=ModelArguments)
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimization: OptimizationArguments = field(default_factory=OptimizationArguments)
    stages: dict[str, Stage] = field(default_factory=lambda: copy.deepcopy(STAGES))
    log_every: int = 20
    save_every: int = 500
    pictures_every: int = 500
    keep_last: int = 2
    keep_best: bool = False
    patience_minutes: float = 30.0

    def __post_init__(self):
        check_positive(self, "log_every", "save_every")
        check_least(self, 0, "pictures_every", "patience_minutes")
        check_least(self, 1, "keep_last")
        if not any(stage.epochs > 0 for stage in self.stages.values()):
            raise ValueError("stages: there is none with epochs above 0")

    def decisive(self) -> dict:
        """Without who prepares the data, too."""
        values = super().decisive()
        return {**values, "data": {key: value for key, value in values["data"].items() if key != "workers"}}


def shipped_recipes(kind: str = "") -> dict[str, Path]:
    """The recipes of the package by name: of models, or of another kind, which is a folder of its own."""
    folder = Path(str(resources.files("skeletonllm.recipes"))) / kind
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_recipe(name: str, changes: Sequence[str] = ()) -> Recipe:
    """A shipped recipe by name, or one from a YAML file, with changes such as ``data.root=FOLDER``.

    Raises:
        ValueError: no such recipe, or a key or value that a recipe does not have; names the file and the key.
    """
    # So that a change to one of the four stages leaves the others where they are.
    content, path = read_recipe(name, shipped_recipes(), changes, stages={name: {} for name in STAGES})
    return recipe_from_dict(content, str(path))


def read_recipe(
    name: str, shipped: Mapping[str, Path], changes: Sequence[str] = (), **defaults: Any
) -> tuple[dict, Path]:
    """The plain values of a recipe with changes made to them, and its file.

    Args:
        name: one of ``shipped``, or the path of a .yaml file.
        shipped: recipes of the package.
        changes: such as ``data.root=FOLDER``.
        defaults: values that the file need not give.

    Raises:
        ValueError: no such recipe, or a change that cannot be made.
    """
    path = shipped.get(name, Path(name))
    if not path.is_file():
        raise ValueError(f"no recipe {name!r}; shipped: {', '.join(shipped)}, or the path of a .yaml file")
    content = {"name": path.stem, **defaults, **read_yaml(path)}
    for change in changes:
        _change(content, change)
    return content, path


def recipe_from_dict(content: Mapping[str, Any], place: str = "recipe") -> Recipe:
    """A recipe from plain values. Raises ValueError at keys or types that do not fit."""
    return from_plain(Recipe, content, place, {Stage: stage_defaults})


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


def check_positive(arguments: Any, *names: str) -> None:
    """Refuse values of a dataclass that are not above 0. Raises ValueError that names the value."""
    _refuse(arguments, names, lambda value: value > 0, "more than 0")


def check_least(arguments: Any, least: float, *names: str) -> None:
    """Refuse values below ``least``. Raises ValueError that names the value."""
    _refuse(arguments, names, lambda value: value >= least, f"{least} or more")


def check_most(arguments: Any, most: float, *names: str) -> None:
    """Refuse values above ``most``. Raises ValueError that names the value."""
    _refuse(arguments, names, lambda value: value <= most, f"{most} or less")


def _refuse(arguments: Any, names: Sequence[str], fits: Callable[[float], bool], expected: str) -> None:
    for name in names:
        if not fits(getattr(arguments, name)):
            raise ValueError(f"{name} is {getattr(arguments, name)}, expected {expected}")
