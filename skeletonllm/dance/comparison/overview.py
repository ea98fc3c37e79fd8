"""The few measures that matter most at a glance: a line for each, and beside each other those who are compared."""

from collections.abc import Sequence

from skeletonllm.dance.comparison.tables import Cell, Table, change_text, form_name, number, title_of


def overview(summary: dict, names: Sequence[str], form: str) -> Table:
    """Some measures of all rows, with the change from the first of them.

    Args:
        summary: of ``summarize``.
        names: of ``MEASURES``.
        form: of the dances, one of ``FORMS``.
    """
    head: list[Cell] = [(form_name(form),), *((row,) for row in summary["rows"])]
    lines = [
        [(title_of(name),), *(_cell(row["measures"][form][name]) for row in summary["rows"].values())] for name in names
    ]
    return Table(form_name(form), [head, *lines])


def _cell(figure: dict | None) -> Cell:
    if figure is None:
        return ("–",)
    # Intervals would fill the line; the page of the report has them.
    change = figure.get("change") and {**figure["change"], "interval_95": None}
    return (number(figure["value"]), change_text(change)) if change else (number(figure["value"]),)
