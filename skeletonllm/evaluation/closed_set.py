"""Everything that is said of answers to multiple-choice recognition, with its intervals."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from skeletonllm.evaluation.accuracy import Accuracy, Prediction
from skeletonllm.evaluation.calibration import calibration
from skeletonllm.evaluation.intervals import ROUNDS, wilson_interval
from skeletonllm.skeleton.sequence import SkeletonSequence

TOPS = (1, 5)


def summarize_recognition(
    predictions: Sequence[Prediction], candidates: Sequence[str], persons: Sequence[int] = (), seed: int = 0
) -> dict:
    """Plain values for JSON.

    Args:
        predictions: at least one.
        candidates: as offered.
        persons: how many are seen in each recording, where it is known; then recordings of one and of two persons
            are counted apart if there are both.
        seed: of the bootstrap.

    Returns:
        What ``Accuracy.summary`` says, with ``macro_interval_95``; ``persons``; and where there are scores ``top_k``
        and ``calibration``.
    """
    accuracy = Accuracy.of(predictions, candidates)
    summary = accuracy.summary()
    summary["macro_interval_95"] = list(macro_interval(accuracy, seed))
    if len(set(persons)) > 1:
        groups: dict[int, list[Prediction]] = defaultdict(list)
        for count, prediction in zip(persons, predictions, strict=True):
            groups[count].append(prediction)
        summary["persons"] = {str(count): _apart(groups[count], candidates, seed) for count in sorted(groups)}
    if all(prediction.scores is not None for prediction in predictions):
        scores = [prediction.scores for prediction in predictions]
        truth = [list(candidates).index(prediction.label) for prediction in predictions]
        summary["top_k"] = top_k(scores, truth)
        summary["calibration"] = calibration(scores, truth, seed)
    return summary


def macro_interval(accuracy: Accuracy, seed: int = 0, rounds: int = ROUNDS) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over labels.

    Recordings are drawn within each label, so that its hits follow a binomial distribution and none is left without.
    """
    hits, counts = np.array(list(accuracy.per_class.values())).T
    drawn = np.random.default_rng(seed).binomial(counts, hits / counts, (rounds, len(counts))) / counts
    low, high = np.percentile(drawn.mean(1), [2.5, 97.5])
    return float(low), float(high)


def top_k(scores: Sequence[Sequence[float]], truth: Sequence[int]) -> dict:
    """How often the right candidate is among the k likeliest, for each k of ``TOPS`` that leaves any out.

    Args:
        scores: (N, C).
        truth: (N,) places of the right candidates.
    """
    table = np.asarray(scores, dtype=float)
    # Of equal scores the candidate that is offered first is taken, as argmax takes it.
    ranks = (np.argsort(-table, axis=1, kind="stable") == np.asarray(truth)[:, None]).argmax(1)
    found = {}
    for k in TOPS:
        if k < table.shape[1]:
            hits = int((ranks < k).sum())
            interval = list(wilson_interval(hits, len(ranks)))
            found[str(k)] = {
                "value": hits / len(ranks), "interval_95": interval, "hits": hits, "count": len(ranks),
                "chance": k / table.shape[1],
            }  # fmt: skip
    return found


def count_persons(sequence: SkeletonSequence) -> int:
    """How many persons are ever seen in a recording, no matter what its label says."""
    return int(sequence.valid.any(axis=(0, 2)).sum())


def _apart(predictions: Sequence[Prediction], candidates: Sequence[str], seed: int) -> dict:
    accuracy = Accuracy.of(predictions, candidates)
    return {
        "accuracy": accuracy.micro, "interval_95": list(accuracy.interval), "hits": accuracy.hits,
        "count": accuracy.count, "macro_accuracy": accuracy.macro,
        "macro_interval_95": list(macro_interval(accuracy, seed)),
    }  # fmt: skip
