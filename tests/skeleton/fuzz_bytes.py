"""Ways to spoil any file: its bytes, words and lines."""

import re
import struct
from collections.abc import Callable, Sequence
from random import Random

# content, the source of chance, contents of other files -> content; raises Unsuitable where it changes nothing.
Mutation = Callable[[bytes, Random, Sequence[bytes]], bytes]


class Unsuitable(Exception):
    """A change that a content has no place for."""


NUMBERS = (
    "nan", "inf", "-inf", "NaN", "-1", "0", "-0.0", "1", "2", "7", "1e308", "-1e308", "1e-320", "1e999", "1e39", "1e7",
    "99999999999999999999", "-99999999999999999999", "4294967296", "2147483648", "", "0x10", "1_000", "1" * 400,
    "9" * 5000, "0." + "3" * 500, "true", "null", "1.2.3", "--1", "1e", ".", "\u0663", "1,5", "[]", "{}", '"1"',
    "0x" + "f" * 5000, "1:" * 500 + "1.5", "!!int ''", "!!timestamp x", "2001-99-99",
)  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
FLOATS = (float("nan"), float("inf"), -float("inf"), 0.0, 1e308, -1e308, 1e-320, 3e38, 101.0, 1e20, -5.0)
WORDS = (0, 1, 2, 3, 7, 17, 25, 127, 128, 255, 256, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 8)


def span(content: bytes, random: Random, longest: int = 64) -> tuple[int, int]:
    """A range of bytes; half of them in the first few hundred, where headers are."""
    if not content:
        raise Unsuitable("nothing to change")
    start = random.randrange(len(content) if random.random() < 0.5 else min(len(content), 300))
    length = random.randint(1, longest) if random.random() < 0.8 else random.randint(1, len(content))
    return start, min(len(content), start + length)


def flip_bytes(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    changed = bytearray(content)
    for _ in range(random.randint(1, 8)):
        place, _ = span(content, random)
        changed[place] = random.choice((random.randrange(256), changed[place] ^ 1 << random.randrange(8)))
    return bytes(changed)


def truncate(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    return content[: span(content, random)[0]]


def delete_block(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    start, end = span(content, random)
    return content[:start] + content[end:]


def duplicate_block(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    start, end = span(content, random)
    times = random.choice((1, 1, 2, 100))
    return content[:end] + content[start:end][:4096] * times + content[end:]


def insert_noise(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    start, _ = span(content, random)
    noise = random.choice((random.randbytes(random.randint(1, 40)), b"\0" * 40, b" " * 5000, b"\n" * 500, b"\xff\xfe"))
    return content[:start] + noise + content[start:]


def splice(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    other = random.choice(others)
    start, _ = span(content, random)
    return content[:start] + other[span(other, random)[0] :]


def overwrite_word(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """An integer of four or eight bytes, as sizes are."""
    start, _ = span(content, random)
    size = random.choice("IQ")
    word = struct.pack(random.choice("<>") + size, random.choice(WORDS))
    return content[:start] + word + content[start + len(word) :]


def overwrite_floats(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    start, end = span(content, random, 200)
    float_ = struct.pack(random.choice(("<f", "<d", "<e", ">f")), *[_fitting(random)])
    run = float_ * random.choice((1, 1, 3, 1 + (end - start) // len(float_)))
    return content[:start] + run + content[start + len(run) :]


def _fitting(random: Random) -> float:
    value = random.choice(FLOATS)
    return value if abs(value) < 6e4 or value != value else float("inf")


def replace_numbers(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Some numbers of a text, or all, or a run of them, by one that is no usual one."""
    found = list(_NUMBER.finditer(content))
    if not found:
        raise Unsuitable("no numbers")
    number = random.choice(NUMBERS).encode()
    first = random.randrange(len(found)) if random.random() < 0.7 else random.randrange(min(len(found), 20))
    last = random.choice((first + 1, first + 1, first + 1, first + random.randint(1, 60), len(found)))
    if random.random() < 0.05:
        first = 0
    pieces, position = [], 0
    for match in found[first:last]:
        pieces += [content[position : match.start()], number]
        position = match.end()
    return b"".join(pieces) + content[position:]


def move_lines(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    lines = content.split(b"\n")
    if len(lines) < 3:
        raise Unsuitable("no lines")
    a, b = random.randrange(len(lines)), random.randrange(len(lines))
    change = random.randrange(4)
    if change == 0:
        lines[a], lines[b] = lines[b], lines[a]
    elif change == 1:
        del lines[a]
    elif change == 2:
        lines[a:a] = [lines[b]] * random.choice((1, 2, 50))
    else:
        random.shuffle(lines)
    return b"\n".join(lines)


def drop_words(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    words = re.split(rb"(\s+|,)", content)
    if len(words) < 4:
        raise Unsuitable("no words")
    place = random.randrange(len(words))
    words[place] = random.choice((b"", words[random.randrange(len(words))], words[place] * 2, b"\xc3\xa9", b"\x00"))
    return b"".join(words)


def encode_otherwise(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    read = content.decode("latin-1")
    return random.choice(
        (
            lambda: b"\xef\xbb\xbf" + content,
            lambda: content.replace(b"\n", b"\r\n"),
            lambda: content.replace(b"\n", b"\r"),
            lambda: read.encode("utf-16"),
            lambda: read.encode("utf-8"),
            lambda: content.replace(b" ", random.choice((b"\t", b"\x0b", b"\x0c", b"\xa0", b"\x1c", b"  "))),
            lambda: content + random.choice((b"\x1a", b"\x00", b"\n\n\n", b"garbage")),
            lambda: b"\n\n " + content,
        )
    )()


BYTES: tuple[Mutation, ...] = (
    flip_bytes, flip_bytes, truncate, delete_block, duplicate_block, insert_noise, splice, overwrite_word,
    overwrite_floats,
)  # fmt: skip
TEXT: tuple[Mutation, ...] = (
    replace_numbers, replace_numbers, replace_numbers, move_lines, drop_words, encode_otherwise, truncate, splice,
    delete_block, duplicate_block, flip_bytes, insert_noise,
)  # fmt: skip
