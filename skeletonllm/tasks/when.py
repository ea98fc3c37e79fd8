"""Questions for the time of an action: "When does she sit down?"; which action is it, and is it one of these?"""

import re
from collections.abc import Sequence

from skeletonllm.tasks.recognition import normalize_label

_QUESTION = re.compile(
    r"(?:when|(?:at|from) (?:what|which) (?:time|second|moment)|from when to when|in which seconds?)"
    r" (?:does|do|did|is|are|was|were)"
    r" (?:he|she|it|they|one|anybody|anyone|somebody|someone"
    r"|(?:the|this|a) (?:(?:first|second|left|right) )?(?:person|people|man|woman|child|patient|performer|subject))"
    r" (.+)"
)
# Words that a label may have or lack without being another action.
_FILLERS = frozenset({"a", "an", "the", "his", "her", "its", "their", "with", "something"})


def asked_action(question: str) -> str | None:
    """The action whose time is asked for, in the words of the question; None if it asks for something else."""
    match = _QUESTION.fullmatch(normalize_label(question))
    return match and match[1]


def matching_label(action: str, labels: Sequence[str]) -> str | None:
    """The label that has the words of an action, in any form of the verb; None if it is none or not clear which."""
    wanted = stems(action)
    found = [label for label in labels if stems(label) == wanted]
    return found[0] if len(found) == 1 else None


def stems(text: str) -> frozenset[str]:
    """The words of a text without their endings and without those that may be missing."""
    return frozenset(_stem(word) for word in normalize_label(text).split() if word not in _FILLERS)


def _stem(word: str) -> str:
    """Of an English verb: sits, sit and sitting are the same, and so are waves, wave and waving."""
    stem = re.sub(r"(?<=[a-z]{2})(?:ing|es|s|e)$", "", word)
    return re.sub(r"([bdgkmnprt])\1$", r"\1", stem)
