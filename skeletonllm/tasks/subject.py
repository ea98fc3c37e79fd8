"""What is known of a recording when a question about it is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Subject:
    """A recording as the tasks see it: without its motion.

    Args:
        label: the action.
        labels: every label of the data, sorted; ``label`` is one of them.
        rationale: what each part of the body does, in words and without the label; None where nobody wrote it down.
        confusable: for a label those that are easily taken for it; a label that is missing here may be taken for any.
        fewer_candidates: share of the multiple-choice questions that offer only some of the labels.
    """

    label: str
    labels: Sequence[str]
    rationale: str | None = None
    confusable: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fewer_candidates: float = 0.0
