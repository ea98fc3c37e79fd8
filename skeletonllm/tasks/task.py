"""A task of somebody else: what is asked, what is right, and what an answer is worth, as one object."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from skeletonllm.tasks.subject import Subject


@dataclass(frozen=True)
class Task:
    """A task that is no part of this package. Its recordings show one action each.

    Args:
        draw: a subject and a generator to (prompt, answer), which depend on nothing else. Of the subject ``label``,
            ``labels`` and ``confusable`` are given. Raises ValueError for a subject that it cannot ask about.
        grade: the right answer and what was said, to the value of each metric. ``score``, 0 to 1, is the main one and
            must be there; ``understood`` says whether the answer had the form that was asked for.
    """

    draw: Callable[[Subject, torch.Generator], tuple[str, str]]
    grade: Callable[[str, str], Mapping[str, float]]

    def __call__(self, subject: Subject, generator: torch.Generator) -> tuple[str, str]:
        return self.draw(subject, generator)
