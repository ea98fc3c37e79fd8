"""The comparison as one dictionary: means over seeds and songs, their intervals, and changes from the first row."""

from collections.abc import Callable, Sequence

import numpy as np

from skeletonllm.dance.comparison.differences import Resampling, paired
from skeletonllm.dance.comparison.measures import LEGACY, MEASURES
from skeletonllm.dance.comparison.measuring import Unit
from skeletonllm.dance.comparison.rows import REFERENCE, Row
from skeletonllm.dance.comparison.songs import Song
from skeletonllm.dance.metrics import FEATURES, FORMS, SET_METRICS
from skeletonllm.evaluation.provenance import provenance

KINDS = {"measures": tuple(MEASURES), "legacy": LEGACY}
SETS = tuple(f"{name}_{kind}" for name in SET_METRICS for kind in FEATURES)


def summarize(rows: Sequence[Row], songs: Sequence[Song], units: Sequence[Unit], seed: int = 0) -> dict:
    """What has been measured, put together.

    Args:
        rows, songs, units: see ``measuring.measure_all``.
        seed: of the bootstrap.

    Returns:
        Plain values for JSON. ``songs``; ``rows`` by name, that of the real dances last, each with its ``models``,
        ``manner``, for each of ``KINDS`` and ``FORMS`` the ``Resampling.mean`` of each number and, of all but the first
        row and the real dances, its ``change``, None where there are no percents; ``sets`` for each form (``SETS``):
        ``value``, the mean over seeds, and ``seeds``; ``seconds``, the median for one of music; and how many dances
        ``fell`` of those that were ``projected``, where any was. ``commits``: all that dances were measured at.

    Raises:
        ValueError: a row that was not measured whole, or whose seeds cannot be paired with those of the first.
    """
    found = {name: _read(name, units) for name in [*(row.name for row in rows), REFERENCE]}
    found = {name: table for name, table in found.items() if table}  # songs of a user have no real dances
    first = rows[0].name
    summary: dict = {"first": first, "songs": [song.name for song in songs], "rows": {}}
    for name, table in found.items():
        content = {"sets": _sets(table, found.get(REFERENCE, []))}
        for kind, names in KINDS.items():
            content[kind] = {
                form: {
                    each: _figure(name, each, table, found[first], _picked(form, kind, each), seed) for each in names
                }
                for form in FORMS
            }
        summary["rows"][name] = content
    for row in rows:
        summary["rows"][row.name] |= _made(row, found[row.name])
    commits = {one["commit"] for table in found.values() for models in table for one in models}
    summary["commits"] = sorted(commit or "unknown" for commit in commits)
    return summary | provenance()


def _made(row: Row, table: list[list[dict]]) -> dict:
    """How a row came about."""
    every = [one for models in table for one in models]
    seconds = float(np.median([one["seconds"] / one["seconds_of_music"] for one in every]))
    made = {"models": [str(path) for path in row.models], "manner": every[0]["key"]["manner"], "seconds": seconds}
    projected = [one["projected"] for one in every if one["projected"] is not None]
    return made | ({"projected": {"fell": projected.count(False), "dances": len(projected)}} if projected else {})


def _read(row: str, units: Sequence[Unit]) -> list[list[dict]]:
    """What was measured of a row: models, and songs of each."""
    models: dict[int, list[dict]] = {}
    for unit in units:
        if unit.row == row:
            content = unit.read()
            if content is None:
                raise ValueError(f"{unit.path}: was not measured")
            models.setdefault(unit.model, []).append(content)
    return list(models.values())


def _picked(form: str, kind: str, name: str) -> Callable[[dict], float]:
    def pick(content: dict) -> float:
        value = content["forms"][form][kind][name]
        return np.nan if value is None else value

    return pick


def _figure(
    row: str, name: str, table: list[list[dict]], first: list[list[dict]], pick: Callable[[dict], float], seed: int
) -> dict | None:
    """The mean of a measure, and its change from the first row's unless that is as good as zero."""
    ours, theirs = (np.array([[pick(one) for one in models] for models in each]) for each in (table, first))
    figure = Resampling(*ours.shape, seed).mean(ours)
    if figure is None or table is first or row == REFERENCE:
        return figure
    if not np.isfinite(theirs).any() or np.nanmean(theirs) < MEASURES[name].least:
        return {**figure, "change": None}
    ours, theirs = paired(ours, theirs, row)
    return {**figure, "change": Resampling(*ours.shape, seed).change(ours, theirs)}


def _sets(table: list[list[dict]], reference: list[list[dict]]) -> dict[str, dict[str, dict]]:
    """FID and diversity, of each model for itself; empty without real dances, or with one song only."""
    if not reference or len(reference[0]) < 2:
        return {}
    found: dict[str, dict[str, dict]] = {}
    for form in FORMS:
        found[form] = {}
        for name, measure in SET_METRICS.items():
            for kind in FEATURES:
                real = _features(reference[0], "raw", kind)
                seeds = [measure(_features(models, form, kind), real, False) for models in table]
                found[form][f"{name}_{kind}"] = {"value": float(np.mean(seeds)), "seeds": seeds}
    return found


def _features(models: list[dict], form: str, kind: str) -> np.ndarray:
    return np.array([one["forms"][form]["features"][kind] for one in models])
