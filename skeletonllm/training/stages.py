"""The four stages of the method: which parts learn in each, from which questions, for how long and how fast.

SkeletonLLM (arXiv 2603.18003), section 3, and the scripts of its release: 2e-5 for everything, 1, 1, 1 and 3 epochs. At
2e-5 the renderer ends where it began, so it has a rate of its own here.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from skeletonllm.tasks import TASKS
from skeletonllm.training.parts import PARTS


@dataclass
class Stage:
    """One stage of a run.

    Args:
        train: the parts that learn, among ``skeletonllm.training.parts.PARTS``.
        tasks: weight of each task in the mixture of questions.
        epochs: passes over the training recordings; 0 leaves the stage out.
        learning_rate: of everything but the renderer.
        renderer_learning_rate: of the renderer.
        variants: each recording is shown in so many fixed variants, one per epoch: those that a teacher saw, and whose
            frames are rendered once and cached while the renderer rests; 0: newly varied every time.
    """

    train: list = field(default_factory=list)
    tasks: dict = field(default_factory=lambda: {"recognition": 1.0})
    epochs: float = 1.0
    learning_rate: float = 2e-5
    renderer_learning_rate: float = 2e-3
    variants: int = 0

    def __post_init__(self):
        unknown = [part for part in self.train if part not in PARTS]
        if unknown or not self.train:
            raise ValueError(f"train is {self.train}, expected some of {', '.join(PARTS)}")
        if not self.tasks or any(task not in TASKS for task in self.tasks):
            raise ValueError(f"tasks are {', '.join(map(str, self.tasks)) or 'none'}, expected {', '.join(TASKS)}")
        for task, weight in self.tasks.items():
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight > 0:
                raise ValueError(f"tasks: {task}: found {weight!r}, expected a number above 0")
        for name in ("epochs", "learning_rate", "renderer_learning_rate", "variants"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 0 or more")


# In their order. A recipe may change any value of a stage, and have stages of its own beside or instead of them.
STAGES = {
    # Renderer alone, as in the paper. The first release trained the projector along.
    "warmup": Stage(train=["renderer"]),
    "discriminate": Stage(train=["renderer", "projector"], tasks={"discrimination": 1.0}),
    "distill": Stage(train=["renderer", "projector", "lora"], tasks={"rationale": 1.0}),
    "refine": Stage(train=["projector", "lora"], epochs=3.0, variants=1),
}


def stage_defaults(name: str) -> dict:
    """The values of a stage that a recipe does not give; empty for a stage of the recipe's own."""
    return asdict(STAGES[name]) if name in STAGES else {}


@dataclass(frozen=True)
class Span:
    """The steps [first, last) of something that learns, counted over the whole run."""

    name: str
    first: int
    last: int

    def learning_rate_factor(self, step: int, warmup_share: float) -> float:
        """Of a step, counted over the whole run: linear up to 1, then half a cosine down to 0 behind the last."""
        steps, done = self.last - self.first, step - self.first
        warmup = math.ceil(warmup_share * steps)
        if done < warmup:
            return (done + 1) / (warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * (done - warmup) / max(1, steps - warmup)))


@dataclass(frozen=True)
class StageSpan(Span):
    """The steps of a stage of a recipe."""

    stage: Stage


def schedule(stages: Mapping[str, Stage], steps_per_epoch: int) -> list[StageSpan]:
    """The spans of all stages that have any epochs, one behind the other."""
    spans, first = [], 0
    for name, stage in stages.items():
        if stage.epochs > 0:
            last = first + max(1, round(stage.epochs * steps_per_epoch))
            spans.append(StageSpan(name, first, last, stage))
            first = last
    return spans


def choose(spans: list[StageSpan], name: str) -> list[StageSpan]:
    """The spans of one stage, or of all stages for ``all``.

    Raises:
        ValueError: there is no such stage.
    """
    chosen = [span for span in spans if name in ("all", span.name)]
    if not chosen:
        raise ValueError(f"no stage {name!r} in the recipe; it has {', '.join(span.name for span in spans)}, or all")
    return chosen
