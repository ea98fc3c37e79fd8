"""Tasks: each is a question about a clip with its answer, the parser of answers and the metric.

``TASKS`` has for each name the function that draws a question and its answer, ``(Subject, torch.Generator) ->
(prompt, answer)``. What it draws depends on the subject and the generator alone.
"""

from collections.abc import Callable

import torch

from skeletonllm.tasks import discrimination, rationale, recognition
from skeletonllm.tasks.subject import Subject

__all__ = ["NEED_RATIONALES", "TASKS", "Subject"]

TASKS: dict[str, Callable[[Subject, torch.Generator], tuple[str, str]]] = {
    "recognition": recognition.draw,
    "discrimination": discrimination.draw,
    "rationale": rationale.draw,
}

# Writing a rationale down costs time, so only these are given one.
NEED_RATIONALES = frozenset({"rationale"})
