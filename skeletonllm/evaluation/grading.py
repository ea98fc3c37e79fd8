"""What an answer to a question of each task is worth."""

import math
from collections.abc import Callable

from skeletonllm.evaluation.captions import rouge_l
from skeletonllm.evaluation.questions import Posed
from skeletonllm.tasks import TASKS, Task, captioning, discrimination, localization, questions
from skeletonllm.tasks.recognition import label_line, normalize_label, parse_answer

# Metric -> value of one answer. ``score``, 0 to 1, is the task's main one; ``understood`` whether the answer had the
# form that was asked for.
Grade = dict[str, float]


def grade(question: Posed, text: str) -> Grade:
    """What an answer is worth.

    Raises:
        ValueError: a task that has no metric, or one of another package that gives no score from 0 to 1.
    """
    if isinstance(task := TASKS.get(question.task), Task):
        return _by_its_own(task, question, text)
    if question.task not in GRADERS:
        raise ValueError(f"task {question.task} has no metric; known: {', '.join(GRADERS)}")
    return GRADERS[question.task](question, text)


def score(question: Posed, text: str) -> float:
    """The main metric alone."""
    return grade(question, text)["score"]


def _by_its_own(task: Task, question: Posed, text: str) -> Grade:
    found = {name: float(value) for name, value in task.grade(question.answer, text).items()}
    if not 0 <= found.get("score", math.nan) <= 1:
        raise ValueError(f"task {question.task} grades {question.id} as {found}, expected a score from 0 to 1")
    return found


def _recognition(question: Posed, text: str) -> Grade:
    said = parse_answer(text, question.options)
    return {"score": float(said == question.answer), "understood": float(said is not None)}


def _discrimination(question: Posed, text: str) -> Grade:
    said = discrimination.parse_answer(text)
    return {"score": float(said == question.answer), "understood": float(said is not None)}


def _rationale(question: Posed, text: str) -> Grade:
    """The action in the last line is judged; the reasons before it are not."""
    said, true = (_last_label(each) for each in (text, question.answer))
    return {"score": float(said == true), "understood": float(said is not None)}


def _question(question: Posed, text: str) -> Grade:
    said = questions.parse_answer(text, question.options)
    return {"score": float(said == question.answer), "understood": float(said is not None)}


def _captioning(question: Posed, text: str) -> Grade:
    said = captioning.parse_answer(text)
    return {"score": rouge_l(said or "", question.references), "understood": float(said is not None)}


def _localization(question: Posed, text: str) -> Grade:
    """Temporal IoU; whether it is at least a half; the mean error of begin and end, where any were said."""
    said, true = localization.parse_answer(text), localization.parse_answer(question.answer)
    overlap = localization.temporal_iou(said, true)
    found: Grade = {"score": overlap, "iou_at_least_half": float(overlap >= 0.5), "understood": float(said is not None)}
    if said is not None:
        found["boundary_error_seconds"] = localization.boundary_error(said, true)
    return found


def _last_label(text: str) -> str | None:
    lines = [line for line in text.splitlines() if line.strip()]
    label = label_line(lines[-1]) if lines else None
    return None if label is None else normalize_label(label)


GRADERS: dict[str, Callable[[Posed, str], Grade]] = {
    "recognition": _recognition,
    "discrimination": _discrimination,
    "rationale": _rationale,
    "questions": _question,
    "captioning": _captioning,
    "localization": _localization,
}
