"""Recognition accuracy: predictions by log-likelihood of the candidates or by generation, and their sums."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from tqdm import tqdm

from skeletonllm.data.recordings import Recording
from skeletonllm.evaluation.intervals import wilson_interval
from skeletonllm.evaluation.questions import batches_of
from skeletonllm.evaluation.sight import Sight, blindfolded, partners
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.tasks.recognition import build_prompt, parse_answer


@dataclass
class Prediction:
    """What was said of one recording; ``scores`` are log-probabilities of the candidates, in their order."""

    id: str
    label: str
    predicted: str | None
    scores: list[float] | None = None
    text: str | None = None


def predict(
    model: SkeletonLLMForConditionalGeneration,
    processor: SkeletonLLMProcessor,
    recordings: Sequence[tuple[Recording, SkeletonSequence]],
    candidates: Sequence[str],
    *,
    generate: bool = False,
    listed: bool = True,
    sight: Sight = Sight.frames,
    seed: int = 0,
    batch_size: int = 32,
    progress: bool = True,
) -> list[Prediction]:
    """Ask which of the candidates each recording shows.

    Args:
        recordings: with their sequences, labels among the candidates.
        candidates: as offered in the question.
        generate: take the greedy answer, which counts if it equals a candidate after normalisation; default: the
            candidate with the highest log-likelihood, its end of turn included.
        listed: whether the question lists the candidates.
        sight: what is shown.
        seed: of whose frames are shown instead, if others'.
        batch_size: recordings per pass.
        progress: show a bar.

    Raises:
        ValueError: log-likelihoods that are no numbers.
    """
    batches = tqdm(batches_of(len(recordings), batch_size), desc="evaluating", disable=not progress, leave=False)
    predicted = predictions_by_batch(
        model, processor, recordings, candidates, batches, generate=generate, listed=listed, sight=sight, seed=seed
    )
    return [prediction for predictions in predicted for prediction in predictions]


@torch.no_grad()
def predictions_by_batch(
    model: SkeletonLLMForConditionalGeneration,
    processor: SkeletonLLMProcessor,
    recordings: Sequence[tuple[Recording, SkeletonSequence]],
    candidates: Sequence[str],
    batches: Iterable[range],
    *,
    generate: bool = False,
    listed: bool = True,
    sight: Sight = Sight.frames,
    seed: int = 0,
) -> Iterator[list[Prediction]]:
    """As ``predict``, of some of the recordings, a batch of places at a time; each is asked for when it is due."""
    model.eval()
    prompt = build_prompt(candidates, listed)
    candidate_ids = processor.candidate_token_ids(candidates)
    others = partners([recording.id for recording, _ in recordings], seed) if sight == Sight.others else []
    for batch in batches:
        rows = [recordings[place] for place in batch]
        clips = [processor.sample(sequence) for _, sequence in rows]
        inputs = processor(clips, [prompt] * len(rows))
        seen = [processor.sample(recordings[others[place]][1]) for place in batch] if others else []
        inputs = blindfolded(inputs, sight, model.config.image_size, seen)
        inputs = {name: value.to(model.device) for name, value in inputs.items()}
        if generate:
            longest = max(map(len, candidate_ids)) + 4
            generated = model.generate(**inputs, max_new_tokens=longest, do_sample=False)
            texts = processor.decode(generated, inputs["input_ids"].shape[1])
            answers = [(parse_answer(text, candidates), None, text) for text in texts]
        else:
            scores = model.label_log_likelihoods(candidate_token_ids=candidate_ids, **inputs)
            if scores.isnan().any():
                raise ValueError("the model gives log-likelihoods that are no numbers; its weights are spoilt")
            answers = [(candidates[int(row.argmax())], row.tolist(), None) for row in scores]
        yield [
            Prediction(recording.id, recording.label, *answer)
            for (recording, _), answer in zip(rows, answers, strict=True)
        ]


@dataclass
class Accuracy:
    """Sums over predictions.

    Args:
        candidates: the labels offered, in order.
        confusion: (C, C + 1) counts, rows are true labels; the last column holds answers that name no candidate.
    """

    candidates: list[str]
    confusion: torch.Tensor

    @classmethod
    def of(cls, predictions: Sequence[Prediction], candidates: Sequence[str]) -> "Accuracy":
        """Count predictions. Raises ValueError if there is none or a true label was not offered."""
        if not predictions:
            raise ValueError("no predictions to count")
        candidates = list(candidates)
        confusion = torch.zeros(len(candidates), len(candidates) + 1, dtype=torch.long)
        for prediction in predictions:
            if prediction.label not in candidates:
                raise ValueError(f"{prediction.id}: label {prediction.label!r} was not among the candidates")
            said = len(candidates) if prediction.predicted is None else candidates.index(prediction.predicted)
            confusion[candidates.index(prediction.label), said] += 1
        return cls(candidates, confusion)

    @classmethod
    def from_summary(cls, summary: dict) -> "Accuracy":
        """What ``summary`` gave, read back."""
        return cls(list(summary["candidates"]), torch.tensor(summary["confusion"], dtype=torch.long))

    @property
    def count(self) -> int:
        return int(self.confusion.sum())

    @property
    def hits(self) -> int:
        return int(self.confusion.diagonal().sum())

    @property
    def micro(self) -> float:
        """Share of all recordings that are right."""
        return self.hits / self.count

    @property
    def per_class(self) -> dict[str, tuple[int, int]]:
        """Label -> (hits, count), for labels that occur."""
        rows = zip(self.candidates, self.confusion.diagonal().tolist(), self.confusion.sum(1).tolist(), strict=True)
        return {label: (hits, count) for label, hits, count in rows if count}

    @property
    def macro(self) -> float:
        """Mean over the labels that occur of the share that is right."""
        shares = [hits / count for hits, count in self.per_class.values()]
        return sum(shares) / len(shares)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of ``micro``."""
        return wilson_interval(self.hits, self.count)

    def summary(self) -> dict:
        """Plain values for JSON."""
        return dict(
            accuracy=self.micro, interval_95=list(self.interval), macro_accuracy=self.macro, hits=self.hits,
            count=self.count, chance=1 / len(self.candidates), candidates=self.candidates,
            per_class={
                label: dict(hits=h, count=n, accuracy=h / n, interval_95=list(wilson_interval(h, n)))
                for label, (h, n) in self.per_class.items()
            },
            confusion=self.confusion.tolist(),
        )  # fmt: skip
