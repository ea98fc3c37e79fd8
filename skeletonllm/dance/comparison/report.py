"""The report of a comparison as files: everything as JSON, its tables as Markdown, the page, and videos beside it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from skeletonllm.dance.comparison.markdown import markdown
from skeletonllm.dance.comparison.page import build_page
from skeletonllm.dance.comparison.shown import Pair, write_video
from skeletonllm.rendering.video import replacing

SUMMARY, MARKDOWN, PAGE = "comparison.json", "report.md", "report.html"


def write_report(
    summary: dict, pairs: Sequence[Pair], folder: Path, progress: Callable[[int], object] = lambda frames: None
) -> list[Path]:
    """Write a comparison into its folder.

    Args:
        summary: of ``summarize``.
        pairs: what to show, see ``shown.pairs_of``.
        folder: of the comparison.
        progress: told how many frames of videos were drawn.

    Returns:
        The files, videos last.
    """
    videos = [write_video(pair, folder, progress) for pair in pairs]
    texts = {
        SUMMARY: json.dumps(summary, indent=1),
        MARKDOWN: markdown(summary),
        PAGE: build_page(summary, list(zip(pairs, videos, strict=True))),
    }
    for name, text in texts.items():
        with replacing(folder / name) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    return [*(folder / name for name in texts), *videos]
