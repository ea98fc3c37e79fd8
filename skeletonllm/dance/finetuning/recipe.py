"""Recipes of fine-tuning: which generator, to what music, what is wished, and how it learns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skeletonllm.dance.diffusion import GUIDANCE
from skeletonllm.dance.rewards import Reward, find_rewards, read_rewards
from skeletonllm.dance.rewards.presets import PRESETS
from skeletonllm.dance.training.recipe import DanceData, GeneratorOptimization, GeneratorRecipe
from skeletonllm.training.arguments import check_least, check_most, check_positive, read_recipe, shipped_recipes
from skeletonllm.training.lora import LoraArguments
from skeletonllm.training.plain_values import from_plain

METHODS, BASELINES = ("reinforce", "ppo"), ("running", "group")


@dataclass
class Wishes:
    """What is wished.

    Args:
        preset: one of ``skeletonllm.dance.rewards.presets.PRESETS``.
        weights: changes to the preset's, by reward; 0 leaves one out.
        code: Python files that register rewards of one's own.
    """

    preset: str = "plausible"
    weights: dict[str, float] = field(default_factory=dict)
    code: list[str] = field(default_factory=list)

    def __post_init__(self):
        if self.preset not in PRESETS:
            raise ValueError(f"preset is {self.preset!r}, expected {', '.join(PRESETS)}")

    def weighted(self) -> dict[Reward, float]:
        """The rewards that count, each with its weight.

        Raises:
            ValueError: a reward that nobody registered, or none at all.
        """
        for path in self.code:
            read_rewards(path)
        weights = {**PRESETS[self.preset], **self.weights}
        counting = {name: float(weight) for name, weight in weights.items() if weight}
        if not counting:
            raise ValueError("rewards: none has a weight, so there is nothing to learn")
        return {reward: counting[name] for name, reward in find_rewards(counting).items()}


@dataclass
class Sampling:
    """How the generator dances while it learns; see ``Diffusion.ddim_sample``."""

    steps: int = 50
    eta: float = 1.0
    guidance: float = GUIDANCE

    def __post_init__(self):
        check_least(self, 2, "steps")
        check_positive(self, "eta")
        check_most(self, 1, "eta")


@dataclass
class Objective:
    """What of the rewards becomes a gradient.

    Args:
        method: ``reinforce``, as published, or ``ppo``, which clips the ratio of likelihoods, so that dances may be
            learnt from more than once.
        baseline: what a reward is compared with: ``running`` statistics of the same music, or the ``group`` of dances
            to it in this iteration.
        updates: of the weights, from the same dances.
        clip: of ``ppo``: how far the ratio of mean likelihoods may leave 1.
        advantage_limit: advantages beyond it are cut off.
        kl: weight of the divergence from the generator as it was.
        share_of_steps: of the denoising steps that a dance is learnt from, drawn anew for each update.
        direct: differentiable rewards whose own gradient is taken through the ``last_steps`` of denoising, in place of
            their advantages; ``[all]`` for all of them.
        last_steps: see ``direct``.
    """

    method: str = "reinforce"
    baseline: str = "running"
    updates: int = 1
    clip: float = 1e-4
    advantage_limit: float = 5.0
    kl: float = 0.0
    share_of_steps: float = 1.0
    direct: list[str] = field(default_factory=list)
    last_steps: int = 1

    def __post_init__(self):
        for name, known in (("method", METHODS), ("baseline", BASELINES)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected {' or '.join(known)}")
        check_positive(self, "updates", "clip", "advantage_limit", "share_of_steps", "last_steps")
        check_least(self, 0, "kl")
        check_most(self, 1, "share_of_steps")
        if self.updates > 1 and self.method == "reinforce" and "all" not in self.direct:
            raise ValueError("reinforce learns from dances of its own weights alone; use updates=1 or method=ppo")

    def split(self, weighted: dict[Reward, float]) -> tuple[dict[Reward, float], dict[Reward, float]]:
        """Rewards that are learnt from by likelihoods, and those whose own gradient is taken, with their weights.

        Raises:
            ValueError: ``direct`` names a reward without weight, or one that is not differentiable.
        """
        names = [reward.name for reward in weighted] if self.direct == ["all"] else self.direct
        by_name = {reward.name: reward for reward in weighted}
        for name in names:
            if name not in by_name:
                raise ValueError(f"direct: {name!r} has no weight; rewards with one: {', '.join(by_name)}")
            if not by_name[name].differentiable:
                raise ValueError(f"direct: reward {name} is not differentiable; leave it out, or give it the weight 0")
        direct = {reward: weight for reward, weight in weighted.items() if reward.name in names}
        return {reward: weight for reward, weight in weighted.items() if reward not in direct}, direct


@dataclass
class FinetuneOptimization(GeneratorOptimization):
    """How it learns from its own dances; see ``GeneratorOptimization`` for the other values.

    Args:
        conditions: clips of music in an iteration, over all processes.
        samples: dances to each.
        steps_at_once: denoising steps whose activations are kept at once; 0: all that are learnt from.
    """

    steps: int = 60
    conditions: int = 8
    samples: int = 4
    steps_at_once: int = 0
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    ema: float = 0.9

    def __post_init__(self):
        check_positive(self, "conditions", "samples")
        check_least(self, 0, "steps_at_once")
        super().__post_init__()

    @property
    def batch_size(self) -> int:
        """Dances in an iteration, over all processes."""
        return self.conditions * self.samples


@dataclass
class FinetuneRecipe(GeneratorRecipe):
    """A run of fine-tuning.

    Args:
        generator: the folder of a trained generator, to go on from.
        data: where the music comes from; its dances are not learnt from.
        music: how many clips of that music are danced to, drawn once; 0: all. Few are met often, so that there are
            statistics of each.
        rewards, sampling, objective, optimization: see there.
        lora: adapters that learn instead of the weights, merged in the end; none: the weights learn.
    """

    generator: str = ""
    data: DanceData = field(default_factory=DanceData)
    music: int = 64
    rewards: Wishes = field(default_factory=Wishes)
    sampling: Sampling = field(default_factory=Sampling)
    objective: Objective = field(default_factory=Objective)
    optimization: FinetuneOptimization = field(default_factory=FinetuneOptimization)
    lora: LoraArguments | None = None
    log_every: int = 1
    save_every: int = 20
    patience_minutes: float = 60.0

    def __post_init__(self):
        super().__post_init__()
        check_least(self, 0, "music")
        settings, objective = self.optimization, self.objective
        if self.music and self.music < settings.conditions:
            raise ValueError(f"music is {self.music} clips, fewer than the {settings.conditions} of an iteration")
        if objective.baseline == "group" and settings.samples < 2:
            raise ValueError("baseline=group compares dances to the same music: samples is 1, expected 2 or more")
        if objective.last_steps > self.sampling.steps:
            raise ValueError(f"last_steps is {objective.last_steps}, sampling has {self.sampling.steps} steps")
        if settings.steps % objective.updates:
            raise ValueError(f"steps {settings.steps} is no multiple of the {objective.updates} updates per iteration")


def shipped_finetune_recipes() -> dict[str, Path]:
    """The recipes of the package by name."""
    return shipped_recipes("dance_finetuning")


def load_finetune_recipe(name: str, changes: Sequence[str] = ()) -> FinetuneRecipe:
    """A shipped recipe by name, or one from a YAML file, with changes such as ``generator=FOLDER``.

    Raises:
        ValueError: no such recipe, or a key or value that a recipe does not have; names the file and the key.
    """
    content, path = read_recipe(name, shipped_finetune_recipes(), changes)
    return from_plain(FinetuneRecipe, content, str(path))
