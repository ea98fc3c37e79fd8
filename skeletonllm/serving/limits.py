"""What one visitor may take: bytes, seconds, places; names of files that go nowhere, and folders that go away."""

import re
import shutil
import tempfile
import threading
import time
import unicodedata
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

# File systems take 255 bytes; what readers look at, such as S001C001P001R001A001.skeleton, is far shorter.
_NAME_BYTES = 120
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*&#%/\\]+')


class LimitError(ValueError):
    """Something is more than is taken; says how much was found, and how much would be."""


@dataclass(frozen=True)
class Limits:
    """What is taken of a visitor.

    Args:
        upload_bytes: of all files of a request together, unpacked from base64.
        uploading_bytes: of all requests that are being received at once.
        upload_seconds: in which the body of a request has to come.
        files: of a request.
        motion_seconds: of a recording.
        motion_values: numbers that a recording may have, frames x persons x joints x 3.
        reading_seconds: in which a file has to be read.
        reading_bytes: of memory that reading a file may take.
        song_seconds: of music that is danced to.
        work_seconds: of one question, picture or dance, from its turn on.
        waiting: requests that may wait at once, of questions and of pictures each.
        at_once: questions that are answered together.
        answer_tokens: of an answer.
        question_characters: of a question or a candidate.
        candidates: of a question.
        steps: of sampling a dance.
        keep_seconds: how long a visitor who says nothing keeps files.

    Raises:
        ValueError: a limit that is not positive.
    """

    upload_bytes: int = 32 * 2**20
    uploading_bytes: int = 256 * 2**20
    upload_seconds: float = 60.0
    files: int = 4
    motion_seconds: float = 3600.0
    motion_values: int = 40_000_000
    reading_seconds: float = 30.0
    reading_bytes: int = 2**31
    song_seconds: float = 300.0
    work_seconds: float = 300.0
    waiting: int = 64
    at_once: int = 8
    answer_tokens: int = 512
    question_characters: int = 20_000
    candidates: int = 256
    steps: int = 200
    keep_seconds: float = 3600.0

    def __post_init__(self):
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"limit {field.name} is {getattr(self, field.name)}, expected a positive number")

    def check(self, what: str, found: float, most: float, unit: str = "") -> None:
        """Raises LimitError where something is more than is taken."""
        if found > most:
            unit = f" {unit}" if unit else ""
            raise LimitError(f"{what}: found {found:,.10g}{unit}, expected at most {most:,.10g}{unit}")


def safe_name(name: str) -> str:
    """A file name from outside as one without folders, and without signs that mean something to shells, browsers or
    ``FILE#NAME``; its suffix stays. What is left of nothing is called ``recording``."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    cleaned = _FORBIDDEN.sub("_", last).strip(" .")
    printable = "".join(sign for sign in cleaned if sign.isprintable())
    stem, dot, suffix = printable.rpartition(".")
    if not dot or len(suffix.encode()) > 16:
        stem, suffix = printable, ""
    room = _NAME_BYTES - len(suffix.encode()) - 1
    stem = stem.encode()[:room].decode(errors="ignore") or "recording"
    return f"{stem}.{suffix}" if suffix else stem


class Visitors:
    """A folder for each visitor, with a name that nobody can guess, below one that goes away with the server.

    Args:
        limits: how long a folder is kept that nobody closes.
        below: where, by default the system's folder for temporary files.
    """

    def __init__(self, limits: Limits, below: str | Path | None = None):
        self.limits = limits
        self._root = Path(tempfile.mkdtemp(prefix="skeletonllm-", dir=below))
        self._used: dict[Path, float] = {}
        self._lock = threading.Lock()

    @property
    def root(self) -> Path:
        """Where all folders are."""
        return self._root

    def open(self) -> Path:
        """A new folder, readable by this user alone. Folders that were forgotten are removed on the way."""
        self.sweep()
        folder = self._root / uuid.uuid4().hex
        folder.mkdir(mode=0o700)
        with self._lock:
            self._used[folder] = time.monotonic()
        return folder

    def touch(self, folder: Path) -> None:
        """The visitor is still there."""
        with self._lock:
            if folder in self._used:
                self._used[folder] = time.monotonic()

    def close(self, folder: Path) -> None:
        """Remove a visitor's folder with all that is in it; one that is gone already is no matter."""
        with self._lock:
            self._used.pop(folder, None)
        shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def visit(self) -> Iterator[Path]:
        """A folder for as long as the block takes."""
        folder = self.open()
        try:
            yield folder
        finally:
            self.close(folder)

    def sweep(self) -> None:
        """Remove the folders of visitors who said nothing for ``keep_seconds``."""
        oldest = time.monotonic() - self.limits.keep_seconds
        with self._lock:
            forgotten = [folder for folder, used in self._used.items() if used < oldest]
        for folder in forgotten:
            self.close(folder)

    def close_all(self) -> None:
        """Remove everything, at the end."""
        with self._lock:
            self._used.clear()
        shutil.rmtree(self._root, ignore_errors=True)
