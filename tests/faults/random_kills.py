"""A run that is killed again and again at random moments, and what becomes of it.

    python tests/faults/random_kills.py [--kills 100] [--seed 0]

Each process of the run is a real one and is killed with SIGKILL: one of the ranks, or all of them at once. The run is
resumed each time with the engine whose turn it is: plain torch and ZeRO-2 with two processes each. It begins anew when
it is done, until it was killed often enough. Prints a row of Markdown per run and ends with 1 if any run's parameters,
moments or ledger differ from those of the same engine that nothing befell.
"""

import argparse
import collections
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1]), str(HERE.parents[1] / "kernels")]

import yaml  # noqa: E402
from launches import checkpoints_of, differences, launch, samples_of, start, training, wait  # noqa: E402
from minute_recipe import MINUTE  # noqa: E402

WORLD_SIZE = 2
ENGINES = {"plain": False, "zero-2": True}
# Kills whose moment is counted from the start of the processes; that of the others from their first step.
EARLY_SHARE = 0.2
LIMIT = 120.0
# After which the others are killed too, as launchers do. While processes find each other they wait for the missing one.
GRACE = 10.0
# Thirty steps and fifteen saves, all of whose checkpoints are compared.
LONGER = {**MINUTE, "stages": dict(learn={**MINUTE["stages"]["learn"], "epochs": 10}), "keep_last": 20}
LEGEND = """A kill is: ranks, seconds after the start (S) or the first step (F), step begun / newest checkpoint, * if
the draft of a checkpoint was left behind.

| run | engine | kills |
|--|--|--|"""


@dataclass
class Kill:
    """One of them: of which run and ranks, so many seconds after what, and the steps and checkpoints then."""

    run: int
    engine: str
    ranks: list[int]
    seconds: float
    after: str
    steps: int
    checkpoint: int
    left_over: bool

    def __str__(self) -> str:
        begin = "S" if self.after == "start" else "F"
        ranks, draft = "+".join(map(str, self.ranks)), "*" if self.left_over else ""
        return f"{ranks} {begin}{self.seconds:.2f} {self.steps}/{self.checkpoint}{draft}"


class Campaign:
    """Kills until there were enough of them.

    Args:
        recipe: of the run, one that takes few seconds.
        folder: for the runs.
        kills: how many.
        seed: of moments and ranks.
        engines: that take turns, among ``ENGINES``.
    """

    def __init__(self, recipe: Path, folder: Path, kills: int, seed: int = 0, engines: Sequence[str] = tuple(ENGINES)):
        self.engines = engines
        self.recipe, self.folder, self.wanted = recipe, folder, kills
        self.random = random.Random(seed)
        self.kills: list[Kill] = []
        self.wrong: list[str] = []
        self.runs = 0
        self.whole: dict[str, tuple[Path, float, float]] = {}

    def run(self) -> None:
        while len(self.kills) < self.wanted:
            self._one_run(self.engines[self.runs % len(self.engines)])
            self.runs += 1

    def _whole(self, engine: str) -> tuple[Path, float, float]:
        """The run that nothing befalls, and the seconds to its first step and from there to its end."""
        if engine not in self.whole:
            folder = self.folder / f"whole-{engine}"
            for _ in range(2):  # the second is not slowed down by what is done for the first time
                shutil.rmtree(folder, ignore_errors=True)
                processes, begin = self._start(folder, engine), time.monotonic()
                self._until_first_step(folder, processes, None)
                first = time.monotonic()
                ended = wait(processes)
                if any(ended.codes):
                    raise RuntimeError(ended.tail())
            self.whole[engine] = folder, first - begin, time.monotonic() - first
        return self.whole[engine]

    def _start(self, folder: Path, engine: str) -> list:
        return start(training(folder, self.recipe, resume=True, zero=ENGINES[engine]), WORLD_SIZE, {})

    def _until_first_step(self, folder: Path, processes: list, before: int | None) -> None:
        """Wait until the first rank's ledger is another than ``before``, which is when it was changed last."""
        deadline = time.monotonic() + LIMIT
        while ledger_time(folder) == before and all(p.is_alive() for p in processes) and time.monotonic() < deadline:
            time.sleep(0.005)

    def _one_run(self, engine: str) -> None:
        whole, before_steps, of_steps = self._whole(engine)
        folder = self.folder / f"run-{self.runs}"
        while len(self.kills) < self.wanted:
            early = self.random.random() < EARLY_SHARE
            seconds = self.random.uniform(0.0, before_steps if early else of_steps)
            ranks = self.random.choice([[0], [1], [0, 1]])
            before = ledger_time(folder)
            processes = self._start(folder, engine)
            if not early:
                self._until_first_step(folder, processes, before)
            processes[0].join(seconds)
            for rank in ranks:
                processes[rank].kill()
            for process in processes:
                process.join(GRACE)
                process.kill()
            ended = wait(processes)
            if not any(ended.codes):
                break  # it was done before
            if -9 not in ended.codes:
                self.wrong.append(f"run {self.runs} ended by itself with {ended.codes}: {ended.tail()}")
                break
            after = "start" if early else "first step"
            self.kills.append(Kill(self.runs, engine, ranks, seconds, after, *self._state(folder)))
        ended = launch(folder, self.recipe, resume=True, zero=ENGINES[engine])
        if any(ended.codes):
            self.wrong.append(f"run {self.runs} could not be ended: {ended.codes} {ended.tail()}")
            return
        self.wrong += [f"run {self.runs}: {difference}" for difference in differences(folder, whole)]
        for step, ids in samples_of(folder).items():
            if len(set(ids)) != len(ids):
                self.wrong.append(f"run {self.runs}: a sample twice in step {step}: {ids}")

    def _state(self, folder: Path) -> tuple[int, int, bool]:
        """Steps in the first rank's ledger, the newest checkpoint, and whether a draft of one was left behind."""
        ledger = folder / "ledger" / "rank-00000.jsonl"
        lines = ledger.read_text().splitlines() if ledger.exists() else []
        steps = max((json.loads(line)["step"] for line in lines if line.endswith("}")), default=0)
        drafts = list((folder / "checkpoints").glob("*.tmp"))
        return steps, max(checkpoints_of(folder), default=0), bool(drafts)


def ledger_time(folder: Path) -> int | None:
    """When the first rank's ledger was changed, None if it has none."""
    path = folder / "ledger" / "rank-00000.jsonl"
    return path.stat().st_mtime_ns if path.exists() else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder) / "minute.yaml"
        recipe.write_text(yaml.safe_dump(LONGER))
        campaign = Campaign(recipe, Path(folder), options.kills, options.seed)
        begin = time.monotonic()
        campaign.run()
        seconds = time.monotonic() - begin
    print(LEGEND)
    for number in range(campaign.runs):
        kills = [kill for kill in campaign.kills if kill.run == number]
        print(f"| {number} | {campaign.engines[number % len(campaign.engines)]} | {', '.join(map(str, kills))} |")
    engines = collections.Counter(kill.engine for kill in campaign.kills)
    print(f"{len(campaign.kills)} kills of {campaign.runs} runs in {seconds:.0f} s: {dict(engines)}")
    print("\n".join(campaign.wrong) or "all parameters, moments and ledgers as of the runs that nothing befell")
    raise SystemExit(bool(campaign.wrong))


if __name__ == "__main__":
    main()
