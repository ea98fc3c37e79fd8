"""The page of a comparison: one file that needs no other, but for the videos beside it."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from skeletonllm.dance.comparison.bars import Bar, bar_chart
from skeletonllm.dance.comparison.measures import MEASURES
from skeletonllm.dance.comparison.published import SOURCE
from skeletonllm.dance.comparison.published import TABLES as PUBLISHED
from skeletonllm.dance.comparison.rows import REFERENCE, Manner
from skeletonllm.dance.comparison.shown import Pair, sheet
from skeletonllm.dance.comparison.tables import Cell, Table, change_text, form_name, number, tables_of, title_of
from skeletonllm.dance.metrics import FORMS
from skeletonllm.evaluation.report.charts import Interval, interval_plot, legend
from skeletonllm.evaluation.report.html import (
    details,
    figure,
    heading,
    image,
    joined,
    markup,
    page,
    panels,
    paragraph,
    table,
    warning,
)

_DRAWN = (
    "penetration_rate",
    "foot_ground_distance",
    "physical_foot_contact",
    "foot_skating",
    "imitation_reward",
    "motion_magnitude",
    "beat_alignment_music",
)
"""Measures that are drawn, too."""

# Percent.
_MOST = 200.0


def build_page(summary: dict, shown: Sequence[tuple[Pair, Path]], title: str = "Dances compared") -> str:
    """The HTML of a comparison.

    Args:
        summary: of ``summarize``.
        shown: pairs of dances, and the video of each, in a folder beside the page.
        title: of the page.
    """
    sections = [("What was compared", _origin(summary)), ("In bars", _bars(summary))]
    if len(summary["rows"]) > 1:
        sections.append((f"Changes from “{summary['first']}”", _changes(summary)))
    sections.append(("In numbers", joined(map(_table, tables_of(summary)))))
    if shown:
        sections.append(("To look at", _pictures(shown)))
    sections.append((f"Published by others: {SOURCE}", _published()))
    return page(title, _introduction(summary), sections)


def _introduction(summary: dict) -> Markup:
    commits = summary["commits"]
    told = f"Measured with skeletonllm {summary['versions']['skeletonllm']}, commit {', '.join(commits)}."
    parts = [paragraph(told, faint=True)]
    if len(commits) > 1:
        parts.append(warning("Not all dances were measured by the same code", commits))
    return joined(parts)


def _origin(summary: dict) -> Markup:
    parts = []
    for name, content in summary["rows"].items():
        lines = ["made by rule to the same songs"]
        if name != REFERENCE:
            lines = [", ".join(content["models"]), _manner(content["manner"])]
        parts.append(markup("<p><b>{}</b><br>{}</p>", name, Markup("<br>").join(lines)))
    note = (
        "All rows dance to the same songs from the same noise. Intervals are of 95 % (bootstrap over seeds and songs); "
        "changes are paired by song."
    )
    songs = f"{len(summary['songs'])} songs: {', '.join(summary['songs'])}"
    return joined([*parts, paragraph(songs), paragraph(note, faint=True)])


def _manner(manner: dict) -> str:
    """Steps, and whatever is not as by default."""
    usual = dataclasses.asdict(Manner())
    kept = {name: value for name, value in manner.items() if name == "steps" or value != usual[name]}
    return ", ".join(f"{name.replace('_', ' ')} {_told(value)}" for name, value in kept.items())


def _told(value: object) -> str:
    if isinstance(value, dict):
        return " + ".join(f"{weight:g} {name}" for name, weight in value.items())
    return "yes" if value is True else f"{value:g}" if isinstance(value, float) else str(value)


def _bars(summary: dict) -> Markup:
    drawn = []
    for name in _DRAWN:
        bars = [
            Bar(f"{row}, {form_name(form)}", found["value"], found["interval_95"], group, _heard(found))
            for row, content in summary["rows"].items()
            for group, form in enumerate(FORMS)
            if (found := content["measures"][form][name]) is not None
        ]
        if bars:
            drawn.append(joined([heading(title_of(name), 4), bar_chart(bars, f"{title_of(name)}, a bar for each row")]))
    return joined([legend([form_name(form) for form in FORMS]), panels(drawn)])


def _heard(found: dict) -> str:
    change = change_text(found.get("change"))
    return f"{number(found['value'])}; {change}" if change else number(found["value"])


def _changes(summary: dict) -> Markup:
    drawn = []
    for row, content in summary["rows"].items():
        plotted = [
            Interval(f"{MEASURES[name].title}, {form_name(form)}", *_shares(change), number=group)
            for name in _DRAWN
            for group, form in enumerate(FORMS)
            if (change := (content["measures"][form][name] or {}).get("change")) is not None
        ]
        if plotted:
            drawn.append(joined([heading(row, 4), interval_plot(plotted)]))
    note = f"Changes of more than {_MOST:g} % are drawn as that: where the first row is next to zero they say little."
    return joined([legend([form_name(form) for form in FORMS]), panels(drawn), paragraph(note, faint=True)])


def _shares(change: dict) -> list[float]:
    percent = change["percent"]
    return [min(each, _MOST) / 100 for each in (percent, *(change["interval_95"] or (percent, percent)))]


def _table(found: Table) -> Markup:
    rows = [[_cell(cell) for cell in row] for row in found.rows]
    return joined([heading(found.title), table(rows, sortable=True), paragraph(found.note, faint=True)])


def _cell(cell: Cell) -> Markup:
    return Markup("<br>").join(cell)


def _pictures(shown: Sequence[tuple[Pair, Path]]) -> Markup:
    parts = [paragraph("As the generators made them, not post-processed. Limbs that stand in each other are red.")]
    for pair, path in shown:
        link = markup('<a href="{}/{}">{}</a>', path.parent.name, quote(path.name), path.name)
        caption = joined([f"{pair.song.name}: {pair.left.row} above, {pair.right.row} below. Video with music: ", link])
        parts.append(figure(image(sheet(pair), pair.name, "png"), caption))
    return joined(parts)


def _published() -> Markup:
    note = (
        "Theirs, on AIST++ and the mesh of SMPL; not measured here. Penetration is of triangles there and of capsules "
        "here; songs, bodies and dances differ. Only directions and rough sizes of changes can be set beside ours."
    )
    tables = [details(each.title, table([list(row) for row in each.rows])) for each in PUBLISHED]
    return joined([paragraph(note), *tables])
