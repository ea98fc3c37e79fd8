"""An evaluation in parts: each batch of answers is a file, written by whichever process comes to it.

Answers are functions of the batch alone, so it does not matter who computes which, in what order, or twice: processes
agree through the folder of parts and never wait for each other. What a lost one has left undone others do, now or when
the command is given again.
"""

import json
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

PARTS_FOLDER = "parts"
ABOUT_FILE = "about.json"
# Where parts go when nobody needs them any more: a folder that is renamed is gone for all at once.
_MERGED = "parts-merged"


class Parts:
    """The parts of one evaluation.

    Args:
        folder: of the evaluation; parts are in a folder within, made if need be.
        about: what all answers depend on, by name: JSON-able, the same in all processes.

    Raises:
        ValueError: there are parts of another evaluation; it tells what differs.
    """

    def __init__(self, folder: Path, about: Mapping):
        self.folder = folder / PARTS_FOLDER
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            if not (self.folder / ABOUT_FILE).exists():
                self._write(ABOUT_FILE, about)
            self._check(self._read(ABOUT_FILE), json.loads(json.dumps(about)))
        except FileNotFoundError:  # removed at this very moment by the first process, which needs them no more
            if not self.closed:
                raise

    @property
    def closed(self) -> bool:
        """Whether the first process has all it needs, so that nobody needs to do more."""
        return not self.folder.is_dir()

    def has(self, name: str) -> bool:
        """Whether a part is there, or no longer needed."""
        return (self.folder / f"{name}.json").exists() or self.closed

    def write(self, name: str, content: Mapping) -> None:
        """Keep a part: whole or not at all, whatever happens meanwhile. Nothing is kept once the parts are closed."""
        try:
            self._write(f"{name}.json", content)
        except FileNotFoundError:
            if not self.closed:
                raise

    def read(self, name: str) -> dict:
        """A part. Raises ValueError if the disk has spoilt it."""
        return self._read(f"{name}.json")

    def _write(self, name: str, content: Mapping) -> None:
        draft = self.folder / f"{name}.{socket.gethostname()}.{os.getpid()}.tmp"
        write_durably(draft, json.dumps(content))
        os.replace(draft, self.folder / name)

    def _read(self, name: str) -> dict:
        path = self.folder / name
        try:
            return json.loads(path.read_text())
        except ValueError as error:
            raise ValueError(f"{path} is damaged: {error}; remove it, and it is made again") from error

    def _check(self, found: Mapping, about: Mapping) -> None:
        differing = [name for name in {**found, **about} if found.get(name) != about.get(name)]
        if differing:
            raise ValueError(
                f"{self.folder} holds answers of an evaluation with other {', '.join(differing)}; "
                "remove that folder to begin anew, or choose another with --output"
            )


def remove_parts(folder: Path) -> None:
    """Remove all parts of an evaluation at once, though others may still be writing some."""
    merged = folder / _MERGED
    if merged.exists():  # of a process that was killed between the two steps below
        shutil.rmtree(merged)
    if (folder / PARTS_FOLDER).exists():
        os.rename(folder / PARTS_FOLDER, merged)
        shutil.rmtree(merged)


def write_durably(path: Path, text: str) -> None:
    """Write a file that is on the disk when this returns."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, text: str) -> None:
    """Write a file that a crash leaves as it was or as it shall be."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    write_durably(draft, text)
    os.replace(draft, path)
