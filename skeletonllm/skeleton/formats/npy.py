"""Reading ``.npy`` data from a stream without trusting it: no pickles, no more memory than there are bytes.

The header is matched and not evaluated: numpy's own reader raises whatever Python's tokenizer does on damaged ones.
Layout: NumPy Enhancement Proposal 1.
"""

import re
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from skeletonllm.skeleton.formats.common import SkeletonFormatError, check_size, describe, short

MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}  # by version
_MAX_HEADER_BYTES = 4096
_DTYPE = re.compile(rb"'descr':\s*'([<>|=]?[?biufcOSUVmM]\d{0,6})'")
_ORDER = re.compile(rb"'fortran_order':\s*(True|False)")
_SHAPE = re.compile(rb"'shape':\s*\(((?:\d{1,18}(?:,\s*|(?=\))))*)\)")


def header_shape(head: bytes) -> tuple[int, ...] | None:
    """The shape that the first bytes of a file state, or None if they are no ``.npy``. Nothing else is checked."""
    found = _SHAPE.search(head) if head.startswith(MAGIC) else None
    return None if found is None else _sizes(found)


def read_array(stream: BinaryIO, size: int, path: Path, place: str, kinds: str) -> np.ndarray:
    """Read one array.

    Args:
        stream: positioned at the start of the ``.npy`` data.
        size: bytes that the stream holds from there.
        path, place: for messages.
        kinds: allowed numpy kinds of dtype, such as ``"fiu"``; object arrays are never read.

    Raises:
        SkeletonFormatError: not ``.npy`` data, a forbidden dtype, or a shape that does not fit the size.
    """
    start = stream.read(len(MAGIC) + 2)
    if not start.startswith(MAGIC) or len(start) < len(MAGIC) + 2 or start[len(MAGIC)] not in _LENGTH_BYTES:
        raise SkeletonFormatError(path, f"{place}, byte 0", describe(start), "the .npy signature, version 1 to 3")
    length_bytes = _LENGTH_BYTES[start[len(MAGIC)]]
    length = int.from_bytes(stream.read(length_bytes), "little")
    header = stream.read(min(length, _MAX_HEADER_BYTES))
    fields = [pattern.search(header) for pattern in (_DTYPE, _ORDER, _SHAPE)]
    if len(header) != length or None in fields:
        found = f"the header {short(header)}"
        raise SkeletonFormatError(path, f"{place}, header", found, "one simple dtype, order and shape")
    descr, order = (field.group(1).decode() for field in fields[:2])
    try:
        dtype = np.dtype(descr)
    except TypeError as error:
        raise SkeletonFormatError(path, f"{place}, header", f"dtype {descr!r}", "a numpy dtype") from error
    if dtype.kind not in kinds:
        found = "Python objects (a pickle, never opened)" if dtype.hasobject else f"dtype {descr!r}"
        raise SkeletonFormatError(path, f"{place}, header", found, f"numbers or text of kind {'/'.join(kinds)}")
    shape = _sizes(fields[2])
    if len(shape) > 8 or dtype.itemsize == 0:
        found = f"shape {short(shape)} of {descr!r}"
        raise SkeletonFormatError(path, f"{place}, header", found, "at most 8 dimensions of sized values")
    wanted = prod(shape) * dtype.itemsize
    check_size(path, wanted, f"{place}, header")
    offset = len(start) + length_bytes + length
    if wanted != size - offset:
        found, expected = f"{size - offset:,} bytes of data", f"{wanted:,} for shape {shape} of {descr!r}"
        raise SkeletonFormatError(path, f"{place}, byte {offset}", found, expected)
    data = stream.read(wanted)
    if len(data) != wanted:
        raise SkeletonFormatError(
            path, f"{place}, byte {offset + len(data)}", "the end of the data", f"{wanted:,} bytes"
        )
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if order == "True" else "C")
    if dtype.kind == "U" and not _is_text(array):
        raise SkeletonFormatError(path, f"{place}, byte {offset}", "numbers that are no characters", "text")
    return array


def _is_text(array: np.ndarray) -> bool:
    """Whether all characters exist, and can be written: numpy takes any number for one, and halves of pairs."""
    codes = np.frombuffer(array.tobytes(), array.dtype.byteorder.replace("|", "=") + "u4")
    return not ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes <= 0xDFFF))).any()


def _sizes(found: re.Match[bytes]) -> tuple[int, ...]:
    return tuple(int(size) for size in found.group(1).split(b",") if size.strip())
