"""Arrays of numbers and text from a MATLAB 5 file, without trusting the file.

scipy.io.loadmat inflates whatever a compressed element holds and allocates what a header claims, so that a small
hostile file can take all memory. This reads only what a recording needs: the head of each variable, and the content of
the wanted ones once its size is known to be sensible. Layout: "MAT-File Format", MathWorks, chapter 1.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import (
    MAX_BYTES,
    SkeletonFormatError,
    as_doubles,
    check_size,
    describe,
    read_bytes,
    short,
)

SIGNATURE = b"MATLAB 5.0 MAT-file"
_HEADER_BYTES = 128
_COMPRESSED, _MATRIX = 15, 14
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMERIC_CLASSES = range(6, 16)  # double, single and the integers
_TEXT_CLASS = 4
_ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}
_COMPLEX_FLAG = 0x0800
# Enough for the flags, dimensions and name of any variable; the content follows.
_PREFIX_BYTES = 1024
_MAX_VARIABLES = 64
_MAX_TEXT_BYTES = 4096
_SNIFFED_BYTES = 2**16


@dataclass(frozen=True)
class _Element:
    """A variable as it stands in the file: from its own tag on, or all of it compressed."""

    position: int
    size: int
    data: bytes
    compressed: bool
    order: str

    def start(self, length: int) -> bytes:
        """The first ``length`` bytes when inflated, or fewer if there are no more."""
        if self.compressed:
            return zlib.decompressobj().decompress(self.data, length) if length else b""
        return self.data[:length]


@dataclass(frozen=True)
class _Head:
    """What a variable is, and where its content stands, counted from the start of its (inflated) element."""

    name: str
    array_class: int
    real: bool
    shape: tuple[int, ...]
    kind: int
    start: int
    size: int


def read_variable(path: Path, name: str) -> np.ndarray:
    """The array of numbers called ``name`` as float64, in its own shape. Raises as ``read_variables`` does."""
    return read_variables(path, numbers=(name,))[0][name]


def read_variables(
    path: Path, numbers: tuple[str, ...], text: tuple[str, ...] = (), *, limit: int = MAX_BYTES
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays of real numbers as float64, in their own shapes, and lines of text, each by its name.

    Args:
        path: the file.
        numbers, text: the names of the variables that are wanted; all must be there.
        limit: bytes that an array may have as float64.

    Raises:
        SkeletonFormatError: no MATLAB 5 file, a variable that is missing or of another kind, or damaged.
    """
    data = read_bytes(path)
    order = _byte_order(data)
    if order is None:
        expected = f"the header {SIGNATURE.decode()!r} (version 7.3 is HDF5 and is not read)"
        raise SkeletonFormatError(path, "byte 0", describe(data[:64]), expected)
    arrays: dict[str, np.ndarray] = {}
    lines: dict[str, str] = {}
    names, place = [], f"byte {_HEADER_BYTES}"
    for element in _elements(data, order):
        place = f"byte {element.position}"
        if element.size < 0:
            raise SkeletonFormatError(path, place, "an element of another type", "a variable")
        if element.size > len(element.data):
            raise SkeletonFormatError(path, place, "the end of the file", f"a variable of {element.size:,} bytes")
        try:
            head = _read_head(element)
            names.append(head.name)
            if head.name in numbers and head.name not in arrays:
                check_size(path, max(head.size, 8 * prod(head.shape)), place, limit)
                arrays[head.name] = _numbers(element, head)
            elif head.name in text and head.name not in lines:
                check_size(path, head.size, place, _MAX_TEXT_BYTES)
                lines[head.name] = _line(element, head)
        except SkeletonFormatError:
            raise
        except (struct.error, zlib.error, ValueError) as error:
            found = f"a damaged or unsuitable variable ({short(str(error))})"
            expected = f"arrays of numbers or text, {', '.join((*numbers, *text))} among them"
            raise SkeletonFormatError(path, place, found, expected) from error
        if len(arrays) + len(lines) == len(numbers) + len(text):
            return arrays, lines
    found = "the variables " + short(", ".join(names)) if names else "no variables"
    missing = [name for name in (*numbers, *text) if name not in arrays and name not in lines]
    raise SkeletonFormatError(path, place, found, f"one named {', '.join(map(repr, missing))}")


def variable_names(head: bytes, path: Path) -> list[str]:
    """The names of the first variables of a MATLAB 5 file, up to one that is damaged; none of any other file.

    Args:
        head: the first bytes.
        path: the file, of which no more than a little is read.
    """
    if _byte_order(head) is None:
        return []
    with path.open("rb") as file:
        data = file.read(_SNIFFED_BYTES)
    names = []
    with suppress(struct.error, zlib.error, ValueError):  # who reads the file says what is damaged
        for element in _elements(data, _byte_order(data)):
            names.append(_read_head(element).name)
    return names


def _byte_order(head: bytes) -> str | None:
    """The sign of ``struct`` for it, or None if this is no MATLAB 5 file."""
    mark = head[_HEADER_BYTES - 2 : _HEADER_BYTES]
    return {b"IM": "<", b"MI": ">"}.get(mark) if head.startswith(SIGNATURE) else None


def _elements(data: bytes, order: str) -> Iterator[_Element]:
    """Each variable; the data of the last are cut where the file ends. An element of another type has a negative size
    and is the last."""
    position = _HEADER_BYTES
    for _ in range(_MAX_VARIABLES):
        if position + 8 > len(data):
            return
        kind, size = struct.unpack_from(order + "II", data, position)
        if kind not in (_COMPRESSED, _MATRIX):
            yield _Element(position, -1, b"", False, order)
            return
        # An element that is not compressed is read from its own tag on, as an inflated one is.
        start, end = position + (8 if kind == _COMPRESSED else 0), position + 8 + size
        yield _Element(position, end - start, data[start:end], kind == _COMPRESSED, order)
        position = end


def _read_head(element: _Element) -> _Head:
    data, order = element.start(_PREFIX_BYTES), element.order
    kind, _ = struct.unpack_from(order + "II", data, 0)
    if kind != _MATRIX:
        raise ValueError(f"element type {kind}")
    _, start, size, position = _part(data, 8, order)
    if size != 8:
        raise ValueError(f"array flags of {size} bytes")
    flags = struct.unpack_from(order + "I", data, start)[0]
    _, start, size, position = _part(data, position, order)
    shape = struct.unpack_from(f"{order}{size // 4}i", data, start)
    if min(shape, default=-1) < 0:
        raise ValueError(f"shape {shape}")
    _, start, size, position = _part(data, position, order)
    name = data[start : start + size].decode("latin-1")
    kind, start, size, _ = _part(data, position, order)
    return _Head(name, flags & 0xFF, not flags & _COMPLEX_FLAG, shape, kind, start, size)


def _part(data: bytes, position: int, order: str) -> tuple[int, int, int, int]:
    """A data element's type, start, size and the position after it; up to four bytes are packed into its tag."""
    kind, size = struct.unpack_from(order + "II", data, position)
    if kind >> 16:
        return kind & 0xFFFF, position + 4, kind >> 16, position + 8
    return kind, position + 8, size, position + 8 + (size + 7) // 8 * 8


def _content(element: _Element, head: _Head) -> bytes:
    content = element.start(head.start + head.size)[head.start :]
    if len(content) != head.size:
        raise ValueError(f"{len(content)} of {head.size} bytes of {head.name}")
    return content


def _numbers(element: _Element, head: _Head) -> np.ndarray:
    if head.array_class not in _NUMERIC_CLASSES or not head.real or head.kind not in _NUMBERS:
        raise ValueError(f"{head.name} has no real numbers")
    numbers = np.frombuffer(_content(element, head), element.order + _NUMBERS[head.kind])
    return as_doubles(numbers.reshape(head.shape, order="F"))


def _line(element: _Element, head: _Head) -> str:
    if head.array_class != _TEXT_CLASS or head.kind not in _ENCODINGS or prod(head.shape[:-1]) > 1:
        raise ValueError(f"{head.name} is not a line of text")
    encoding = _ENCODINGS[head.kind]
    if encoding.startswith("utf-16"):  # the mark of the file holds for its text too
        encoding += {"<": "-le", ">": "-be"}[element.order]
    return _content(element, head).decode(encoding)
