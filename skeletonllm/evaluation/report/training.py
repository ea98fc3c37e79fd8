"""What runs are and how they learnt: recipes side by side, and curves of what was logged."""

import json
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from skeletonllm.evaluation.report.charts import Line, legend, line_chart
from skeletonllm.evaluation.report.finding import LOG_FILE, RECIPE_FILE, Evaluation, Run
from skeletonllm.evaluation.report.html import details, heading, joined, markup, panels, paragraph, table, warning

# The thick curve follows the raw one with this much of a log line's weight lost per line, as TensorBoard smooths.
SMOOTHING = 0.6
MOST_POINTS = 600  # of a curve; more cannot be told apart at its width

MOST_ROWS = 40  # of a table that does not have to be unfolded


def runs_section(runs: Sequence[Run], evaluations: Sequence[Evaluation]) -> Markup:
    """A table with a column per run, what their recipes differ in, and each recipe in full."""
    names = [run.name for run in runs]
    facts = [_facts(run, [each for each in evaluations if each.owner == run.name]) for run in runs]
    keys = list(dict.fromkeys(key for each in facts for key in each))
    parts = [table([["", *names], *([key, *(each.get(key, "–") for each in facts)] for key in keys)])]
    for run in runs:
        if run.missing:
            parts.append(warning(f"{run.name} is not whole", run.missing))
    known = [run for run in runs if run.recipe]
    flat = [dict(_flattened(run.recipe)) for run in known]
    differing = [key for key in dict.fromkeys(k for each in flat for k in each) if len({e.get(key) for e in flat}) > 1]
    if len(runs) > 1:
        rows = [
            [key, *(each.get(key, "–") for each in flat)] for key in differing if key not in ("name", "description")
        ]
        parts.append(heading("What their recipes differ in"))
        listed = table([["key", *(run.name for run in known)], *rows], sortable=True) if rows else paragraph("nothing")
        parts.append(listed if len(rows) <= MOST_ROWS else details(f"{len(rows)} keys", listed))
    for run in known:
        text = json.dumps(run.recipe, indent=1)
        parts.append(details(f"the whole recipe of {run.name}", markup("<pre>{}</pre>", text)))
    return joined(parts)


def _facts(run: Run, evaluations: Sequence[Evaluation]) -> dict[str, object]:
    recipe = run.recipe
    data, model, optimization = (_object(recipe.get(key)) for key in ("data", "model", "optimization"))
    last = run.lines[-1] if run.lines else {}
    commits = sorted({str(each.summary["commit"]) for each in evaluations if each.summary.get("commit")})
    versions = {json.dumps(each.summary["versions"]): each.summary["versions"] for each in evaluations
                if isinstance(each.summary.get("versions"), dict)}  # fmt: skip
    facts: dict[str, object] = {
        "folder": run.folder,
        "recipe": recipe.get("name", "–"),
        "about": recipe.get("description", "–"),
        "data": data.get("source", "–"),
        "backbone": model.get("backbone") or "–",
        "renderer": ", ".join(f"{key} {value}" for key, value in _object(model.get("renderer")).items()) or "–",
        "frames": model.get("num_frames", "–"),
        "seed": optimization.get("seed", "–"),
        "batch size": optimization.get("batch_size", "–"),
        "stages": joined(_stages(run)) or "–",
        "steps logged": last.get("step", 0),
        "last loss": _number(last.get("loss")),
        "steps skipped": sum(line["skipped"] for line in run.lines if isinstance(line.get("skipped"), int)),
        "seconds per step, median": _number(_median(run.lines, "seconds_per_step")),
        "memory, GiB": _number(max(_numbers(run.lines, "memory_gib"), default=None)),
        "begun, by the recipe's file": _date(run, RECIPE_FILE),
        "last logged": _date(run, LOG_FILE),
        "evaluated at commit": ", ".join(commit[:9] + "+" * commit.endswith("+") for commit in commits) or "–",
        "evaluated with": joined(
            paragraph(", ".join(f"{name} {number}" for name, number in each.items() if number))
            for each in versions.values()
        ) or "–",
    }  # fmt: skip
    return facts


def _stages(run: Run) -> Iterable[Markup]:
    logged = [line.get("stage") for line in run.lines]
    for name, stage in _object(run.recipe.get("stages")).items():
        stage = _object(stage)
        if not stage.get("epochs", 1):
            continue
        done = "" if name in logged else ", not begun"
        tasks = ", ".join(_object(stage.get("tasks"))) or "recognition"
        learns = ", ".join(map(str, stage.get("train") or []))
        yield markup("<div><b>{}</b>: {} epochs of {}; learns: {}{}</div>",
                     name, stage.get("epochs", "?"), tasks, learns, done)  # fmt: skip


def curves_section(runs: Sequence[Run]) -> Markup:
    """Loss of each task and accuracy where it was logged, all runs in one panel; learning rates, a panel per run."""
    logged = [run for run in runs if run.lines]
    if not logged:
        return paragraph("No run here has logged anything.")
    keys = dict.fromkeys(key for run in logged for line in run.lines for key in line)
    losses = ["loss", *(key for key in keys if key.startswith("loss/"))]
    if len(losses) == 2:  # of a single task, the sum says the same
        losses = losses[1:]
    measured = [*losses, *(key for key in keys if key.startswith("accuracy"))]
    charts = [_curve(logged, key) for key in measured]
    note = f"Thin: as logged. Thick: smoothed, each point {1 - SMOOTHING:.0%} new. Dashed: a stage begins."
    parts = [legend([run.name for run in logged]), paragraph(note, faint=True), panels(charts)]
    rates = []
    for run in logged:
        names = [
            key for key in dict.fromkeys(k for line in run.lines for k in line) if key.startswith("learning_rate/")
        ]
        groups: dict[tuple, list[str]] = {}  # parts whose rates are the same throughout are one line
        for name in names:
            points = tuple(_points(run, name))
            groups.setdefault(points, []).append(name.removeprefix("learning_rate/"))
        if groups:
            lines = [Line(", ".join(group), points, i) for i, (points, group) in enumerate(groups.items())]
            chart = line_chart(lines, "step", "learning rate", logarithmic=True, marks=_begins(run))
            rates.append(joined([paragraph(run.name), legend([line.name for line in lines]), chart]))
    if rates:
        parts += [heading("Learning rates"), panels(rates)]
    return joined(parts)


def _curve(runs: Sequence[Run], key: str) -> Markup:
    lines = []
    for number, run in enumerate(runs):
        points = _points(run, key)
        lines += [Line(run.name, points, number, faint=True), Line(run.name, smoothed(points), number)]
    same = {tuple(_begins(run)) for run in runs}
    label = key.replace("loss/", "loss, nats per token: ") if "/" in key else key
    return line_chart(lines, "step", label, marks=same.pop() if len(same) == 1 else ())


def smoothed(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """An exponential mean of y that starts without a lag, over the finite values."""
    result, total, weight = [], 0.0, 0.0
    for x, y in points:
        if math.isfinite(y):
            total, weight = SMOOTHING * total + y, SMOOTHING * weight + 1
            result.append((x, total / weight))
    return result


def _points(run: Run, key: str) -> list[tuple[float, float]]:
    points = [(line["step"], float(line[key])) for line in run.lines if _is_number(line.get(key))]
    return points[:: -(-len(points) // MOST_POINTS)] if points else []


def _begins(run: Run) -> list[tuple[float, str]]:
    """Where stages begin, after the first."""
    begins, before = [], None
    for line in run.lines:
        stage = line.get("stage")
        if stage != before and before is not None:
            begins.append((line["step"], str(stage)))
        before = stage
    return begins


def _flattened(value: object, path: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flattened(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value if isinstance(value, str) else json.dumps(value)


def _object(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(lines: Sequence[dict], key: str) -> list[float]:
    return [float(line[key]) for line in lines if _is_number(line.get(key)) and math.isfinite(line[key])]


def _median(lines: Sequence[dict], key: str) -> float | None:
    values = sorted(_numbers(lines, key))
    return values[len(values) // 2] if values else None


def _number(value: object) -> str:
    return f"{value:.4g}" if _is_number(value) else "–"


def _date(run: Run, name: str) -> str:
    path = run.folder / name
    return f"{datetime.fromtimestamp(path.stat().st_mtime, UTC):%Y-%m-%d %H:%M} UTC" if path.is_file() else "–"
