"""What the experiments of real_data.py share: the shipped model goes on learning from draws; intervals over seeds."""

import copy
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]

from transformers import get_cosine_schedule_with_warmup  # noqa: E402

from skeletonllm.data.augmentation import Augmentation  # noqa: E402
from skeletonllm.data.recordings import Recording, read_all  # noqa: E402
from skeletonllm.data.seeds import mixed_seed  # noqa: E402
from skeletonllm.data.sources import load_source  # noqa: E402
from skeletonllm.evaluation.intervals import two_level_interval  # noqa: E402
from skeletonllm.models.processing import SkeletonLLMProcessor  # noqa: E402
from skeletonllm.models.shipped import load_shipped  # noqa: E402
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration  # noqa: E402
from skeletonllm.skeleton.sequence import Clip, SkeletonSequence  # noqa: E402
from skeletonllm.skeleton.synthesis import ACTIONS  # noqa: E402
from skeletonllm.training.parts import parameter_groups, set_trainable  # noqa: E402

Model = tuple[SkeletonLLMForConditionalGeneration, SkeletonLLMProcessor]
Read = list[tuple[Recording, SkeletonSequence]]
# From random numbers to a sequence, or a clip of one, a question about it and the answer.
Draw = Callable[[torch.Generator], tuple[SkeletonSequence | Clip, str, str]]
# What was measured, its mean, and the ends of its interval.
Row = tuple[str, float, float, float]

TOPOLOGY = "kinect_v1"  # of all three data sets
ALONE = [label for label, action in ACTIONS.items() if action.persons == 1]
AUGMENTATION = Augmentation(yaw=20, tilt=6, size=0.12, noise=0.01, missing=0.03)


@dataclass(frozen=True)
class Settings:
    """How much is done.

    Args:
        seeds: models that learn from the real recordings.
        steps: of learning, each from the shipped model on.
        rate: the highest learning rate.
        batch_size: examples per step.
        embedded_share: of the examples that are embedded motions.
        frames: of a clip.
        performers: of the embedded motions.
        asked: test questions of each kind.
    """

    seeds: int = 3
    steps: int = 300
    rate: float = 1e-3
    batch_size: int = 16
    embedded_share: float = 1 / 3
    frames: int = 12
    performers: int = 24
    asked: int = 100


def shipped(settings: Settings) -> Model:
    """The model that every experiment starts from, which turns people to the camera from here on."""
    trained = load_shipped()
    model, processor = trained.model, trained.processor
    model.config.num_frames = processor.num_frames = settings.frames
    processor.face_camera = True
    return model, processor


def made(settings: Settings) -> Read:
    """The embedded motions of one person."""
    return read_all(
        load_source("synthetic", topologies=[TOPOLOGY], performers=settings.performers, test_performers=0, labels=ALONE)
    )


def learn(model: Model, draw: Draw, settings: Settings, seed: int) -> Model:
    """A copy of a model, taught all but its renderer; what it sees depends on seed and step alone."""
    network, processor = copy.deepcopy(model[0]), model[1]
    set_trainable(network, ("projector", "vision", "language"))
    optimizer = torch.optim.AdamW(parameter_groups(network, settings.rate, 0.0, 0.05))
    schedule = get_cosine_schedule_with_warmup(optimizer, round(0.05 * settings.steps), settings.steps)
    network.train()
    begin, losses = time.monotonic(), []
    for step in range(settings.steps):
        generator = torch.Generator().manual_seed(mixed_seed(seed, step))
        drawn = [draw(generator) for _ in range(settings.batch_size)]
        shown = [one if isinstance(one, Clip) else processor.sample(one, generator) for one, *_ in drawn]
        clips = [AUGMENTATION.changed(clip, generator) for clip in shown]
        loss = network(**processor(clips, [each[1] for each in drawn], [each[2] for each in drawn])).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if (step + 1) % 50 == 0 or step + 1 == settings.steps:
            print(
                f"  step {step + 1}: loss {np.mean(losses[-50:]):.3f}, {time.monotonic() - begin:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    return network.eval(), processor


def either(first: Draw, second: Draw, share: float) -> Draw:
    """The second one for a share of the draws."""
    return lambda generator: (second if torch.rand((), generator=generator) < share else first)(generator)


def mean_row(name: str, table: np.ndarray, recordings: Sequence[str]) -> Row:
    """A mean of (seeds, questions) with its interval."""
    return name, float(table.mean()), *two_level_interval(np.mean, [table], [recordings])
