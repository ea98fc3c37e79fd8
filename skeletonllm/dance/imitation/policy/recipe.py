"""Recipes of imitation policies: what they follow, in which world, their size, and how they learn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skeletonllm.dance.physics import Physics
from skeletonllm.training.arguments import (
    PlainRecipe,
    check_least,
    check_most,
    check_positive,
    read_recipe,
    shipped_recipes,
)
from skeletonllm.training.plain_values import from_plain

EMBEDDED = "embedded"


@dataclass
class ImitationData:
    """What is followed.

    Args:
        inputs: files and folders of motions in any format; ``embedded``: dances made by rule.
        songs: how many embedded dances.
        seconds: of each of them.
        seed: of theirs.
    """

    inputs: list = field(default_factory=lambda: [EMBEDDED])
    songs: int = 24
    seconds: float = 5.0
    seed: int = 0

    def __post_init__(self):
        check_positive(self, "songs", "seconds")
        check_least(self, 0, "seed")
        if not self.inputs or not all(isinstance(name, str) for name in self.inputs):
            raise ValueError(f"inputs are {self.inputs}, expected a list of names")


@dataclass
class ImitationOptimization:
    """How it is learnt: PPO (Schulman et al. 2017) with advantages after Schulman et al. 2016.

    Args:
        steps: updates of the policy.
        bodies: that are simulated at the same time.
        horizon: frames of each before an update.
        batch_size: frames of which a gradient is made.
        epochs: how often each frame is learnt from in an update.
        learning_rate: of Adam.
        discount: of a reward one frame later.
        advantage_decay: lambda of generalised advantage estimation.
        clip: by how much an update may change the probability of an action, as a share.
        deviation: at the start, of what is tried about what the policy thinks best, in units of actions.
        hidden: neurons of the hidden layers, of the policy and of the critic.
        seed: of weights, beginnings and what is tried.
    """

    steps: int = 300
    bodies: int = 64
    horizon: int = 32
    batch_size: int = 512
    epochs: int = 3
    learning_rate: float = 1e-4
    discount: float = 0.97
    advantage_decay: float = 0.95
    clip: float = 0.2
    deviation: float = 0.1
    hidden: list = field(default_factory=lambda: [64, 64])
    seed: int = 0

    def __post_init__(self):
        check_positive(self, "steps", "bodies", "horizon", "epochs", "learning_rate", "clip", "deviation")
        check_least(self, 2, "batch_size")
        check_least(self, 0, "discount", "advantage_decay", "seed")
        check_most(self, 1, "discount", "advantage_decay")
        if not self.hidden or not all(isinstance(size, int) and size > 0 for size in self.hidden):
            raise ValueError(f"hidden is {self.hidden}, expected the neurons of each layer")


@dataclass
class ImitationRecipe(PlainRecipe):
    """A run.

    Args:
        physics: the world, see ``physics.Physics``: how much help there is, above all.
        log_every, save_every: updates from one line, or checkpoint, to the next.
        keep_last: checkpoints.
    """

    name: str = "custom"
    description: str = ""
    data: ImitationData = field(default_factory=ImitationData)
    physics: Physics = field(default_factory=Physics)
    optimization: ImitationOptimization = field(default_factory=ImitationOptimization)
    log_every: int = 5
    save_every: int = 50
    keep_last: int = 2

    def __post_init__(self):
        check_positive(self, "log_every", "save_every", "keep_last")


def shipped_imitation_recipes() -> dict[str, Path]:
    """The recipes of the package by name."""
    return shipped_recipes("imitation")


def load_imitation_recipe(name: str, inputs: Sequence[str] = (), changes: Sequence[str] = ()) -> ImitationRecipe:
    """A shipped recipe by name, or one from a YAML file, with changes such as ``optimization.steps=100``.

    Args:
        inputs: instead of the recipe's ``data.inputs``.

    Raises:
        ValueError: no such recipe, or a key or value that a recipe does not have; names the file and the key.
    """
    content, path = read_recipe(name, shipped_imitation_recipes(), changes)
    if inputs:
        content["data"] = {**content.get("data", {}), "inputs": list(inputs)}
    return from_plain(ImitationRecipe, content, str(path))
