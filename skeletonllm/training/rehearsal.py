"""A rehearsal of a run on many ranks, without them: its order and shards gone through, its costs put together."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import torch

from skeletonllm.data.recordings import Recording
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.training.arguments import Recipe
from skeletonllm.training.build import stages_that_learn
from skeletonllm.training.data import choose_recordings
from skeletonllm.training.lora import attach_lora
from skeletonllm.training.parts import canonical_name, learning_parameters, parameter_groups, part_of, set_trainable
from skeletonllm.training.plan import TASK_TOKENS, TOKENS_PER_FRAME_LINE, Plan, Setting, make_plan
from skeletonllm.training.planning.communication import scatter_traffic
from skeletonllm.training.planning.failures import GPU_HOURS_PER_FAILURE, best_interval, overhead
from skeletonllm.training.planning.flops import Sample
from skeletonllm.training.planning.hardware import HARDWARE, Hardware
from skeletonllm.training.planning.memory import BFLOAT16, FLOAT32
from skeletonllm.training.planning.order import Order, check_order, seats_of
from skeletonllm.training.planning.preparing import Preparation, make_examples, measure_preparation
from skeletonllm.training.planning.shape import Shape, build_without_weights, load_backbone_config, shape_of
from skeletonllm.training.planning.shards import Balance, balance_of, shard_map
from skeletonllm.training.planning.storage import CheckpointSize, Disk, assumed_disk, checkpoint_size
from skeletonllm.training.stages import StageSpan, choose, schedule


@dataclass(frozen=True)
class Circumstances:
    """What a run on many ranks meets; assumptions, all of them.

    Args:
        zero: ZeRO stage, 1 to 3.
        hardware: the GPUs.
        utilisation: share of the peak that products reach.
        disk: that all nodes share.
        gpu_hours_per_failure: hours that a GPU works before a failure ends the run.
        start_seconds: from a failure to a process that begins to read: the scheduler, and the libraries' imports.
    """

    zero: int = 2
    hardware: Hardware = HARDWARE["h200"]
    utilisation: float = 0.4
    disk: Disk = field(default_factory=assumed_disk)
    gpu_hours_per_failure: float = GPU_HOURS_PER_FAILURE
    start_seconds: float = 120.0

    def __post_init__(self):
        if self.zero not in (1, 2, 3):
            raise ValueError(f"ZeRO stage is {self.zero}, expected 1, 2 or 3")
        for name in ("gpu_hours_per_failure", "start_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected more than 0")


@dataclass(frozen=True)
class Cluster:
    """A run on one number of ranks.

    Args:
        world_size: the number.
        plan: memory, arithmetic, traffic.
        moments: how evenly ranks hold the moments, and what else of the parameters that learn the stage divides.
        weights: how evenly they hold all weights; None where each holds all of them.
        seconds: of a step, by what they are spent on, none of them overlapping.
        save_seconds: that a save holds the run up.
        verify_seconds: to read a checkpoint again, which the first rank does beside its work.
        restart_seconds: from a failure to the next step, by what they are spent on.
        seconds_per_failure: mean time between failures.
        save_every: steps between saves, as in the recipe.
        best_save_every: steps between saves that lose the least time.
        lost, least_lost: share of the work that saves and failures cost, with each of the two.
    """

    world_size: int
    plan: Plan
    moments: Balance
    weights: Balance | None
    seconds: dict[str, float]
    save_seconds: float
    verify_seconds: float
    restart_seconds: dict[str, float]
    seconds_per_failure: float
    save_every: int
    best_save_every: int
    lost: float
    least_lost: float

    @property
    def step_seconds(self) -> float:
        """Of a step, if samples are prepared beside it and nothing else overlaps."""
        beside = self.seconds["preparing samples"]
        return max(beside, sum(self.seconds.values()) - beside)

    @property
    def bottleneck(self) -> str:
        """What most of a step is spent on."""
        return max(self.seconds, key=self.seconds.get)

    @property
    def lost_per_failure(self) -> float:
        """Seconds that a failure costs on average: half of the work between two saves, and the restart."""
        return self.save_every * self.step_seconds / 2 + sum(self.restart_seconds.values())


@dataclass(frozen=True)
class Rehearsal:
    """What was found.

    Args:
        stage: of the recipe.
        recordings: that are trained on.
        order: of the samples, gone through; the same on every number of ranks.
        preparation: of samples, measured.
        checkpoint: its size, counted.
        clusters: the run on each number of ranks.
    """

    stage: str
    recordings: int
    order: Order
    preparation: Preparation
    checkpoint: CheckpointSize
    clusters: list[Cluster]


def rehearse(
    recipe: Recipe,
    backbone: str,
    stage: str,
    world_sizes: Sequence[int],
    circumstances: Circumstances | None = None,
    steps: int = 50,
) -> Rehearsal:
    """Rehearse a stage on each number of ranks.

    Args:
        recipe: the run. Its data are listed, and a few recordings read; its ``model.backbone`` is not loaded.
        backbone: that it is trained with, see ``load_backbone_config``.
        stage: of the recipe.
        world_sizes: numbers of ranks.
        circumstances: assumptions.
        steps: that are stopped and resumed.

    Raises:
        ValueError: a batch that the ranks cannot share evenly, ranks that do not fill their nodes, no such stage.
        RuntimeError: what ranks compute or hold does not add up to the whole.
    """
    circumstances = circumstances or Circumstances()
    settings = recipe.optimization
    for size in world_sizes:
        seats_of(settings, size)  # what cannot be shared is told before anything is listed
    recordings = [_remembering(one) for part in choose_recordings(recipe)[0] for one in part.recordings]
    if len(recordings) < settings.batch_size:
        raise ValueError(f"{len(recordings)} recordings are fewer than the batch size {settings.batch_size}")
    (span,) = choose(schedule(stages_that_learn(recipe), len(recordings) // settings.batch_size), stage)
    model = build_without_weights(load_backbone_config(backbone), recipe.model.renderer)
    shape = shape_of(model, recipe.model.lora.rank if "lora" in span.stage.train else 0)
    order = check_order(
        lambda: make_examples(recipe, span.stage, [(recording, None) for recording in recordings]),
        settings,
        world_sizes,
        steps,
    )
    preparation = measure_preparation(recipe, span.stage, recordings, model)
    if "lora" in span.stage.train:
        with torch.device("meta"):
            attach_lora(model, recipe.model.lora, settings.seed)
    set_trainable(model, span.stage.train)
    checkpoint = checkpoint_of(model, recipe, span)
    run = _Run(recipe, span, model, shape, order, preparation, checkpoint, circumstances)
    return Rehearsal(stage, len(recordings), order, preparation, checkpoint, [run.on(size) for size in world_sizes])


@dataclass(frozen=True)
class _Run:
    """What does not depend on the number of ranks."""

    recipe: Recipe
    span: StageSpan
    model: SkeletonLLMForConditionalGeneration
    shape: Shape
    order: Order
    preparation: Preparation
    checkpoint: CheckpointSize
    circumstances: Circumstances

    def on(self, world_size: int) -> Cluster:
        plan = self._plan(world_size)
        moments, weights = self._balances(world_size)
        learning = sum(p.numel() for p in learning_parameters(self.model).values())
        # Weights and moments come together on every rank before the first one writes them.
        gathered = self._link_seconds(3 * learning * FLOAT32, world_size)
        disk, save_every = self.circumstances.disk, self.recipe.save_every
        save = gathered + disk.save_seconds(self.checkpoint.total)
        seconds = {**plan.seconds, **self._data_seconds(world_size), "saving": save / save_every}
        restart = self._restart_seconds(world_size)
        per_failure = 3600 * self.circumstances.gpu_hours_per_failure / world_size
        beside = seconds["preparing samples"]
        step = max(beside, sum(seconds.values()) - beside - seconds["saving"])
        best = max(1, round(best_interval(save, per_failure) / step))
        lost, least = (overhead(every * step, save, sum(restart.values()), per_failure) for every in (save_every, best))
        return Cluster(
            world_size=world_size,
            plan=plan,
            moments=moments,
            weights=weights,
            seconds=seconds,
            save_seconds=save,
            verify_seconds=disk.verify_seconds(self.checkpoint.total),
            restart_seconds=restart,
            seconds_per_failure=per_failure,
            save_every=save_every,
            best_save_every=best,
            lost=lost,
            least_lost=least,
        )

    def _plan(self, world_size: int) -> Plan:
        settings, stage = self.recipe.optimization, self.span.stage
        frames = self.recipe.model.num_frames
        question, answer = max((TASK_TOKENS[task] for task in stage.tasks), key=sum)
        seat = seats_of(settings, world_size)[0]
        return make_plan(
            self.shape,
            Setting(
                trainable=tuple(stage.train),
                sample=Sample(frames, self.model.config.image_size, TOKENS_PER_FRAME_LINE * frames + question, answer),
                gpus=world_size,
                zero=self.circumstances.zero,
                micro_batch_size=seat.micro_batch_size,
                batch_size=settings.batch_size,
                checkpointing=settings.activation_checkpointing,
                cached_frames=stage.variants > 0,
                lora_dropout=self.recipe.model.lora.dropout > 0,
                hardware=self.circumstances.hardware,
                utilisation=self.circumstances.utilisation,
            ),
        )

    def _balances(self, world_size: int) -> tuple[Balance, Balance | None]:
        zero = self.circumstances.zero
        names = {id(parameter): name for name, parameter in self.model.named_parameters()}
        groups = [
            [(names[id(parameter)], parameter.numel()) for parameter in group["params"]]
            for group in parameter_groups(self.model, 0.0, 0.0, 0.0)
        ]
        moments = balance_of(groups, shard_map(groups, world_size, zero), zero)
        if zero < 3:
            return moments, None
        everything = [[(name, parameter.numel()) for name, parameter in self.model.named_parameters()]]
        return moments, balance_of(everything, shard_map(everything, world_size, zero), zero)

    def _data_seconds(self, world_size: int) -> dict[str, float]:
        """Of a step. Every rank words the questions of the whole batch, to know its own."""
        batch = self.recipe.optimization.batch_size
        own = batch // world_size
        words = batch * self.order.seconds_per_question
        seconds = {"preparing samples": words + own * self.preparation.seconds_per_sample}
        if self.preparation.frame_bytes:
            seconds["frames from the disk"] = batch * self.preparation.frame_bytes / self.circumstances.disk.read
        return seconds

    def _restart_seconds(self, world_size: int) -> dict[str, float]:
        hardware, disk = self.circumstances.hardware, self.circumstances.disk
        nodes = -(-world_size // hardware.gpus_per_node)
        resting = self.shape.total_parameters * BFLOAT16
        return {
            "starting": self.circumstances.start_seconds,
            "recordings": self.preparation.seconds_to_read,
            "backbone, every node": nodes * resting / disk.read,
            "checkpoint, every node": disk.verify_seconds(self.checkpoint.total, nodes),
        }

    def _link_seconds(self, size: float, world_size: int) -> float:
        hardware = self.circumstances.hardware
        sent = scatter_traffic(size, world_size, hardware.gpus_per_node)
        share = Setting(("renderer",)).link_utilisation
        return (sent.inside / hardware.node_bandwidth + sent.between / hardware.network_bandwidth) / share


def checkpoint_of(model: SkeletonLLMForConditionalGeneration, recipe: Recipe, span: StageSpan) -> CheckpointSize:
    """A checkpoint in the midst of a stage: what it and the stages before it train, and moments of what it trains.

    Args:
        model: as it learns in the stage, with its adapters.
        recipe, span: the run and the stage.
    """
    names = [name for name, stage in recipe.stages.items() if stage.epochs > 0]
    earlier = {part for name in names[: names.index(span.name)] for part in recipe.stages[name].train}
    learning = {name: tuple(parameter.shape) for name, parameter in learning_parameters(model).items()}
    carried = {canonical_name(name): tuple(p.shape) for name, p in model.named_parameters() if part_of(name) in earlier}
    return checkpoint_size({**carried, **learning}, learning)


def _remembering(recording: Recording) -> Recording:
    """A recording whose rationale is told once, however often the data are listed."""
    return recording if recording.rationale is None else replace(recording, rationale=cache(recording.rationale))
