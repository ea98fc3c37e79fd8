"""What a run would need, and how fast it would be, before anything is loaded: sizes in, estimates out."""

from dataclasses import dataclass, field

from skeletonllm.training.planning.communication import Traffic, step_traffic
from skeletonllm.training.planning.flops import Flops, Sample, count_flops, total_flops
from skeletonllm.training.planning.hardware import HARDWARE, Hardware
from skeletonllm.training.planning.memory import Load, Memory, plan_memory, share
from skeletonllm.training.planning.shape import Shape
from skeletonllm.training.stages import STAGES

# Bytes that AdamW moves per parameter: weight, gradient and two moments read; weight and moments written.
OPTIMIZER_BYTES = 28
# The line that holds a frame, `Frame1: <img>...</img>`, without the frame.
TOKENS_PER_FRAME_LINE = 8
# Tokens of a question, and of its answer with the end of the turn: sixty labels to choose from, and a label; a label,
# and YES or NO; an instruction, and a paragraph on what every part of the body does.
TASK_TOKENS = {"recognition": (256, 8), "discrimination": (40, 2), "rationale": (80, 256)}


@dataclass(frozen=True)
class Setting:
    """A run.

    Args:
        trainable: the parts that learn, among ``skeletonllm.training.parts.PARTS``.
        sample: what a sample consists of.
        gpus: how many.
        zero: ZeRO stage, 0 to 3.
        micro_batch_size: samples that a GPU computes at once.
        batch_size: samples per step of all GPUs; None for one micro-batch each.
        checkpointing: of activations.
        cached_frames: pictures are read instead of drawn.
        lora_dropout: adapters have dropout.
        hardware: the GPUs.
        utilisation: share of the peak that products reach, an assumption.
        link_utilisation: share of the links' bandwidth that collectives reach, an assumption.
    """

    trainable: tuple[str, ...]
    sample: Sample = field(default_factory=Sample)
    gpus: int = 1
    zero: int = 2
    micro_batch_size: int = 1
    batch_size: int | None = None
    checkpointing: bool = True
    cached_frames: bool = False
    lora_dropout: bool = True
    hardware: Hardware = HARDWARE["h200"]
    utilisation: float = 0.4
    link_utilisation: float = 0.7

    def __post_init__(self):
        for name in ("gpus", "micro_batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 1 or more")
        for name in ("utilisation", "link_utilisation"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected more than 0 and at most 1")
        at_once = self.gpus * self.micro_batch_size
        if self.samples_per_step < 1 or self.samples_per_step % at_once:
            raise ValueError(
                f"batch_size is {self.batch_size}, expected a multiple of {at_once}: {self.gpus} GPUs times "
                f"{self.micro_batch_size} samples"
            )

    @property
    def samples_per_step(self) -> int:
        return self.gpus * self.micro_batch_size if self.batch_size is None else self.batch_size

    @property
    def accumulation(self) -> int:
        """Micro-batches per step and GPU."""
        return self.samples_per_step // (self.gpus * self.micro_batch_size)


@dataclass(frozen=True)
class Plan:
    """What a run needs; all but the numbers of parameters are estimates.

    Args:
        shape, setting: of which run.
        memory: of one GPU.
        flops: of one sample, by part.
        traffic: that a GPU sends in a step, by purpose.
        seconds: of a step, by what they are spent on, none of them overlapping.
    """

    shape: Shape
    setting: Setting
    memory: Memory
    flops: dict[str, Flops]
    traffic: dict[str, Traffic]
    seconds: dict[str, float]

    @property
    def fits(self) -> bool:
        """Whether the memory of a GPU suffices."""
        return self.memory.total <= self.setting.hardware.memory

    @property
    def bottleneck(self) -> str:
        """What most of a step is spent on."""
        return max(self.seconds, key=self.seconds.get)

    @property
    def samples_per_second(self) -> tuple[float, float]:
        """Of all GPUs: if nothing overlaps, and if everything hides behind what takes longest."""
        samples = self.setting.samples_per_step
        return samples / sum(self.seconds.values()), samples / max(self.seconds.values())

    @property
    def model_utilisation(self) -> float:
        """Share of the peak spent on the model's own mathematics (MFU), if nothing overlaps."""
        rate = self.samples_per_second[0] / self.setting.gpus
        return rate * total_flops(self.flops).model / self.setting.hardware.flops


def stage_sample(
    stage: str,
    frames: int = 12,
    image_size: int = 448,
    persons: int = 1,
    text_tokens: int | None = None,
    answer_tokens: int | None = None,
) -> Sample:
    """A sample of a stage; of several tasks, of the longest.

    Args:
        stage: a key of ``skeletonllm.training.stages.STAGES``.
        frames, image_size, persons, text_tokens, answer_tokens: see ``Sample``; tokens are estimated if they are None.

    Raises:
        ValueError: no such stage.
    """
    if stage not in STAGES:
        raise ValueError(f"unknown stage {stage!r}, expected one of {', '.join(STAGES)}")
    question, answer = max((TASK_TOKENS[task] for task in STAGES[stage].tasks), key=sum)
    return Sample(
        frames=frames,
        image_size=image_size,
        text_tokens=TOKENS_PER_FRAME_LINE * frames + question if text_tokens is None else text_tokens,
        answer_tokens=answer if answer_tokens is None else answer_tokens,
        persons=persons,
    )


def make_plan(shape: Shape, setting: Setting) -> Plan:
    """The plan of a run.

    Raises:
        ValueError: no such ZeRO stage, GPUs that do not fill their nodes, an image size that the tower cannot take.
    """
    hardware, trainable = setting.hardware, setting.trainable
    flops = count_flops(
        shape, setting.sample, trainable, checkpointing=setting.checkpointing, cached_frames=setting.cached_frames
    )
    load = Load(setting.micro_batch_size, setting.checkpointing, setting.lora_dropout)
    traffic = step_traffic(shape, trainable, setting.gpus, hardware.gpus_per_node, setting.zero, setting.accumulation)
    sent = sum(traffic.values(), Traffic())
    learning = sum(count for part, count in shape.parameters.items() if part in trainable)
    updated = share(learning, setting.gpus) if setting.zero else learning
    samples_per_gpu = setting.samples_per_step / setting.gpus
    seconds = {
        "arithmetic": samples_per_gpu * total_flops(flops).total / (hardware.flops * setting.utilisation),
        "links inside nodes": sent.inside / (hardware.node_bandwidth * setting.link_utilisation),
        "network between nodes": sent.between / (hardware.network_bandwidth * setting.link_utilisation),
        "optimiser": updated * OPTIMIZER_BYTES / hardware.memory_bandwidth,
    }
    memory = plan_memory(shape, setting.sample, load, trainable, setting.gpus, setting.zero)
    return Plan(shape, setting, memory, flops, traffic, seconds)
