"""How much a model forgets when recordings get worse: accuracy at each level of each corruption, and what it lost.

Answers are kept on disk level by level, so that a sweep that was stopped goes on where it was.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from skeletonllm.data.recordings import Recording
from skeletonllm.evaluation.corruptions import corrupt, find_corruption
from skeletonllm.evaluation.external import Journal
from skeletonllm.evaluation.intervals import bootstrap_interval, wilson_interval
from skeletonllm.evaluation.questions import pose
from skeletonllm.evaluation.respondents import Answers, Test
from skeletonllm.evaluation.results import predictions_of
from skeletonllm.models.trained import find_trained
from skeletonllm.skeleton.sequence import SkeletonSequence

JOURNAL_FILE, RESULTS_FILE, PLOT_FILE = "levels.jsonl", "robustness.json", "robustness.png"

Labelled = tuple[Recording, SkeletonSequence]


@dataclass(frozen=True)
class Contestant:
    """Somebody whose answers are measured.

    Args:
        name: among the others.
        answer: to a test of recognition.
        fingerprint: changes when the answers may.
    """

    name: str
    answer: Callable[[Test], Answers]
    fingerprint: str


def fingerprint_of(folder: Path) -> str:
    """Names, sizes and times of the files of a trained model, given its folder or that of its run, as one word."""
    found = find_trained(folder) or Path(folder)
    files = sorted(path for path in found.iterdir() if path.is_file())
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return _digest(stats)


def short_names(folders: Sequence[Path]) -> list[str]:
    """The last parts of paths, as many of them as it takes to tell the paths apart.

    Raises:
        ValueError: one is given twice.
    """
    parts = [Path(folder).resolve().parts for folder in folders]
    if len(set(parts)) < len(parts):
        raise ValueError(f"a model is given twice: {', '.join(map(str, folders))}")
    count = 1
    while len({each[-count:] for each in parts}) < len(parts):
        count += 1
    return ["/".join(each[-count:]).strip("/") or "/" for each in parts]


def sweep(
    contestants: Sequence[Contestant],
    test: Test,
    corruptions: Sequence[str],
    folder: Path,
    *,
    batch_size: int = 32,
    progress: bool = True,
) -> dict:
    """Ask about recordings as they are, and with one thing gone wrong at each of its levels.

    Args:
        contestants: all are asked about the same recordings with the same things gone wrong.
        test: of recognition; its seed is that of the corruptions and of the bootstrap.
        corruptions: by name.
        folder: made if need be; ``levels.jsonl`` in it keeps the answers.
        batch_size: recordings that are held corrupted at once.
        progress: show a bar.

    Returns:
        ``models``: name -> corruption -> a row per level, the first of level 0, with ``level``, ``name`` of a level
        that is a kind, ``unit``, ``accuracy``, ``interval_95`` (Wilson), ``drop`` against level 0, positive where
        it got worse, ``drop_interval_95`` (bootstrap over recordings, paired), ``hits`` and ``count``. Rows count
        the recordings that the corruption concerns at its strongest level; one that concerns none is missing.
        ``clean``: name -> accuracy over all recordings. ``chance``, ``candidates`` and ``count`` of all.

    Raises:
        ValueError: nobody, nothing to ask about, or a corruption that is unknown.
    """
    if not contestants or not test.recordings:
        raise ValueError("robustness needs a model and recordings")
    wanted = [(name, find_corruption(name)) for name in dict.fromkeys(corruptions)]
    journal = Journal(folder / JOURNAL_FILE)
    asking = _Asking(journal, test, batch_size, tqdm(
        total=len(contestants) * len(test.recordings) * (1 + sum(len(corruption.levels) for _, corruption in wanted)),
        desc="corrupting", unit="clip", disable=not progress, leave=False, mininterval=0.5,
    ))  # fmt: skip
    everybody = list(range(len(test.recordings)))
    models, clean = {}, {}
    with asking.bar:
        for contestant in contestants:
            before = asking.hits(contestant, None, 0, everybody)
            clean[contestant.name] = _share(before)
            models[contestant.name] = {}
            for name, corruption in wanted:
                concerned = asking.concerned(name, corruption.levels[-1])
                if not concerned:
                    asking.bar.update(len(everybody) * len(corruption.levels))
                    continue
                kept = [before[place] for place in concerned]
                rows = [_row(0, "as it is", corruption.unit, kept, kept, test.seed)]
                for level in corruption.levels:
                    after = asking.hits(contestant, name, level, concerned)
                    rows.append(_row(level, corruption.names.get(level), corruption.unit, kept, after, test.seed))
                models[contestant.name][name] = rows
    candidates = list(test.selection.candidates)
    return dict(
        models=models, clean=clean, chance=1 / len(candidates), candidates=candidates, count=len(everybody),
        seed=test.seed,
    )  # fmt: skip


@dataclass
class _Asking:
    """Asks what the journal does not hold yet."""

    journal: Journal
    test: Test
    batch_size: int
    bar: tqdm

    def concerned(self, name: str, level: float) -> list[int]:
        """Places of the recordings that a corruption changes."""
        rows = enumerate(self.test.recordings)
        return [place for place, (one, sequence) in rows if self._corrupted(one, sequence, name, level) is not sequence]

    def hits(self, contestant: Contestant, name: str | None, level: float, places: Sequence[int]) -> list[bool]:
        """Whether each answer is right; ``name`` None leaves the recordings as they are."""
        recordings = [self.test.recordings[place] for place in places]
        asked = [[one.id, one.label] for one, _ in recordings]
        facts = [contestant.fingerprint, list(self.test.selection.candidates), asked, name, level, self.test.seed]
        key = _digest(facts)
        if key not in self.journal.answers:
            right = []
            for start in range(0, len(recordings), self.batch_size):
                right += self._right(contestant, recordings[start : start + self.batch_size], name, level)
                self.bar.update(min(self.batch_size, len(recordings) - start))
            self.journal.add(dict(key=key, model=contestant.name, corruption=name, level=level, right=right))
        else:
            self.bar.update(len(recordings))
        self.bar.update(len(self.test.recordings) - len(recordings))
        return self.journal.answers[key]["right"]

    def _right(
        self, contestant: Contestant, recordings: Sequence[Labelled], name: str | None, level: float
    ) -> list[bool]:
        changed = [(one, self._corrupted(one, sequence, name, level)) for one, sequence in recordings]
        posed = pose(changed, "recognition", self.test.selection.candidates, 1, self.test.seed)
        part = replace(self.test, recordings=changed, posed=posed)
        return [each.predicted == each.label for each in predictions_of(part, contestant.answer(part))]

    def _corrupted(self, one: Recording, sequence: SkeletonSequence, name: str | None, level: float):
        return sequence if name is None else corrupt(sequence, name, level, self.test.seed, one.id)


def _row(level: float, name: str | None, unit: str, before: Sequence[bool], after: Sequence[bool], seed: int) -> dict:
    lost = np.subtract(before, after, dtype=float)
    return dict(
        level=level, name=name, unit=unit, **_share(after), drop=float(lost.mean()),
        drop_interval_95=list(bootstrap_interval(np.mean, lost, seed=seed)),
    )  # fmt: skip


def _share(hits: Sequence[bool]) -> dict:
    right, count = sum(hits), len(hits)
    return dict(accuracy=right / count, interval_95=list(wilson_interval(right, count)), hits=right, count=count)


def _digest(facts) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def robustness_rows(found: dict) -> list[list[str]]:
    """A table of what ``sweep`` returns, its first row the head."""
    rows = [["corruption", "level", "model", "accuracy, 95 %", "points lost, 95 %", "clips"]]
    for model, corruptions in found["models"].items():
        for name, levels in corruptions.items():
            for row in levels:
                low, high = (100 * end for end in row["interval_95"])
                less, more = (100 * end for end in row["drop_interval_95"])
                lost = f"{100 * row['drop']:+.1f} ({less:+.1f} to {more:+.1f})" if row["level"] else ""
                accuracy = f"{100 * row['accuracy']:.1f} % ({low:.1f} to {high:.1f})"
                level = row["name"] or f"{row['level']:g} {row['unit']}"
                rows.append([name.replace("_", " "), level, model, accuracy, lost, str(row["count"])])
    return rows
