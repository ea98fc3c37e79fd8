"""Studies as tables and plots, robustness as curves, efficiency as tables."""

from collections.abc import Sequence

from markupsafe import Markup

from skeletonllm.evaluation.published import PUBLISHED_ROBUSTNESS
from skeletonllm.evaluation.report.charts import Interval, Line, interval_plot, legend, line_chart
from skeletonllm.evaluation.report.finding import Measured
from skeletonllm.evaluation.report.html import details, heading, joined, panels, paragraph, table, warning
from skeletonllm.evaluation.report.tables import percent


def study_part(study: Measured) -> Markup:
    """``table.json`` of ``skeletonllm study``: a row per variant, and for each test a dot with its interval."""
    content = study.content
    variants = content["variants"]
    tests = list(dict.fromkeys(test for row in variants.values() for test in row))
    head = ["variant", *(cell for test in tests for cell in (test, "95 % interval", "by seed", "the first leads by"))]
    rows = [head, *([variant, *(cell for test in tests for cell in _cells(row.get(test)))]
                    for variant, row in variants.items())]  # fmt: skip
    parts = [heading(content.get("study", study.name)), paragraph(content.get("description", ""))]
    if missing := content.get("missing"):
        parts.append(warning(f"{len(missing)} cells have no result yet", missing))
    parts.append(table(rows, sortable=True))
    plots = []
    for test in tests:
        having = [(variant, row[test]) for variant, row in variants.items() if test in row]
        points = [
            Interval(variant, found["accuracy"]["value"], *found["accuracy"]["interval_95"],
                     found["accuracy"].get("seeds", ()), number)
            for number, (variant, found) in enumerate(having)
        ]  # fmt: skip
        label = f"{test}, {having[0][1]['count']} recordings"
        plots.append(joined([heading(label, 4), interval_plot(points, having[0][1].get("chance"))]))
    parts.append(panels(plots))
    parts.append(paragraph("Full dots: mean over seeds, with its interval. Rings: single seeds.", faint=True))
    if cost := content.get("cost"):
        keys = list(dict.fromkeys(key for row in cost.values() for key in row))
        names = [key.replace("_", " ") for key in keys]
        body = [[variant, *(f"{row[key]:.4g}" if key in row else "–" for key in keys)] for variant, row in cost.items()]
        parts.append(details("what training cost", table([["variant", *names], *body])))
    return joined(parts)


def _cells(found: dict | None) -> list[str]:
    if found is None:
        return ["–", "–", "–", "–"]
    accuracy, lead = found["accuracy"], found.get("lead")
    low, high = (100 * end for end in accuracy["interval_95"])
    cells = [percent(accuracy["value"]), f"{low:.1f} to {high:.1f}"]
    cells.append(", ".join(f"{100 * seed:.1f}" for seed in accuracy.get("seeds", ())))
    if not lead:
        return [*cells, "–"]
    low, high = (100 * end for end in lead["interval_95"])
    return [*cells, f"{100 * lead['value']:+.1f} ({low:+.1f} to {high:+.1f})"]


def robustness_part(found: Measured) -> Markup:
    """``robustness.json``: accuracy over the level of each corruption, a curve per model, and all of it as a table."""
    models = found.content["models"]
    corruptions = list(dict.fromkeys(name for by_name in models.values() for name in by_name))
    parts = [heading(found.path.parent.name), legend(list(models))]
    chance = found.content.get("chance")
    plots = [_curve(name, {model: of[name] for model, of in models.items() if name in of}, chance, list(models))
             for name in corruptions]  # fmt: skip
    rows = [["corruption", "level", "model", "accuracy", "95 % interval", "points lost", "95 % interval", "clips"]]
    for model, by_name in models.items():
        for name, levels in by_name.items():
            for row in levels:
                low, high = (100 * end for end in row["interval_95"])
                less, more = (100 * end for end in row["drop_interval_95"])
                rows.append(
                    [name.replace("_", " "), _level(row), model, percent(row["accuracy"]), f"{low:.1f} to {high:.1f}",
                     f"{100 * row['drop']:+.1f}", f"{less:+.1f} to {more:+.1f}", str(row["count"])]
                )  # fmt: skip
    parts += [panels(plots), details("as a table", table(rows, sortable=True)), _published(corruptions)]
    return joined(parts)


def _level(row: dict) -> str:
    return str(row.get("name") or f"{row['level']} {row['unit']}")


def _curve(name: str, by_model: dict[str, list[dict]], chance: float | None, models: Sequence[str]) -> Markup:
    first = next(iter(by_model.values()))
    title = name.replace("_", " ")
    if any(row.get("name") and row["level"] for row in first):  # kinds, which have no order
        points = [
            Interval(f"{_level(row)}, {model}" if len(by_model) > 1 else _level(row),
                     row["accuracy"], *row["interval_95"], number=models.index(model))
            for place in range(len(first))
            for model, rows in by_model.items()
            for row in rows[place : place + 1]
        ]  # fmt: skip
        return joined([heading(f"{title}: accuracy", 4), interval_plot(points, chance)])
    lines = [
        Line(model, [(row["level"], 100 * row["accuracy"]) for row in rows], models.index(model), dots=True)
        for model, rows in by_model.items()
    ]
    top = max(100 * row["accuracy"] for rows in by_model.values() for row in rows)
    level = None if chance is None else (100 * chance, "chance")
    label = f"{title}: accuracy, percent"
    return line_chart(lines, str(first[-1]["unit"]), label, y_range=(0, max(top, 1) * 1.05), level=level)


def _published(corruptions: Sequence[str]) -> Markup:
    """What others published of the same kinds of corruption."""
    rows = [["published by others", "corruption", "level", "accuracy, percent"]]
    for name in corruptions:
        for method, figures in PUBLISHED_ROBUSTNESS.get(name, {}).items():
            rows += [[method, name.replace("_", " "), level, f"{value:.2f}"] for level, value in figures]
    if len(rows) == 1:
        return Markup("")
    note = (
        "Theirs, on NTU RGB+D 60, unseen classes 48/12, 8-billion-parameter backbone; not measured here and not "
        "comparable: another backbone, another split, and perhaps another way to corrupt."
    )
    return details("published figures, for orientation only", joined([paragraph(note), table(rows, sortable=True)]))


def efficiency_part(found: Measured) -> Markup:
    """``efficiency.json``: parameters, then per device what every part of an answer takes."""
    content = found.content
    counts = content.get("parameters", {})
    parts = [heading(found.path.parent.name), paragraph(f"model {content.get('checkpoint', '–')}, recording "
             f"{content.get('file') or 'embedded'}, {content.get('num_frames', '?')} frames")]  # fmt: skip
    if counts:
        rows = [[name, f"{count:,}"] for name, count in counts.items()]
        parts.append(table([["parameters of", "count"], *rows]))
    for of in content["devices"].values():
        parts += _device(of)
        if whole := of.get("whole_pictures"):
            parts += [paragraph("the same, reading whole pictures:"), *_device(whole)]
        if drawn := of.get("rendering"):
            both = {f"rendering, {name}": value for name, value in drawn.items() if isinstance(value, dict)}
            parts.append(table(_measures(both)))
    return joined(parts)


def _device(of: dict) -> list[Markup]:
    tokens = of["tokens"]
    told = (
        f"{of['threads']} threads, {of['dtype']}, {of['repeats']} answers; tokens: {tokens['visual']} visual, "
        f"{tokens['text']} text, {tokens['answer']} of the answer"
    )
    return [heading(of["device"], 4), paragraph(told), table(_measures(of["parts"]), sortable=True)]


def _measures(of: dict[str, dict]) -> list[list[str]]:
    """A row per part, a column per measure that any has, in units that suit one answer."""
    keys = list(dict.fromkeys(key for measured in of.values() for key in measured))
    rows = [["part", *(_unit(key)[0] for key in keys)]]
    for part, measured in of.items():
        cells = [measured.get(key) for key in keys]
        told = (f"{each * _unit(key)[1]:,.2f}" if isinstance(each, int | float) else "–"
                for key, each in zip(keys, cells, strict=True))  # fmt: skip
        rows.append([f"{part}, a token" if part == "decode" else part, *told])
    return rows


def _unit(key: str) -> tuple[str, float]:
    """What a measure is called, and by how much its unit is smaller than the file's."""
    name = key.replace("_", " ")
    if "seconds" in key:
        return f"{name.replace('seconds', '').strip()}, ms", 1e3
    if "flops" in key:
        return "MFLOP", 1e-6
    if "bytes" in key:
        return f"{name.replace('bytes', '').strip()}, MB", 1e-6
    return name, 1.0
