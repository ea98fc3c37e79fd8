"""Text that is a table of numbers: the same count of them on every line."""

from array import array
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import (
    SkeletonFormatError,
    first_lines,
    is_number,
    is_text,
    read_bytes,
    short,
    split_lines,
)

# Ten minutes and more of one person in any of the tables that are read so; text grows fourfold when it becomes numbers.
MAX_TABLE_BYTES = 16 * 2**20


def read_rows(
    path: Path, columns: int, expected: str, separator: str | None = None, limit: int = MAX_TABLE_BYTES
) -> tuple[np.ndarray, list[int]]:
    """All numbers of a table.

    Args:
        path: an ASCII text file; blank lines are passed over.
        columns: how many numbers each line holds.
        expected: what a line should be, for messages.
        separator: what stands between two numbers, default white space.
        limit: bytes that the file may have.

    Returns:
        (N, columns) float64, and the line of each row, counted from one.

    Raises:
        SkeletonFormatError: names the first line that is anything else.
    """
    values, line_of_row = array("d"), []
    lines = split_lines(path, read_bytes(path, limit), expected)
    for number, line in enumerate(lines, start=1):
        if not line or line.isspace():
            continue
        words = line.split(separator)
        if len(words) != columns:
            raise SkeletonFormatError(path, f"line {number}", f"{len(words)} values ({short(line.strip())})", expected)
        try:
            values.extend(map(float, words))
        except ValueError as error:
            raise SkeletonFormatError(path, f"line {number}", short(line.strip()), expected) from error
        line_of_row.append(number)
    if not line_of_row:
        raise SkeletonFormatError(path, "line 1", "no numbers", expected)
    return np.frombuffer(values).reshape(-1, columns), line_of_row


def whole_frames(path: Path, rows: np.ndarray, line_of_row: list[int], num_joints: int) -> np.ndarray:
    """Rows of one joint each as (T, num_joints, columns); raises SkeletonFormatError if the last frame is cut."""
    rest = len(rows) % num_joints
    if rest:
        found = f"the end of the file after {rest} of the joints of frame {len(rows) // num_joints}"
        raise SkeletonFormatError(path, f"line {line_of_row[-1]}", found, f"{num_joints} lines per frame")
    return rows.reshape(-1, num_joints, rows.shape[1])


def looks_like_rows(head: bytes, columns: int, separator: bytes | None = None) -> list[list[bytes]]:
    """The words of the first two lines of ``head`` if each of them is ``columns`` numbers, else an empty list."""
    if not is_text(head):
        return []
    # Two lines tell the format; what is wrong with a later one is for the reader to say.
    lines = [b" ".join(words).split(separator) for words in first_lines(head) if words][:2]
    return lines if all(len(line) == columns and all(map(is_number, line)) for line in lines) else []
