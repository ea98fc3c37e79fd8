"""Layouts of text tables: which columns hold which joint."""

import csv
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from skeletonllm.skeleton.formats.common import SkeletonFormatError, check_size, short
from skeletonllm.skeleton.formats.custom.arrays import MAX_TEXT_JOINTS, check_joints, frame_rate
from skeletonllm.skeleton.formats.custom.checked import Checked
from skeletonllm.skeleton.formats.custom.layout import VALUES, Content, Layout
from skeletonllm.skeleton.formats.custom.yaml_document import nearest
from skeletonllm.skeleton.formats.json_text import one_line
from skeletonllm.skeleton.topology import Topology

KEYS = ("columns", "persons", "header", "skip", "separator", "label", "time", "time_unit")
# Ten minutes and more of one person. Text grows threefold when it becomes numbers.
MAX_TABLE_BYTES = 2**25
MAX_LINE = 2**18
# Frames of a single joint, and as many blank lines.
MAX_LINES = 2 * MAX_TEXT_JOINTS
MAX_COLUMNS = 10_000
_SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " "}
_SLOTS = ("joint", "value", "person")
_EXPECTED = "a pattern of names such as '{joint}_{value}', or the columns of each joint, such as left_wrist: [3, 4, 5]"

Column = str | int


@dataclass(frozen=True)
class TableFile:
    """Where the joints are in a table.

    Args:
        columns: of each person, joint and value in that order: the name in the header, or the place from 0.
        persons: how many.
        header: the line of the names, counted from 1; 0 where there is none.
        skip: lines between the names and the first frame.
        separator: what stands between two columns.
    """

    columns: tuple[Column, ...]
    persons: int
    header: int
    skip: int
    separator: str
    suffixes: tuple[str, ...] = (".csv", ".tsv", ".txt")

    def read(self, path: Path, layout: Layout) -> Content:
        """Raises SkeletonFormatError if the file is not as the layout says."""
        check_size(path, path.stat().st_size, limit=MAX_TABLE_BYTES)
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = _rows(path, file, self.separator)
                return self._read(path, layout, rows)
        except UnicodeDecodeError as error:
            found = f"byte {error.object[error.start]:#04x}, which is not text"
            raise SkeletonFormatError(path, "text", found, "a table as UTF-8 text") from error

    def _read(self, path: Path, layout: Layout, rows: Iterator[tuple[int, list[str]]]) -> Content:
        header = self._header(path, rows)
        wanted = [*self.columns, *([layout.time] if layout.time else [])]
        places = [_place(path, self.header, header, column) for column in wanted]
        label_place = _place(path, self.header, header, layout.label) if layout.label else None
        numbers, labels, width, frames = array("d"), Counter(), len(header or ()), 0
        for line, row in rows:
            if not any(map(str.strip, row)):
                continue
            width = width or len(row)
            if len(row) != width or max(places) >= width:
                expected = f"{width}, as {'the header' if header else 'the first row'} has"
                expected = f"at least {max(places) + 1}" if max(places) >= width else expected
                raise SkeletonFormatError(path, f"line {line}", f"{len(row)} columns", expected)
            try:
                numbers.extend([float(row[place]) for place in places])
            except ValueError:
                numbers.extend([_number(path, line, place, row[place], header, layout.missing) for place in places])
            if label_place is not None:
                labels[row[label_place]] += 1
            frames += 1
            count = frames * len(self.columns) // len(layout.values)
            check_joints(path, f"line {line}", count, MAX_TEXT_JOINTS)
        if not frames:
            raise SkeletonFormatError(path, "line 1", "no rows", "a row for each frame")
        table = np.frombuffer(numbers).reshape(frames, -1)
        shape = (frames, self.persons, len(layout.joints), len(layout.values))
        values = table[:, : len(self.columns)].reshape(shape)
        fps, notes = layout.fps, ()
        if layout.time:
            fps, notes = frame_rate(path, f"column {layout.time!r}", table[:, -1], layout.second)
        if len(labels) > 1:
            notes += (f"{len(labels)} labels found, the most frequent taken",)
        label = one_line(labels.most_common(1)[0][0]) if labels else None
        return Content(values, fps, label=label, notes=notes)

    def _header(self, path: Path, rows: Iterator[tuple[int, list[str]]]) -> list[str] | None:
        """The names of the columns, stripped; afterwards the next row is the first frame."""
        last, header = self.header + self.skip, None
        while last:
            line, row = next(rows, (0, []))
            if line == 0 or (header is None and line > self.header > 0):
                found = "the end of the file" if line == 0 else f"line {line}"
                raise SkeletonFormatError(path, f"line {self.header or 1}", found, "the names of the columns")
            if line == self.header:
                header = [name.strip() for name in row]
            if line >= last:
                break
        return header


def parse_table(checked: Checked, topology: Topology) -> tuple[TableFile, tuple[str, ...], tuple[str, ...]]:
    """The table, the joints and the values of a layout of tables. Raises SkeletonFormatError."""
    given = checked.get("columns")
    header = checked.count("header", 1)
    if isinstance(given, str):
        columns, joints, values, persons = _pattern_columns(checked, given, topology)
    elif isinstance(given, dict) and given:
        columns, joints, values, persons = _listed_columns(checked, given, topology)
    else:
        raise checked.wrong("columns", _EXPECTED)
    if len(columns) > MAX_COLUMNS:
        raise checked.wrong("columns", f"at most {MAX_COLUMNS:,}", f"{len(columns):,} columns")
    if len(set(columns)) < len(columns):
        repeated = next(column for column, count in Counter(columns).items() if count > 1)
        raise checked.wrong("columns", "each column once", f"{short(repeated)} again")
    named = [column for column in columns if isinstance(column, str)]
    named += [key for key in (checked.get("time"), checked.get("label")) if key is not None]
    if named and not header:
        raise checked.wrong("header", f"the line of the column names, such as that of {short(named[0])}")
    separator = checked.choice("separator", tuple(_SEPARATORS), "comma")
    table = TableFile(tuple(columns), persons, header, checked.count("skip", 0), _SEPARATORS[separator])
    return table, joints, values


def _pattern_columns(
    checked: Checked, pattern: str, topology: Topology
) -> tuple[list[Column], tuple[str, ...], tuple[str, ...], int]:
    joints, _ = checked.picks("joints", topology.joints, True, topology.joints)
    values, _ = checked.picks("values", VALUES, True, VALUES[:3])
    persons = checked.get("persons")
    if persons is not None and not (
        isinstance(persons, list) and 0 < len(persons) <= 32 and all(type(p) in (str, int) for p in persons)
    ):
        raise checked.wrong("persons", "a list of what {person} stands for, at most 32")
    for slot in _SLOTS:
        count = pattern.count(f"{{{slot}}}")
        if count != (1 if slot != "person" or persons else 0):
            expected = "{joint} and {value} once each, and {person} where persons are listed"
            raise checked.wrong("columns", expected, f"{{{slot}}} {count} times in {short(pattern)}")

    def name(person: object, joint: str, value: str) -> str:
        filled = pattern.replace("{joint}", "\0").replace("{value}", "\1").replace("{person}", "\2")
        return filled.replace("\0", joint).replace("\1", value).replace("\2", str(person)).strip()

    columns: list[Column] = [
        name(person, str(joint), str(value))
        for person in persons or [""]
        for joint in joints.values()
        for value in values.values()
    ]
    return columns, tuple(joints), tuple(values), len(persons or [""])


def _listed_columns(
    checked: Checked, given: Mapping[str, object], topology: Topology
) -> tuple[list[Column], tuple[str, ...], tuple[str, ...], int]:
    for key in ("joints", "persons"):
        if checked.get(key) is not None:
            raise checked.wrong(key, "nothing, where columns lists the joints")
    values, _ = checked.picks("values", VALUES, True, VALUES[:3])
    columns: list[Column] = []
    for joint, own in given.items():
        keys = ("columns", joint)
        if joint not in topology.joints:
            raise checked.wrong(keys, f"a joint of {topology.name}", short(joint) + nearest(joint, topology.joints))
        if not isinstance(own, list) or len(own) != len(values):
            raise checked.wrong(keys, f"{len(values)} columns, of {', '.join(values)}", short(own))
        for column in own:
            if not (isinstance(column, str) or (type(column) is int and 0 <= column < MAX_COLUMNS)):
                raise checked.wrong(keys, "names, or numbers counted from 0", short(column))
            columns.append(column.strip() if isinstance(column, str) else column)
    return columns, tuple(given), tuple(values), 1


def _rows(path: Path, file: TextIO, separator: str) -> Iterator[tuple[int, list[str]]]:
    """(line counted from 1, columns) of each line; white space counts once as a separator."""

    def lines() -> Iterator[str]:
        # None is taken apart before it is known to be short.
        number = 0
        while line := file.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE:
                raise SkeletonFormatError(path, f"line {number}", f"{MAX_LINE:,} characters and more", "one frame")
            if number > MAX_LINES:
                raise SkeletonFormatError(path, f"line {number}", "more lines", f"at most {MAX_LINES:,}")
            yield line

    if separator == " ":
        yield from ((number, line.split()) for number, line in enumerate(lines(), start=1))
        return
    table = csv.reader(lines(), delimiter=separator)
    try:
        yield from ((table.line_num, row) for row in table)
    except csv.Error as error:
        raise SkeletonFormatError(path, f"line {table.line_num}", short(str(error)), "columns") from error


def _place(path: Path, line: int, header: Sequence[str] | None, column: Column) -> int:
    """The place of a column, from 0."""
    if isinstance(column, int):
        if header is not None and column >= len(header):
            raise SkeletonFormatError(path, f"line {line}", f"{len(header)} columns", f"column {column}, from 0")
        return column
    count = header.count(column)
    if count != 1:
        found = f"{count} columns {column!r}" if count else f"no column {column!r}{nearest(column, header)}"
        raise SkeletonFormatError(path, f"line {line}", found, "one, as the layout says")
    return header.index(column)


def _number(path: Path, line: int, place: int, word: str, header: Sequence[str] | None, missing: object) -> float:
    word = word.strip()
    if not word or word == missing:
        return np.nan
    try:
        return float(word)
    except ValueError as error:
        name = f" {header[place]!r}" if header else ""
        raise SkeletonFormatError(path, f"line {line}, column {place}{name}", short(word), "a number") from error
