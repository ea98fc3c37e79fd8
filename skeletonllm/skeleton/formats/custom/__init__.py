"""Formats that a YAML file, a layout, describes; docs/formats.md says how one is written."""

from functools import lru_cache, partial
from pathlib import Path

from skeletonllm.skeleton.formats.common import Format
from skeletonllm.skeleton.formats.custom.layout import Layout
from skeletonllm.skeleton.formats.custom.parsing import parse_layout
from skeletonllm.skeleton.formats.custom.reading import fits, read_with

__all__ = ["LAYOUT_FILE", "LAYOUT_SUFFIXES", "format_beside", "format_of", "load_layout"]

# A layout of this name holds for the files beside it.
LAYOUT_FILE = "skeleton-layout.yaml"
LAYOUT_SUFFIXES = (".yaml", ".yml")
_KEPT = 64


def load_layout(path: str | Path, taken: frozenset[str] = frozenset()) -> Layout:
    """Read and check a layout.

    Args:
        path: the YAML file.
        taken: names that other formats have.

    Raises:
        FileNotFoundError: no such file.
        SkeletonFormatError: names line and key of what is wrong, and what was expected.
    """
    return parse_layout(Path(path), taken)


def format_of(path: str | Path, taken: frozenset[str] = frozenset()) -> Format:
    """The format that a layout describes. Raises what ``load_layout`` raises."""
    path = Path(path)
    # A file that was written to since is read again; one that is not there raises its error here.
    status = path.stat()
    return _format(path, status.st_mtime_ns, status.st_size, taken)


def format_beside(path: Path, taken: frozenset[str] = frozenset()) -> Format | None:
    """The format that the layout in a file's folder describes, if there is one and it holds for files of this name.

    Raises:
        SkeletonFormatError: there is one, with a mistake.
    """
    layout = path.parent / LAYOUT_FILE
    if not layout.is_file():
        return None
    format = format_of(layout, taken)
    return format if format.sniff(b"", path) else None


@lru_cache(maxsize=_KEPT)
def _format(path: Path, modified: int, size: int, taken: frozenset[str]) -> Format:
    layout = parse_layout(path, taken)
    return Format(
        layout.name,
        layout.description,
        layout.source.suffixes,
        lambda head, file: fits(layout, file),
        partial(read_with, layout),
    )
