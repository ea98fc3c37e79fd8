"""Charts as SVG within a page. Colours are those of the page's style, so that they change with light and dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from skeletonllm.evaluation.report.html import joined, markup

COLORS = 8  # of the style, --c0 and so on; further series repeat them with dashes
WIDTH, HEIGHT = 360, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 10, 34


@dataclass(frozen=True)
class Line:
    """A series: points (x, y), those whose y is no finite number left out; ``number`` gives its colour."""

    name: str
    points: Sequence[tuple[float, float]]
    number: int = 0
    faint: bool = False
    dots: bool = False


def color(number: int) -> str:
    return f"var(--c{number % COLORS})"


def _dashes(number: int) -> str:
    return ("none", "6 3", "2 3")[min(number // COLORS, 2)]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values between two, about so many."""
    if not high > low:
        return [low]
    step = 10 ** math.floor(math.log10((high - low) / count))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (factor * step) <= count)
    return [step * place for place in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def legend(names: Sequence[str]) -> Markup:
    """Names beside the colours of the series of these numbers."""
    marks = (
        markup('<span><i style="background:{}"></i>{}</span>', color(number), name) for number, name in enumerate(names)
    )
    return markup('<p class="key">{}</p>', joined(marks))


def line_chart(
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    *,
    logarithmic: bool = False,
    y_range: tuple[float, float] | None = None,
    marks: Sequence[tuple[float, str]] = (),
    level: tuple[float, str] | None = None,
    described: str = "",
) -> Markup:
    """Series over x.

    Args:
        lines: in the order of drawing.
        x_label, y_label: of the axes.
        logarithmic: the y axis; what is not above 0 is left out.
        y_range: default: what holds every point.
        marks: (x, name) of vertical lines.
        level: (y, name) of a horizontal one.
        described: for those who do not see it.
    """
    kept = [
        [(x, y) for x, y in line.points if math.isfinite(x) and math.isfinite(y) and (y > 0 or not logarithmic)]
        for line in lines
    ]
    every = [point for points in kept for point in points]
    if not every:
        return markup('<p class="faint">{}</p>', "nothing was logged that could be drawn")
    change = math.log10 if logarithmic else float
    left, right = min(x for x, _ in every), max(x for x, _ in every)
    low, high = (change(y) for y in (y_range or (min(y for _, y in every), max(y for _, y in every))))
    if level is not None and y_range is None:
        low, high = min(low, change(level[0])), max(high, change(level[0]))
    if high - low < 1e-12:
        low, high = low - (abs(low) * 0.1 or 0.5), high + (abs(high) * 0.1 or 0.5)

    def across(x: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * ((x - left) / (right - left) if right > left else 0.5)

    def down(y: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (change(y) - low) / (high - low)

    levels = [10.0**power for power in range(math.ceil(low), math.floor(high) + 1)] if logarithmic else ticks(low, high)
    if logarithmic and len(levels) < 2:  # within one power of ten
        levels = [10**low, 10**high]
    parts = []
    for y in levels:
        parts.append(_segment("grid", _LEFT, down(y), WIDTH - _RIGHT, down(y)))
        parts.append(_text(_LEFT - 4, down(y) + 4, f"{y:.3g}", "end"))
    whole = all(float(x).is_integer() for x, _ in every)
    for x in ticks(left, right):
        if not whole or float(x).is_integer():
            parts.append(_text(across(x), HEIGHT - _BOTTOM + 14, f"{x:g}", "middle"))
    for place, (x, name) in enumerate(marks):
        if left <= x <= right:
            parts.append(_segment("axis", across(x), _TOP, across(x), HEIGHT - _BOTTOM, dashed=True))
            near = across(x) > 0.7 * WIDTH
            y = _TOP + 9 + 12 * (place % 3)  # names of short stages stand below each other
            parts.append(_text(across(x) + (-3 if near else 3), y, name, "end" if near else "start", faint=True))
    if level is not None:
        parts.append(_segment("axis", _LEFT, down(level[0]), WIDTH - _RIGHT, down(level[0]), dashed=True))
        parts.append(_text(WIDTH - _RIGHT, down(level[0]) - 3, level[1], "end", faint=True))
    for line, points in zip(lines, kept, strict=True):
        drawn = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in points)
        style = f"stroke:{color(line.number)};stroke-width:{1 if line.faint else 2};"
        style += f"opacity:{0.35 if line.faint else 1};stroke-dasharray:{_dashes(line.number)}"
        parts.append(markup('<polyline points="{}" style="{}"><title>{}</title></polyline>', drawn, style, line.name))
        if line.dots or len(points) == 1:
            parts += (_dot(across(x), down(y), line.number, f"{line.name}: {y:.4g} at {x:g}") for x, y in points)
    parts.append(_segment("axis", _LEFT, HEIGHT - _BOTTOM, WIDTH - _RIGHT, HEIGHT - _BOTTOM))
    parts.append(_text((_LEFT + WIDTH) / 2, HEIGHT - 5, x_label, "middle", faint=True))
    text = described or f"{y_label} over {x_label}: " + ", ".join(dict.fromkeys(line.name for line in lines))
    return markup("<p><b>{}</b></p>{}", y_label, _svg(WIDTH, HEIGHT, parts, text))


@dataclass(frozen=True)
class Interval:
    """A value between ``low`` and ``high``, all shares; ``dots`` are single measurements behind it."""

    name: str
    value: float
    low: float
    high: float
    dots: Sequence[float] = ()
    number: int = 0


def interval_plot(rows: Sequence[Interval], chance: float | None = None) -> Markup:
    """A dot with its interval per row, in percent, the name above it so that it fits on a phone."""
    step, top = 36, 6
    height = top + step * len(rows) + 28
    ends = [end for row in rows for end in (row.low, row.high, row.value, *row.dots)] + [chance or 0.0]
    low, high = min(0.0, *ends), max(0.1, min(1.0, 1.08 * max(ends)), *ends)

    def across(share: float) -> float:
        return 10 + (WIDTH - 24) * (share - low) / (high - low)

    bottom = top + step * len(rows)
    parts = []
    for share in ticks(100 * low, 100 * high):
        parts.append(_segment("grid", across(share / 100), top, across(share / 100), bottom))
        parts.append(_text(across(share / 100), bottom + 14, f"{share:g}", "middle"))
    parts.append(_text(WIDTH - 8, bottom + 26, "percent", "end", faint=True))
    if chance is not None:
        parts.append(_segment("axis", across(chance), top, across(chance), bottom, dashed=True))
        parts.append(_text(across(chance), bottom + 26, "chance", "middle" if chance > 0.1 else "start", faint=True))
    for place, row in enumerate(rows):
        y = top + step * place + 25
        told = f"{row.name}: {100 * row.value:.1f} % ({100 * row.low:.1f} to {100 * row.high:.1f})"
        parts.append(_text(10, y - 10, row.name if len(row.name) < 48 else row.name[:47] + "…", "start"))
        style = f"stroke:{color(row.number)};stroke-width:3;stroke-linecap:round"
        form = '<line x1="{:.1f}" y1="{}" x2="{:.1f}" y2="{}" style="{}"/>'
        parts.append(markup(form, across(row.low), y, across(row.high), y, style))
        for share in row.dots:
            form = '<circle cx="{:.1f}" cy="{}" r="2.5" style="fill:none;stroke:{}"/>'
            parts.append(markup(form, across(share), y, color(row.number)))
        parts.append(_dot(across(row.value), y, row.number, told, 4.5))
    return _svg(WIDTH, height, parts, "; ".join(f"{row.name} {100 * row.value:.1f} %" for row in rows))


def reliability_diagram(bins: Sequence[dict]) -> Markup:
    """Accuracy over confidence per bin of ``skeletonllm.evaluation.calibration``; on the diagonal the two agree."""
    side, margin = 260, 34
    inner = side - margin - 8

    def place(x: float, y: float) -> tuple[float, float]:
        return margin + inner * x, 8 + inner * (1 - y)

    parts = [_segment("axis", *place(0, 0), *place(1, 1), dashed=True)]
    for share in (0, 0.5, 1):
        parts.append(_segment("grid", *place(0, share), *place(1, share)))
        parts.append(_text(margin - 4, place(0, share)[1] + 4, f"{100 * share:g}", "end"))
        parts.append(_text(place(share, 0)[0], side - 14, f"{100 * share:g}", "middle"))
    for each in bins:
        x, y = place(each["from"], each["accuracy"])
        width, height = inner * (each["to"] - each["from"]) - 1, inner * each["accuracy"]
        told = f"{each['count']} answers: {each['confidence']:.1%} confident, {each['accuracy']:.1%} right"
        form = '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" style="fill:{};opacity:.45"/>'
        parts.append(markup(form, x, y, width, height, color(0)))
        parts.append(_dot(*place(each["confidence"], each["accuracy"]), 0, told))
    parts.append(_text(margin + inner / 2, side - 1, "confidence, percent; bars: share right", "middle", faint=True))
    return _svg(side, side + 4, parts, "reliability diagram")


def confusion_matrix(counts: Sequence[Sequence[int]], rows: Sequence[str], columns: Sequence[str]) -> Markup:
    """Rows are true labels, columns answers; a cell is as dark as its share of the row. Empty cells are not drawn."""
    cell = 24 if len(columns) <= 24 else 13
    text = 11 if cell > 13 else 9
    longest = max(len(name) for name in (*rows, *columns))
    margin = min(170, 12 + int(0.56 * text * longest))
    width, height = margin + cell * len(columns) + margin // 2, margin + cell * len(rows) + 6
    parts = []
    for y, (name, row) in enumerate(zip(rows, counts, strict=True)):
        top, total = margin + cell * y, sum(row) or 1
        parts.append(_text(margin - 5, top + 0.68 * cell, name[:28], "end", size=text))
        parts.append(_segment("grid", margin, top + cell, margin + cell * len(columns), top + cell))
        for x, count in enumerate(row):
            if not count:
                continue
            share, left = count / total, margin + cell * x
            form = (
                '<rect x="{}" y="{}" width="{}" height="{}" style="fill:var(--heat);fill-opacity:{:.3f}">'
                "<title>{}</title></rect>"
            )
            told = f"{name}, answered {columns[x]}: {count} of {total}"
            parts.append(markup(form, left, top, cell, cell, share, told))
            if cell > 13:
                ink = Markup(";fill:#fff") if share > 0.55 else ""
                form = '<text x="{}" y="{}" text-anchor="middle" style="pointer-events:none{}">{}</text>'
                parts.append(markup(form, left + cell / 2, top + 16, ink, count))
    for x, name in enumerate(columns):
        left = margin + cell * x + 0.68 * cell
        form = '<text transform="translate({:.1f} {}) rotate(-55)" style="font-size:{}px">{}</text>'
        parts.append(markup(form, left, margin - 5, text, name[:28]))
    drawn = _svg(width, height, parts, "confusion matrix, rows true, columns answered", own=(width, height))
    return markup('<div class="wide">{}</div>', drawn)


def _svg(width: float, height: float, parts: Sequence[Markup], text: str, own: tuple | None = None) -> Markup:
    size = markup(' class="own" width="{}" height="{}"', *own) if own else ""
    form = '<svg viewBox="0 0 {} {}" role="img" aria-label="{}"{}>{}</svg>'
    return markup(form, width, height, text, size, joined(parts))


def _segment(kind: str, x1: float, y1: float, x2: float, y2: float, dashed: bool = False) -> Markup:
    form = '<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"{}/>'
    return markup(form, kind, x1, y1, x2, y2, Markup(' stroke-dasharray="4 3"') if dashed else "")


def _text(x: float, y: float, text: str, anchor: str, faint: bool = False, size: int = 11) -> Markup:
    kind = Markup(' class="faint"') if faint else ""
    form = '<text x="{:.1f}" y="{:.1f}" text-anchor="{}" style="font-size:{}px"{}>{}</text>'
    return markup(form, x, y, anchor, size, kind, text)


def _dot(x: float, y: float, number: int, told: str, radius: float = 3) -> Markup:
    form = '<circle cx="{:.1f}" cy="{:.1f}" r="{}" style="fill:{}"><title>{}</title></circle>'
    return markup(form, x, y, radius, color(number), told)
