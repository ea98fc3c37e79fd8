"""docs/results.md repeats figures of other pages, and only those that stand there."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "results.md").read_text()
LINK = r"\]\((\w+\.md)(?:#[\w-]*)?\)"
FIGURE = r"(?<![\w.,])\d[\d,]*\.\d+|\b\d{1,3}(?:,\d{3})+\b"


def sections(text: str) -> list[str]:
    """Those that say where their figures come from; the others are pages of detail themselves."""
    return [section for section in re.split(r"^## ", text, flags=re.M) if re.search(LINK, section)]


def strangers(text: str) -> list[str]:
    """Figures that are on none of the pages which their row, or else their section, names."""
    found = []
    for section in sections(text):
        for line in section.splitlines():
            names = re.findall(LINK, line) if line.startswith("|") else []
            told = " ".join((DOCS / name).read_text() for name in names or re.findall(LINK, section))
            found += sorted(set(re.findall(FIGURE, line)) - set(re.findall(FIGURE, told)))
    return found


def test_every_figure_stands_on_the_page_of_detail():
    assert sum(len(re.findall(FIGURE, section)) for section in sections(PAGE)) > 100
    assert strangers(PAGE) == []


def test_a_figure_that_stands_nowhere_is_found():
    changed = PAGE.replace("| 13.6 ms; densely", "| 13.7 ms; densely")
    changed = changed.replace("alignment with the beats is 0.75", "alignment with the beats is 0.751")
    assert strangers(changed) == ["0.751", "13.7"]
