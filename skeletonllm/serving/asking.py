"""What a model is asked in one pass: candidates to rank or answers to generate, about several recordings together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from transformers import StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

if TYPE_CHECKING:
    from skeletonllm.models.trained import Trained
    from skeletonllm.skeleton.sequence import SkeletonSequence

# What a tokenizer decodes to where a character is not whole yet.
_UNFINISHED = "\ufffd"


@dataclass(frozen=True)
class Said:
    """A generated answer.

    Args:
        text: what was said.
        tokens: how many it took, the end of the turn included.
        prompt_tokens: of the question and the frames before it.
        whole: whether it came to its end, and was not cut off.
    """

    text: str
    tokens: int
    prompt_tokens: int
    whole: bool


def rank_all(
    trained: "Trained", sequences: Sequence["SkeletonSequence"], prompts: Sequence[str], candidates: Sequence[str]
) -> list[dict[str, float]]:
    """For each recording the candidates with their probabilities, which sum to 1, the likeliest first.

    Args:
        trained: who is asked.
        sequences: B recordings, each seen as one clip.
        prompts: B questions.
        candidates: the same for all.

    Raises:
        ValueError: no candidates, or a question that holds frame tokens.
    """
    inputs = _inputs(trained, sequences, prompts)
    ids = trained.processor.candidate_token_ids(candidates)
    scores = trained.model.label_log_likelihoods(candidate_token_ids=ids, **inputs)
    ranked = (sorted(zip(row.softmax(-1).tolist(), candidates, strict=True), reverse=True) for row in scores)
    return [{label: probability for probability, label in row} for row in ranked]


def rank(trained: "Trained", sequence: "SkeletonSequence", prompt: str, candidates: Sequence[str]) -> dict[str, float]:
    """``rank_all`` of one recording."""
    return rank_all(trained, [sequence], [prompt], candidates)[0]


def generate_all(
    trained: "Trained",
    sequences: Sequence["SkeletonSequence"],
    prompts: Sequence[str],
    max_new_tokens: Sequence[int],
    tell: Callable[[int, str], object] = lambda row, text: None,
    wanted: Callable[[int], bool] = lambda row: True,
) -> list[Said]:
    """The greedy answer to a question about each of B recordings, each seen as one clip.

    Args:
        trained: who is asked.
        sequences, prompts, max_new_tokens: B of each.
        tell: told the number of a row and further words of its answer, as they come.
        wanted: asked after each token whether a row is to go on.

    Raises:
        ValueError: a question that holds frame tokens.
    """
    inputs = _inputs(trained, sequences, prompts)
    length = inputs["input_ids"].shape[1]
    ends = _end_tokens(trained)
    rows = [_Row(trained, ends, most) for most in max_new_tokens]
    trained.model.generate(
        **inputs,
        max_new_tokens=max(max_new_tokens),
        do_sample=False,
        streamer=_Streamer(rows, tell),
        stopping_criteria=StoppingCriteriaList([_Stop(rows, wanted)]),
    )
    asked = inputs["attention_mask"].sum(1).tolist() if "attention_mask" in inputs else [length] * len(rows)
    return [Said(row.text.strip(), len(row.ids), int(count), row.ended) for row, count in zip(rows, asked, strict=True)]


def generate(trained: "Trained", sequence: "SkeletonSequence", prompt: str, max_new_tokens: int) -> str:
    """The text of ``generate_all`` about one recording."""
    return generate_all(trained, [sequence], [prompt], [max_new_tokens])[0].text


def _inputs(trained: "Trained", sequences: Sequence["SkeletonSequence"], prompts: Sequence[str]) -> dict:
    processor = trained.processor
    inputs = processor([processor.sample(sequence) for sequence in sequences], list(prompts))
    return {name: value.to(trained.model.device) for name, value in inputs.items()}


def _end_tokens(trained: "Trained") -> set[int]:
    """Of which any ends an answer."""
    ends = trained.model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    return {int(end) for end in [*ends, trained.processor.tokenizer.eos_token_id] if end is not None}


class _Row:
    """One answer while it is made."""

    def __init__(self, trained: "Trained", ends: set[int], most: int):
        self.tokenizer, self.ends, self.most = trained.processor.tokenizer, ends, most
        self.ids: list[int] = []
        self.text = ""
        self.ended = False

    @property
    def is_full(self) -> bool:
        return len(self.ids) >= self.most

    def add(self, token: int) -> str:
        """Further words, if the token makes some whole: spaces at the very beginning are left out."""
        if self.ended or self.is_full:
            return ""
        self.ids.append(token)
        self.ended = token in self.ends
        text = self.tokenizer.decode(self.ids, skip_special_tokens=True).lstrip()
        if text.endswith(_UNFINISHED) and not (self.ended or self.is_full):
            return ""
        text = text.rstrip()  # spaces wait for what follows: those at the end are left out
        further = text.removeprefix(self.text) if text.startswith(self.text) else ""
        self.text = text
        return further


class _Streamer(BaseStreamer):
    """Hands each new token to its row; the first thing that ``generate`` puts is the prompt."""

    def __init__(self, rows: list[_Row], tell: Callable[[int, str], object]):
        self.rows, self.tell = rows, tell
        self._prompted = False

    def put(self, value: torch.Tensor) -> None:
        if not self._prompted:
            self._prompted = True
            return
        for number, (row, token) in enumerate(zip(self.rows, value.reshape(-1).tolist(), strict=True)):
            if further := row.add(token):
                self.tell(number, further)

    def end(self) -> None:
        pass


class _Stop(StoppingCriteria):
    """Ends rows that are full, or that nobody waits for."""

    def __init__(self, rows: list[_Row], wanted: Callable[[int], bool]):
        self.rows, self.wanted = rows, wanted

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs) -> torch.Tensor:
        stopped = [row.is_full or not self.wanted(number) for number, row in enumerate(self.rows)]
        return torch.tensor(stopped, device=input_ids.device)
