"""How sure means and changes are: the bootstrap over seeds and songs, both drawn with replacement (two levels).

All tables of a comparison are of the same songs, and are drawn together: what is said of a change is paired by song.
"""

import numpy as np

from skeletonllm.evaluation.intervals import ROUNDS

_PERCENT = 100.0


class Resampling:
    """How often each seed and each song is drawn, in each of many rounds.

    Args:
        seeds, songs: how many there are.
        seed: of the draws.
        rounds: how many.
    """

    def __init__(self, seeds: int, songs: int, seed: int = 0, rounds: int = ROUNDS):
        rng = np.random.default_rng(seed)
        self.shape = (seeds, songs)
        self.seeds, self.songs = (rng.multinomial(each, [1 / each] * each, rounds) for each in self.shape)

    def means(self, table: np.ndarray) -> np.ndarray:
        """(rounds,) means of a table (seeds, songs) over what is no NaN; NaN where nothing is drawn that is none."""
        there = ~np.isnan(table)
        counts = (self.seeds @ there * self.songs).sum(1)
        sums = (self.seeds @ np.where(there, table, 0.0) * self.songs).sum(1)
        return np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)

    def mean(self, table: np.ndarray) -> dict | None:
        """``value``, ``interval_95`` (None of one number alone), the means of the ``seeds``, and the ``count`` of
        numbers; None of a table without any."""
        there = ~np.isnan(table)
        if not there.any():
            return None
        seeds = [float(np.nanmean(row)) if np.isfinite(row).any() else None for row in table]
        found = {"value": float(np.nanmean(table)), "interval_95": None, "seeds": seeds, "count": int(there.sum())}
        if there.sum() > 1:
            found["interval_95"] = _interval(self.means(table))
        return found

    def change(self, table: np.ndarray, first: np.ndarray) -> dict | None:
        """By how many ``percent`` the mean of a table (seeds, songs) is another than that of the first row's, and
        ``interval_95``, over what both have; None where nothing is, or the first row's is 0."""
        missing = np.isnan(table) | np.isnan(first)
        table, first = np.where(missing, np.nan, table), np.where(missing, np.nan, first)
        if missing.all() or not np.nanmean(first):
            return None
        percent = _PERCENT * (np.nanmean(table) / np.nanmean(first) - 1)
        before = self.means(first)
        drawn = _PERCENT * (
            np.divide(self.means(table), before, out=np.full_like(before, np.nan), where=before != 0) - 1
        )
        return {"percent": float(percent), "interval_95": _interval(drawn) if missing.size > 1 else None}


def _interval(drawn: np.ndarray) -> list[float] | None:
    return np.nanpercentile(drawn, [2.5, 97.5]).tolist() if np.isfinite(drawn).any() else None


def paired(table: np.ndarray, first: np.ndarray, name: str = "row") -> tuple[np.ndarray, np.ndarray]:
    """Two tables (seeds, songs) with as many seeds each: where one has a single seed, that is beside all of the other.

    Raises:
        ValueError: see ``check_pairs``.
    """
    check_pairs(len(table), len(first), name)
    wide = max(len(table), len(first))
    return tuple(np.broadcast_to(each, (wide, each.shape[1])) for each in (table, first))


def check_pairs(seeds: int, first: int, name: str = "row") -> None:
    """Raises ValueError where a row and the first have other numbers of seeds, and none of them one."""
    if seeds != first and 1 not in (seeds, first):
        raise ValueError(f"{name}: {seeds} models beside {first} of the first row, expected as many, or one")
