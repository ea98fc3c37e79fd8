"""How sure one may be of a figure: 95 % intervals of shares, and of anything else by the bootstrap."""

import math
from collections.abc import Callable, Hashable, Sequence

import numpy as np

NINETY_FIVE_PERCENT = 1.959964
# Percentiles of so many draws move by about a hundredth of the interval's width from seed to seed.
ROUNDS = 2000


def wilson_interval(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), which stays within [0, 1] and is right for small counts."""
    if not 0 <= hits <= count or count == 0:
        raise ValueError(f"{hits} hits of {count}")
    z2 = NINETY_FIVE_PERCENT**2
    middle = (hits + z2 / 2) / (count + z2)
    half = NINETY_FIVE_PERCENT / (count + z2) * math.sqrt(hits * (count - hits) / count + z2 / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap_interval(
    statistic: Callable[..., float], *samples: Sequence, seed: int = 0, rounds: int = ROUNDS
) -> tuple[float, float]:
    """The 95 % percentile interval of a statistic (Efron 1979).

    Args:
        statistic: of arrays, one for each of the samples.
        samples: each is drawn from with replacement, apart from the others, so that its size stays as it is.
        seed: of the draws.
        rounds: how many.

    Raises:
        ValueError: an empty sample.
    """
    arrays = [np.asarray(sample) for sample in samples]
    if not arrays or not all(map(len, arrays)):
        raise ValueError("there is no interval of nothing")
    rng = np.random.default_rng(seed)
    drawn = [statistic(*(a[rng.integers(len(a), size=len(a))] for a in arrays)) for _ in range(rounds)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def clustered_interval(
    values: Sequence[float], clusters: Sequence[Hashable], seed: int = 0, rounds: int = ROUNDS
) -> tuple[float, float]:
    """The 95 % bootstrap interval of a mean of values that are not independent.

    Several questions about one recording succeed or fail together. So whole recordings are drawn, each with all of
    its values.

    Args:
        values: numbers.
        clusters: what each belongs to, such as the recording's id.
        seed, rounds: as of ``bootstrap_interval``.

    Raises:
        ValueError: no values, or not as many clusters.
    """
    if not values or len(values) != len(clusters):
        raise ValueError(f"{len(values)} values in {len(clusters)} clusters")
    _, belongs = np.unique([str(cluster) for cluster in clusters], return_inverse=True)
    sums, counts = np.bincount(belongs, np.asarray(values, float)), np.bincount(belongs)
    pairs = np.stack([sums, counts], axis=1)
    return bootstrap_interval(lambda drawn: drawn[:, 0].sum() / drawn[:, 1].sum(), pairs, seed=seed, rounds=rounds)


def two_level_interval(
    statistic: Callable[..., float],
    tables: Sequence[np.ndarray],
    clusters: Sequence[Sequence[str]],
    seed: int = 0,
    rounds: int = ROUNDS,
) -> tuple[float, float]:
    """The 95 % percentile bootstrap of a statistic over seeds and over recordings, both drawn with replacement.

    Args:
        statistic: of arrays with any number of rows and columns.
        tables: (seeds, questions) each; the rows of all are the same seeds.
        clusters: for each table the recording of each column; those of one recording are drawn together.
        seed, rounds: as of ``bootstrap_interval``.

    Raises:
        ValueError: an empty table, or clusters that do not fit it.
    """
    for table, names in zip(tables, clusters, strict=True):
        if table.ndim != 2 or not table.size or len(names) != table.shape[1]:
            raise ValueError(f"a table of shape {table.shape} with {len(names)} columns named")
    rng = np.random.default_rng(seed)
    places = [[np.flatnonzero(np.array(names) == name) for name in sorted(set(names))] for names in clusters]
    drawn = []
    for _ in range(rounds):
        rows = rng.integers(len(tables[0]), size=len(tables[0]))
        columns = [np.concatenate([each[i] for i in rng.integers(len(each), size=len(each))]) for each in places]
        drawn.append(statistic(*(table[rows][:, at] for table, at in zip(tables, columns, strict=True))))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)
