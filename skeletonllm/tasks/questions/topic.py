"""Topic: what may be asked about one fact, and the words for each of its values."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """A question and what may answer it.

    Args:
        question: one line, the same for everyone, so that it tells nothing of the recording.
        answers: value of the fact -> the words that answer the question.
        claims: value of the fact -> a sentence that is true if, and only if, the fact has this value.

    Raises:
        ValueError: answers and claims are of different values, or two of either read alike.
    """

    question: str
    answers: Mapping[str, str]
    claims: Mapping[str, str]

    def __post_init__(self):
        if self.answers.keys() != self.claims.keys():
            raise ValueError(f"{self.question}: answers to {list(self.answers)}, claims of {list(self.claims)}")
        for texts in (self.answers, self.claims):
            if len(set(texts.values())) != len(texts):
                raise ValueError(f"{self.question}: two values read alike in {list(texts.values())}")


def topic(question: str, **words: tuple[str, str]) -> Topic:
    """A topic of (answer, claim) by value."""
    return Topic(question, {v: each[0] for v, each in words.items()}, {v: each[1] for v, each in words.items()})


_NUMBERS = ("once", "twice", "three times", "four times", "five times", "six times", "seven times", "eight times")


def counted(question: str, claim: str) -> Topic:
    """A topic whose values are the numbers from 1 on; ``claim`` has {} where how often goes."""
    words = {str(number): text for number, text in enumerate(_NUMBERS, 1)}
    return Topic(question, words, {value: claim.format(text) for value, text in words.items()})
