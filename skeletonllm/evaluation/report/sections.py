"""A plain web page of paragraphs, tables and pictures that lie beside it."""

from dataclasses import dataclass, field
from pathlib import Path

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
