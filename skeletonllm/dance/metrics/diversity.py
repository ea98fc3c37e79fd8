"""Diversity: how far clips are from one another."""

import numpy as np

from skeletonllm.dance.metrics.fid import standardize


def diversity(features: np.ndarray, reference: np.ndarray, legacy: bool = False) -> float:
    """The mean distance between two of the clips, of features (N, D) scaled by ``fid.standardize``.

    Raises:
        ValueError: fewer than two clips, or features that do not fit.
    """
    scaled = standardize(features, reference, legacy)
    if len(scaled) < 2:
        raise ValueError(f"diversity of {len(scaled)} clips, expected at least 2")
    squares = np.square(scaled).sum(1)
    squared = squares[:, None] + squares - 2 * scaled @ scaled.T
    return float(np.sqrt(np.maximum(squared, 0))[np.triu_indices(len(scaled), 1)].mean())
