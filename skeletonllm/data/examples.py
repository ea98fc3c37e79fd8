"""Examples: what a model is trained on, as a pure function of seed and step."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from skeletonllm.data.augmentation import Augmentation
from skeletonllm.data.recordings import Recording
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.skeleton.sequence import Clip, SkeletonSequence
from skeletonllm.tasks.recognition import build_prompt


@dataclass
class Example:
    """A clip, a question about it and the answer."""

    clip: Clip
    prompt: str
    answer: str
    id: str


class RecognitionExamples:
    """Batches of recognition examples without end.

    Batch s depends on the seed and on s alone, so a run that was stopped goes on with the very samples that it would
    have seen, and nothing of the order needs to be saved.

    Args:
        recordings: with their sequences.
        processor: cuts sequences to clips.
        batch_size: examples per batch.
        augmentation: what varies.
        fewer_candidates: share of the questions that offer only some of the labels, in any order, so that the model
            learns to answer from the list it is given.
        seed: of order and variation, 0 or more.

    Raises:
        ValueError: fewer recordings than a batch has, or mirrored clips whose labels name a side.
    """

    def __init__(
        self,
        recordings: Sequence[tuple[Recording, SkeletonSequence]],
        processor: SkeletonLLMProcessor,
        batch_size: int,
        augmentation: Augmentation,
        fewer_candidates: float = 0.0,
        seed: int = 0,
    ):
        if len(recordings) < batch_size:
            raise ValueError(f"{len(recordings)} recordings are fewer than the batch size {batch_size}")
        self.recordings = recordings
        self.labels = sorted({recording.label for recording, _ in recordings})
        sided = [label for label in self.labels if {"left", "right"} & set(label.split())]
        if augmentation.mirror and sided:
            raise ValueError(f"augmentation.mirror would make {', '.join(sided)} untrue")
        self.processor = processor
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.fewer_candidates = fewer_candidates
        self.seed = seed
        self._order: tuple[int, torch.Tensor] | None = None

    @property
    def steps_per_epoch(self) -> int:
        return len(self.recordings) // self.batch_size

    def batch(self, step: int) -> list[Example]:
        """The examples of a step, counted from 0."""
        epoch, within = divmod(step, self.steps_per_epoch)
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, torch.randperm(len(self.recordings), generator=self._generator(epoch, 0))
        chosen = self._order[1][within * self.batch_size : (within + 1) * self.batch_size].tolist()
        generator = self._generator(step, 1)
        return [self._example(*self.recordings[index], generator) for index in chosen]

    def _generator(self, number: int, stream: int) -> torch.Generator:
        # Torch's CPU generator looks at the low 32 bits of its seed only, so everything is mixed into them.
        mixed = np.random.SeedSequence([self.seed, stream, number]).generate_state(1)
        return torch.Generator().manual_seed(int(mixed[0]))

    def _example(self, recording: Recording, sequence: SkeletonSequence, generator: torch.Generator) -> Example:
        sequence = self.augmentation.trimmed(sequence, generator)
        clip = self.augmentation.changed(self.processor.sample(sequence, generator), generator)
        return Example(clip, build_prompt(self._candidates(recording.label, generator)), recording.label, recording.id)

    def _candidates(self, label: str, generator: torch.Generator) -> list[str]:
        if torch.rand((), generator=generator) >= self.fewer_candidates:
            return self.labels
        others = [other for other in self.labels if other != label]
        count = int(torch.randint(1, len(others) + 1, (), generator=generator)) if others else 0
        chosen = [others[i] for i in torch.randperm(len(others), generator=generator)[:count].tolist()]
        chosen.insert(int(torch.randint(0, count + 1, (), generator=generator)), label)
        return chosen
