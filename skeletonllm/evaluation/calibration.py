"""Calibration: are answers right as often as their probabilities say?"""

from collections.abc import Sequence

import numpy as np

from skeletonllm.evaluation.intervals import bootstrap_interval

BINS = 15


def probabilities(scores: Sequence[Sequence[float]]) -> np.ndarray:
    """Log-likelihoods (N, C) of candidates as probabilities among them."""
    scores = np.asarray(scores, dtype=float)
    weights = np.exp(scores - scores.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """Mean over answers of the gap between confidence and accuracy in the answer's bin (Guo et al., 2017).

    Args:
        confidence: (N,) probability of each answer.
        right: (N,) whether it is right.
        bins: of equal width, each closed at its upper end.
    """
    places = _bins(confidence, bins)
    return float(np.abs(np.bincount(places, confidence - right, bins)).sum() / len(confidence))


def brier_scores(shares: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Brier scores (1950): squared distances of the probabilities (N, C) of answers from the truth (N,), 0 to 2."""
    return ((shares - np.eye(shares.shape[1])[truth]) ** 2).sum(1)


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> list[dict]:
    """Bins that hold any answers: where they begin and end, their count, mean confidence and accuracy."""
    places = _bins(confidence, bins)
    return [
        {
            "from": place / bins,
            "to": (place + 1) / bins,
            "count": int((places == place).sum()),
            "confidence": float(confidence[places == place].mean()),
            "accuracy": float(right[places == place].mean()),
        }
        for place in np.unique(places).tolist()
    ]


def calibration(scores: Sequence[Sequence[float]], truth: Sequence[int], seed: int = 0) -> dict:
    """Expected calibration error and Brier score with bootstrap intervals, mean confidence, and the reliability table.

    Args:
        scores: (N, C) log-likelihoods.
        truth: (N,) places of the right candidates.
        seed: of the bootstrap.
    """
    shares, truth = probabilities(scores), np.asarray(truth)
    confidence, right = shares.max(1), (shares.argmax(1) == truth).astype(float)
    brier = brier_scores(shares, truth)

    def error_of(places: np.ndarray) -> float:
        return expected_calibration_error(confidence[places], right[places])

    return {
        "expected_calibration_error": {
            "value": expected_calibration_error(confidence, right),
            "interval_95": list(bootstrap_interval(error_of, np.arange(len(truth)), seed=seed)),
        },
        "brier": {
            "value": float(brier.mean()),
            "interval_95": list(bootstrap_interval(lambda drawn: drawn.mean(), brier, seed=seed)),
        },
        "confidence": float(confidence.mean()),
        "bins": BINS,
        "reliability": reliability(confidence, right),
    }


def _bins(confidence: np.ndarray, bins: int) -> np.ndarray:
    return np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
