"""The tables of a comparison, as cells of lines, for a terminal, for Markdown and for a page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from skeletonllm.dance.comparison.measures import LEGACY, MEASURES
from skeletonllm.dance.comparison.published import CHANGES, SOURCE, change_percent
from skeletonllm.dance.comparison.rows import REFERENCE
from skeletonllm.dance.comparison.summary import SETS
from skeletonllm.dance.metrics import FORMS
from skeletonllm.dance.metrics.registry import HIGHER, LOWER

Cell = tuple[str, ...]
"""The lines of a cell."""

GROUPS: dict[str, tuple[str, ...]] = {
    "Bodies that stand in themselves": ("penetration_rate", "penetration_depth"),
    "On the floor": ("foot_ground_distance", "sinking", "floating"),
    "Feet": ("physical_foot_contact", "foot_skating"),
    "Imitated by a simulated body": ("success_rate", "imitation_reward", "wrench_used"),
    "Liveliness": ("motion_magnitude", "freezing"),
    "Beats of the music": ("beat_alignment_music", "beat_alignment_music_other_songs"),
    "Beats of the dance": ("beat_alignment_dance", "beat_alignment_dance_other_songs"),
}
"""Measures by the title of their table."""

_SHORT = {
    "penetration_rate": "overlaps",
    "physical_foot_contact": "PFC",
    "foot_ground_distance": "FGD",
    "motion_magnitude": "magnitude",
    "beat_alignment_music": "BAS",
}
"""As the paper calls them."""

_ARROWS = {LOWER: " ↓", HIGHER: " ↑"}
# Percents below which a digit behind the point is told, and numbers that are told in powers of ten.
_FEW, _LARGE, _SMALL = 10.0, 1e6, 5e-4


@dataclass(frozen=True)
class Table:
    """``rows`` of cells, the head first; ``note``: what to know of it."""

    title: str
    rows: list[list[Cell]]
    note: str = ""


def tables_of(summary: dict, intervals: bool = True) -> list[Table]:
    """Every measure of every row, raw and post-processed, with its change from the first row.

    Args:
        summary: of ``summarize``.
        intervals: whether the means have theirs, too; changes always have.
    """
    tables = [_measures(summary, title, names, intervals) for title, names in GROUPS.items()]
    return [*tables, *_sets(summary), _beside(summary, intervals), _cost(summary)]


def number(value: float | None) -> str:
    """In eight letters at most: three digits, or as many as a thousand needs."""
    if value is None:
        return "–"
    if abs(value) >= _LARGE or 0 < abs(value) < _SMALL:
        return f"{value:.1e}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def change_text(change: dict | None) -> str:
    """``-41 % (-50 to -30)``"""
    if change is None:
        return ""
    told = f"{_percent(change['percent'])} %"
    if change["interval_95"] is None:
        return told
    low, high = map(_percent, change["interval_95"])
    return f"{told} ({low} to {high})"


def title_of(name: str) -> str:
    """What a measure is called, its unit and what is better."""
    measure = MEASURES[name]
    return measure.title + (f", {measure.unit}" if measure.unit else "") + _ARROWS.get(measure.better, "")


def form_name(form: str) -> str:
    return form.replace("_", "-")


def _percent(value: float) -> str:
    text = f"{value:+.1f}" if abs(value) < _FEW else f"{value:+.0f}"
    return "0" if float(text) == 0 else text


def _figure(figure: dict | None, intervals: bool) -> Cell:
    if figure is None:
        return ("–",)
    span = figure["interval_95"]
    told = number(figure["value"])
    if intervals and span is not None:
        told += f" ({number(span[0])} to {number(span[1])})"
    change = change_text(figure.get("change"))
    return (told, change) if change else (told,)


def _by_form(summary: dict, cells: Callable[[dict, str], Sequence[Cell]]) -> list[list[Cell]]:
    """A row of cells for each row of the comparison and each form."""
    return [
        [(name, form_name(form)), *cells(content, form)] for name, content in summary["rows"].items() for form in FORMS
    ]


def _measures(summary: dict, title: str, names: tuple[str, ...], intervals: bool) -> Table:
    head: list[Cell] = [("row",), *((title_of(name),) for name in names)]
    rows = _by_form(summary, lambda row, form: [_figure(row["measures"][form][name], intervals) for name in names])
    return Table(title, [head, *rows])


def _sets(summary: dict) -> list[Table]:
    rows = summary["rows"]
    if not any(content["sets"] for content in rows.values()):
        return []

    def cell(row: dict, form: str, name: str) -> Cell:
        found = row["sets"][form][name]
        seeds = found["seeds"]
        several = (f"{number(min(seeds))} to {number(max(seeds))}",) if len(seeds) > 1 else ()
        return (number(found["value"]), *several)

    head: list[Cell] = [("row",), *((name.replace("_", " "),) for name in SETS)]
    body = _by_form(summary, lambda row, form: [cell(row, form, name) for name in SETS])
    note = (
        f"Against the embedded dances to the same {len(summary['songs'])} songs; below, the least and the most of the "
        "seeds. FID depends on how many dances there are, and has no interval."
    )
    return [Table("FID and diversity", [head, *body], note)]


def _beside(summary: dict, intervals: bool) -> Table:
    """Ours in the forms of the paper, and beneath them the paper's."""
    names = list(CHANGES)

    def cells(row: dict, form: str) -> list[Cell]:
        found = [row["legacy" if name in LEGACY else "measures"][form][name] for name in names]
        if intervals:
            return [_figure(figure, True) for figure in found]
        # Six columns leave no room for intervals of changes.
        return [tuple(line.partition(" (")[0] for line in _figure(figure, False)) for figure in found]

    head: list[Cell] = [("row",), *((_SHORT[name],) for name in names)]
    theirs: list[list[Cell]] = [
        [("THEIRS: EDGE", "raw"), *((number(CHANGES[name][0]),) for name in names)],
        [
            ("THEIRS: tuned", "post-processed"),
            *((number(CHANGES[name][1]), f"{_percent(change_percent(name))} %") for name in names),
        ],
    ]
    note = (
        f"The last two rows are of {SOURCE}: other dances and music, triangles of a mesh where ours are pairs of "
        "capsules. Not comparable in absolute terms; ours are measured as published scripts do, defects included."
    )
    return Table("Beside the paper, in its forms", [head, *_by_form(summary, cells), *theirs], note)


def _cost(summary: dict) -> Table:
    head: list[Cell] = [("row",), ("models",), ("seconds for one of music",), ("fell when projected",)]
    rows = [
        [(name,), (str(len(content["models"])),), (number(content["seconds"]),), (_falls(content.get("projected")),)]
        for name, content in summary["rows"].items()
        if name != REFERENCE
    ]
    return Table(
        "What dancing costs", [head, *rows], "Median of the wall clock, of a machine that others may use, too."
    )


def _falls(projected: dict | None) -> str:
    return "–" if projected is None else f"{projected['fell']} of {projected['dances']}"
