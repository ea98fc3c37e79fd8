"""Results on paper: tables in a terminal, and a web page with pictures."""

from dataclasses import dataclass, field
from pathlib import Path

from skeletonllm.evaluation.accuracy import Accuracy

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<style>
 body { font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #222 }
 table { border-collapse: collapse; margin: 1em 0 }
 td, th { border: 1px solid #bbb; padding: .3em .7em; text-align: left }
 img { max-width: 100%; background: black } figure { margin: 1em 0; display: inline-block; vertical-align: top }
 figcaption { font-size: 14px; color: #555 }
</style></head><body>
<h1>{{ title }}</h1>
{% for section in sections %}
<h2>{{ section.title }}</h2>
{% for paragraph in section.paragraphs %}<p>{{ paragraph }}</p>{% endfor %}
{% if section.rows %}<table><tr>{% for cell in section.rows[0] %}<th>{{ cell }}</th>{% endfor %}</tr>
{% for row in section.rows[1:] %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}
</table>{% endif %}
{% for path, caption in section.pictures %}
<figure><img src="{{ path }}" alt="{{ caption }}"><figcaption>{{ caption }}</figcaption></figure>{% endfor %}
{% endfor %}
</body></html>
"""


@dataclass
class Section:
    """Part of a page: paragraphs, a table whose first row is its head, pictures (path beside the page, caption)."""

    title: str
    paragraphs: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    pictures: list[tuple[str, str]] = field(default_factory=list)


def write_page(path: Path, title: str, sections: list[Section]) -> None:
    """A web page; every text is escaped."""
    from jinja2 import Environment

    page = Environment(autoescape=True).from_string(_PAGE).render(title=title, sections=sections)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


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
