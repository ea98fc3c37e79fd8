"""One numeric array from a MATLAB 5 file, without trusting the file.

scipy.io.loadmat inflates whatever a compressed element holds and allocates what a header claims, so that a small
hostile file can take all memory. This reads only what a recording needs: the head of each variable, and the numbers of
the wanted one once its size is known to be sensible. Layout: "MAT-File Format", MathWorks, chapter 1.
"""

import struct
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.formats.common import SkeletonFormatError, check_size, describe, read_bytes, short

SIGNATURE = b"MATLAB 5.0 MAT-file"
_HEADER_BYTES = 128
_COMPRESSED, _MATRIX = 15, 14
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMERIC_CLASSES = range(6, 16)  # double, single and the integers
_COMPLEX_FLAG = 0x0800
# Enough for the flags, dimensions and name of any variable; the numbers follow.
_PREFIX_BYTES = 1024
_MAX_VARIABLES = 64


@dataclass
class _Head:
    """The head of a variable: where its numbers stand, counted from the start of its (inflated) element."""

    name: str
    shape: tuple[int, ...]
    numeric: bool
    dtype: str
    start: int
    size: int


def read_variable(path: Path, name: str) -> np.ndarray:
    """The array called ``name`` as float64, in its own shape.

    Raises:
        SkeletonFormatError: no MATLAB 5 file, no such variable, not real numbers, or damaged.
    """
    data = read_bytes(path)
    mark = data[_HEADER_BYTES - 2 : _HEADER_BYTES]
    if not data.startswith(SIGNATURE) or mark not in (b"IM", b"MI"):
        expected = f"the header {SIGNATURE.decode()!r} (version 7.3 is HDF5 and is not read)"
        raise SkeletonFormatError(path, "byte 0", describe(data[:64]), expected)
    order = "<" if mark == b"IM" else ">"
    names, position = [], _HEADER_BYTES
    while position + 8 <= len(data) and len(names) < _MAX_VARIABLES:
        kind, size = struct.unpack_from(order + "II", data, position)
        place, end = f"byte {position}", position + 8 + size
        if kind not in (_COMPRESSED, _MATRIX):
            raise SkeletonFormatError(path, place, f"an element of type {kind}", "a variable")
        if end > len(data):
            raise SkeletonFormatError(path, place, "the end of the file", f"a variable of {size:,} bytes")
        # An element that is not compressed is read from its own tag on, as an inflated one is.
        body = data[position + 8 : end] if kind == _COMPRESSED else data[position:end]
        try:
            head = _read_head(_inflate(body, _PREFIX_BYTES) if kind == _COMPRESSED else body[:_PREFIX_BYTES], order)
            if head.name == name:
                check_size(path, max(head.size, 8 * prod(head.shape)), place)
                stop = head.start + head.size
                raw = (_inflate(body, stop) if kind == _COMPRESSED else body)[head.start : stop]
                if not head.numeric or len(raw) != head.size:
                    raise ValueError("not real numbers" if not head.numeric else f"{len(raw)} of {head.size} bytes")
                return np.frombuffer(raw, order + head.dtype).reshape(head.shape, order="F").astype(np.float64)
        except SkeletonFormatError:
            raise
        except (struct.error, zlib.error, ValueError) as error:
            found = f"a damaged or unsuitable variable ({short(str(error))})"
            raise SkeletonFormatError(path, place, found, f"an array of numbers named {name!r}") from error
        names.append(head.name)
        position = end
    found = "the variables " + short(", ".join(names)) if names else "no variables"
    raise SkeletonFormatError(path, f"byte {position}", found, f"one named {name!r}")


def _inflate(data: bytes, length: int) -> bytes:
    """The first ``length`` bytes, or fewer if there are no more."""
    return zlib.decompressobj().decompress(data, length) if length else b""


def _read_head(data: bytes, order: str) -> _Head:
    kind, _ = struct.unpack_from(order + "II", data, 0)
    if kind != _MATRIX:
        raise ValueError(f"element type {kind}")
    _, start, size, position = _element(data, 8, order)
    if size != 8:
        raise ValueError(f"array flags of {size} bytes")
    flags = struct.unpack_from(order + "I", data, start)[0]
    _, start, size, position = _element(data, position, order)
    shape = struct.unpack_from(f"{order}{size // 4}i", data, start)
    if min(shape, default=-1) < 0:
        raise ValueError(f"shape {shape}")
    _, start, size, position = _element(data, position, order)
    name = data[start : start + size].decode("latin-1")
    number, start, size, _ = _element(data, position, order)
    numeric = (flags & 0xFF) in _NUMERIC_CLASSES and not flags & _COMPLEX_FLAG and number in _NUMBERS
    return _Head(name, shape, numeric, _NUMBERS.get(number, "u1"), start, size)


def _element(data: bytes, position: int, order: str) -> tuple[int, int, int, int]:
    """A data element's type, start, size and the position after it; up to four bytes are packed into its tag."""
    kind, size = struct.unpack_from(order + "II", data, position)
    if kind >> 16:
        return kind & 0xFFFF, position + 4, kind >> 16, position + 8
    return kind, position + 8, size, position + 8 + (size + 7) // 8 * 8
