"""Tasks: each is a question about a clip with its answer, the parser of answers and the metric.

``TASKS`` has for each name the function that draws a question and its answer, ``(Subject, torch.Generator) ->
(prompt, answer)``. What it draws depends on the subject and the generator alone. Installed packages bring further ones,
each a ``Task``, as entry points of the group ``skeletonllm.tasks``.
"""

from collections.abc import Callable

import torch

from skeletonllm.skeleton.plugins import Registry
from skeletonllm.tasks import captioning, discrimination, localization, questions, rationale, recognition
from skeletonllm.tasks.subject import Subject
from skeletonllm.tasks.task import Task

__all__ = ["NEED_CAPTIONS", "NEED_FACTS", "NEED_RATIONALES", "NEED_SEGMENTS", "NEED_WHOLE", "TASKS", "Subject", "Task"]

_OURS: dict[str, Callable[[Subject, torch.Generator], tuple[str, str]]] = {
    "recognition": recognition.draw,
    "discrimination": discrimination.draw,
    "rationale": rationale.draw,
    "captioning": captioning.draw,
    "questions": questions.draw,
    "localization": localization.draw,
}
TASKS = Registry("skeletonllm.tasks", "task", lambda thing: isinstance(thing, Task), _OURS)

# What a subject has costs time, so only the tasks that need it are given it.
NEED_RATIONALES = frozenset({"rationale"})
NEED_CAPTIONS = frozenset({"captioning"})
NEED_FACTS = frozenset({"questions"})
# These are asked of recordings of several actions, and need frames that come with their times.
NEED_SEGMENTS = frozenset({"localization"})
# What they say holds for the whole of what was drawn, and not for a part of it.
NEED_WHOLE = NEED_RATIONALES | NEED_CAPTIONS | NEED_FACTS | NEED_SEGMENTS
