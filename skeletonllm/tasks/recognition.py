"""Action recognition as a closed multiple-choice question: prompt, parser and metric. The target is the label."""

import re
import unicodedata
from collections.abc import Sequence

QUESTION = "Which of these actions do the frames show? Answer with one label only."
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


def build_prompt(candidates: Sequence[str]) -> str:
    """The question, then the candidates in the given order, one per line.

    Raises:
        ValueError: no candidates, or labels that are empty, of several lines, or the same after normalisation.
    """
    _by_normal_form(candidates)
    return "\n".join([QUESTION, *candidates])


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
    labelled = _LABEL_LINE.fullmatch(lines[-1])
    if labelled is None and len(lines) > 1:
        return None
    return known.get(normalize_label(labelled[1] if labelled else lines[-1]))


def is_correct(text: str, label: str, candidates: Sequence[str]) -> bool:
    """Whether an answer names the label, one of the candidates."""
    return parse_answer(text, candidates) == label
