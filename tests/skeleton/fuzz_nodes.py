"""Ways to spoil what is built of nodes: JSON, YAML, and pickles."""

import json
import pickle
import pickletools
from collections.abc import Sequence
from copy import deepcopy
from random import Random

import numpy as np
import yaml
from fuzz_arrays import change_values
from fuzz_bytes import NUMBERS, flip_bytes, overwrite_floats

_DEEP = 100_000
_RAW = "\N{REPLACEMENT CHARACTER}raw"
_FRAGMENTS = (
    *NUMBERS[:-8], "NaN", "-Infinity", "[" * _DEEP + "]" * _DEEP, '{"a":' * 5000 + "1" + "}" * 5000,
    '{"x": 1, "x": [2]}', '"\\ud800"', '"\\u0000\\n"', '"' + "long" * 2000 + '"', "1E400",
)  # fmt: skip
_VALUES = (
    None, True, False, 0, 1, -1, 3, 10**15, 10**30, 10**400, 0.5, 1e308, 1e-320, float("nan"), float("inf"), "", "1",
    "x", "a/b#c\\d", [], [[]], {}, {"x": 1}, [None], [1, 2, 3], [0.0] * 51, {"keypoints": [1]}, [{"x": 1}] * 33,
)  # fmt: skip


def change_json(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Replace, remove, repeat, move or wrap some nodes."""
    root = [json.loads(content)]
    raw: dict[str, str] = {}
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        change_node(root, random, raw)
    written = json.dumps(root[0] if root else None, separators=random.choice(((",", ":"), (", ", ": "))))
    for mark, fragment in raw.items():
        written = written.replace(json.dumps(mark), fragment)
    return written.encode("utf-8", "surrogatepass")


def change_node(root: list, random: Random, raw: dict[str, str]) -> None:
    """Change a node of a tree of lists and mappings in place; ``raw`` takes text that is to replace a mark."""
    holder: list | dict = root
    while True:
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        if not keys:
            return
        key = random.choice(keys)
        if not isinstance(holder[key], list | dict) or not holder[key] or random.random() < 0.3:
            break
        holder = holder[key]
    change = random.randrange(9)
    if isinstance(holder[key], np.ndarray) and random.random() < 0.8:
        holder[key] = change_values(holder[key], random)
    elif change < 3:
        holder[key] = deepcopy(random.choice(_VALUES))
    elif change == 3:
        mark = f"{_RAW}{len(raw)}"
        depth = random.randrange(800, 1000)  # about as deep as Python's own parser follows
        raw[mark] = random.choice((*_FRAGMENTS, "[" * depth + "]" * depth))
        holder[key] = mark
    elif change == 4:
        del holder[key]
    elif change == 5:
        holder[key] = random.choice(([holder[key]], {"keypoints": holder[key]}, str(holder[key])[:100]))
    elif change == 6 and isinstance(holder, list):
        holder[key:key] = [deepcopy(holder[key]) for _ in range(random.choice((1, 2, 40)))]
    elif change == 7 and isinstance(holder, dict):
        holder[random.choice((key.upper(), key + " ", "", "x", "\u00e9", "id", "frames", "label"))] = holder.pop(key)
    elif isinstance(holder[key], list):
        value = random.choice((None, 0, 1e9, -1, 0.5, float("nan"), 10**20, True))
        holder[key] = [value] * len(holder[key])
    elif type(holder[key]) is float:
        holder[key] = holder[key] * random.choice((-1, 0, 2, 1e3, 1e-3, 1e6, 1e9, 1e300))
    else:
        random.shuffle(holder) if isinstance(holder, list) else holder.pop(key)


def change_yaml(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Nodes as in JSON, which is YAML, too."""
    return change_json(json.dumps(yaml.safe_load(content)).encode(), random, others)


_INSTRUCTIONS = (
    b"cos\nsystem\n", b"cbuiltins\neval\n", b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"c_codecs\nencode\n",
    b"cnumpy._core.multiarray\n_reconstruct\n", b"cnumpy._core.multiarray\nscalar\n",
    b"cnumpy._core.numeric\n_frombuffer\n", b"R", b"b", b"o", b"i", b"(", b"t", b"l", b"d", b"u", b"s", b"e", b"a",
    b"0", b"1", b"2", b".", b"]", b"}", b")", b"N", b"\x88", b"\x85", b"\x86", b"\x87", b"\x90", b"\x94", b"h\0",
    b"h\1",
    b"j\xff\xff\xff\xff", b"r\xff\xff\xff\xff", b"\x8e" + b"\xff" * 8, b"\x96" + b"\xff" * 8, b"B\xff\xff\xff\x7f",
    b"X\xff\xff\xff\xff", b"T\xff\xff\xff\xff", b"\x8d" + b"\xff" * 8, b"\x8a\xff", b"\x8b\xff\xff\xff\x7f", b"K\5",
    b"J\xff\xff\xff\xff", b"I" + b"9" * 250 + b"\n", b"I" + b"9" * 5000 + b"\n", b"F1e999\n", b"Fnan\n", b"Lx\n",
    b"G\x7f\xf8\0\0\0\0\0\0", b"V\\ud800\n", b"S'\\xff'\n", b"g99\n", b"p-1\n", b"\x80\xff", b"\x97", b"\x98", b"Q",
    b"h\0a", b"h\0h\0e", b"]" + b"\x94h\0h\0e" * 40, b"(" * 2000, b"]" * 2000 + b"a" * 1999, b"\x8c\1x" * 500,
)  # fmt: skip


def change_pickle(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Remove, repeat, swap or replace instructions, or put hostile ones between them."""
    places = [place for _, _, place in pickletools.genops(content)]
    parts = [content[start:end] for start, end in zip(places, [*places[1:], len(content)], strict=True)]
    for _ in range(random.choice((1, 1, 2, 4))):
        a, b = random.randrange(len(parts)), random.randrange(len(parts))
        change = random.randrange(7)
        if change == 0:
            del parts[a]
        elif change == 1:
            parts.insert(a, parts[b])
        elif change == 2:
            parts[a], parts[b] = parts[b], parts[a]
        elif change == 3:
            parts[a] = random.choice(_INSTRUCTIONS)
        elif change == 4:
            parts.insert(a, random.choice(_INSTRUCTIONS))
        else:
            parts[a] = (
                flip_bytes(parts[a], random, others) if change == 5 else overwrite_floats(parts[a], random, others)
            )
    return b"".join(parts)


def change_pickled(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """What a sound pickle holds, written again by any protocol. Only for what these tests have pickled themselves."""
    root = [pickle.loads(content)]
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        change_node(root, random, {})
    return pickle.dumps(root[0] if root else None, random.randrange(6))
