"""A comparison as Markdown, for a README or a pull request."""

from collections.abc import Sequence

from skeletonllm.dance.comparison.published import SOURCE, TABLES
from skeletonllm.dance.comparison.tables import Cell, tables_of


def markdown(summary: dict) -> str:
    """All tables, and those of the paper at the end."""
    parts = ["# Dances compared", _origin(summary)]
    for table in tables_of(summary):
        parts += [f"## {table.title}", _table(table.rows)]
        parts += [table.note] * bool(table.note)
    parts.append(f"## Published by others: {SOURCE}\n\nNot measured here, and not comparable in absolute terms.")
    for published in TABLES:
        parts += [f"**{published.title}**", _table([[(cell,) for cell in row] for row in published.rows])]
    return "\n\n".join(parts) + "\n"


def _origin(summary: dict) -> str:
    songs, version = summary["songs"], summary["versions"]["skeletonllm"]
    commits = ", ".join(f"`{commit}`" for commit in summary["commits"])
    return (
        f"{len(songs)} songs, the same noise for all rows; changes are from “{summary['first']}”, with 95 % intervals "
        f"of the bootstrap over seeds and songs. Measured with skeletonllm {version}, commit {commits}."
    )


def _table(rows: Sequence[Sequence[Cell]]) -> str:
    lines = ["| " + " | ".join("<br>".join(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
