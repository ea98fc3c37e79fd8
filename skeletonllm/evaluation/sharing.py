"""The questions of a test shared out among any number of processes, which may be killed and started again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import attrgetter

from tqdm import tqdm

from skeletonllm.evaluation.parts import Parts
from skeletonllm.evaluation.questions import batches_of
from skeletonllm.evaluation.ranks import Ranks
from skeletonllm.evaluation.respondents import Answers, Ours, Test
from skeletonllm.evaluation.retrieval import Found, found_by_pool, make_pools
from skeletonllm.evaluation.sight import Sight

RETRIEVAL = "retrieval"


@dataclass(frozen=True)
class Unit:
    """What is computed and kept together, whoever does it.

    Args:
        kind: a ``Sight``, or ``RETRIEVAL``.
        number: among those of its kind.
        places: of questions.
    """

    kind: str
    number: int
    places: Sequence[int]

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number:06d}"


def units_of(test: Test, batch_size: int, sights: Sequence[Sight]) -> list[Unit]:
    """All that is to be done, the same on every process: batches of questions by sight, and pools of captions."""
    work = {sight.value: batches_of(len(test.posed), batch_size) for sight in sights}
    if test.task == "captioning" and len({question.recording for question in test.posed}) > 1:
        work[RETRIEVAL] = make_pools(test.posed, test.seed)
    return [Unit(kind, number, places) for kind, groups in work.items() for number, places in enumerate(groups)]


def do_share(ours: Ours, test: Test, units: Sequence[Unit], parts: Parts, ranks: Ranks) -> None:
    """Do this process's share, then what is missing of the others', until every part is there.

    Nobody waits for anybody. What another process is at when this one has nothing else to do is done twice, with the
    same outcome, which costs at most the time that waiting would have.
    """
    bar = tqdm(ranks.share(units), desc="asking", disable=not ranks.is_first, leave=False)
    _do(ours, test, bar, parts)
    missing = [unit for unit in units if not parts.has(unit.name)]
    _do(ours, test, ranks.leftovers(missing), parts)


def collect(units: Sequence[Unit], parts: Parts) -> tuple[dict[Sight, Answers], list[Found] | None]:
    """Answers by sight in the order of the questions, and what retrieval found, None where nobody asked."""
    contents: dict[str, list[dict]] = {}
    for unit in units:
        contents.setdefault(unit.kind, []).append(parts.read(unit.name))
    pools = contents.pop(RETRIEVAL, None)
    answers = {Sight(kind): Answers.joined(Answers(**each) for each in found) for kind, found in contents.items()}
    return answers, None if pools is None else [Found(**one) for pool in pools for one in pool["found"]]


def _do(ours: Ours, test: Test, units: Iterable[Unit], parts: Parts) -> None:
    for kind, group in groupby(units, key=attrgetter("kind")):
        begun: list[Unit] = []
        contents = _contents(ours, test, kind, _due(group, parts, begun))
        for content in contents:
            parts.write(begun[-1].name, content)


def _due(units: Iterable[Unit], parts: Parts, begun: list[Unit]) -> Iterator[Sequence[int]]:
    """Places of the units that nobody has finished by the time that they are asked for."""
    for unit in units:
        if not parts.has(unit.name):
            begun.append(unit)
            yield unit.places


def _contents(ours: Ours, test: Test, kind: str, due: Iterator[Sequence[int]]) -> Iterator[dict]:
    if kind == RETRIEVAL:
        trained = ours.trained
        pools = found_by_pool(trained.model, trained.processor, test.posed, test.recordings, due, ours.batch_size)
        yield from ({"found": [asdict(one) for one in found]} for found in pools)
    else:
        yield from (asdict(answers) for answers in ours.answer_batches(test, due, Sight(kind)))
