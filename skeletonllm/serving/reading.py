"""A visitor's files to a recording, and what was understood of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from skeletonllm.serving.limits import Limits, safe_name
from skeletonllm.skeleton.formats import detect_format, is_companion, read_recordings, read_skeleton
from skeletonllm.skeleton.formats.custom import LAYOUT_SUFFIXES
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.summary import summarize

# Of a file that holds hundreds of recordings, so many are looked at.
MOST_OF_A_FILE = 8


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording that was read.

    Args:
        name: of its file, without folders.
        sequence: what is in it; ``source`` is the name.
        facts: format, topology, persons, frames, fps, seconds, extent, missing joints, label and notes, JSON-able; see
            ``skeletonllm.skeleton.summary``.
    """

    name: str
    sequence: SkeletonSequence
    facts: dict


def save_files(folder: Path, files: Iterable[tuple[str, bytes]], limits: Limits) -> list[Path]:
    """Write a visitor's files into a folder of their own, under names that lead nowhere else.

    Raises:
        LimitError: too many, or too large together.
        ValueError: two with one name.
    """
    paths: list[Path] = []
    total = 0
    for name, data in files:
        path = folder / safe_name(name)
        total += len(data)
        limits.check("files", len(paths) + 1, limits.files)
        limits.check("bytes of files", total, limits.upload_bytes)
        if path in paths:
            raise ValueError(f"{path.name}: two files have this name")
        path.write_bytes(data)
        paths.append(path)
    return paths


def read_recording(paths: list[Path], limits: Limits, which: str | None = None) -> Recording:
    """The recording that a visitor's files make.

    Args:
        paths: one file, or one and those that belong to it, such as the ``.asf`` of an ``.amc``; in one folder.
        limits: how long and large a recording may be.
        which: of a file with several recordings, the name of one.

    Raises:
        ValueError: no such recording (a ``SkeletonFormatError`` says where and why); several; one beyond the limits.
    """
    layouts = [path.name for path in paths if path.suffix.lower() in LAYOUT_SUFFIXES]
    if layouts:
        raise ValueError(f"{layouts[0]}: descriptions of formats are not taken from visitors, only recordings")
    path = _main_of(paths)
    format = detect_format(path)
    sequence = read_skeleton(path) if which is None else _named(path, which)
    limits.check("seconds of a recording", sequence.duration, limits.motion_seconds)
    limits.check("numbers in a recording", sequence.joints.size, limits.motion_values)
    notes = tuple(note.replace(f"{path.parent}/", "") for note in sequence.notes)
    name = path.name if which is None else f"{path.name}#{which}"
    sequence = sequence.replace(source=name, notes=notes)
    return Recording(name, sequence, summarize(sequence, name, format.name))


def recordings_inside(path: Path) -> list[str | None]:
    """The names of the first recordings in a file, at most ``MOST_OF_A_FILE``; None for the only one.

    Raises:
        ValueError: none.
    """
    names = [name.partition("#")[2] for name in read_recordings(path)]
    return [None] if len(names) == 1 else list(names[:MOST_OF_A_FILE])


def _named(path: Path, which: str) -> SkeletonSequence:
    """One of the recordings of a file. A name from outside is looked up, and never part of a path."""
    recordings = read_recordings(path)
    read = recordings.get(f"{path}#{which}")
    if read is None:
        names = [name.partition("#")[2] for name in recordings if "#" in name]
        known = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise ValueError(f"{path.name}: #{which[:80]}: no recording of this name, expected one of {known or 'none'}")
    return read()


def _main_of(paths: list[Path]) -> Path:
    """The file that begins a recording; the others belong to it."""
    if len(paths) == 1:
        return paths[0]
    begin = [path for path in paths if not is_companion(path) and read_recordings(path)]
    if len(begin) != 1:
        found = ", ".join(path.name for path in begin) or "none"
        raise ValueError(f"{len(paths)} files of which {len(begin)} are recordings ({found}), expected one")
    return begin[0]
