"""What is known of a recording when a question about it is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from skeletonllm.skeleton.segment import Segment


@dataclass(frozen=True)
class Subject:
    """A recording as the tasks see it: without its motion.

    Args:
        label: the action.
        labels: every label of the data, sorted; ``label`` is one of them.
        rationale: what each part of the body does, in words and without the label; None where nobody wrote it down.
        confusable: for a label those that are easily taken for it; a label that is missing here may be taken for any.
        fewer_candidates: share of the multiple-choice questions that offer only some of the labels.
        listed: whether the labels are listed in the question of recognition.
        captions: sentences about the motion, any of which is right.
        facts: what is true of the motion, value by topic, see ``skeletonllm.skeleton.kinematic_facts``.
        rivals: for a topic the values that may be offered beside the true one, with weights.
        segments: what is done when in what is shown, where there are several actions.
    """

    label: str
    labels: Sequence[str]
    rationale: str | None = None
    confusable: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fewer_candidates: float = 0.0
    listed: bool = True
    captions: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    rivals: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    segments: Sequence[Segment] = ()
