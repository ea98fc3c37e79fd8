"""Whether what a teacher said may be learnt from."""

from collections.abc import Mapping
from dataclasses import dataclass

from skeletonllm.data.teacher.statements import mentions, roots
from skeletonllm.tasks.recognition import label_line, normalize_label

# Words of the reasons. A single sentence about one limb has about ten; what is far longer repeats itself, and its end
# would be cut off in training.
FEWEST_WORDS, MOST_WORDS = 12, 400
# Shares of the body's size. Arms and legs that hang or stand stray by half the first (embedded actions and UTD-MHAD);
# a hand that does something goes further than the second.
STILL, MOVED = 0.06, 0.12
# A part is among those that moved most from this share of the largest movement on; one that is below the other share
# of it, and below ``STILL``, did not move.
MOST_SHARE, STILL_SHARE = 1 / 3, 0.25


@dataclass(frozen=True)
class Statement:
    """An answer taken apart: the reasons, and the label that its last line names (None without such a line)."""

    rationale: str
    said: str | None


def take_apart(text: str) -> Statement:
    """Split an answer at its last line."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    said = label_line(lines[-1]) if lines else None
    if said is None:
        return Statement("\n".join(lines), None)
    return Statement("\n".join(lines[:-1]).strip(), said.strip(" \t*_`\"'"))


def moved_most(movement: Mapping[str, float]) -> list[str]:
    """The parts that a rationale should speak of, the first moved most; none where nobody moved enough to say so."""
    largest = max(movement.values(), default=0.0)
    if largest < MOVED:
        return []
    return sorted((part for part in movement if movement[part] >= MOST_SHARE * largest), key=lambda p: -movement[p])


def objection(statement: Statement, finish_reason: str | None, label: str, movement: Mapping[str, float]) -> str | None:
    """Why a rationale must not be learnt, or None.

    Args:
        statement: what was said.
        finish_reason: of the endpoint; all but ``stop`` mean that the answer is not whole.
        label: the true one.
        movement: of the recording, by part, see ``movements``.
    """
    if finish_reason != "stop":
        return f"incomplete: finish reason {finish_reason!r}"
    if statement.said is None:
        return "incomplete: the last line names no label"
    if normalize_label(statement.said) != normalize_label(label):
        return f"label: the answer ends with {statement.said!r}, the recording shows {label!r}"
    words = len(statement.rationale.split())
    if not FEWEST_WORDS <= words <= MOST_WORDS:
        return f"length: {words} words of reasons, expected {FEWEST_WORDS} to {MOST_WORDS}"
    if any(label_line(line) is not None for line in statement.rationale.splitlines()):
        return "quoted: a label line before the end"
    if _quotes(statement.rationale, label):
        return f"quoted: the reasons name {label!r} already"
    return _untrue(statement.rationale, movement)


def _quotes(rationale: str, label: str) -> bool:
    """Whether the words of the label, in any form, stand one after the other in the reasons."""
    said, sought = roots(rationale), roots(label)
    return any(said[start : start + len(sought)] == sought for start in range(len(said) - len(sought) + 1))


def _untrue(rationale: str, movement: Mapping[str, float]) -> str | None:
    """What a rationale says about movement that the joints contradict."""
    most = moved_most(movement)
    if not most:
        return None
    found = mentions(rationale)
    if not any(part in most for mention in found if mention.state != "still" for part in mention.parts):
        return f"movement: none of the parts that moved most is named ({', '.join(most)})"
    still = {part for part, way in movement.items() if way < STILL and way < STILL_SHARE * movement[most[0]]}
    for mention in found:
        if mention.state == "moving" and still.issuperset(mention.parts):
            return f"movement: {' or '.join(mention.parts)} is said to move and stood still"
    return None
