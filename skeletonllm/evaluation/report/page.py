"""The page of a report: everything found, section by section, in one file that needs nothing else."""

from collections.abc import Callable, Sequence
from pathlib import Path

from markupsafe import Markup
from tqdm import tqdm

from skeletonllm.evaluation.provenance import provenance
from skeletonllm.evaluation.published import PUBLISHED
from skeletonllm.evaluation.report.drawings import pictures_part, renderer_part
from skeletonllm.evaluation.report.evaluations import evaluations_section, published_part
from skeletonllm.evaluation.report.finding import Found, find
from skeletonllm.evaluation.report.html import heading, joined, page, paragraph, warning
from skeletonllm.evaluation.report.measured import efficiency_part, robustness_part, study_part
from skeletonllm.evaluation.report.training import curves_section, runs_section
from skeletonllm.rendering.video import replacing

# What a file raises that is JSON but not of the form that its name promises.
_OF_ANOTHER_FORM = (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError, ZeroDivisionError)


def write_report(
    places: Sequence[Path], path: Path, title: str = "skeletonllm: report", progress: bool = True
) -> Found:
    """Write one HTML file about all that lies in and below some folders.

    What is damaged or missing is shown as that; the rest of the report is not affected.

    Args:
        places: run, study and evaluation folders, or folders that hold any of those.
        path: of the page.
        title: of the page.
        progress: show a bar.

    Returns:
        What the page is of.

    Raises:
        FileNotFoundError, NotADirectoryError, ValueError: see ``find``; the page cannot be written.
    """
    found = find(places)
    text = build(found, title, progress)
    with replacing(path) as draft:
        # Names of files need not be UTF-8.
        draft.write_text(text, encoding="utf-8", errors="replace")
    return found


def build(found: Found, title: str, progress: bool = False) -> str:
    """The HTML of a report."""
    made = provenance()
    runs, names = found.runs, [run.name for run in found.runs]
    work: list[tuple[str, str, Callable[[], Markup]]] = []
    if runs:
        work.append(("Runs", "", lambda: runs_section(runs, found.evaluations)))
    if found.studies:
        work += [("Studies", str(each.path), _bound(study_part, each)) for each in found.studies]
    if found.evaluations:
        work.append(("Evaluations", "", lambda: evaluations_section(found.evaluations, names)))
    work += [("Robustness", str(each.path), _bound(robustness_part, each)) for each in found.robustness]
    work += [("Efficiency", str(each.path), _bound(efficiency_part, each)) for each in found.efficiency]
    if runs:
        work.append(("Training", "", lambda: curves_section(runs)))
    for run in runs:
        work.append(("What the renderer learnt", "", lambda run=run: heading(run.name)))
        work.append(("What the renderer learnt", str(run.folder), _bound(renderer_part, run)))
        work.append(("What the renderer learnt", str(run.folder), _bound(pictures_part, run)))
    work.append(("Published by others", "", lambda: published_part(PUBLISHED)))

    sections: dict[str, list[Markup]] = {}
    for name, source, make in tqdm(work, desc="report", disable=not progress, leave=False):
        sections.setdefault(name, []).append(_shown(name, source, make))
    told = [f"Written by skeletonllm {made['versions']['skeletonllm']}, commit {made['commit'] or 'unknown'}."]
    introduction = [paragraph(line, faint=True) for line in (*told, *found.remarks)]
    if found.problems:
        introduction.append(warning("Could not be read", [f"{path}: {reason}" for path, reason in found.problems]))
    return page(title, joined(introduction), [(name, joined(parts)) for name, parts in sections.items()])


def _bound(make: Callable, value: object) -> Callable[[], Markup]:
    return lambda: make(value)


def _shown(name: str, source: str, make: Callable[[], Markup]) -> Markup:
    """A part of the page, or what kept it from being made."""
    try:
        return make()
    except _OF_ANOTHER_FORM as error:
        return warning(f"{name}: {source} is not of the form that was expected", [f"{type(error).__name__}: {error}"])
