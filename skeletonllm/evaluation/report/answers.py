"""One evaluation in full: what was right and wrong, how surely, and how much of it needs no eyes."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from skeletonllm.evaluation.accuracy import Accuracy
from skeletonllm.evaluation.report.charts import (
    Interval,
    confusion_matrix,
    interval_plot,
    legend,
    reliability_diagram,
)
from skeletonllm.evaluation.report.finding import Evaluation
from skeletonllm.evaluation.report.html import details, heading, joined, panels, paragraph, table
from skeletonllm.evaluation.report.tables import describe_advantage, metric_rows, per_class_rows, percent

EXAMPLES = 8  # answers that are shown


def recognition_details(each: Evaluation) -> Markup:
    """By label, confusions, calibration, blind answers and examples of an evaluation of recognition."""
    s = each.summary
    accuracy = Accuracy.from_summary(s)
    parts = [_further(s), heading("By label", 4), table(per_class_rows(accuracy), sortable=True)]
    counts, columns = accuracy.confusion.tolist(), [*accuracy.candidates, "(no label)"]
    if not any(row[-1] for row in counts):
        counts, columns = [row[:-1] for row in counts], columns[:-1]
    parts += [
        heading("Confusions: rows true, columns answered", 4),
        confusion_matrix(counts, accuracy.candidates, columns),
    ]
    if found := s.get("calibration"):
        parts.append(heading("Calibration", 4))
        for key, name in (("expected_calibration_error", "expected calibration error"), ("brier", "Brier score")):
            low, high = found[key]["interval_95"]
            parts.append(paragraph(f"{name} {found[key]['value']:.3f} ({low:.3f} to {high:.3f}, 95 % interval)"))
        parts.append(panels([reliability_diagram(found["reliability"])]))
    return joined([*parts, _blind(s, "recognition"), _examples(each)])


def _further(summary: Mapping) -> Markup:
    """The mean over labels with its interval; top k, one and two persons, seen and unseen classes where told."""
    rows = [["", "share right", "95 % interval", "recordings", "chance"]]
    if "macro_interval_95" in summary:
        rows.append(_share("mean over labels", summary["macro_accuracy"], summary["macro_interval_95"]))
    for k, found in summary.get("top_k", {}).items():
        name = f"right one among the {k} likeliest" if k != "1" else "right one the likeliest"
        rows.append(_share(name, found["value"], found["interval_95"], found["count"], found["chance"]))
    for count, found in summary.get("persons", {}).items():
        name = f"recordings of {count} person{'s' * (count != '1')}"
        rows.append(_share(name, found["accuracy"], found["interval_95"], found["count"]))
    if of := summary.get("generalized"):
        for kind in ("seen", "unseen"):
            rows.append(_share(f"{kind} classes", of[kind]["accuracy"], of[kind]["interval_95"], of[kind]["count"]))
        rows.append(_share("harmonic mean of both", of["harmonic"], of["harmonic_interval_95"]))
    return table(rows) if len(rows) > 1 else Markup("")


def _share(name: str, value: float, interval: Sequence[float], count: object = "", chance: float | None = None) -> list:
    low, high = (100 * end for end in interval)
    told = "" if chance is None else percent(chance)
    return [name, percent(value), f"{low:.1f} to {high:.1f}", str(count), told]


def question_details(each: Evaluation) -> Markup:
    """Every metric, kinds of question, blind answers and examples of an evaluation of another task."""
    s = each.summary
    rows = [["metric", "value", "95 % interval", "answers"]]
    for name, found in s["metrics"].items():
        low, high = found["interval_95"]
        rows.append([name, f"{found['value']:.3f}", f"{low:.3f} to {high:.3f}", str(found["count"])])
    for name, value in (s.get("corpus") or {}).items():
        value, interval = (value["value"], value.get("interval_95")) if isinstance(value, dict) else (value, None)
        told = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else ""
        rows.append([name, f"{value:.3f}" if isinstance(value, int | float) else value, told, ""])
    retrieval = s.get("r_precision") or {}
    for name, found in retrieval.items():
        if name.startswith("top_"):
            low, high = found["interval_95"]
            told = f"R-precision, top {name.removeprefix('top_')} of {retrieval['pool']}, chance {found['chance']:.3f}"
            rows.append([told, f"{found['value']:.3f}", f"{low:.3f} to {high:.3f}", str(found["count"])])
    rows += [[name, "", f"not computed: {why}", ""] for name, why in (s.get("not_computed") or {}).items()]
    parts = [table(rows)]
    if "kinds" in s:
        parts += [heading("By kind of question; right of “understood”: answers without seeing", 4)]
        parts += [table(metric_rows(s), sortable=True)]
    return joined([*parts, _blind(s), _examples(each)])


def _blind(summary: Mapping, kind: str | None = None) -> Markup:
    """How far the answers are above those of somebody who sees nothing."""
    blind = summary.get("blind") or {}
    if not blind:
        return Markup("")
    own = summary["accuracy"] if kind else summary["metrics"]["score"]["value"]
    low, high = summary["interval_95"] if kind else summary["metrics"]["score"]["interval_95"]
    rows, names = [Interval("seeing", own, low, high)], ["seeing"]
    for name, found in blind.items():
        score = found["metrics"]["score"]
        rows.append(Interval(f"blind: {name}", score["value"], *score["interval_95"], number=len(names)))
        names.append(f"blind: {name}")
    told = joined(paragraph(describe_advantage(name, found["advantage"]["all"])) for name, found in blind.items())
    return joined([heading("Without seeing", 4), panels([joined([legend(names), interval_plot(rows)]), told])])


def _examples(each: Evaluation) -> Markup:
    """The first wrong answers, then right ones."""
    head, told = ["recording", "asked", "truth", "answer"], []
    for row in each.rows:
        truth, answer = row.get("label", row.get("answer")), row.get("predicted") or row.get("text") or "(no label)"
        right = row["score"] >= 1 if isinstance(row.get("score"), int | float) else truth == answer
        told.append((right, [row.get("recording", row.get("id", "")), row.get("prompt", ""), truth, answer]))
    wrong = [cells for right, cells in told if not right]
    right = [cells for right, cells in told if right]
    few = max(EXAMPLES // 2, EXAMPLES - len(right))
    shown = [*wrong[:few], *right[: EXAMPLES - len(wrong[:few])]]
    if not shown:
        return Markup("")
    if not any(cells[1] for cells in shown):  # recognition asks the same of all
        head, shown = head[:1] + head[2:], [cells[:1] + cells[2:] for cells in shown]
    return details(f"{len(shown)} answers, wrong ones first", table([head, *shown]))
