"""What has to be done for an answer, and the answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skeletonllm.evaluation.timeline import Found
    from skeletonllm.skeleton.sequence import SkeletonSequence

Progress = Callable[[str, float], object]
"""Told what is being done and which share of it is done; may raise to stop it."""


@dataclass(frozen=True, eq=False)
class Question:
    """A question about a recording.

    Args:
        sequence: the recording.
        text: what is asked; None: which of the actions that the model knows it is.
        candidates: answers to rank instead of generating one.
        window: seconds, to look at the recording piece by piece; None: where it is long and the question needs it.
        max_new_tokens: of a generated answer.
    """

    sequence: "SkeletonSequence"
    text: str | None = None
    candidates: tuple[str, ...] = ()
    window: float | None = None
    max_new_tokens: int = 192


@dataclass(frozen=True)
class Answer:
    """What is answered.

    Args:
        text: in words, as ``skeletonllm ask`` prints it.
        shares: the candidates with their probabilities, the likeliest first; empty where none were compared.
        segments: when something is seen, in seconds, each with how sure the model is at its best moment (of a timeline
            there is no such number: 0); empty where the question was another.
        prompt_tokens, tokens: read and generated; 0 where nothing was generated.
        whole: whether a generated answer came to its end.
    """

    text: str
    shares: Mapping[str, float] = field(default_factory=dict)
    segments: tuple["Found", ...] = ()
    prompt_tokens: int = 0
    tokens: int = 0
    whole: bool = True


@dataclass(frozen=True)
class Ranking:
    """Compare candidates. ``answer`` puts their probabilities into words."""

    prompt: str
    candidates: tuple[str, ...]
    answer: Callable[[dict[str, float]], Answer]


@dataclass(frozen=True)
class Generation:
    """Generate an answer."""

    prompt: str


@dataclass(frozen=True)
class Passes:
    """Look more than once: ``run`` does it all."""

    run: Callable[[Progress], Answer]


Plan = Ranking | Generation | Passes
