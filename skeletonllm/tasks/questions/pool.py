"""Pool: which recording is asked about what, so that the question alone does not tell the answer.

Let a fact have the value u in a share p(u) of the recordings that tell it. A recording is asked about it in proportion
to 1 - p(u), and its rival v is drawn in proportion to p(v). So the question with the choices u and v has the answer u
as often as p(u) p(v), and v as often. This holds for every pair, whatever the shares are, and for claims as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from skeletonllm.tasks.questions import ask, can_ask, choices, kind_of
from skeletonllm.tasks.subject import Subject

# Recordings that must tell another value than the usual one: a single one would be asked about again and again.
FEWEST_OTHERS = 2


@dataclass(frozen=True)
class Asked:
    """A question of a pool.

    Args:
        index: of the recording in the pool.
        kind: a key of ``KINDS``.
        topic: name of the fact.
        prompt, answer: text.
    """

    index: int
    kind: str
    topic: str
    prompt: str
    answer: str

    @property
    def choices(self) -> list[str]:
        """The answers that the question offers."""
        return choices(self.prompt)


class Pool:
    """The facts of many recordings.

    Args:
        facts: of each recording, value by topic.

    Attributes:
        rivals: topic -> value -> in how many recordings; only topics of which recordings differ.
        kinds: the kinds of questions that can be asked, sorted.

    Raises:
        ValueError: there is nothing in which the recordings differ.
    """

    def __init__(self, facts: Sequence[Mapping[str, str]]):
        self.facts = list(facts)
        places: dict[str, dict[str, list[int]]] = {}
        for index, told in enumerate(self.facts):
            for topic, value in told.items():
                if can_ask(topic, value):
                    places.setdefault(topic, {}).setdefault(value, []).append(index)
        self._places = {topic: values for topic, values in sorted(places.items()) if _differ(values)}
        if not self._places:
            raise ValueError(f"{len(self.facts)} recordings do not differ in any fact that can be asked about")
        self.rivals = {
            topic: {value: float(len(indices)) for value, indices in sorted(values.items())}
            for topic, values in self._places.items()
        }
        self._weights: dict[str, dict[str, float]] = {}
        for topic, counts in self.rivals.items():
            total = sum(counts.values())
            # As many as would be asked if each recording were given a rival of its own.
            mass = sum(count * (1 - count / total) for count in counts.values())
            self._weights.setdefault(str(kind_of(topic)), {})[topic] = mass
        self.kinds = sorted(self._weights)

    def draw(self, generator: torch.Generator, kind: str | None = None) -> tuple[int, str]:
        """A recording and what to ask about it: every kind as often as any other, or of one kind.

        Returns:
            The index of the recording and the topic.
        """
        if kind is None:
            kind = self.kinds[int(torch.randint(len(self.kinds), (), generator=generator))]
        topic = _drawn(self._weights[kind], generator)
        total = sum(self.rivals[topic].values())
        value = _drawn({v: count * (1 - count / total) for v, count in self.rivals[topic].items()}, generator)
        indices = self._places[topic][value]
        return indices[int(torch.randint(len(indices), (), generator=generator))], topic

    def subject(self, index: int, topic: str, subject: Subject) -> Subject:
        """The subject with what ``questions.draw`` needs to ask about this topic, and no other, of a recording."""
        return replace(subject, facts={topic: self.facts[index][topic]}, rivals={topic: self.rivals[topic]})

    def ask(self, count: int, generator: torch.Generator) -> list[Asked]:
        """So many questions of every kind, for an evaluation."""
        asked = []
        for kind in self.kinds:
            for _ in range(count):
                index, topic = self.draw(generator, kind)
                value = self.facts[index][topic]
                rival = _drawn({v: n for v, n in self.rivals[topic].items() if v != value}, generator)
                asked.append(Asked(index, kind, topic, *ask(topic, value, rival, generator)))
        return asked


def _differ(values: Mapping[str, Sequence[int]]) -> bool:
    sizes = sorted(map(len, values.values()))
    return sum(sizes[:-1]) >= FEWEST_OTHERS


def _drawn(weights: Mapping[str, float], generator: torch.Generator) -> str:
    drawn = torch.multinomial(torch.tensor(list(weights.values()), dtype=torch.float64), 1, generator=generator)
    return list(weights)[int(drawn)]
