"""Labels that are easily taken for each other, from what they say alone; nothing here has seen a model's errors."""

from collections.abc import Sequence

from skeletonllm.data.labels import shared_name
from skeletonllm.tasks.recognition import normalize_label

# Pairs of embedded actions that look alike for part of the time. Every action is in three pairs, so that over balanced
# data "is it X?" is as often true as not, and the question's text alone gives nothing away.
ALIKE = [
    ("wave left hand", "wave right hand"), ("wave left hand", "raise both arms"), ("wave left hand", "clap"),
    ("wave right hand", "raise both arms"), ("wave right hand", "shake hands"),
    ("clap", "shake hands"), ("clap", "punch"),
    ("punch", "push"), ("punch", "kick"), ("push", "shake hands"), ("push", "walk apart"),
    ("kick", "walk"), ("kick", "jump"), ("jump", "raise both arms"), ("jump", "squat"),
    ("squat", "sit down"), ("squat", "stand up"), ("sit down", "stand up"), ("sit down", "bow"), ("stand up", "bow"),
    ("bow", "turn around"), ("turn around", "walk"), ("turn around", "walk apart"), ("walk", "walk apart"),
]  # fmt: skip

# As many as the published lists of similar actions have.
MOST = 5
# Words that say nothing about the motion.
_COMMON = frozenset(
    "a an and at each for from in my of off on one or other out own s someone something the to up with".split()
)
# Words whose first letters agree are forms of one word: clap and clapping, push and pushing.
_STEM = 4


def confusable_labels(labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """For each label those of the list that are easily taken for it, the most similar first.

    Embedded actions have a table. A label without an entry is alike to at most ``MOST`` others that share words with
    it, and one that shares none to all others. Names of one and the same action in different data sets, or in the
    list twice, are never confusable; what belongs to a label is empty where there is nothing else.
    """
    known = {frozenset(pair) for pair in ALIKE}
    found = {}
    for label in labels:
        others = [other for other in dict.fromkeys(labels) if shared_name(other) != shared_name(label)]
        alike = [other for other in others if frozenset((label, other)) in known]
        found[label] = tuple(alike or _sharing_words(label, others) or others)
    return found


def _words(label: str) -> frozenset[str]:
    return frozenset(word[:_STEM] for word in normalize_label(label).split() if word not in _COMMON)


def _sharing_words(label: str, others: Sequence[str]) -> list[str]:
    """The others by the share of words in common (Jaccard index), without those that have none."""
    words = _words(label)
    share = {other: len(words & _words(other)) / max(1, len(words | _words(other))) for other in others}
    # Sorting keeps the order of those that share equally.
    return sorted((other for other in others if share[other]), key=lambda other: -share[other])[:MOST]
