"""Reasoning before the answer: what each part of the body does over time, then the action it makes.

The last line of the answer reads ``Label: ...``. It is read, and judged, as an answer of recognition is.
"""

import torch

from skeletonllm.tasks.recognition import is_correct, label_line, parse_answer
from skeletonllm.tasks.subject import Subject

__all__ = ["build_prompt", "build_target", "draw", "is_correct", "parse_answer"]

QUESTION = (
    "Describe what each part of the body does over time. Then infer the action. "
    "End with a line that reads Label: and the action."
)


def build_prompt() -> str:
    """The question; it names no labels, so that the answer must come from what is seen."""
    return QUESTION


def build_target(rationale: str, label: str) -> str:
    """The rationale, then the line with the label.

    Raises:
        ValueError: the rationale is empty or has a label line of its own.
    """
    rationale = rationale.strip()
    if not rationale:
        raise ValueError(f"the rationale of a recording of {label!r} is empty")
    if any(label_line(line) is not None for line in rationale.splitlines()):
        raise ValueError(f"the rationale of a recording of {label!r} has a label line, expected the reasons alone")
    return f"{rationale}\nLabel: {label}"


def draw(subject: Subject, generator: torch.Generator) -> tuple[str, str]:
    """The question and the subject's rationale; nothing about it is random.

    Raises:
        ValueError: the subject has no rationale.
    """
    if subject.rationale is None:
        raise ValueError(f"the task rationale needs a rationale, and a recording of {subject.label!r} has none")
    return build_prompt(), build_target(subject.rationale, subject.label)
