"""skeletonllm report: runs and their results on one page."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, studies or results, or folders that hold some.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path("report.html"),
    title: Annotated[str, typer.Option(help="Of the page.")] = "skeletonllm: report",
) -> None:
    """One HTML file that compares runs: curves, results with intervals, confusions, studies, what renderers draw."""
    from skeletonllm.evaluation.report.page import write_report

    if output.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{output}: a report is a page, expected a name that ends in .html")
    found = write_report(runs, output, title)
    counts = {
        "runs": found.runs, "evaluations": found.evaluations, "studies": found.studies,
        "robustness sweeps": found.robustness, "efficiency measurements": found.efficiency,
    }  # fmt: skip
    told = ", ".join(f"{len(listed)} {name}" for name, listed in counts.items() if listed)
    print(f"written to {output}: {told}, {output.stat().st_size / 1e6:.1f} MB")
    for path, reason in [*found.problems, *((each.folder, why) for each in found.runs for why in each.missing),
                         *((each.folder, why) for each in found.evaluations for why in each.missing)]:  # fmt: skip
        print(f"not whole: {path}: {reason}")
