"""What models answered: every test with all who took it side by side, and what each got wrong."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from markupsafe import Markup

from skeletonllm.evaluation.accuracy import Accuracy
from skeletonllm.evaluation.published import Published, published_on
from skeletonllm.evaluation.report.charts import (
    Interval,
    confusion_matrix,
    interval_plot,
    legend,
    reliability_diagram,
)
from skeletonllm.evaluation.report.finding import Evaluation
from skeletonllm.evaluation.report.html import details, heading, joined, markup, panels, paragraph, table, warning
from skeletonllm.evaluation.report.tables import describe_advantage, metric_rows, per_class_rows, percent

# Whatever of a summary changes what was asked. Two results compare only if all of it is the same.
ASKED = (
    "task",
    "data",
    "part",
    "options",
    "split",
    "protocol",
    "where",
    "shared_labels",
    "seed",
    "draws",
    "candidates",
)
EXAMPLES = 8  # answers that are shown of each evaluation


@dataclass
class Taken:
    """A test, and the results of all who were asked exactly its questions."""

    name: str
    summary: Mapping
    results: list[Evaluation]


def tests_of(evaluations: Sequence[Evaluation]) -> list[Taken]:
    """Evaluations by what was asked: the facts in their summaries, and the questions in their predictions."""
    tests: dict[str, Taken] = {}
    for each in evaluations:
        if not each.summary:
            continue
        tests.setdefault(_identity(each), Taken(_name(each.summary), each.summary, [])).results.append(each)
    return list(tests.values())


def _identity(each: Evaluation) -> str:
    questions = sorted(
        json.dumps([row.get(key) for key in ("id", "label", "prompt", "answer")]) for row in each.rows
    )  # fmt: skip
    facts = [each.summary.get(key) for key in ASKED]
    return hashlib.sha256(json.dumps([facts, questions], sort_keys=True).encode()).hexdigest()


def _name(summary: Mapping) -> str:
    protocol = summary.get("protocol")
    parts = [summary.get("task", "?"), summary.get("data") or "?", summary.get("split") or "",
             protocol if protocol != "usual" else "", "shared labels" if summary.get("shared_labels") else "",
             *(summary.get("where") or [])]  # fmt: skip
    return ", ".join(str(part) for part in parts if part)


def evaluations_section(evaluations: Sequence[Evaluation], owners: Sequence[str]) -> Markup:
    """All tests; before them, a warning where runs were not asked the same.

    Args:
        evaluations: of anybody.
        owners: names of the runs of the report, in order; their places give their colours.
    """
    parts = [warning(f"{each.owner}, {each.name} is not whole", each.missing) for each in evaluations if each.missing]
    tests = tests_of(evaluations)
    everybody = list(dict.fromkeys([*owners, *(each.owner for each in evaluations)]))
    parts.append(_differences(tests, everybody))
    for test in tests:
        parts += [heading(test.name), test_part(test, everybody)]
    return joined(parts) if evaluations else paragraph("Nothing here was evaluated.")


def _differences(tests: Sequence[Taken], everybody: Sequence[str]) -> Markup:
    takers = [{each.owner for each in test.results} for test in tests]
    if len(everybody) < 2 or all(len(some) == len(everybody) for some in takers):
        return Markup("")
    lines = [
        f"{test.name}, {_size(test.summary)}: {', '.join(who for who in everybody if who in some)}"
        for test, some in zip(tests, takers, strict=True)
    ]
    lines += [f"no test: {who}" for who in everybody if not any(who in some for some in takers)]
    by_name: dict[str, list[Taken]] = defaultdict(list)
    for test in tests:
        by_name[test.name].append(test)
    for name, same in by_name.items():
        for first, second in zip(same, same[1:], strict=False):
            keys = [key for key in ASKED if first.summary.get(key) != second.summary.get(key)]
            lines.append(
                f"two tests named “{name}” differ in {', '.join(keys) or 'the recordings that they ask about'}"
            )
    return warning(
        "These were not evaluated on the same tests. Only figures within one test can be compared.", lines
    )  # fmt: skip


def _size(summary: Mapping) -> str:
    count = summary.get("count", summary.get("questions", "?"))
    return f"{count} recordings" if "count" in summary else f"{count} questions"


def test_part(test: Taken, everybody: Sequence[str]) -> Markup:
    """A test: who reached what, beside what others published, and the details of each."""
    recognition = test.summary.get("task") == "recognition"
    rows, intervals = [], []
    for each in test.results:
        row, interval = (_recognised if recognition else _answered)(each)
        interval = Interval(_who(each, test), *interval, number=everybody.index(each.owner))
        rows.append([_who(each, test), *row])
        intervals.append(interval)
    if recognition:
        head = ["", "accuracy", "95 % interval", "right", "mean over labels", "scored by", "at commit"]
    else:
        head = ["", "score", "95 % interval", "questions", "understood", "at commit"]
    chance = test.summary.get("chance")
    told = f"{_size(test.summary)}" + (f", chance {percent(chance)}" if chance is not None else "")
    parts = [paragraph(told), table([head, *rows]), panels([interval_plot(intervals, chance)])]
    parts.append(published_part(published_on(test.summary.get("data"), test.summary.get("protocol"))))
    for each in test.results:
        detail = (_recognition_details if recognition else _question_details)(each)
        parts.append(details(f"more of {_who(each, test)}", detail))
    return joined(parts)


def _who(each: Evaluation, test: Taken) -> str:
    """The owner, and the folder where one owner has several results of a test."""
    alone = sum(other.owner == each.owner for other in test.results) == 1
    return each.owner if alone else f"{each.owner}, {each.name}"


def _recognised(each: Evaluation) -> tuple[list[str], tuple[float, float, float]]:
    s = each.summary
    low, high = s["interval_95"]
    row = [percent(s["accuracy"]), f"{100 * low:.1f} to {100 * high:.1f}", f"{s['hits']} of {s['count']}",
           percent(s["macro_accuracy"]), s.get("scoring", ""), _commit(s)]  # fmt: skip
    return row, (s["accuracy"], low, high)


def _answered(each: Evaluation) -> tuple[list[str], tuple[float, float, float]]:
    s = each.summary
    score = s["metrics"]["score"]
    low, high = score["interval_95"]
    row = [percent(score["value"]), f"{100 * low:.1f} to {100 * high:.1f}", str(score["count"]),
           percent(s["metrics"]["understood"]["value"]), _commit(s)]  # fmt: skip
    return row, (score["value"], low, high)


def _commit(summary: Mapping) -> str:
    commit = str(summary.get("commit") or "–")
    return commit[:9] + "+" * (len(commit) > 9 and commit.endswith("+"))


def _recognition_details(each: Evaluation) -> Markup:
    s = each.summary
    accuracy = Accuracy(list(s["candidates"]), torch.tensor(s["confusion"]))
    low, high = s.get("macro_interval_95", (None, None))
    parts = []
    if low is not None:
        parts.append(paragraph(f"mean over labels, 95 % interval: {100 * low:.1f} to {100 * high:.1f}"))
    parts += [*_scalars(s, ("top_5", "top_k", "persons", "generalized"))]
    parts += [heading("By label", 4), table(per_class_rows(accuracy), sortable=True)]
    counts, columns = accuracy.confusion.tolist(), [*accuracy.candidates, "(no label)"]
    if not any(row[-1] for row in counts):
        counts, columns = [row[:-1] for row in counts], columns[:-1]
    parts += [
        heading("Confusions: rows true, columns answered", 4),
        confusion_matrix(counts, accuracy.candidates, columns),
    ]
    if found := s.get("calibration"):
        error, brier = found["expected_calibration_error"]["value"], found["brier"]["value"]
        parts.append(heading("Calibration", 4))
        parts.append(paragraph(f"expected calibration error {error:.3f}, Brier score {brier:.3f}"))
        parts.append(panels([reliability_diagram(found["reliability"])]))
    return joined([*parts, _blind(s, "recognition"), _examples(each)])


def _scalars(summary: Mapping, keys: Sequence[str]) -> list[Markup]:
    """Further results in the form that the summary has them in."""
    return [
        details(key.replace("_", " "), markup("<pre>{}</pre>", json.dumps(summary[key], indent=1)))
        for key in keys
        if key in summary
    ]


def _question_details(each: Evaluation) -> Markup:
    s = each.summary
    rows = [["metric", "value", "95 % interval", "answers"]]
    for name, found in s["metrics"].items():
        low, high = found["interval_95"]
        rows.append([name, f"{found['value']:.3f}", f"{low:.3f} to {high:.3f}", str(found["count"])])
    for name, value in (s.get("corpus") or {}).items():
        value, interval = (value["value"], value.get("interval_95")) if isinstance(value, dict) else (value, None)
        told = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else ""
        rows.append([name, f"{value:.3f}" if isinstance(value, int | float) else value, told, ""])
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


def published_part(figures: Sequence[Published]) -> Markup:
    """Figures that others published, marked as theirs."""
    if not figures:
        return Markup("")
    rows = [["published by others", "setting", "figure, percent", "source"]]
    rows += [[figure.method, figure.setting, f"{figure.value:.2f}", figure.source] for figure in figures]
    note = "Theirs, not measured here and not comparable: another backbone, other training data, another split."
    return details("published figures, for orientation only", joined([paragraph(note), table(rows, sortable=True)]))
