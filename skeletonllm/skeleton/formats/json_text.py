"""JSON files, parsed within bounds, and what is taken from them: numbers, whole numbers and short texts."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from skeletonllm.skeleton.formats.common import SkeletonFormatError, check_size, describe, read_bytes, short

MAX_JSON_BYTES = 2**25
# What a parsed file takes in memory, by what stands in it: lists, mappings, and other values, each behind a comma.
MAX_PARSED_BYTES = 2**29
_PARSED_BYTES = {b"[": 100, b"{": 260, b",": 40}
MAX_TEXT = 200
_NUMBERS = {int, float, type(None)}


def load_json(path: Path, expected: str) -> Any:
    """What a JSON file holds; a byte order mark may stand first.

    Args:
        path: the file.
        expected: what it should hold, for messages.

    Raises:
        SkeletonFormatError: too large, no JSON, or nested beyond reason.
    """
    data = read_bytes(path, MAX_JSON_BYTES)
    check_size(path, sum(size * data.count(sign) for sign, size in _PARSED_BYTES.items()), "parsed", MAX_PARSED_BYTES)
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        found = describe(data[:64]) if error.pos < 2 else f"no valid JSON ({error.msg})"
        raise SkeletonFormatError(path, f"line {error.lineno} column {error.colno}", found, expected) from error
    except (ValueError, RecursionError) as error:
        # Bytes that are no text, numbers of thousands of digits, or brackets nested too deep.
        found = f"no readable JSON ({short(str(error))})"
        raise SkeletonFormatError(path, "content", found, expected) from error


def numbers(path: Path, place: str, value: object, expected: str) -> np.ndarray:
    """(N,) float64 from a list of numbers; null becomes NaN.

    Raises:
        SkeletonFormatError: no list, something in it that is no number (as true and "1" are not), or one that no
            float can hold.
    """
    if not isinstance(value, list) or not set(map(type, value)) <= _NUMBERS:
        wrong = next((v for v in value if type(v) not in _NUMBERS), value) if isinstance(value, list) else value
        raise SkeletonFormatError(path, place, short(wrong), expected)
    try:
        return np.array(value, dtype=np.float64)
    except OverflowError as error:
        raise SkeletonFormatError(path, place, short(str(error)), expected) from error


def whole_number(value: object) -> int | None:
    """A JSON integer, or a float without fraction, as int; None for anything else."""
    if type(value) is float and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def positive(value: object) -> float | None:
    """A JSON number between 0 and a million as float; None for anything else."""
    return float(value) if type(value) in (int, float) and 0 < value < 1e6 else None


def one_line(value: object) -> str | None:
    """A text as one short line that can be written anywhere; None for anything else and for nothing."""
    if not isinstance(value, str):
        return None
    words = " ".join(value.encode("utf-8", "replace").decode().split())
    return words[:MAX_TEXT] or None
