"""Action recognition, a multiple-choice or an open question: prompt, drawing, parser, metric; the label answers it."""

import re
import unicodedata
from collections.abc import Sequence

import torch

from skeletonllm.tasks.subject import Subject

QUESTION = "Which of these actions do the frames show? Answer with one label only."
OPEN_QUESTION = "Which action do the frames show? Answer with its label only."
_LABEL_LINE = re.compile(r"\W*label\W*:(.*)", re.IGNORECASE)


def normalize_label(text: str) -> str:
    """Lower case, one space between words, no punctuation, no apostrophes: what counts when labels are compared."""
    text = unicodedata.normalize("NFKC", text).casefold()
    text = re.sub("['\u2018\u2019`]", "", text)
    return re.sub(r"[\W_]+", " ", text).strip()


def _by_normal_form(candidates: Sequence[str]) -> dict[str, str]:
    """Candidates by normal form. Raises ValueError if one is empty or two are the same."""
    if not candidates:
        raise ValueError("recognition needs at least one candidate label")
    known: dict[str, str] = {}
    for label in candidates:
        form = normalize_label(label)
        if not form or "\n" in label:
            raise ValueError(f"candidate label {label!r} must be one line with at least one letter or digit")
        if form in known:
            raise ValueError(f"candidate labels {known[form]!r} and {label!r} cannot be told apart")
        known[form] = label
    return known


def build_prompt(candidates: Sequence[str], listed: bool = True) -> str:
    """The question, then the candidates in the given order, one per line.

    Args:
        candidates: labels.
        listed: False asks an open question, and lists none of them.

    Raises:
        ValueError: no candidates, or labels that are empty, of several lines, or the same after normalisation.
    """
    _by_normal_form(candidates)
    return "\n".join([QUESTION, *candidates]) if listed else OPEN_QUESTION


def draw(subject: Subject, generator: torch.Generator) -> tuple[str, str]:
    """The question with all labels in their order, or for ``fewer_candidates`` of the draws with some in any order.

    Those that offer fewer teach to answer from the list that is given; the answer's place in it is random. Where labels
    are not listed, the question is always the same.
    """
    return build_prompt(_candidates(subject, generator), subject.listed), subject.label


def _candidates(subject: Subject, generator: torch.Generator) -> Sequence[str]:
    if torch.rand((), generator=generator) >= subject.fewer_candidates:
        return subject.labels
    others = [other for other in subject.labels if other != subject.label]
    count = int(torch.randint(1, len(others) + 1, (), generator=generator)) if others else 0
    chosen = [others[i] for i in torch.randperm(len(others), generator=generator)[:count].tolist()]
    chosen.insert(int(torch.randint(0, count + 1, (), generator=generator)), subject.label)
    return chosen


def label_line(line: str) -> str | None:
    """What follows ``Label:`` in a line that begins so, in any case and markup; None in any other line."""
    match = _LABEL_LINE.fullmatch(line)
    return match and match[1]


def parse_answer(text: str, candidates: Sequence[str]) -> str | None:
    """The candidate that an answer names, or None.

    The answer is its last line if that reads ``Label: ...``, else it must be a single line. It names a candidate if
    both are equal after normalisation; a label inside a longer answer does not count, so that an answer with several
    labels is wrong and ``throw ball`` is not ``throw``.
    """
    known = _by_normal_form(candidates)
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    labelled = label_line(lines[-1])
    if labelled is None and len(lines) > 1:
        return None
    return known.get(normalize_label(lines[-1] if labelled is None else labelled))


def is_correct(text: str, label: str, candidates: Sequence[str]) -> bool:
    """Whether an answer names the label, one of the candidates."""
    return parse_answer(text, candidates) == label
