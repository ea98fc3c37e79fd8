"""Plain data from a Python pickle, without running it."""

import mmap
import re
import struct
from pathlib import Path
from typing import Any

from skeletonllm.skeleton.formats.common import SkeletonFormatError, check_size, describe, short
from skeletonllm.skeleton.formats.pickle_machine import Machine, Refusal

# The file is mapped, not read, and what is given back points into it: whole data sets come as one pickle.
MAX_PICKLE_BYTES = 2**32
# Where the keys of a dictionary are looked for: they may stand behind long lists of names, or behind all of its data.
SNIFFED_START, SNIFFED_END = 2**24, 2**16

_DICT_OR_LIST = re.compile(rb"\x80[\x02-\x05]|\([dl]|[}\]]q")


def load_pickle(path: Path, expected: str) -> Any:
    """What a pickle of any protocol holds: dict, list, tuple, str, int, float, bool, None and numpy arrays, or bytes.

    Integers fit into 64 bits; numpy scalars come as Python's own; arrays hold numbers or truth values and are
    read-only; bytes come as read-only ``memoryview``. Keys are str, int, bool or None. Text of Python 2 is taken as
    latin-1. What is given back nests and unfolds within bounds (``pickle_machine``), so that it can be walked.

    Args:
        path: the file.
        expected: what it should hold, for messages.

    Raises:
        SkeletonFormatError: not a pickle, damaged, or one that names any other class or function; none is ever run.
    """
    size = path.stat().st_size
    check_size(path, size, limit=MAX_PICKLE_BYTES)
    if not size:
        raise SkeletonFormatError(path, "byte 0", "an empty file", expected)
    data = _map(path)
    machine = Machine(data)
    try:
        return machine.run()
    except (Refusal, ValueError, TypeError, struct.error, IndexError) as error:
        if machine.start == 0 and data[0] not in b"ci":  # these two name a class
            found = describe(data[:64])
        else:
            found = str(error) if isinstance(error, Refusal) else f"a damaged pickle ({short(str(error))})"
        raise SkeletonFormatError(path, f"byte {machine.start}", found, expected) from error


def pickle_mentions(head: bytes, path: Path, *names: str) -> bool:
    """Whether a file begins as the pickle of a dict or list does, and has each name as a whole string near an end.

    Args:
        head: the first bytes.
        path: the file.
        names: ASCII strings, such as keys.
    """
    if not _DICT_OR_LIST.match(head):
        return False
    data = _map(path)
    tail = max(0, len(data) - SNIFFED_END)
    return all(
        any(data.find(written, 0, SNIFFED_START) >= 0 or data.find(written, tail) >= 0 for written in ways)
        for ways in map(_ways_to_write, names)
    )


def _map(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _ways_to_write(text: str) -> list[bytes]:
    """A string in each of the protocols, of Python 3 and 2."""
    name = text.encode()
    byte, word = struct.pack("<B", len(name)), struct.pack("<I", len(name))
    return [
        b"X" + word + name, b"\x8c" + byte + name, b"V" + name + b"\n",
        b"T" + word + name, b"U" + byte + name, b"S'" + name + b"'\n",
    ]  # fmt: skip
