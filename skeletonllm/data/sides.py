"""What a mirror does to labels: left becomes right, clockwise becomes counter clockwise."""

import re

_SIDED = re.compile(r"(?<!\w)(left|right|(?:counter[- ]?|anti[- ]?)?clockwise)(?!\w)", re.IGNORECASE)


def mirrored(label: str) -> str:
    """The label of an action in a mirror; itself where it names no side.

    For labels only: a sentence may use ``right`` for something else than a side.
    """
    return _SIDED.sub(lambda match: _opposite(match[0]), label)


def _opposite(word: str) -> str:
    known = {"left": "right", "right": "left", "clockwise": "counter clockwise"}
    found = known.get(word.lower(), "clockwise")
    return found.capitalize() if word[0].isupper() else found
