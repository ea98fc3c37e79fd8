"""skeletonllm inspect --gallery: every recording below a folder as a moving picture, with what was understood."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from skeletonllm.cli.errors import describe_error

if TYPE_CHECKING:
    from PIL.Image import Image

    from skeletonllm.data.walk import Entry
    from skeletonllm.skeleton.sequence import Clip

Item = TypeVar("Item")

MOVING_FRAMES = 12
# On contact sheets: enough to tell which way a body moves.
STILL_FRAMES = 3
SHEET_COLUMNS, SHEET_STRIPS = 4, 40
# A page lists all failures; the terminal is spared those of a folder full of something else.
TOLD_FAILURES = 20


def write_gallery(folder: Path, output: Path, limit: int, per_format: int | None, size: int) -> None:
    """Write a page (``output`` ends in .html), or contact sheets by format (``output`` is a folder).

    Args:
        folder: everything below it is looked at, see ``walk``.
        output: the page or the folder.
        limit: recordings shown at most, evenly from all.
        per_format: the same of each format.
        size: side of a picture in pixels.

    Raises:
        ValueError: ``folder`` is none or holds nothing, or ``output`` is neither a page nor a folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: not a folder")
    as_page = output.suffix.lower() in (".html", ".htm") and not output.is_dir()
    if not as_page and (output.is_file() or (output.suffix and not output.is_dir())):
        raise ValueError(f"{output}: cannot write {output.suffix or 'over a file'}; use page.html or a folder")

    from tqdm import tqdm

    from skeletonllm.data.walk import walk

    with tqdm(desc="look", unit="file", mininterval=0.5) as bar:
        found = walk(folder, lambda files: bar.update(files - bar.n))
    if not found.entries:
        raise ValueError(f"{folder}: nothing in it but {len(found.companions)} files that are no recordings")
    chosen = choose(found.entries, limit, per_format)
    remarks = [f"Passed over: {len(found.companions)} files that belong to recordings, such as lists of labels."]
    if len(chosen) < len(found.entries):
        remarks.append(f"{len(chosen)} of {len(found.entries)} recordings chosen; --limit and --per-format give more.")
    failures: list[tuple[str, str]] = []
    with tqdm(total=len(chosen), desc="draw", unit="clip", mininterval=0.5) as bar:
        recordings = _read(chosen, folder, MOVING_FRAMES if as_page else STILL_FRAMES, failures, bar.update)
        write = _write_page if as_page else _write_sheets
        write(folder, output, recordings, failures, remarks, size)
    for name, reason in failures[:TOLD_FAILURES]:
        print(f"{name}: {reason}", file=sys.stderr)
    if failures:
        print(f"{len(failures)} of {len(chosen)} recordings could not be read", file=sys.stderr)


def choose(entries: "Sequence[Entry]", limit: int, per_format: int | None) -> "list[Entry]":
    """At most ``limit`` entries, and ``per_format`` of each format, spread evenly; what is of no format is kept."""
    if per_format is not None:
        kinds: dict[str | None, list] = {}
        for entry in entries:
            kinds.setdefault(entry.format, []).append(entry)
        kept = {e for form, inside in kinds.items() for e in (spread(inside, per_format) if form else inside)}
        entries = [entry for entry in entries if entry in kept]
    return spread(entries, limit)


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most ``count`` items, evenly from the whole."""
    if len(items) <= count:
        return list(items)
    return [items[index * len(items) // count] for index in range(count)]


def _read(
    entries: "Sequence[Entry]", folder: Path, frames: int, failures: list, progress: Callable[[int], Any]
) -> "Iterator[tuple[tuple[Entry, dict], Clip]]":
    """((entry, facts), clip) of what can be read; the rest goes to ``failures`` with its reason."""
    from skeletonllm.skeleton.formats import SkeletonFormatError
    from skeletonllm.skeleton.sequence import sample_clip
    from skeletonllm.skeleton.summary import summarize

    for entry in entries:
        try:
            sequence = entry.read()
        except (SkeletonFormatError, OSError) as error:
            failures.append((entry.id(folder), describe_error(error).removeprefix(f"{entry.path}: ")))
        else:
            yield (entry, summarize(sequence, entry.id(folder), entry.format)), sample_clip(sequence, frames)
        progress(1)


def _write_page(folder: Path, output: Path, recordings: Iterator, failures: list, remarks: list, size: int) -> None:
    from skeletonllm.cli.render import Backend, load_renderer
    from skeletonllm.rendering.gallery import animate, draw_all
    from skeletonllm.rendering.gallery_page import Exhibit, Gallery, page
    from skeletonllm.rendering.video import replacing

    exhibits = []
    for (entry, facts), frames in draw_all(recordings, load_renderer(None, Backend.auto), size):
        # A data set often has a folder of its own, and many below it with a few files each.
        top = entry.path.relative_to(folder).parts[0] if entry.path.parent != folder else ""
        name = entry.id(folder / top)
        exhibits.append(Exhibit(top or ".", name, facts, animate(frames, facts["seconds"])))
    remarks = [
        *remarks,
        f"{MOVING_FRAMES} frames spread over each recording, drawn by an untrained renderer: left arm blue, right arm "
        "red, left leg teal, right leg orange, as a camera sees them.",
    ]
    text = page(Gallery(str(folder), exhibits, failures, remarks, size))
    with replacing(output) as unfinished:
        # Names of files need not be UTF-8.
        unfinished.write_bytes(text.encode("utf-8", "replace"))
    print(f"{output}: {len(exhibits)} recordings, {len(failures)} failed, {output.stat().st_size / 1e6:.1f} MB")


def _write_sheets(folder: Path, output: Path, recordings: Iterator, failures: list, remarks: list, size: int) -> None:
    from skeletonllm.cli.render import Backend, load_renderer
    from skeletonllm.rendering.gallery import draw_all, sheet, strip
    from skeletonllm.rendering.video import write_png

    written: dict[str, int] = {}
    waiting: dict[str, list[Image]] = {}

    def write(form: str) -> None:
        written[form] = written.get(form, 0) + 1
        target = output / f"{form}-{written[form]:02d}.png"
        write_png(target, sheet(waiting.pop(form), f"{form} {written[form]}: {folder}", SHEET_COLUMNS))
        print(target)

    for (entry, facts), frames in draw_all(recordings, load_renderer(None, Backend.auto), size):
        form = entry.format
        lines = (facts["file"], f"{facts['label'] or '-'}, {facts['persons']} p, {facts['frames']} f")
        waiting.setdefault(form, []).append(strip(frames, lines))
        if len(waiting[form]) == SHEET_STRIPS:
            write(form)
    for form in list(waiting):
        write(form)
