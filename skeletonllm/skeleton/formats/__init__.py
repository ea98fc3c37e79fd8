"""Readers: one file per format, found by what the file holds first and by its suffix second."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache, partial
from pathlib import Path

from skeletonllm.skeleton.formats import (
    acclaim,
    aist,
    amass,
    bvh,
    coco,
    deepmimic,
    gtu,
    humanml3d,
    jhmdb,
    mediapipe,
    msr_action3d,
    npy_joints,
    npz,
    ntu,
    nw_ucla,
    openpose,
    penn_action,
    pyskl,
    skeleton_rows,
    ui_prmd,
    utd_mhad,
    utkinect,
)
from skeletonllm.skeleton.formats.coco_writer import write_coco
from skeletonllm.skeleton.formats.common import Format, SkeletonFormatError, describe, is_text
from skeletonllm.skeleton.formats.custom import LAYOUT_SUFFIXES, format_beside, format_of
from skeletonllm.skeleton.formats.npz import write_npz
from skeletonllm.skeleton.formats.plugins import plugin_formats
from skeletonllm.skeleton.formats.writers import WRITERS, write_skeleton
from skeletonllm.skeleton.sequence import SkeletonSequence

__all__ = [
    "FORMATS",
    "WRITERS",
    "Format",
    "SkeletonFormatError",
    "detect_format",
    "is_companion",
    "known_formats",
    "read_recordings",
    "read_skeleton",
    "write_coco",
    "write_npz",
    "write_skeleton",
]

HEAD_BYTES = 4096
# Files that stand beside recordings of any format.
GENERAL_COMPANIONS = (
    "readme*", "licen[cs]e*", "*.md", "*.yaml", "*.yml", "index.csv", "*.parquet", "*.tar", "*.tar.*", "*.zip",
)  # fmt: skip

FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        bvh,
        acclaim,
        ntu,
        humanml3d,
        nw_ucla,
        utd_mhad,
        penn_action,
        jhmdb,
        pyskl,
        gtu,
        npz,
        msr_action3d,
        utkinect,
        ui_prmd,
        amass,
        aist,
        deepmimic,
        skeleton_rows,
        openpose,
        mediapipe,
        coco,
        npy_joints,
    )
}


def known_formats() -> dict[str, Format]:
    """``FORMATS``, to which what installed packages bring is added the first time.

    Raises:
        ValueError: an installed package brings a format with the name of another one.
    """
    _add_plugins()
    return FORMATS


@cache
def _add_plugins() -> None:
    FORMATS.update(plugin_formats(FORMATS))


def detect_format(path: str | Path) -> Format:
    """The format of a file: that of the layout in its folder, if there is one for files of its name; else by its first
    bytes, where the suffix decides only between formats that look alike.

    Raises:
        FileNotFoundError: no such file.
        SkeletonFormatError: not a regular file, empty, or no format that is known; or a layout with a mistake.
    """
    path = Path(path)
    head = _head(path)
    formats = known_formats()
    described = format_beside(path, frozenset(formats))
    if described is not None:
        return described
    fitting = [format for format in formats.values() if head and format.sniff(head, path)]
    by_suffix = [format for format in fitting or formats.values() if path.suffix.lower() in format.suffixes]
    if fitting:
        return (by_suffix or fitting)[0]
    expected = " or ".join(format.description for format in by_suffix) or f"a file of {', '.join(formats)}"
    place = "line 1" if is_text(head) else "byte 0"
    raise SkeletonFormatError(path, place, describe(head), expected)


def read_skeleton(path: str | Path, format: str | None = None, *, max_persons: int | None = None) -> SkeletonSequence:
    """Read a skeleton recording, whatever its format.

    Args:
        path: the file; of one that holds several recordings, ``FILE#NAME`` is one of them.
        format: a key of ``known_formats()``, or the path of a layout (``.yaml``), where the file is not to be looked at
            to find out.
        max_persons: keep at most so many persons; readers put those who are seen longest and move most first.

    Returns:
        The recording in metres, Y up, Z away from the camera; ``notes`` says what was assumed.

    Raises:
        FileNotFoundError: no such file.
        SkeletonFormatError: the file is not what it claims to be, or holds several recordings and none is named.
        ValueError: unknown ``format``, or ``max_persons`` below 1.
    """
    if max_persons is not None and max_persons < 1:
        raise ValueError(f"max_persons is {max_persons}, expected at least 1")
    path, name = _split_name(Path(path))
    reader = _reader(path, format)
    sequence = reader.read(path) if name is None else _named(path, name, reader)
    if max_persons is None or sequence.num_persons <= max_persons:
        return sequence
    note = f"{sequence.num_persons - max_persons} of {sequence.num_persons} persons left out on request"
    return sequence.first_persons(max_persons).replace(notes=(*sequence.notes, note))


def read_recordings(path: str | Path, format: str | None = None) -> dict[str, Callable[[], SkeletonSequence]]:
    """What reads each recording of a file, by its name for ``read_skeleton``: the path, or ``FILE#NAME``.

    Raises:
        As ``read_skeleton`` does, here or when a recording is read.
    """
    path = Path(path)
    reader = _reader(path, format)
    if reader.recordings is None:
        return {str(path): partial(reader.read, path)}
    return {f"{path}#{name}": read for name, read in reader.recordings(path).items()}


def is_companion(path: str | Path) -> bool:
    """Whether a file is, by its name, no recording but belongs to some, such as a list of labels."""
    parts = [part.lower() for part in Path(path).parts[-2:]]
    names = {parts[-1], "/".join(parts)} if parts else set()
    patterns = (*GENERAL_COMPANIONS, *(pattern for format in known_formats().values() for pattern in format.companions))
    return any(fnmatchcase(name, pattern.lower()) for name in names for pattern in patterns)


def _split_name(path: Path) -> tuple[Path, str | None]:
    """FILE#NAME in its parts; a file whose own name has a # is left whole."""
    if path.exists() or "#" not in path.name:
        return path, None
    file, _, name = path.name.partition("#")
    return path.with_name(file), name


def _reader(path: Path, format: str | None) -> Format:
    if format is None:
        return detect_format(path)
    formats = known_formats()
    if format.endswith(LAYOUT_SUFFIXES):
        reader = format_of(format, frozenset(formats))
    else:
        reader = formats.get(format) or format_beside(path, frozenset(formats))
        if reader is None or reader.name != format:
            raise ValueError(f"unknown format {format!r}; known: {', '.join(sorted(formats))}, or a layout (.yaml)")
    _head(path)
    return reader


def _named(path: Path, name: str, reader: Format) -> SkeletonSequence:
    if reader.recordings is None:
        raise SkeletonFormatError(path, f"#{name}", f"one recording without a name ({reader.name})", "no #")
    recordings = reader.recordings(path)
    if name not in recordings:
        names = ", ".join(list(recordings)[:8]) + (", ..." if len(recordings) > 8 else "")
        raise SkeletonFormatError(path, f"#{name}", f"no recording of this name, but {names or 'none'}", "one of these")
    return recordings[name]()


def _head(path: Path) -> bytes:
    """The first bytes of a regular file; anything else (a folder, a pipe, a device) could hang or never end."""
    if path.exists() and not path.is_file():
        found = "a folder" if path.is_dir() else "no regular file"
        raise SkeletonFormatError(path, "path", found, "a file with one recording")
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)
