"""Every recording below a folder: hidden files and companions passed over, files with several recordings expanded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from skeletonllm.skeleton.formats import detect_format, is_companion, read_recordings, read_skeleton
from skeletonllm.skeleton.formats.common import SkeletonFormatError
from skeletonllm.skeleton.sequence import SkeletonSequence

# Files with several recordings that a process keeps open: reading one recording after the other, even by turns of a
# few files, opens each file once.
OPEN_FILES = 4


@dataclass(frozen=True)
class Entry:
    """Where one recording is; it can be sent to another process.

    Args:
        path: the file.
        format: a key of ``FORMATS``, or None where the file is of no format: ``read`` then raises the reason.
        name: of the recording, where the file holds several.
    """

    path: Path
    format: str | None
    name: str | None = None

    def read(self) -> SkeletonSequence:
        """The recording. Raises what ``read_skeleton`` raises."""
        if self.name is None:
            return read_skeleton(self.path, self.format)
        status = self.path.stat()
        recordings = opened(self.path, self.format, status.st_mtime_ns, status.st_size)
        source = f"{self.path}#{self.name}"
        if source not in recordings:
            raise SkeletonFormatError(self.path, f"#{self.name}", "no recording of this name", "the file as listed")
        return recordings[source]()

    def id(self, root: Path) -> str:
        """What the recording is called within a folder: its relative path, and its name behind a #."""
        place = self.path.relative_to(root).as_posix()
        return place if self.name is None else f"{place}#{self.name}"


@dataclass(frozen=True)
class Walk:
    """What is below a folder, in the order of paths.

    Args:
        entries: the recordings, and the files that cannot be read.
        companions: files that belong to recordings and are none, such as lists of labels.
    """

    entries: tuple[Entry, ...]
    companions: tuple[Path, ...]


def walk(root: Path, progress: Callable[[int], None] = lambda files: None) -> Walk:
    """The recordings below a folder; hidden files and folders are passed over, links to folders not followed.

    Only the beginning of a file is looked at, but for one of a format that may hold several recordings.

    Args:
        root: the folder.
        progress: told how many files have been looked at.
    """
    entries, companions = [], []
    for count, path in enumerate(visible_files(root), start=1):
        if is_companion(path):
            companions.append(path)
        else:
            entries += entries_of(path)
        progress(count)
    return Walk(tuple(entries), tuple(companions))


def visible_files(root: Path) -> list[Path]:
    """Files below a folder in the order of their paths, without hidden ones and those in hidden folders."""
    return [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]


def entries_of(path: Path) -> list[Entry]:
    """The recordings of a file.

    One that cannot be opened is one entry, which raises the reason when it is read. A file that belongs to a recording
    which another file begins, such as a later frame, has none.
    """
    try:
        format = detect_format(path)
    except (SkeletonFormatError, OSError):
        return [Entry(path, None)]
    if format.recordings is None:
        return [Entry(path, format.name)]
    status = path.stat()
    try:
        sources = list(opened(path, format.name, status.st_mtime_ns, status.st_size))
    except SkeletonFormatError:
        return [Entry(path, format.name)]
    if len(sources) == 1:  # the only recording of a file is the file
        return [Entry(path, format.name)]
    return [Entry(path, format.name, source.removeprefix(f"{path}#")) for source in sources]


@lru_cache(maxsize=OPEN_FILES)
def opened(path: Path, format: str | None, modified: int, size: int) -> Mapping[str, Callable[[], SkeletonSequence]]:
    """What reads each recording of a file; a file that was written to since is opened again."""
    return read_recordings(path, format)
