"""Recordings of any folder of skeleton files, or of a list that names files and what is known of them."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from skeletonllm.data.recordings import Recording
from skeletonllm.data.sources.files import reader
from skeletonllm.data.walk import walk
from skeletonllm.skeleton.formats.common import MAX_BYTES, SkeletonFormatError, check_size, short

LISTS = (".csv", ".jsonl")
# Columns of a list with a meaning of their own; any other holds integers, which become attributes.
_KNOWN = ("file", "label", "id", "split", "caption", "captions", "rationale")


@dataclass(frozen=True)
class Listed:
    """A recording to be packed and its captions.

    Args:
        recording: its label is empty where nothing but the file itself may tell it.
        captions: sentences about the motion.
        file_knows_better: whether a label that the file itself has goes before that of the recording.
    """

    recording: Recording
    captions: tuple[str, ...] = ()
    file_knows_better: bool = False


def list_folder(root: Path) -> list[Listed]:
    """Every recording below a folder, see ``walk``, in the order of paths.

    The id is the path relative to ``root``, with #NAME behind it where a file holds several recordings. The label is
    what the file itself says, else the name of the folder that it is in, if that is not ``root``. Files below a folder
    ``test`` of ``root`` are for testing, all others for training.
    """
    found = []
    for entry in walk(root).entries:
        parts = entry.path.relative_to(root).parts
        label = "" if len(parts) == 1 else parts[-2]
        split = "test" if parts[0] == "test" else "train"
        found.append(Listed(Recording(entry.id(root), label, entry.read, split), file_knows_better=True))
    return found


def list_annotations(path: Path, root: Path | None = None) -> list[Listed]:
    """The recordings that a CSV or JSON Lines file lists.

    Columns: ``file`` (relative to ``root``), ``label``, and optionally ``id`` (default: the file), ``split`` (train or
    test), ``caption`` or, in JSON Lines, a list ``captions``, ``rationale``, and integers such as ``performer`` and
    ``view`` under any other name.

    Args:
        path: the list.
        root: the folder of the files, by default that of the list.

    Raises:
        SkeletonFormatError: a line that is not as described, or a file outside ``root``.
    """
    root = (path.parent if root is None else root).resolve()
    found, seen = [], {}
    for line, values in _lines(path):
        place = f"line {line}"
        for name in ("file", "label"):
            if not isinstance(values.get(name), str) or not values[name]:
                raise SkeletonFormatError(path, place, f"{name}: {short(values.get(name))}", f"{name}: some text")
        target = (root / values["file"]).resolve()
        if not target.is_relative_to(root):
            raise SkeletonFormatError(path, place, f"file {short(values['file'])}", f"a file inside {root}")
        id = values.get("id") or values["file"]
        if id in seen:
            raise SkeletonFormatError(path, place, f"id {short(id)} again", f"unique ids; it is in line {seen[id]}")
        seen[id] = line
        split = values.get("split") or "train"
        if split not in ("train", "test"):
            raise SkeletonFormatError(path, place, f"split: {short(split)}", "train or test")
        captions = values.get("captions") or ([values["caption"]] if values.get("caption") else [])
        rationale = values.get("rationale") or None
        if not isinstance(captions, list) or not all(
            isinstance(text, str) for text in [id, rationale or "", *captions]
        ):
            raise SkeletonFormatError(path, place, short(values, 200), "id, captions and rationale as text")
        attributes = {name: _integer(path, place, name, value) for name, value in values.items() if name not in _KNOWN}
        attributes = {name: value for name, value in attributes.items() if value is not None}
        told = None if rationale is None else partial(str, rationale)
        recording = Recording(id, values["label"], reader(target), split, attributes, told)
        found.append(Listed(recording, tuple(captions)))
    return found


def _lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    check_size(path, path.stat().st_size, limit=8 * MAX_BYTES)
    if path.suffix.lower() not in LISTS:
        raise SkeletonFormatError(path, "file", f"suffix {path.suffix!r}", f"a list ({' or '.join(LISTS)}) or a folder")
    with path.open(newline="", encoding="utf-8") as file:
        try:
            if path.suffix.lower() == ".csv":
                table = csv.DictReader(file, restkey="(more)", strict=True)
                for values in table:
                    if "(more)" in values or None in values.values():
                        expected = f"{len(table.fieldnames or ())} fields"
                        raise SkeletonFormatError(path, f"line {table.line_num}", "another number of fields", expected)
                    yield table.line_num, values
                return
            for number, line in enumerate(file, 1):
                if line.strip():
                    values = json.loads(line)
                    if not isinstance(values, dict):
                        raise SkeletonFormatError(path, f"line {number}", short(line), "a JSON object")
                    yield number, values
        except (csv.Error, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise SkeletonFormatError(path, "content", short(str(error)), "CSV or JSON Lines in UTF-8") from error


def _integer(path: Path, place: str, name: str, value: Any) -> int | None:
    if value is None or value == "":
        return None
    text = str(value)
    if isinstance(value, bool) or not text.removeprefix("-").isdecimal() or len(text) > 18:
        raise SkeletonFormatError(path, place, f"{name}: {short(value)}", "an integer")
    return int(text)
