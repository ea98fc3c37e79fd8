"""The best answers that the text of a question allows, learnt from training questions: what a text-only model ends at.

A question that can be answered without the frames is a bad one.
"""

import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from skeletonllm.evaluation.questions import Posed
from skeletonllm.tasks import localization

# A prompt that was seen less often says little about what answers it.
SEEN_ENOUGH = 5
# Of free answers, such as captions: how many are tried as the one that is always given, and on how many questions.
MOST_TRIED, MOST_ASKED = 40, 400


class Prior:
    """Answers from the text of a question alone.

    For each kind of question it takes whichever of these did best on training questions that it was not learnt from:
    the answer that is usual for this very prompt, the option that is right most often when it is offered, the place
    among the options that is right most often, the one answer that is best for all questions of the kind, or for times
    the part of what is shown that is best for all. Where a prompt is new or rare, what is usual for the kind stands in.

    Args:
        questions: of the training data.
        score: of an answer to a question, 0 to 1.

    Raises:
        ValueError: no questions.
    """

    def __init__(self, questions: Sequence[Posed], score: Callable[[Posed, str], float]):
        if not questions:
            raise ValueError("a prior needs training questions")
        self._score = score
        by_kind: dict[str, list[Posed]] = defaultdict(list)
        for question in questions:
            by_kind[question.kind].append(question)
        self._ways: dict[str, Callable[[Posed], str]] = {}
        self.chosen: dict[str, str] = {}  # kind -> which way
        for kind, asked in by_kind.items():
            self.chosen[kind] = self._best_way(asked)
            self._ways[kind] = self._learn(asked)[self.chosen[kind]]
        self._else = self._constant(questions)

    def answer(self, question: Posed) -> str:
        """The best answer of one who has only read the question."""
        if question.kind in self._ways:
            return self._ways[question.kind](question)
        return question.options[0] if question.options else self._else

    def _best_way(self, asked: list[Posed]) -> str:
        totals: Counter[str] = Counter({"kind": 0.0})
        # As if at random: every second one could be all of one sort of recording.
        halves: tuple[list[Posed], list[Posed]] = ([], [])
        for number, question in enumerate(asked):
            halves[zlib.crc32(str(number).encode()) & 1].append(question)
        for taught, held_out in (halves, halves[::-1]):
            for name, way in self._learn(taught).items() if taught else ():
                totals[name] += sum(self._score(question, way(question)) for question in held_out)
        return max(totals, key=totals.__getitem__)

    def _learn(self, asked: list[Posed]) -> dict[str, Callable[[Posed], str]]:
        """Ways to answer by name."""
        constant = self._constant(asked)
        by_prompt: dict[str, list[Posed]] = defaultdict(list)
        for question in asked:
            by_prompt[question.prompt].append(question)
        usual = {prompt: self._constant(same) for prompt, same in by_prompt.items() if len(same) >= SEEN_ENOUGH}
        offered, right = Counter(o for q in asked for o in q.options), Counter(q.answer for q in asked)
        places = Counter(q.options.index(q.answer) for q in asked if q.answer in q.options)
        often = places.most_common(1)[0][0] if places else 0

        def by_option(question: Posed) -> str:
            # An option that training never offered, such as an unseen class, counts as one that is as good as any.
            rates = [right[o] / offered[o] if offered[o] else 1 / len(question.options) for o in question.options]
            return question.options[rates.index(max(rates))] if rates else constant

        def by_place(question: Posed) -> str:
            return question.options[min(often, len(question.options) - 1)] if question.options else constant

        ways = {
            "kind": lambda question: constant if constant in question.options or not offered else by_option(question),
            "prompt": lambda question: usual.get(question.prompt) or by_option(question),
            "option": by_option,
            "place": by_place,
        }
        return ways if any(q.stretch is None for q in asked) else {**ways, "part": self._best_part(asked)}

    def _best_part(self, asked: Sequence[Posed]) -> Callable[[Posed], str]:
        """Always the same part of what is shown, which somebody knows who is told how long that is."""

        def of_length(question: Posed, part: tuple[float, float]) -> str:
            length = question.stretch[1] - question.stretch[0]
            return localization.build_target(part[0] * length, part[1] * length)

        tried = []
        for question in asked[:MOST_TRIED]:
            length = question.stretch[1] - question.stretch[0]
            start, stop = localization.parse_answer(question.answer)
            tried.append((start / length, stop / length))
        judged = asked[:: -(-len(asked) // MOST_ASKED)]
        best = max(tried, key=lambda part: sum(self._score(each, of_length(each, part)) for each in judged))
        return lambda question: of_length(question, best)

    def _constant(self, asked: Sequence[Posed]) -> str:
        """The answer that scores best when it is given to all of them."""
        tried = [answer for answer, _ in Counter(question.answer for question in asked).most_common(MOST_TRIED)]
        if len(tried) == 1:
            return tried[0]
        judged = asked[:: -(-len(asked) // MOST_ASKED)]
        return max(tried, key=lambda answer: sum(self._score(question, answer) for question in judged))
