"""What an answer to a question of each task is worth."""

from collections.abc import Callable

from skeletonllm.evaluation.questions import Posed
from skeletonllm.tasks import discrimination
from skeletonllm.tasks.recognition import label_line, normalize_label, parse_answer

# Metric -> value of one answer. ``score``, 0 to 1, is the task's main one; ``understood`` whether the answer had the
# form that was asked for.
Grade = dict[str, float]


def grade(question: Posed, text: str) -> Grade:
    """What an answer is worth. Raises ValueError for a task that has no metric here."""
    if question.task not in GRADERS:
        raise ValueError(f"task {question.task} has no metric; known: {', '.join(GRADERS)}")
    return GRADERS[question.task](question, text)


def score(question: Posed, text: str) -> float:
    """The main metric alone."""
    return grade(question, text)["score"]


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


def _last_label(text: str) -> str | None:
    lines = [line for line in text.splitlines() if line.strip()]
    label = label_line(lines[-1]) if lines else None
    return None if label is None else normalize_label(label)


GRADERS: dict[str, Callable[[Posed, str], Grade]] = {
    "recognition": _recognition,
    "discrimination": _discrimination,
    "rationale": _rationale,
}
