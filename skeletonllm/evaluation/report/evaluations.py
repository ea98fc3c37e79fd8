"""What models answered: every test with all who took it side by side."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from skeletonllm.evaluation.published import Published, published_on
from skeletonllm.evaluation.report.answers import question_details, recognition_details
from skeletonllm.evaluation.report.charts import Interval, interval_plot
from skeletonllm.evaluation.report.finding import Evaluation
from skeletonllm.evaluation.report.html import details, heading, joined, panels, paragraph, table, warning
from skeletonllm.evaluation.report.tables import percent

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
        detail = (recognition_details if recognition else question_details)(each)
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


def published_part(figures: Sequence[Published]) -> Markup:
    """Figures that others published, marked as theirs."""
    if not figures:
        return Markup("")
    rows = [["published by others", "setting", "figure, percent", "source"]]
    rows += [[figure.method, figure.setting, f"{figure.value:.2f}", figure.source] for figure in figures]
    note = "Theirs, not measured here and not comparable: another backbone, other training data, another split."
    return details("published figures, for orientation only", joined([paragraph(note), table(rows, sortable=True)]))
