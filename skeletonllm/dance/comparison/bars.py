"""Bars with intervals, as SVG within a page."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from skeletonllm.evaluation.report.charts import color, ticks
from skeletonllm.evaluation.report.html import joined, markup

_WIDTH, _STEP, _THICK, _MARGIN = 360, 34, 9, 12
_LONGEST = 48
_LINE = '<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>'
_TEXT = '<text x="{:.1f}" y="{:.1f}" text-anchor="{}" style="font-size:11px"{}>{}</text>'


@dataclass(frozen=True)
class Bar:
    """A number from zero on, its interval if it has one, and what is told of it; ``group`` gives its colour."""

    name: str
    value: float
    interval: tuple[float, float] | None
    group: int
    told: str


def bar_chart(bars: Sequence[Bar], described: str) -> Markup:
    """Bars one below the other, the name of each above it so that it fits on a phone.

    Args:
        bars: in the order of drawing.
        described: for those who do not see it.
    """
    ends = [0.0, *(bar.value for bar in bars), *(end for bar in bars for end in bar.interval or ())]
    low, high = min(ends), max(ends)
    high = high if high > low else low + 1

    def across(value: float) -> float:
        return _MARGIN + (_WIDTH - 2 * _MARGIN) * (value - low) / (high - low)

    bottom = _STEP * len(bars) + 4
    parts = []
    for value in ticks(low, high):
        parts.append(markup(_LINE, "grid", across(value), 0, across(value), bottom))
        parts.append(markup(_TEXT, across(value), bottom + 14, "middle", Markup(' class="faint"'), f"{value:.3g}"))
    for place, bar in enumerate(bars):
        top = _STEP * place + 18
        name = bar.name if len(bar.name) <= _LONGEST else bar.name[: _LONGEST - 1] + "…"
        parts.append(markup(_TEXT, _MARGIN, top - 4, "start", "", name))
        start, stop = sorted((across(0), across(bar.value)))
        form = '<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" style="fill:{};opacity:.75"><title>{}</title></rect>'
        parts.append(markup(form, start, top, max(stop - start, 1), _THICK, color(bar.group), bar.told))
        if bar.interval is not None:
            left, right, middle = across(bar.interval[0]), across(bar.interval[1]), top + _THICK / 2
            parts.append(markup(_LINE, "axis", left, middle, right, middle))
            parts += [markup(_LINE, "axis", end, middle - 4, end, middle + 4) for end in (left, right)]
    parts.append(markup(_LINE, "axis", across(0), 0, across(0), bottom))
    form = '<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    return markup(form, _WIDTH, bottom + 18, described, joined(parts))
