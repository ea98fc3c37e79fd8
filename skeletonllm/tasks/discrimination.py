"""Telling confusable actions apart: is this the action, YES or NO? Prompt, drawing, parser and metric."""

import torch

from skeletonllm.tasks.recognition import normalize_label
from skeletonllm.tasks.subject import Subject

YES, NO = "YES", "NO"
_ANSWERS = {normalize_label(answer): answer for answer in (YES, NO)}


def build_prompt(label: str) -> str:
    """The question whether the frames show the action ``label``.

    Raises:
        ValueError: the label is empty or has several lines.
    """
    if not normalize_label(label) or "\n" in label:
        raise ValueError(f"label {label!r} must be one line with at least one letter or digit")
    return f'Do the frames show the action "{label}"? Answer with {YES} or {NO} only.'


def draw(subject: Subject, generator: torch.Generator) -> tuple[str, str]:
    """Half the time the subject's own label and YES, else one that is confusable with it and NO.

    Raises:
        ValueError: there is no other label to ask for.
    """
    others = subject.confusable.get(subject.label) or [other for other in subject.labels if other != subject.label]
    if not others:
        raise ValueError(f"discrimination needs a second label, there is only {subject.label!r}")
    if torch.rand((), generator=generator) < 0.5:
        return build_prompt(subject.label), YES
    return build_prompt(others[int(torch.randint(len(others), (), generator=generator))]), NO


def parse_answer(text: str) -> str | None:
    """YES or NO in any case and with any punctuation; None for anything else, also for an answer with more words."""
    return _ANSWERS.get(normalize_label(text))


def is_correct(text: str, answer: str) -> bool:
    """Whether an answer says what it should, YES or NO."""
    return parse_answer(text) == answer
