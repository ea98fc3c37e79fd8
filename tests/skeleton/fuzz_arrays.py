"""Ways to spoil arrays, archives of arrays, and MATLAB files."""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from functools import lru_cache
from random import Random

import numpy as np
from fuzz_bytes import FLOATS, NUMBERS, WORDS, flip_bytes, overwrite_floats

_BOMB_BYTES = 2**28
_SHAPES = (
    "()", "(0,)", "(1,)", "(4, 22, 3)", "(-1, 22, 3)", "(4, 0, 3)", "(999999999999999999, 22, 3)", "(4,)",
    "(2, 2, 2, 2, 2, 2, 2, 2, 2)", "(0, 999999999999999999)", "(1, 4, 66)", "(4, 263)", "(True,)", "(4, 1, 22, 3)",
)  # fmt: skip
_DTYPES = (
    "<f8", "<f4", "<f2", ">f8", "<i8", "<u8", "<c16", "|O", "<U1", "<U0", "|S1", "|b1", "<M8", "<m8[s]", "|V8", "<f16",
    "<f9", "<i99999", "|u1", "?", "<U999999",
)  # fmt: skip
_TEXTS = ("", "x", "a\nb", "\ud800", "\u00e9\u4e2d", "\u2028", "COCO-17", "smpl_22", "long" * 5000, "{}", "[" * 3000)


def change_values(array: np.ndarray, random: Random) -> np.ndarray:
    """An array that is sound, but not what is expected."""
    if array.dtype.kind == "U":
        return np.array(random.choice((*_TEXTS, random.choice(NUMBERS), [str(array), "b"], str(array)[:-1])))
    change = random.randrange(8)
    axis = random.randrange(array.ndim) if array.ndim else None
    with np.errstate(all="ignore"):
        if change == 0:
            return array.astype(random.choice(("f2", "f4", ">f8", "i1", "u2", "i8", "?", "c16", "U3", "f8")))
        if change == 1 and axis is not None:
            return array.take(range(random.randrange(array.shape[axis] + 1)), axis)
        if change == 2 and axis is not None:
            return np.repeat(array, random.choice((1, 2, 5)), axis)
        if change == 3:
            return random.choice((array.T, array[None], array[..., None], array.ravel(), np.asfortranarray(array)))
        if array.dtype.kind != "f":
            return np.full_like(array, random.choice((0, 1, 3, 127)))
        if change == 4:
            return array * random.choice((0.0, -1.0, 1e-3, 1e3, 1e6, 1e30, 1e300, float("nan")))
    changed = array.copy()
    places = np.random.default_rng(random.randrange(2**32)).random(changed.shape) < random.choice((0.01, 0.3, 0.9, 1.0))
    with np.errstate(over="ignore"):
        changed[places] = random.choice(FLOATS)
    return changed


def change_array(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """The header of an ``.npy``, or its numbers."""
    if random.random() < 0.5:
        buffer = io.BytesIO()
        np.save(buffer, change_values(np.load(io.BytesIO(content)), random))
        return buffer.getvalue()
    end = content.index(b"\n") + 1
    header, data = content[10:end], content[end:]
    change = random.randrange(6)
    if change == 0:
        header = re.sub(rb"\([^)]*\)", random.choice(_SHAPES).encode(), header, count=1)
    elif change == 1:
        header = re.sub(rb"'[<>|=]?\w+'(?=, 'fortran)", b"'" + random.choice(_DTYPES).encode() + b"'", header, count=1)
    elif change == 2:
        header = flip_bytes(header, random, others)
    elif change == 3:
        data = data[: random.randrange(len(data) + 1)] + bytes(random.choice((0, 1, 8)))
    else:
        data = overwrite_floats(data, random, others)
    length = random.choice((0, 65535)) if random.random() < 0.05 else len(header)
    return content[:8] + struct.pack("<H", length % 65536) + header + data


def change_archive(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Members of a zip: their arrays, names, compression and sizes."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        members = [(name, packed.read(name)) for name in packed.namelist()]
    place = random.randrange(len(members))
    name, data = members[place]
    change = random.randrange(8)
    if change < 4:
        members[place] = name, change_array(data, random, others)
    elif change == 4:
        del members[place]
    elif change == 5:
        new = random.choice((random.choice(members)[0], "x.npy", name.removesuffix(".npy"), "../" + name, name + "/"))
        members[place] = new, data
    elif change == 6:
        members[place] = name, random.choice((b"", random.choice(others), flip_bytes(data, random, others)))
    compression = random.choice((0, 8, 8, 8, 8, 12, 14)) if change == 7 else random.choice((0, 8))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as packed:
        for number, (name, data) in enumerate(members):
            if name not in packed.namelist():
                packed.writestr(zipfile.ZipInfo(name), data, compression if number % 2 or change != 7 else 8)
    changed = buffer.getvalue()
    if random.random() < 0.3:
        # The list at the end: flags, sizes, places.
        entry = changed.find(b"PK\1\2") + random.choice((8, 10, 16, 20, 24, 28, 30, 42))
        word = struct.pack("<I", random.choice((*WORDS, random.randrange(len(changed)))))
        changed = changed[:entry] + word + changed[entry + 4 :]
    if random.random() < 0.01:
        changed = _bomb(members[0][0])
    return changed


@lru_cache(maxsize=4)
def _bomb(name: str) -> bytes:
    """A member that inflates to far more than any recording has, behind a true beginning."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d, 1, 25, 3), }\n" % (_BOMB_BYTES // 600)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed, packed.open(name, "w") as member:
        member.write(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header)
        for _ in range(_BOMB_BYTES // 2**20):
            member.write(bytes(2**20))
    return buffer.getvalue()


_MATLAB_HEADER = 128


def change_matlab(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """The elements of a file, compressed ones as what they hold."""
    elements, position = [], _MATLAB_HEADER
    while position + 8 <= len(content):
        kind, size = struct.unpack_from("<II", content, position)
        body = content[position + 8 : position + 8 + size]
        elements.append(zlib.decompress(body) if kind == 15 else content[position : position + 8 + size])
        position += 8 + size
    place = random.randrange(len(elements))
    change = random.randrange(8)
    if change < 4:
        words = bytearray(elements[place])
        start = 4 * random.randrange(min(len(words) // 4, 20))
        struct.pack_into("<I", words, start, random.choice(WORDS))
        elements[place] = bytes(words)
    elif change == 4:
        elements[place] = overwrite_floats(elements[place], random, others)
    elif change == 5:
        elements[place] = random.choice(elements) if random.random() < 0.5 else b""
    elif change == 6:
        elements[place] = flip_bytes(elements[place], random, others)
    elif random.random() < 0.1:
        elements[place] = elements[place] + bytes(2**24)
    packed = random.random() < 0.5
    return content[:_MATLAB_HEADER] + b"".join(_packed(element) if packed else element for element in elements)


def _packed(element: bytes) -> bytes:
    body = zlib.compress(element, 1)
    return struct.pack("<II", 15, len(body)) + body
