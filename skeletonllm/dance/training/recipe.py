"""Recipes of the generator: what it learns from, its size, and how it learns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skeletonllm.dance.denoiser import PRESETS
from skeletonllm.dance.motion import FPS
from skeletonllm.training.arguments import (
    PRECISIONS,
    PlainRecipe,
    check_least,
    check_most,
    check_positive,
    read_recipe,
    shipped_recipes,
)
from skeletonllm.training.plain_values import from_plain

SOURCES = ("embedded", "folder")


@dataclass
class DanceData:
    """What is learnt from.

    Args:
        source: ``embedded`` songs and dances, or a ``folder`` of recordings in any format beside their songs.
        root: the folder. A song has the name of its dance, or, for AIST++, of the music in the dance's name.
        music: a folder of the songs, where they are not beside the dances.
        songs: how many embedded ones.
        seconds: of each embedded one.
        seed: of the embedded ones.
        flaws: how much of those of recordings the embedded dances have, see ``skeletonllm.dance.synthesis.add_flaws``:
            0 none, 1 as much as is ordinary.
        stride: seconds from one clip of five seconds to the next.
    """

    source: str = "embedded"
    root: str | None = None
    music: str | None = None
    songs: int = 48
    seconds: float = 20.0
    seed: int = 0
    flaws: float = 0.0
    stride: float = 0.5

    def __post_init__(self):
        if self.source not in SOURCES:
            raise ValueError(f"source is {self.source!r}, expected {' or '.join(SOURCES)}")
        if (self.source == "folder") != (self.root is not None):
            raise ValueError("root is the folder of dances: give it with source=folder, and only there")
        check_positive(self, "songs", "seconds")
        check_least(self, 0, "seed", "flaws")
        check_least(self, 1 / FPS, "stride")


@dataclass
class DanceModel:
    """What learns.

    Args:
        preset: one of ``skeletonllm.dance.denoiser.PRESETS``.
        changes: to its sizes, see ``DenoiserConfig``.
        beat_phase: whether the music has the phase of the beat, too, see ``skeletonllm.dance.music.beat_phase``.
        start: the folder of a generator to go on from, instead of new weights; it keeps its normalizers.
    """

    preset: str = "tiny"
    beat_phase: bool = False
    changes: dict = field(default_factory=dict)
    start: str | None = None

    def __post_init__(self):
        if self.preset not in PRESETS:
            raise ValueError(f"preset is {self.preset!r}, expected {', '.join(PRESETS)}")
        if self.start and self.changes:
            raise ValueError("start has sizes of its own; leave changes empty")


@dataclass
class GeneratorOptimization:
    """How a denoiser learns: AdamW, learning rate up and then down a cosine, and a running mean of the weights, which
    dances.

    Args:
        steps: updates of the weights.
        micro_batch_size: clips that a process computes at once; 0: all of its share.
        learning_rate: at its highest.
        weight_decay: of matrices.
        warmup_share: share of the steps over which the learning rate rises.
        max_gradient_norm: gradients are scaled down to it.
        ema: share of the running mean that stays after a step (EDGE: 0.9999 over 2,000 epochs).
        precision: ``bfloat16`` computes the denoiser under autocast; ``auto`` does so on a GPU.
        seed: of weights, order and noise.
    """

    steps: int = 1000
    micro_batch_size: int = 0
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    warmup_share: float = 0.05
    max_gradient_norm: float = 1.0
    ema: float = 0.99
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self):
        check_positive(self, "steps", "batch_size", "learning_rate", "max_gradient_norm")
        check_least(self, 0, "micro_batch_size", "weight_decay", "warmup_share", "ema", "seed")
        check_most(self, 1, "warmup_share")
        if not self.ema < 1:
            raise ValueError(f"ema is {self.ema}, expected less than 1")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}, expected {', '.join(PRECISIONS)}")


@dataclass
class DanceOptimization(GeneratorOptimization):
    """How it learns from dances.

    Args:
        batch_size: clips per step, over all processes.
    """

    batch_size: int = 16


@dataclass
class GeneratorRecipe(PlainRecipe):
    """What runs that train a denoiser have in common; see ``skeletonllm.training.arguments.Recipe``."""

    name: str = "custom"
    description: str = ""
    log_every: int = 20
    save_every: int = 500
    keep_last: int = 2
    patience_minutes: float = 30.0

    def __post_init__(self):
        check_positive(self, "log_every", "save_every")
        check_least(self, 0, "patience_minutes")
        check_least(self, 1, "keep_last")


@dataclass
class DanceRecipe(GeneratorRecipe):
    """A run that learns from dances."""

    data: DanceData = field(default_factory=DanceData)
    model: DanceModel = field(default_factory=DanceModel)
    optimization: DanceOptimization = field(default_factory=DanceOptimization)


def shipped_dance_recipes() -> dict[str, Path]:
    """The recipes of the package by name."""
    return shipped_recipes("dance")


def load_dance_recipe(name: str, changes: Sequence[str] = ()) -> DanceRecipe:
    """A shipped recipe by name, or one from a YAML file, with changes such as ``data.root=FOLDER``.

    Raises:
        ValueError: no such recipe, or a key or value that a recipe does not have; names the file and the key.
    """
    content, path = read_recipe(name, shipped_dance_recipes(), changes)
    return from_plain(DanceRecipe, content, str(path))
