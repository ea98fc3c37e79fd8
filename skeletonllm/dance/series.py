"""Small tools for series of numbers, one per frame."""

import numpy as np


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """(start, stop) of each stretch of frames (T,) that are True, the end excluded."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(flags, np.int8), [0]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Values (T,) under a Gaussian of ``sigma`` frames that ends after four of them, mirrored at both ends."""
    reach = int(4 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.convolve(np.pad(values, reach, mode="symmetric"), kernel / kernel.sum(), mode="valid")
