"""One HTML file that shows a gallery: works offline, on a phone, by day and by night; runs nothing that a file says."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any


@dataclass(frozen=True)
class Exhibit:
    """A recording in a gallery.

    Args:
        folder: the group that it belongs to within its format, such as the folder that its file is in.
        name: of the file and, if it holds several recordings, of the recording.
        facts: what was understood, as ``skeletonllm inspect --json`` prints it.
        picture: an animated WebP.
    """

    folder: str
    name: str
    facts: Mapping[str, Any]
    picture: bytes


@dataclass(frozen=True)
class Gallery:
    """What a page shows.

    Args:
        title: of the page.
        exhibits: in order.
        failures: (name, reason) of what could not be read.
        remarks: sentences about the whole, such as what was left out.
        size: side of the pictures in pixels.
    """

    title: str
    exhibits: Sequence[Exhibit]
    failures: Sequence[tuple[str, str]]
    remarks: Sequence[str]
    size: int


_STYLE = """
:root { color-scheme: light dark; --paper: #f6f6f4; --card: #fff; --ink: #1c1c1c; --faint: #666; --line: #ddd }
@media (prefers-color-scheme: dark) {
  :root { --paper: #161616; --card: #222; --ink: #eaeaea; --faint: #a5a5a5; --line: #3a3a3a }
}
* { box-sizing: border-box }
body { margin: 0; padding: 1rem; background: var(--paper); color: var(--ink); font: 15px/1.4 system-ui, sans-serif }
h1 { font-size: 1.4rem; margin: 0 0 .5rem } h2 { font-size: 1.15rem; margin: 1.5rem 0 .2rem }
h3 { font-size: 1rem; font-weight: 600; margin: .8rem 0 .5rem; color: var(--faint) }
p, ul { margin: .3rem 0 } ul { padding-left: 1.2rem }
h1, h2, h3, li, dd, .name { overflow-wrap: anywhere }
.find { position: sticky; top: 0; z-index: 1; padding: .6rem 0; background: var(--paper) }
.find input { width: min(100%, 26rem); padding: .45rem .7rem; font: inherit; color: inherit; background: var(--card);
  border: 1px solid var(--line); border-radius: .4rem }
.cards { display: grid; gap: .7rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 23rem), 1fr)) }
.card { display: flex; align-items: flex-start; gap: .7rem; padding: .6rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem; content-visibility: auto; contain-intrinsic-size: auto 12rem }
.card img { flex: none; width: 10rem; max-width: 42vw; height: auto; aspect-ratio: 1; border-radius: .3rem }
.card div { min-width: 0 } .name { font-weight: 600; margin: 0 0 .2rem }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0 .6rem; margin: 0; font-size: .82rem }
dt { color: var(--faint) } dd { margin: 0 } details { font-size: .82rem; color: var(--faint) }
.failed { border-left: 4px solid #d33; padding-left: .8rem }
[hidden] { display: none !important }
"""

# Every word that is typed must stand in a card; sections without a card go.
_SCRIPT = """
const box = document.querySelector("#find"), told = document.querySelector("#told");
const cards = [...document.querySelectorAll(".card")].map(card => [card, card.textContent.toLowerCase()]);
box.addEventListener("input", () => {
  const words = box.value.toLowerCase().split(/\\s+/);
  let count = 0;
  for (const [card, text] of cards) {
    card.hidden = !words.every(word => text.includes(word));
    count += !card.hidden;
  }
  for (const part of document.querySelectorAll("section, section > div"))
    part.hidden = !part.querySelector(".card:not([hidden])");
  told.textContent = ` ${count} of ${cards.length} shown`;
});
"""


def page(gallery: Gallery) -> str:
    """The HTML of a gallery, by format and folder."""
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    size = sum(len(exhibit.picture) for exhibit in gallery.exhibits)
    counted = f"{len(gallery.exhibits)} recordings, {size / 1e6:.1f} MB of pictures, {gallery.size} pixels wide."
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(gallery.title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(gallery.title)}</h1>",
        *(f"<p>{escape(remark)}</p>" for remark in (counted, *gallery.remarks)),
        *_failures(gallery.failures),
        '<p class="find"><input id="find" type="search" placeholder="Filter: words of names, labels, notes" '
        'aria-label="Filter"><span id="told" aria-live="polite"></span></p>',
        *_sections(gallery.exhibits),
        f"<script>{_SCRIPT}</script></body></html>",
    ]
    return "\n".join(parts)


def _failures(failures: Sequence[tuple[str, str]]) -> list[str]:
    if not failures:
        return []
    rows = (f"<li><b><bdi>{escape(name)}</bdi></b>: {escape(reason)}</li>" for name, reason in failures)
    return [f'<div class="failed"><h2>{len(failures)} could not be read</h2><ul>', *rows, "</ul></div>"]


def _sections(exhibits: Sequence[Exhibit]) -> list[str]:
    groups: dict[str, dict[str, list[Exhibit]]] = {}
    for exhibit in exhibits:
        groups.setdefault(exhibit.facts["format"], {}).setdefault(exhibit.folder, []).append(exhibit)
    parts = []
    for form, folders in sorted(groups.items()):
        parts.append(f"<section><h2>{escape(form)} ({sum(map(len, folders.values()))})</h2>")
        for folder, inside in folders.items():
            parts.append(f'<div><h3><bdi>{escape(folder)}</bdi> ({len(inside)})</h3><div class="cards">')
            parts += map(_card, inside)
            parts.append("</div></div>")
        parts.append("</section>")
    return parts


def _card(exhibit: Exhibit) -> str:
    facts, extent = exhibit.facts, exhibit.facts["extent"]
    rows = {
        "label": facts["label"] or "–",
        "format": facts["format"],
        "topology": facts["topology"],
        "persons": facts["persons"],
        "frames": f"{facts['frames']} at {facts['fps']:g} fps, {facts['seconds']:.2f} s",
        "extent": f"{extent['x']:.2f} × {extent['y']:.2f} × {extent['z']:.2f} m (x, y, z)",
        "missing": f"{facts['missing_joints']:.1%} of joints",
    }
    listed = "".join(f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in rows.items())
    notes = "".join(f"<li>{escape(note)}</li>" for note in facts["notes"])
    unfold = f"<details><summary>{len(facts['notes'])} notes</summary><ul>{notes}</ul></details>" if notes else ""
    picture = f"data:image/webp;base64,{base64.b64encode(exhibit.picture).decode()}"
    return (
        f'<article class="card"><img loading="lazy" decoding="async" alt="moving skeleton" src="{picture}">'
        f'<div><p class="name"><bdi>{escape(exhibit.name)}</bdi></p><dl>{listed}</dl>{unfold}</div></article>'
    )
