"""How the app looks: fonts of the visitor's own system, the same colours as the animated view, by day and by night."""

from pathlib import Path

import gradio as gr

_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "monospace"]

CSS = Path(__file__).with_name("app.css")


def in_scheme(html: str, scheme: str | None) -> str:
    """A page of its own within the app, by day (``light``) or by night (``dark``) where a visitor asks the app for one
    with ``?__theme=``; else as the visitor's system has it."""
    if scheme not in ("light", "dark"):
        return html
    medium = "@media all" if scheme == "dark" else "@media not all"
    html = html.replace("@media (prefers-color-scheme: dark)", medium)
    return html.replace("color-scheme: light dark", f"color-scheme: {scheme}")


def slot(name: str, html: str = "") -> gr.HTML:
    """A place for HTML of our own; while it is empty it takes no room."""
    return gr.HTML(html, elem_id=name, apply_default_css=False)


def theme() -> gr.themes.Base:
    """Quiet, in the system's own letters."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.blue,
        neutral_hue=gr.themes.colors.zinc,
        font=_FONTS,
        font_mono=_MONO,
        radius_size=gr.themes.sizes.radius_md,
    )
