"""The table of a study, from the answers of its cells: accuracies over seeds, and how far the first row leads."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skeletonllm.evaluation.intervals import two_level_interval
from skeletonllm.evaluation.provenance import provenance
from skeletonllm.evaluation.results import PREDICTIONS_FILE, SUMMARY_FILE
from skeletonllm.rendering.video import replacing
from skeletonllm.studies.cells import Cell, cells_of
from skeletonllm.studies.spec import Study
from skeletonllm.training.progress import LOG_FILE

TABLE_FILE = "table.json"


def write_table(study: Study, root: Path) -> dict:
    """Write ``table.json`` into the folder of a study, and return its content.

    ``variants`` has for each variant and test with results of all the seeds that any has:

    - ``accuracy``: ``value``, the mean over seeds and recordings, its ``interval_95``, and ``seeds``, those of each.
    - ``lead`` (of all but the first variant): how far the first one is above it, on the same recordings.
    - ``count`` of recordings, and what ``chance`` reaches.

    ``cost`` has for each variant the median ``seconds_per_step``, ``visual_tokens_per_sample`` and ``steps``. Intervals
    are of the bootstrap over seeds and recordings.
    """
    cells = cells_of(study, root)
    first = next(iter(study.variants))
    table: dict = {"study": study.name, "description": study.description, "seeds": list(study.seeds), "variants": {}}
    for variant in study.variants:
        row = {}
        for test in study.tests:
            ours = _answers([cell for cell in cells if cell.variant == variant], test)
            if not ours:
                continue
            row[test] = _accuracy(ours)
            theirs = _answers([cell for cell in cells if cell.variant == first], test)
            if variant != first and theirs:
                row[test]["lead"] = _lead(theirs, ours)
        table["variants"][variant] = row
    table["cost"] = {
        variant: cost for variant in study.variants if (cost := _cost(c for c in cells if c.variant == variant))
    }
    table["missing"] = [str(cell.folder.relative_to(root)) for cell in cells if cell.missing]
    table |= provenance()
    with replacing(root / TABLE_FILE) as unfinished:  # several workers may end at once
        unfinished.write_text(json.dumps(table, indent=1))
    return table


def _answers(cells: Sequence[Cell], test: str) -> dict[int, tuple[dict[str, bool], dict]]:
    """For each seed with results whether each recording was recognised, and the summary."""
    found = {}
    for cell in cells:
        folder = cell.result(test)
        if not (folder / SUMMARY_FILE).is_file():
            continue
        rows = [json.loads(line) for line in (folder / PREDICTIONS_FILE).read_text().splitlines()]
        right = {row["id"]: row["predicted"] == row["label"] for row in rows}
        found[cell.seed] = right, json.loads((folder / SUMMARY_FILE).read_text())
    return found


def _accuracy(answers: dict) -> dict:
    right = np.array([list(each.values()) for each, _ in answers.values()], dtype=float)
    names = list(next(iter(answers.values()))[0])
    summary = next(iter(answers.values()))[1]
    low, high = two_level_interval(np.mean, [right], [names])
    accuracy = dict(value=float(right.mean()), interval_95=[low, high], seeds=right.mean(1).tolist())
    return dict(accuracy=accuracy, count=len(names), chance=summary["chance"])


def _lead(theirs: dict, ours: dict) -> dict:
    """How far the first variant is above this one, seed by seed on the recordings that both were tested on."""
    seeds = [seed for seed in theirs if seed in ours]
    names = [name for name in next(iter(theirs.values()))[0] if name in next(iter(ours.values()))[0]]
    if not seeds or not names:
        return {}
    differences = np.array(
        [[float(theirs[seed][0][name]) - float(ours[seed][0][name]) for name in names] for seed in seeds]
    )
    low, high = two_level_interval(np.mean, [differences], [names])
    return dict(value=float(differences.mean()), interval_95=[low, high])


def _cost(cells) -> dict:
    """What a step of training took, from the logs of the runs.

    They count the placeholders of prompts, of which foreground patches use a part: no tokens are told of these.
    """
    lines, whole = [], True
    for cell in cells:
        path = cell.folder / LOG_FILE
        lines += [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
        whole = whole and cell.recipe().model.foreground is None
    lines = [line for line in lines if "seconds_per_step" in line]
    if not lines:
        return {}
    tokens = [line["visual_tokens_per_second"] / line["samples_per_second"] for line in lines]
    cost = dict(
        seconds_per_step=float(np.median([line["seconds_per_step"] for line in lines])),
        steps=max(line["step"] for line in lines),
    )
    return {**cost, "visual_tokens_per_sample": float(np.median(tokens))} if whole else cost


def rows_of(table: dict) -> list[list[str]]:
    """The table for people: a row per test and variant, the best of a test first."""
    first, *_ = table["variants"]
    rows = [["test", "variant", "recordings", "accuracy (95 % interval)", f"{first} leads by"]]
    for test in dict.fromkeys(test for row in table["variants"].values() for test in row):
        found = {variant: row[test] for variant, row in table["variants"].items() if test in row}
        for variant, result in sorted(found.items(), key=lambda each: -each[1]["accuracy"]["value"]):
            lead = _told(result.get("lead"), signed=True)
            rows.append([test, variant, str(result["count"]), _told(result["accuracy"]), lead])
    return rows


def _told(figure: dict | None, signed: bool = False) -> str:
    """``84.1 % (80.2 to 87.9)``, or with signs ``+2.1 (-0.4 to +4.4)``"""
    if not figure:
        return ""
    sign = "+" if signed else ""
    low, high = (f"{100 * end:{sign}.1f}" for end in figure["interval_95"])
    return f"{100 * figure['value']:{sign}.1f}{'' if signed else ' %'} ({low} to {high})"
