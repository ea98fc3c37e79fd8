"""Spoilt files: mutations chosen by what a file is, and files grown to many megabytes."""

import io
import json
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Any

import numpy as np
from fuzz_arrays import change_archive, change_array, change_matlab
from fuzz_bytes import BYTES, TEXT, Mutation, Unsuitable
from fuzz_nodes import change_json, change_pickle, change_pickled, change_yaml

_LARGEST = 40 * 2**20


def grow(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """A part of the file repeated until it has many megabytes."""
    if content.startswith((b"PK", b"\x93NUMPY")):
        return _grow_arrays(content, random)
    if content.startswith((b"{", b"[")):
        root = json.loads(content)
        lists = _lists(root)
        if not lists:
            raise Unsuitable("no lists")
        chosen = random.choice(lists)
        size = max(len(json.dumps(chosen)), 1)
        chosen *= random.randint(1, max(1, _LARGEST // size))
        return json.dumps(root).encode()
    lines = content.splitlines(keepends=True)
    start = random.randrange(len(lines))
    end = random.randint(start + 1, len(lines))
    part = b"".join(lines[start:end])
    return b"".join(lines[:end]) + part * random.randint(1, max(1, _LARGEST // len(part))) + b"".join(lines[end:])


def _lists(node: Any) -> list[list]:
    """All lists within a node of JSON that are not empty."""
    children = node if isinstance(node, list) else node.values() if isinstance(node, dict) else ()
    own = [node] if isinstance(node, list) and node else []
    return own + [found for child in children for found in _lists(child)]


def _grow_arrays(content: bytes, random: Random) -> bytes:
    """Arrays longer along an axis, those of an archive that have its length all alike."""
    loaded = np.load(io.BytesIO(content))
    arrays = {"": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    sizes = sorted({size for array in arrays.values() for size in array.shape})
    if not sizes:
        raise Unsuitable("no axes")
    size = random.choice(sizes)
    times = random.randint(1, 2 * _LARGEST // max(array.nbytes for array in arrays.values()))
    dtype = random.choice(("f8", "f4", "f2", "i1"))
    for name, array in arrays.items():
        if size in array.shape:
            array = np.repeat(array, times, array.shape.index(size))
            arrays[name] = array.astype(dtype) if array.dtype.kind == "f" else array
    buffer = io.BytesIO()
    if "" in arrays:
        np.save(buffer, arrays[""])
    else:
        np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


STRUCTURE: tuple[tuple[tuple[bytes, ...], tuple[Mutation, ...]], ...] = (
    ((b"{", b"["), (change_json,)),
    ((b"PK",), (change_archive,)),
    ((b"\x93NUMPY",), (change_array,)),
    ((b"MATLAB",), (change_matlab,)),
    ((b"kind:", b"name:", b"# a comment\nkind:"), (change_yaml,)),
    ((b"\x80", b"(dp"), (change_pickle, change_pickled)),
)


def mutate(sound: bytes, random: Random, others: Sequence[bytes], large: float = 0.0) -> bytes:
    """A sound file spoilt in one to four ways, the first of which most often knows its structure.

    Args:
        sound, random, others: see ``Mutation``.
        large: how often, from 0 to 1, it grows instead.
    """
    structural = next((changes for starts, changes in STRUCTURE if sound.startswith(starts)), ())
    general = BYTES if b"\0" in sound or not sound[:200].isascii() else TEXT
    changes = [random.choice(general) for _ in range(random.choice((1, 1, 1, 2, 3)))]
    if structural and random.random() < 0.75:
        changes = [random.choice(structural), *(changes if random.random() < 0.3 else ())]
    if random.random() < large:
        changes = [grow]
    content = sound
    for change in changes:
        with suppress(Unsuitable):
            content = change(content, random, others)
    return content
