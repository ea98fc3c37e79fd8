"""How joints lie in arrays: the axes in their order, those that were written as one in brackets, as ``T (J C)``."""

import re
from collections.abc import Mapping, Sequence
from math import prod

# Frames, persons, joints, and the values of a joint. A sequence has its axes in this order.
AXES = "TPJC"
AXIS_NAMES = {"T": "frames", "P": "persons", "J": "joints", "C": "values of a joint"}
# An axis of one element that means nothing.
SINGLE = "1"
_TOKEN = re.compile(r"\s*([A-Z1]|\(\s*[A-Z1](?:\s*[A-Z1])*\s*\))\s*")

Group = tuple[str, ...]


def parse_shape(text: str) -> tuple[Group, ...]:
    """``T P (J C)`` as (("T",), ("P",), ("J", "C")).

    Raises:
        ValueError: says what is wrong with it.
    """
    groups, position = [], 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(f"{text[position:]!r} in {text!r}")
        groups.append(tuple(letter for letter in token[1] if letter not in "() \t"))
        position = token.end()
    letters = [letter for group in groups for letter in group if letter != SINGLE]
    for letter in letters:
        if letter not in AXES:
            raise ValueError(f"the axis {letter!r}")
        if letters.count(letter) > 1:
            raise ValueError(f"the axis {letter!r} twice")
    return tuple(groups)


def describe_group(group: Sequence[str]) -> str:
    """``joints x values of a joint``."""
    return " x ".join(AXIS_NAMES.get(letter, "1") for letter in group)


def split_size(size: int, group: Group, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The sizes of the axes that were written as one.

    Args:
        size: of them together.
        group: the axes, of which at most one has a size that is not known.
        sizes: of those known.

    Raises:
        ValueError: says which sizes fit, where this one does not.
    """
    known = prod(sizes[letter] for letter in group if letter in sizes)
    unknown = [letter for letter in group if letter not in sizes and letter != SINGLE]
    if size % known if unknown else size != known:
        many = f"a multiple of {known}" if unknown else str(known)
        raise ValueError(f"{many} ({describe_group(group)})")
    return tuple(1 if letter == SINGLE else sizes.get(letter, size // known) for letter in group)
