"""Results as tables of text, for a terminal or a page."""

from skeletonllm.evaluation.accuracy import Accuracy


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def describe_accuracy(accuracy: Accuracy) -> str:
    """``87.3 % (84.1 to 90.0, 95 % interval), 305 of 350``"""
    low, high = accuracy.interval
    return (
        f"{percent(accuracy.micro)} ({100 * low:.1f} to {100 * high:.1f}, 95 % interval), "
        f"{accuracy.hits} of {accuracy.count}"
    )


def per_class_rows(accuracy: Accuracy) -> list[list[str]]:
    """A table of labels with their accuracy and what they were mistaken for most."""
    rows = [["label", "accuracy", "right", "most often taken for"]]
    names = [*accuracy.candidates, "(no label)"]
    for label, (hits, count) in accuracy.per_class.items():
        row = accuracy.confusion[accuracy.candidates.index(label)].clone()
        row[accuracy.candidates.index(label)] = 0
        worst = int(row.argmax())
        mistaken = f"{names[worst]} ({int(row[worst])})" if row[worst] else ""
        rows.append([label, percent(hits / count), f"{hits} of {count}", mistaken])
    return rows


def metric_rows(summary: dict) -> list[list[str]]:
    """A table of the kinds of question with their main metric, its interval, and what the blind score.

    Args:
        summary: as ``skeletonllm.evaluation.results.write_results`` gives for a task that is not recognition.
    """
    blind = summary.get("blind", {})
    rows = [["kind", "questions", "score", "95 % interval", "understood", *blind]]
    for kind, metrics in [*summary.get("kinds", {}).items(), ("all", summary["metrics"])]:
        main = metrics["score"]
        low, high = main["interval_95"]
        unseeing = [each["metrics"] if kind == "all" else each["kinds"][kind] for each in blind.values()]
        rows.append(
            [kind, str(main["count"]), percent(main["value"]), f"{100 * low:.1f} to {100 * high:.1f}",
             percent(metrics["understood"]["value"]), *(percent(each["score"]["value"]) for each in unseeing)]
        )  # fmt: skip
    return rows


def describe_advantage(name: str, advantage: dict) -> str:
    """``12.0 points above prior (8.1 to 16.2, 95 % interval)``"""
    low, high = (100 * end for end in advantage["interval_95"])
    value = 100 * advantage["value"]
    side = "above" if value >= 0 else "below"
    return f"{abs(value):.1f} points {side} {name} ({low:+.1f} to {high:+.1f}, 95 % interval)"
