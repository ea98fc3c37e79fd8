"""What a teacher has answered, on disk: a journal that a killed job goes on from, and Parquet to train on."""

import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

ACCEPTED_FILE, REJECTED_FILE, SETTINGS_FILE = "accepted.jsonl", "rejected.jsonl", "settings.json"
DATA_FOLDER = "data"
ROWS_PER_FILE = 1000

CARD = """\
---
configs:
- config_name: default
  data_files: data/*.parquet
---
# Rationales

What each part of a body does in skeleton recordings, written by {model} (prompt version {prompt_version}), which saw
their frames and was told the action. One row per recording: `id`, `label`, `rationale` without the label, `said` (the
label that the answer ended with), and how it came about. `accepted.jsonl` holds the same rows as they came,
`rejected.jsonl` what was refused, with the reason, and `settings.json` what was asked.
"""


class Ledger:
    """The folder of a job. Every answer is on disk before the next question is asked.

    Args:
        folder: made if need be.
        settings: what the answers depend on; JSON-able.

    Raises:
        ValueError: the folder was begun with other settings, is damaged, or another job is writing to it.
    """

    def __init__(self, folder: str | Path, settings: dict):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = (self.folder / ACCEPTED_FILE).open("ab")
        self._rejected_file = (self.folder / REJECTED_FILE).open("ab")
        try:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(f"{self.folder}: another job is writing to it") from None
            self._check(settings)
            self.accepted = {row["id"] for row in self._resume(self._file)}
            # How often an answer about a recording was rejected.
            self.rejected = Counter(row["id"] for row in self._resume(self._rejected_file))
        except BaseException:
            self._close_files()
            raise

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_) -> None:
        """Write Parquet of all rows, whatever ended the job."""
        try:
            self.write_parquet()
        finally:
            self._close_files()

    def spent(self) -> Iterator[tuple[int, int]]:
        """Tokens of the question and of the answer, of every answer so far."""
        for name in (ACCEPTED_FILE, REJECTED_FILE):
            for row in _rows(self.folder / name):
                yield row["prompt_tokens"] or 0, row["completion_tokens"] or 0

    def accept(self, row: dict) -> None:
        """Keep a row, whose keys are the columns of ``schema``."""
        _append(self._file, row)
        self.accepted.add(row["id"])
        if len(self.accepted) % ROWS_PER_FILE == 0:
            self.write_parquet()

    def reject(self, row: dict) -> None:
        """Keep a row with its ``reason``."""
        _append(self._rejected_file, row)
        self.rejected[row["id"]] += 1

    def write_parquet(self) -> None:
        """Bring the Parquet files up to date; each appears whole or not at all, and full ones are left alone."""
        import pyarrow
        import pyarrow.parquet

        rows = _rows(self.folder / ACCEPTED_FILE)
        for number in range(-(-len(self.accepted) // ROWS_PER_FILE)):
            chunk = list(islice(rows, ROWS_PER_FILE))
            path = self.folder / DATA_FOLDER / f"part-{number:05d}.parquet"
            if path.exists() and pyarrow.parquet.read_metadata(path).num_rows == len(chunk):
                continue
            path.parent.mkdir(exist_ok=True)
            unfinished = path.with_suffix(".unfinished")
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(chunk, schema()), unfinished)
            os.replace(unfinished, path)

    def _check(self, settings: dict) -> None:
        path = self.folder / SETTINGS_FILE
        # As they will be read again: tuples are lists there.
        settings = json.loads(json.dumps(settings))
        if path.exists():
            try:
                before = json.loads(path.read_text())
            except ValueError as error:
                raise ValueError(f"{path}: damaged: {error}") from None
            if other := [key for key in settings if before.get(key) != settings[key]]:
                told = ", ".join(f"{key} {before.get(key)!r}, now {settings[key]!r}" for key in other)
                raise ValueError(f"{self.folder} was begun with other settings: {told}; choose another folder")
        else:
            unfinished = path.with_suffix(".unfinished")
            unfinished.write_text(json.dumps(settings, indent=1) + "\n")
            os.replace(unfinished, path)
            (self.folder / "README.md").write_text(CARD.format(**settings))

    def _resume(self, file) -> Iterator[dict]:
        """The rows of a journal, which loses its last line if a kill has cut it off."""
        path = Path(file.name)
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)
        return _rows(path)

    def _close_files(self) -> None:
        self._file.close()
        self._rejected_file.close()


def schema():
    """The columns of the Parquet files (pyarrow)."""
    import pyarrow

    text, count = pyarrow.string(), pyarrow.int64()
    frames = pyarrow.struct(
        [
            ("renderer", text),
            ("clip", text),
            ("indices", pyarrow.list_(pyarrow.int32())),
            ("image_size", pyarrow.int32()),
        ]
    )
    return pyarrow.schema(
        [
            ("id", text), ("label", text), ("rationale", text), ("said", text),
            ("moved", pyarrow.list_(text)), ("frames", frames),
            ("model", text), ("served_model", text), ("prompt_version", text), ("temperature", pyarrow.float64()),
            ("seed", count), ("attempt", pyarrow.int32()), ("finish_reason", text),
            ("prompt_tokens", count), ("completion_tokens", count),
        ]
    )  # fmt: skip


def _append(file, row: dict) -> None:
    file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    file.flush()


def _rows(path: Path) -> Iterator[dict]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                row["id"], row["prompt_tokens"], row["completion_tokens"]  # noqa: B018 (they must be there)
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path}:{number}: damaged: {error!r}") from None
            yield row
