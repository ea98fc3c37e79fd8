"""Pieces of a page that stands alone: escaped text, tables, notes, pictures within it, its look and its script."""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence

from markupsafe import Markup

_STYLE = """
:root { color-scheme: light dark; --paper: #f6f6f4; --card: #fff; --ink: #1c1c1c; --faint: #5f5f5f; --line: #d8d8d4;
  --warn: #b3430e; --heat: #2f6fdb; --c0: #2f6fdb; --c1: #c9650a; --c2: #168a5d; --c3: #b8358a; --c4: #7152cf;
  --c5: #0c8496; --c6: #cf3d3d; --c7: #806332 }
@media (prefers-color-scheme: dark) { :root { --paper: #161616; --card: #202020; --ink: #eaeaea; --faint: #a8a8a8;
  --line: #3c3c3c; --warn: #ff9a5c; --c0: #6ea8ff; --c1: #ffa24d; --c2: #4cc995; --c3: #f07fc4; --c4: #ac98ff;
  --c5: #4cc4d6; --c6: #ff8585; --c7: #cdb07c } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.5rem; margin: 0 0 .4rem } h2 { font-size: 1.25rem; margin: 2rem 0 .4rem; padding-top: .6rem;
  border-top: 1px solid var(--line) } h3 { font-size: 1.05rem; margin: 1.2rem 0 .3rem } h4 { margin: .8rem 0 .2rem }
p, ul { margin: .4rem 0 } ul { padding-left: 1.2rem } .faint, figcaption { color: var(--faint); font-size: .87rem }
nav a { display: inline-block; margin: 0 .9rem .3rem 0 } a { color: var(--c0) }
.wide { overflow-x: auto; max-width: 100%; margin: .5rem 0 }
table { border-collapse: collapse; background: var(--card); font-size: .87rem; overflow-wrap: normal }
td, th { border: 1px solid var(--line); padding: .25rem .55rem; text-align: left; vertical-align: top }
td { max-width: 26rem } td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
th { font-weight: 600; background: var(--paper) } .sortable th { cursor: pointer } .sortable th::after { content: " ↕";
  color: var(--faint) }
.warning { border-left: 4px solid var(--warn); padding: .1rem .8rem; margin: .7rem 0; background: var(--card) }
.warning b { color: var(--warn) } details { margin: .4rem 0 } summary { cursor: pointer; color: var(--faint) }
.panels { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr));
  align-items: start }
.panel { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .6rem; min-width: 0 }
figure { margin: 0 } svg { display: block; width: 100%; max-width: 34rem; height: auto } svg.own { width: auto;
  max-width: none } svg text { fill: var(--ink); font: 11px system-ui, sans-serif }
.panel svg text { paint-order: stroke; stroke: var(--card); stroke-width: 3px }
svg text.faint { fill: var(--faint) }
svg .grid { stroke: var(--line); stroke-width: 1 } svg .axis { stroke: var(--faint); stroke-width: 1 }
svg polyline { fill: none; stroke-linejoin: round } .key { font-size: .85rem } .key span { margin-right: .9rem;
  display: inline-block }
pre { white-space: pre-wrap; max-height: 30rem; overflow-y: auto; font-size: .82rem }
.key i { display: inline-block; width: 1.1rem; height: .22rem; margin: 0 .3rem .2rem 0 }
img { max-width: 100%; height: auto; display: block; border-radius: .3rem; background: #000 }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .4rem } .pair img { width: 100% }
"""

# A click on the head of a column sorts its table by it, by numbers where all cells that hold anything begin with one.
_SCRIPT = """
for (const head of document.querySelectorAll(".sortable th")) {
  const sort = () => {
    const table = head.closest("table"), column = head.cellIndex, rows = [...table.rows].slice(1);
    const up = head.dataset.up !== "yes";
    const key = row => row.cells[column].textContent.trim();
    const numeric = rows.every(row => !key(row) || !isNaN(parseFloat(key(row))));
    const order = numeric ? (a, b) => (parseFloat(key(a)) || 0) - (parseFloat(key(b)) || 0)
                          : (a, b) => key(a).localeCompare(key(b));
    rows.sort((a, b) => up ? order(a, b) : order(b, a)).forEach(row => row.parentNode.append(row));
    for (const other of table.rows[0].cells) { delete other.dataset.up; other.removeAttribute("aria-sort") }
    head.dataset.up = up ? "yes" : "no";
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
  };
  head.tabIndex = 0;
  head.addEventListener("click", sort);
  head.addEventListener("keydown", event => { if (event.key === "Enter") sort() });
}
"""
_NUMBER = re.compile(r"[+\-−]?\d[\d.,]*(e[+-]?\d+)?( ?%| of \d+| \(.*\)|)")


def markup(form: str, *values, **named) -> Markup:
    """HTML with values put in; every value that is no ``Markup`` is escaped."""
    return Markup(form).format(*values, **named)


def joined(parts: Iterable[str]) -> Markup:
    """Pieces of HTML one behind the other; those that are no ``Markup`` are escaped."""
    return Markup("\n").join(parts)


def table(rows: Sequence[Sequence[object]], sortable: bool = False) -> Markup:
    """A table whose first row is its head; it scrolls sideways within itself where it is too wide."""
    head = joined(markup('<th scope="col">{}</th>', cell) for cell in rows[0])
    body = joined(markup("<tr>{}</tr>", joined(map(_cell, row))) for row in rows[1:])
    kind = Markup(' class="sortable"') if sortable else ""
    return markup('<div class="wide"><table{}><tr>{}</tr>{}</table></div>', kind, head, body)


def _cell(value: object) -> Markup:
    number = not isinstance(value, Markup) and _NUMBER.fullmatch(str(value))
    return markup("<td{}>{}</td>", Markup(' class="n"') if number else "", value)


def paragraph(text: object, faint: bool = False) -> Markup:
    return markup("<p{}>{}</p>", Markup(' class="faint"') if faint else "", text)


def heading(text: object, level: int = 3) -> Markup:
    return markup("<h{0}>{1}</h{0}>", level, text)


def warning(title: object, lines: Sequence[object] = ()) -> Markup:
    """Something that a reader must not overlook."""
    listed = markup("<ul>{}</ul>", joined(markup("<li>{}</li>", line) for line in lines)) if lines else ""
    return markup('<div class="warning"><p><b>{}</b></p>{}</div>', title, listed)


def details(summary: object, body: object) -> Markup:
    """What unfolds at a click."""
    return markup("<details><summary>{}</summary>{}</details>", summary, body)


def panels(parts: Sequence[object]) -> Markup:
    """Pieces side by side, as many as there is room for."""
    return markup('<div class="panels">{}</div>', joined(markup('<div class="panel">{}</div>', part) for part in parts))


def image(data: bytes, text: str, kind: str = "webp") -> Markup:
    """A picture within the page; ``text`` is for those who do not see it."""
    encoded = base64.b64encode(data).decode()
    return markup('<img loading="lazy" decoding="async" alt="{}" src="data:image/{};base64,{}">', text, kind, encoded)


def figure(picture: object, caption: object) -> Markup:
    return markup("<figure>{}<figcaption>{}</figcaption></figure>", picture, caption)


def page(title: str, introduction: object, sections: Sequence[tuple[str, Markup]]) -> str:
    """A whole page: a list of its sections, then the sections. It loads nothing and runs nothing but its own script."""
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    links = joined(markup('<a href="#s{}">{}</a>', place, name) for place, (name, _) in enumerate(sections))
    parts = [
        Markup('<!doctype html><html lang="en"><head><meta charset="utf-8">'),
        markup('<meta http-equiv="Content-Security-Policy" content="{}">', Markup(policy)),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        markup("<title>{}</title><style>{}</style></head><body>", title, Markup(_STYLE)),
        markup("<h1>{}</h1>{}<nav>{}</nav>", title, introduction, links),
        *(
            markup('<section id="s{}"><h2>{}</h2>{}</section>', place, name, body)
            for place, (name, body) in enumerate(sections)
        ),
        markup("<script>{}</script></body></html>", Markup(_SCRIPT)),
    ]
    return str(joined(parts))
