"""Motion question answering: short questions about facts, with two choices of which exactly one is right.

A question is asked together with a rival of the right answer: another value of the same fact, drawn as often as it is
right in the data. So of every two choices each is right as often as the other, and whoever reads the question without
seeing the frames is at chance (see ``Pool``). Half of the questions offer both, in any order; half state one of them
and ask whether it is true.
"""

from collections.abc import Mapping, Sequence

import torch

from skeletonllm.tasks import recognition
from skeletonllm.tasks.questions import body_part, contact, count, direction, order, posture, side, speed, why
from skeletonllm.tasks.questions.topic import Topic
from skeletonllm.tasks.subject import Subject

__all__ = [
    "KINDS",
    "Topic",
    "ask",
    "can_ask",
    "choice_prompt",
    "choices",
    "draw",
    "find_topic",
    "is_correct",
    "kind_of",
    "parse_answer",
    "wordings",
]

KINDS: dict[str, Mapping[str, Topic]] = {
    "order": order.TOPICS,
    "count": count.TOPICS,
    "body_part": body_part.TOPICS,
    "side": side.TOPICS,
    "direction": direction.TOPICS,
    "speed": speed.TOPICS,
    "posture": posture.TOPICS,
    "contact": contact.TOPICS,
    "why": why.TOPICS,
}
YES, NO = "YES", "NO"
_CHOOSE, _JUDGE = "Answer with one of these:", "Is this true?"


def kind_of(name: str) -> str | None:
    """The kind of question that a fact is asked by; None for a fact that is not asked about."""
    if order.of_actions(name) is not None:
        return "order"
    return next((kind for kind, topics in KINDS.items() if name in topics), None)


def find_topic(name: str) -> Topic:
    """What may be asked about a fact. Raises KeyError if nothing may."""
    kind = kind_of(name)
    if kind is None:
        raise KeyError(
            f"no question about {name!r}; known: {', '.join(t for topics in KINDS.values() for t in topics)}"
        )
    return order.of_actions(name) or KINDS[kind][name]


def can_ask(name: str, value: str) -> bool:
    """Whether there are words for this value of a fact."""
    return kind_of(name) is not None and value in find_topic(name).answers


def ask(name: str, value: str, rival: str, generator: torch.Generator) -> tuple[str, str]:
    """A question about a fact and its answer.

    Args:
        name: of the fact, among the topics of ``KINDS``.
        value: what is true.
        rival: what is not.
        generator: draws which form the question has, and where the answer is in it.

    Raises:
        KeyError: an unknown fact or value.
        ValueError: the rival is the truth.
    """
    if value == rival:
        raise ValueError(f"{name}: {value!r} is true, and cannot be the wrong choice as well")
    topic = find_topic(name)
    turned, judged = (torch.rand(2, generator=generator) < 0.5).tolist()
    if judged:
        claim = topic.claims[rival if turned else value]
        return f"{_JUDGE} {claim}\n{YES}\n{NO}", NO if turned else YES
    offered = [topic.answers[rival], topic.answers[value]] if turned else [topic.answers[value], topic.answers[rival]]
    return choice_prompt(topic, offered), topic.answers[value]


def choice_prompt(topic: Topic, offered: Sequence[str]) -> str:
    """The question of a topic with the answers that it offers."""
    return "\n".join([f"{topic.question} {_CHOOSE}", *offered])


def draw(subject: Subject, generator: torch.Generator) -> tuple[str, str]:
    """A question about one of the subject's facts that has rivals, each kind as often as any other.

    Raises:
        ValueError: no fact of the subject can be asked about.
    """
    by_kind: dict[str, list[str]] = {}
    for name, value in sorted(subject.facts.items()):
        if can_ask(name, value) and any(rival != value for rival in subject.rivals.get(name, ())):
            by_kind.setdefault(str(kind_of(name)), []).append(name)
    if not by_kind:
        raise ValueError(f"no question about a recording of {subject.label!r}: none of its facts has another value")
    kinds = sorted(by_kind)
    names = by_kind[kinds[int(torch.randint(len(kinds), (), generator=generator))]]
    name = names[int(torch.randint(len(names), (), generator=generator))]
    value = subject.facts[name]
    rivals = {rival: share for rival, share in sorted(subject.rivals[name].items()) if rival != value}
    weights = torch.tensor(list(rivals.values()), dtype=torch.float64)
    return ask(name, value, list(rivals)[int(torch.multinomial(weights, 1, generator=generator))], generator)


def wordings() -> list[str]:
    """Every question, answer and claim there is, but for those about the order of labelled actions."""
    topics = [topic for kind in KINDS.values() for topic in kind.values()]
    texts = [text for topic in topics for text in (topic.question, *topic.answers.values(), *topic.claims.values())]
    return list(dict.fromkeys([f"{_CHOOSE} {_JUDGE}", YES, NO, *texts]))


def choices(prompt: str) -> list[str]:
    """The answers that a question offers."""
    return prompt.splitlines()[1:]


def parse_answer(text: str, offered: Sequence[str]) -> str | None:
    """The choice that an answer names, in any case and with any punctuation; None for anything else."""
    return recognition.parse_answer(text, offered)


def is_correct(text: str, answer: str, offered: Sequence[str]) -> bool:
    """Whether an answer names the right choice."""
    return parse_answer(text, offered) == answer
