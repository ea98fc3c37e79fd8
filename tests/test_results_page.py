"""docs/results.md repeats figures of other pages, and only those that stand there."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "results.md").read_text()
LINK = r"\]\((\w+\.md)(?:#[\w-]*)?\)"
FIGURE = r"(?<![\w.,])\d[\d,]*\.\d+|\b\d{1,3}(?:,\d{3})+\b"


def passages(text: str) -> list[str]:
    """Rows of tables, and paragraphs, that say where their figures come from."""
    parts = [line for line in text.splitlines() if line.startswith("|")]
    parts += [part for part in re.split(r"\n\s*\n", text) if not part.lstrip().startswith(("|", "```", "#"))]
    return [part for part in parts if re.search(LINK, part)]


def strangers(text: str) -> list[str]:
    """Figures that are on none of the pages which their passage names."""
    found = []
    for passage in passages(text):
        told = " ".join((DOCS / name).read_text() for name in re.findall(LINK, passage))
        there = set(re.findall(FIGURE, told))
        found += [figure for figure in re.findall(FIGURE, passage) if figure not in there]
    return found


def test_every_figure_stands_on_the_page_of_detail():
    assert sum(len(re.findall(FIGURE, passage)) for passage in passages(PAGE)) > 100
    assert strangers(PAGE) == []


def test_a_figure_that_stands_nowhere_is_found():
    changed = PAGE.replace("| 13.6 ms; densely", "| 13.7 ms; densely")
    changed = changed.replace("alignment with the beats is 0.62", "alignment with the beats is 0.617")
    assert strangers(changed) == ["13.7", "0.617"]
