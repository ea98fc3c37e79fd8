"""Many decimal numbers in a text at once: array operations in place of one conversion per word.

The usual form, a sign, one digit, a point and up to eight more, is computed for all words together; any other word
goes through ``float``. Both give the same bits: a product of two integers below 2^53 and a power of ten up to 10^22
that is divided once is rounded once (Clinger 1990, How to read floating point numbers accurately).
"""

import numpy as np

# Eight characters make a machine word, which arithmetic on all of its bytes at once turns into a number.
MOST_DECIMALS = 8
_ZERO, _MINUS, _POINT = b"0-."


def _every_byte(value: int) -> np.uint64:
    return np.uint64(int.from_bytes(bytes([value]) * 8, "little"))


_ZEROS, _SIXES, _HIGH = _every_byte(_ZERO), _every_byte(6), _every_byte(0xF0)
_BYTES, _PAIRS = np.uint64(0x000000FF000000FF), (np.uint64(100 + (1000000 << 32)), np.uint64(1 + (10000 << 32)))

# By the length of a word without its sign: 1 is a digit alone, 3 to 10 are a digit, a point and decimals; the last
# entry stands for anything longer.
_ALONE, _SHORTEST = 1, 3
_LENGTHS = np.arange(_SHORTEST + MOST_DECIMALS + 1)
_DECIMALS = np.where((_LENGTHS >= _SHORTEST) & (_LENGTHS < len(_LENGTHS) - 1), _LENGTHS - 2, 0)
_SCALE = 10.0**_DECIMALS
# The first character is the lowest byte of a machine word: decimals that end a word are its highest bytes.
_KEPT = np.array([(2**64 - 1) >> 8 * (8 - count) << 8 * (8 - count) for count in _DECIMALS.tolist()], "<u8")


def padded(text: bytes) -> bytes:
    """The text in whole machine words, with something behind its last word, as ``parse_decimals`` wants it."""
    return text + bytes(16 - len(text) % 8)


def parse_decimals(text: bytes, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The words of a text as numbers.

    Args:
        text: ASCII, padded.
        starts, ends: (...) int64, where each word begins and where it has ended; none is empty, each ends at byte 8
            or later.

    Returns:
        (...) float64, to the bit what ``float`` gives.

    Raises:
        ValueError: a word that is no number.
    """
    characters = np.frombuffer(text, np.uint8)
    negative = characters[starts] == _MINUS
    whole = starts + negative
    lengths = ends - whole
    digit = characters[whole] - np.uint8(_ZERO)  # what is below "0" wraps round and is no digit either
    whole += 1
    usual = characters[whole] == _POINT
    usual &= (lengths - _SHORTEST).view(np.uint64) < MOST_DECIMALS  # below zero wraps round
    usual |= lengths == _ALONE
    usual &= digit <= 9
    mantissa, fits = _digits(text, ends, _KEPT.take(lengths, mode="clip"))
    usual &= fits
    scale = _SCALE.take(lengths, mode="clip")
    values = digit * scale
    values += mantissa
    values /= scale
    values *= 1 - 2 * negative.view(np.int8)
    if not usual.all():
        rest = ~usual
        places = zip(starts[rest].tolist(), ends[rest].tolist(), strict=True)
        values[rest] = [float(text[start:end]) for start, end in places]
    return values


def _digits(text: bytes, ends: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The integer that the last characters of each word make, as many as ``kept`` has bytes; whether all are digits."""
    # The eight characters stand in two aligned words; to read those is faster than to read across their border.
    aligned = np.frombuffer(text, "<u8").astype(np.uint64, copy=False)
    first = ends - 8
    shift = (first & 7).view(np.uint64)
    shift <<= np.uint64(3)
    first >>= 3
    words = aligned[first]
    words >>= shift
    first += 1
    rest = aligned[first]
    rest <<= np.uint64(56) - shift
    rest <<= np.uint64(8)  # in two steps, because a shift by all 64 bits is not defined
    words |= rest
    words ^= _ZEROS
    words &= kept  # what stands before the digits becomes leading zeros
    fits = words + _SIXES
    fits |= words
    fits &= _HIGH
    tens = words * np.uint64(10)
    words >>= np.uint64(8)
    words += tens
    np.bitwise_and(words, _BYTES, out=tens)
    tens *= _PAIRS[0]
    words >>= np.uint64(16)
    words &= _BYTES
    words *= _PAIRS[1]
    words += tens
    words >>= np.uint64(32)
    return words, fits == 0
