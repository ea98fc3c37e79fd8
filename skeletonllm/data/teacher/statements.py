"""What a text says about parts of a body: which it names, and which it says to move.

It reads plain English, clause by clause, and is made to err on the side of the text: what it does not understand says
nothing. A part that only tells a place ("rises to the head") is not named.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from skeletonllm.data.teacher.movement import HEAD, PARTS, SIDES, TORSO
from skeletonllm.tasks.recognition import normalize_label

_DOUBLED = re.compile(r"([^aeiou])\1$")


def root(word: str) -> str:
    """A word without the endings of English verbs and plurals: wave, waves and waving are one."""
    for ending in ("ing", "ed", "es", "s", "e"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 3 and re.search("[aeiouy]", stem):
            return _DOUBLED.sub(r"\1", stem)
    return _DOUBLED.sub(r"\1", word)


def roots(text: str) -> list[str]:
    """The roots of the words of a text, in order."""
    return [root(word) for word in normalize_label(text).split()]


def _roots(words: str) -> frozenset[str]:
    return frozenset(map(root, words.split()))


_ARM = _roots("arm hand wrist forearm elbow fist palm finger thumb")
_LEG = _roots("leg foot feet ankle knee thigh shin calf heel toe")
_TORSO = _roots("torso trunk body spine waist hip pelvis chest shoulder")
_HEAD = _roots("head neck face")

# Words of posture such as "lean" are in neither list: whoever leans need not move.
_MOVING = _roots(
    "move rise raise lift lower swing kick bend stretch extend reach step travel rotate turn wave drop push punch jump "
    "hop sink come go goes shoot thrust fold twist shake pull throw straighten flex descend ascend fall bring circle "
    "sweep stride walk run march shift nod sway oscillate pump rub touch meet open close part climb"
)
_STILL = _roots(
    "stay remain keep still rest hang motionless stationary static steady fixed immobile idle not no never without "
    "neither nor dont doesnt didnt isnt arent cannot hardly barely"
)
_NEGATIONS = _roots("not no never without neither nor dont doesnt didnt hardly barely")
_HEDGES = _roots("slightly little minimal minimally subtly somewhat faintly nearly almost may might could if")
_PLACES = _roots(
    "to above over near toward towards beside behind from on at against past below under beneath between across around "
    "into off onto by than level until relative"
)
_DESCRIBING = _roots("the a an his her their its both two left right other same one own upper lower whole entire each")
_CLAUSES = re.compile(r"[.,;:!?()\n\u2013\u2014]|\b(?:while|whereas|but|then|as|so|before|after|when|which)\b", re.I)


@dataclass(frozen=True)
class Mention:
    """A part of the body in a text.

    Args:
        parts: those of ``PARTS`` that may be meant; any one of them.
        state: ``moving``, ``still``, or None where the text does not say.
    """

    parts: tuple[str, ...]
    state: str | None


def mentions(text: str) -> list[Mention]:
    """What a text says of parts of the body, in order; parts that only tell a place are left out."""
    return [mention for clause in _CLAUSES.split(text) for mention in _of_clause(roots(clause))]


def _of_clause(words: list[str]) -> Iterator[Mention]:
    hedged = any(word in _HEDGES for word in words)
    last_place, last_end = False, -1
    for index in range(len(words)):
        parts = _parts(words, index)
        if not parts:
            continue
        before = index - 1
        while before >= 0 and words[before] in _DESCRIBING:
            before -= 1
        previous = words[before] if before >= 0 else ""
        place = previous in _PLACES
        if previous in ("and", "or") and before - 1 == last_end and not _begins(words, index):
            place = last_place  # "to the head and the shoulders", but not "to the head and the feet do not move"
        last_place, last_end = place, index
        if not place:
            state = _state(words, index, before)
            # "The swing of the arms" names the arms, and "in front of the arms" says nothing of them.
            yield Mention(parts, None if previous == "of" or (hedged and state == "moving") else state)


def _begins(words: list[str], index: int) -> bool:
    """Whether a part is followed by a verb of its own."""
    following = words[index + 1 : index + 3]
    return bool(following) and following[0] not in ("and", "or") and any(w in _STILL | _MOVING for w in following)


def _parts(words: list[str], index: int) -> tuple[str, ...]:
    word = words[index]
    if word in _HEAD:
        return (HEAD,)
    if word in _TORSO:
        return (TORSO,)
    limb = "arm" if word in _ARM else "leg" if word in _LEG else None
    if limb is None:
        return ()
    near = words[max(0, index - 2) : index]
    named = [side for side in SIDES if side in near]
    sides = named if len(named) == 1 else SIDES
    return tuple(part for part in PARTS if part in {f"{side} {limb}" for side in sides})


def _state(words: list[str], index: int, before: int) -> str | None:
    """By the verb that the part is the object of, else by the first that follows it, else by the last before it."""
    following = range(index + 1, len(words))
    order = [before, *following, *reversed(range(max(0, before)))] if before >= 0 else following
    for place in order:
        if words[place] in _STILL:
            return "still"
        if words[place] in _MOVING:
            negated = any(word in _NEGATIONS for word in words[max(0, place - 3) : place])
            return "still" if negated else "moving"
    return None
