"""What the experiments of real_data.py share: a tiny model that learns from draws, and intervals over seeds."""

import copy
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]

from transformers import get_cosine_schedule_with_warmup  # noqa: E402

from skeletonllm.data.augmentation import Augmentation  # noqa: E402
from skeletonllm.data.seeds import mixed_seed  # noqa: E402
from skeletonllm.models.processing import SkeletonLLMProcessor  # noqa: E402
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration  # noqa: E402
from skeletonllm.models.tiny import build_tiny  # noqa: E402
from skeletonllm.skeleton.sequence import SkeletonSequence  # noqa: E402
from skeletonllm.training.parts import parameter_groups, set_trainable  # noqa: E402

Model = tuple[SkeletonLLMForConditionalGeneration, SkeletonLLMProcessor]
# From random numbers to a sequence, a question about it and the answer.
Draw = Callable[[torch.Generator], tuple[SkeletonSequence, str, str]]
# What was measured, its mean, and the ends of its interval.
Row = tuple[str, float, float, float]

AUGMENTATION = Augmentation(yaw=20, tilt=6, size=0.12, noise=0.01, missing=0.03)
BOOTSTRAP_ROUNDS = 1000


@dataclass(frozen=True)
class Settings:
    """How much is done.

    Args:
        seeds: models that learn from the real recordings.
        foundation_steps, steps: of learning, on embedded motions and after that on real ones.
        foundation_rate, rate: their highest learning rates.
        batch_size: examples per step.
        embedded_share: of the examples that stay embedded ones while the real recordings are learnt.
        frames: of a clip.
        performers: of the embedded motions.
        asked: test questions of each kind, and about each segment.
        sizes: of the tiny model, see ``skeletonllm.models.tiny.tiny_backbone``.
    """

    seeds: int = 3
    foundation_steps: int = 350
    steps: int = 200
    foundation_rate: float = 2e-3
    rate: float = 1e-3
    batch_size: int = 16
    embedded_share: float = 0.25
    frames: int = 8
    performers: int = 24
    asked: int = 100
    sizes: dict = field(default_factory=lambda: dict(vision_hidden_size=128, hidden_size=128))


def make_model(settings: Settings, texts: Sequence[str], frames: int) -> Model:
    renderer = dict(modulator="mlp", samples_per_bone=4, follow=True)
    return build_tiny(
        texts, renderer=renderer, num_frames=frames, normalize="none", face_camera=True, **settings.sizes
    )  # fmt: skip


def learn(model: Model, draw: Draw, settings: Settings, steps: int, rate: float, seed: int) -> Model:
    """A copy of a model, taught; what it sees depends on seed and step alone."""
    network, processor = copy.deepcopy(model[0]), model[1]
    set_trainable(network, ("projector", "vision", "language"))
    optimizer = torch.optim.AdamW(parameter_groups(network, rate, 0.0, 0.05))
    schedule = get_cosine_schedule_with_warmup(optimizer, round(0.05 * steps), steps)
    network.train()
    begin, losses = time.monotonic(), []
    for step in range(steps):
        generator = torch.Generator().manual_seed(mixed_seed(seed, step))
        drawn = [draw(generator) for _ in range(settings.batch_size)]
        clips = [AUGMENTATION.changed(processor.sample(each[0], generator), generator) for each in drawn]
        loss = network(**processor(clips, [each[1] for each in drawn], [each[2] for each in drawn])).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if (step + 1) % 50 == 0 or step + 1 == steps:
            print(
                f"  step {step + 1}: loss {np.mean(losses[-50:]):.3f}, {time.monotonic() - begin:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    return network.eval(), processor


def either(first: Draw, second: Draw, share: float) -> Draw:
    """The second one for a share of the draws."""
    return lambda generator: (second if torch.rand((), generator=generator) < share else first)(generator)


def two_level_interval(
    statistic: Callable[..., float], tables: Sequence[np.ndarray], clusters: Sequence[Sequence[str]]
) -> tuple[float, float]:
    """The 95 % percentile bootstrap of a statistic over seeds and over recordings, both drawn with replacement.

    Args:
        statistic: of arrays with any number of rows and columns.
        tables: (seeds, questions) each; the rows of all are the same seeds.
        clusters: for each table the recording of each column; those of one recording are drawn together.
    """
    rng = np.random.default_rng(0)
    places = [[np.flatnonzero(np.array(names) == name) for name in sorted(set(names))] for names in clusters]
    drawn = []
    for _ in range(BOOTSTRAP_ROUNDS):
        rows = rng.integers(len(tables[0]), size=len(tables[0]))
        columns = [np.concatenate([each[i] for i in rng.integers(len(each), size=len(each))]) for each in places]
        drawn.append(statistic(*(table[rows][:, at] for table, at in zip(tables, columns, strict=True))))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def mean_row(name: str, table: np.ndarray, recordings: Sequence[str]) -> Row:
    """A mean of (seeds, questions) with its interval."""
    return name, float(table.mean()), *two_level_interval(np.mean, [table], [recordings])
