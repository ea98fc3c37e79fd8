"""Questions in anybody's words as questions of the tasks, for models so small that they know these words alone.

The nearest task is found by words: which action it is, whether it is a certain one, when it is done, a fact about the
motion, a caption, or reasons. What is near none of them is not understood, and that is an answer too.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from skeletonllm.tasks import captioning, localization, questions, rationale
from skeletonllm.tasks.questions import Topic
from skeletonllm.tasks.recognition import normalize_label
from skeletonllm.tasks.when import asked_action, matching_label, stems

# A question of these words alone asks which action it is: "What is this person doing?", "Which action do you see?"
_ACTION_WORDS = frozenset(
    "what which whats is are do does did doing done being performed performing perform shown show shows see seen here "
    "this these that those the a an of in on he she it they hes shes theyre person persons people man woman child "
    "somebody someone anyone action actions activity motion movement gesture exercise frames recording clip video "
    "skeleton you can could kind sort label name tell me us please now just recognize recognise two both and "
    "answer with one only".split()
)
_DESCRIBE = re.compile(r"\b(?:describe|caption|summari[sz]e|what happens|what happened|happening|going on)\b")
_EXPLAIN = re.compile(r"\b(?:each part of the body|body parts?|explain|how can you tell|how do you know)\b")
_IS_IT = re.compile(r"(?:is|are|does|do|did|was|were|can|has|have) .+")
# Of what a question is about these say nothing.
_EMPTY = stems("the a an is are do does did he she it they person people this that of to")
# A question must have so large a share of its words, and of the other's, in common with one about a fact.
_NEAR = 0.5


@dataclass(frozen=True)
class Understood:
    """What a question asks for.

    Args:
        task: a key of ``skeletonllm.tasks.TASKS``.
        prompt: in the words of the task, where there is one way to put it.
        label: the action that is asked about, in discrimination and localization.
        topic: the fact that is asked about, in questions.
        order: two actions of which the first is asked for, in questions.
    """

    task: str
    prompt: str = ""
    label: str | None = None
    topic: Topic | None = None
    order: tuple[str, str] | None = None


def understand(question: str, labels: Sequence[str]) -> Understood | None:
    """The task that a question belongs to; None if it is near none, or about an action that is no label."""
    text = normalize_label(question)
    if set(text.split()) <= _ACTION_WORDS:
        return Understood("recognition")
    if (action := asked_action(question)) is not None:
        label = matching_label(action, labels)
        return None if label is None else Understood("localization", localization.build_prompt(label), label)
    named = named_labels(text, labels)
    if len(named) == 2 and {"first", "before", "earlier"} & {*text.split()}:
        return Understood("questions", order=(named[0], named[1]))
    if (topic := _nearest_topic(text)) is not None:
        return Understood("questions", topic=topic)
    if _IS_IT.fullmatch(text) and len(named) == 1:
        return Understood("discrimination", label=named[0])
    if _EXPLAIN.search(text):
        return Understood("rationale", rationale.build_prompt())
    if _DESCRIBE.search(text):
        return Understood("captioning", captioning.PROMPTS[0])
    return None


def named_labels(text: str, labels: Sequence[str]) -> list[str]:
    """Labels whose words are all in a text, without those that are part of another one that is: walk, walk apart."""
    words = stems(text)
    found = [label for label in labels if stems(label) <= words]
    return [label for label in found if not any(stems(label) < stems(other) for other in found)]


def _nearest_topic(text: str) -> Topic | None:
    """The fact whose question shares most words with a text, if these are enough."""
    words = stems(text) - _EMPTY
    nearness = {}
    for kind in questions.KINDS.values():
        for name, topic in kind.items():
            known = stems(topic.question) - _EMPTY
            nearness[name] = len(words & known) / len(words | known)
    best = max(nearness, key=nearness.__getitem__)
    return questions.find_topic(best) if nearness[best] >= _NEAR else None
