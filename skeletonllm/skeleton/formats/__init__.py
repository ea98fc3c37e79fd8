"""Readers: one file per format, found by what the file holds first and by its suffix second."""

from pathlib import Path

from skeletonllm.skeleton.formats import gtu, humanml3d, npz, ntu, nw_ucla, utd_mhad
from skeletonllm.skeleton.formats.common import Format, SkeletonFormatError, describe, is_text
from skeletonllm.skeleton.formats.npz import write_npz
from skeletonllm.skeleton.sequence import SkeletonSequence

__all__ = ["FORMATS", "Format", "SkeletonFormatError", "detect_format", "read_skeleton", "write_npz"]

HEAD_BYTES = 512

FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        ntu,
        humanml3d,
        nw_ucla,
        utd_mhad,
        gtu,
        npz,
    )
}


def detect_format(path: str | Path) -> Format:
    """The format of a file by its first bytes; the suffix decides only between formats that look alike.

    Raises:
        FileNotFoundError: no such file.
        SkeletonFormatError: not a regular file, empty, or no format that is known.
    """
    path = Path(path)
    head = _head(path)
    fitting = [format for format in FORMATS.values() if head and format.sniff(head, path)]
    by_suffix = [format for format in fitting or FORMATS.values() if path.suffix.lower() in format.suffixes]
    if fitting:
        return (by_suffix or fitting)[0]
    descriptions = [format.description for format in by_suffix or FORMATS.values()]
    place = "line 1" if is_text(head) else "byte 0"
    raise SkeletonFormatError(path, place, describe(head), " or ".join(descriptions))


def read_skeleton(path: str | Path, format: str | None = None, *, max_persons: int | None = None) -> SkeletonSequence:
    """Read a skeleton recording, whatever its format.

    Args:
        path: the file.
        format: a key of ``FORMATS``, where the file is not to be looked at to find out.
        max_persons: keep at most so many persons; readers put those who are seen longest and move most first.

    Returns:
        The recording in metres, Y up, Z away from the camera; ``notes`` says what was assumed.

    Raises:
        FileNotFoundError: no such file.
        SkeletonFormatError: the file is not what it claims to be.
        ValueError: unknown ``format``, or ``max_persons`` below 1.
    """
    path = Path(path)
    if format is not None and format not in FORMATS:
        raise ValueError(f"unknown format {format!r}; known: {', '.join(sorted(FORMATS))}")
    if max_persons is not None and max_persons < 1:
        raise ValueError(f"max_persons is {max_persons}, expected at least 1")
    if format is None:
        reader = detect_format(path)
    else:
        reader = FORMATS[format]
        _head(path)
    sequence = reader.read(path)
    if max_persons is None or sequence.num_persons <= max_persons:
        return sequence
    rotations = None if sequence.rotations is None else sequence.rotations[:, :max_persons]
    note = f"{sequence.num_persons - max_persons} of {sequence.num_persons} persons left out on request"
    return sequence.replace(
        joints=sequence.joints[:, :max_persons],
        valid=sequence.valid[:, :max_persons],
        rotations=rotations,
        notes=(*sequence.notes, note),
    )


def _head(path: Path) -> bytes:
    """The first bytes of a regular file; anything else (a folder, a pipe, a device) could hang or never end."""
    if path.exists() and not path.is_file():
        found = "a folder" if path.is_dir() else "no regular file"
        raise SkeletonFormatError(path, "path", found, "a file with one recording")
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)
