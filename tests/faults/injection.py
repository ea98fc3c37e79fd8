"""Faults that strike a training process at one point of one step, for real: signals to itself, bytes that are gone.

A fault is ``DEED POINT STEP``, such as ``kill forward 5``: the deed is done in the process in which ``inject`` was
called, when it reaches the point for the first time in the step with that number, counted from 0. For the points of a
save the number is that of the checkpoint. Deeds are the keys of ``SIGNALS``, and ``fill:DISK``, which leaves no room
there; ``nan COUNT STEP`` makes the losses of so many steps no numbers, ``burst COUNT STEP`` their gradients infinite.
"""

import os
import re
import signal
from pathlib import Path

from skeletonllm.data.examples import Examples
from skeletonllm.models import trained
from skeletonllm.training import checkpoint, run
from skeletonllm.training.distributed import Ranks
from skeletonllm.training.engine import PlainEngine
from skeletonllm.training.progress import Ledger
from skeletonllm.training.trainer import Trainer
from skeletonllm.training.zero import ZeroEngine

SIGNALS = {
    "kill": signal.SIGKILL,
    "freeze": signal.SIGSTOP,
    "terminate": signal.SIGTERM,
    "warn": signal.SIGUSR1,
    "interrupt": signal.SIGINT,
}
STEP_POINTS = (
    "data",
    "forward",
    "backward",
    "agreement",
    "agreed",
    "update",
    "updated",
    "ledger",
    "building",
    "finishing",
    "half a model",
)
SAVE_POINTS = (
    "save", "half a file", "model", "optimizer", "state", "manifest", "half a manifest", "renamed", "renaming",
    "removing", "half removed",
)  # fmt: skip


def inject(fault: str) -> None:
    """Let a fault happen in this process."""
    deed, rest = fault.split(" ", 1)
    point, number = rest.rsplit(" ", 1)
    _Injection(deed, point, int(number))


class _Injection:
    def __init__(self, deed: str, point: str, number: int):
        self.deed, self.point, self.number = deed, point, number
        self.step = -1
        self.done = False
        if deed in ("nan", "burst"):
            self._poison()
        elif point in STEP_POINTS:
            self._watch_steps()
        elif point in SAVE_POINTS:
            self._watch_saves()
        else:
            raise ValueError(f"no point {point!r}")

    def reach(self, point: str, number: int | None) -> None:
        if (point, number) == (self.point, self.number) and not self.done:
            self.done = True
            if self.deed.startswith("fill:"):
                fill(Path(self.deed.removeprefix("fill:")))
            else:
                os.kill(os.getpid(), SIGNALS[self.deed])

    def _watch_steps(self) -> None:
        self._note_step()
        before(run, "save_trained", lambda *_: self.reach("finishing", self.step))
        before(trained, "save_facts", lambda *_: self.reach("half a model", self.step))
        before(run, "build_model", lambda *_, **__: self.reach("building", 0))
        before(Examples, "example", lambda _, question: self.reach("data", question.step))
        for engine in (PlainEngine, ZeroEngine):
            before(engine, "forward", lambda *_, **__: self.reach("forward", self.step))
            before(engine, "backward", lambda *_, **__: self.reach("backward", self.step))
            before(engine, "step", lambda *_: self.reach("update", self.step))
            after(engine, "step", lambda *_: self.reach("updated", self.step))
        before(Ranks, "sum", lambda *_: self.reach("agreement", self.step))
        after(Ranks, "sum", lambda *_: self.reach("agreed", self.step))
        before(Ledger, "write", lambda _, step, __: self.reach("ledger", step - 1))

    def _note_step(self) -> None:
        def note(trainer, *_):
            self.step = trainer.step

        before(Trainer, "_one_step", note)

    def _watch_saves(self) -> None:
        newest = -1

        def written(_, path):
            self._cut("half a file", path)
            self.reach(path.stem, step_of(path.parent))

        def synced(path):
            if path.name == checkpoint.MANIFEST:
                self._cut("half a manifest", path)
                self.reach("manifest", step_of(path.parent))
            elif path.name == "state.json":
                self.reach("state", step_of(path.parent))

        def renamed(_, target):
            nonlocal newest
            if (step := step_of(target)) is not None:
                newest = step
                self.reach("renamed", step)

        def removed(path, *_, **__):
            # What is whole is removed to make room for the newest.
            if step_of(path) is None or path.name.endswith(".tmp"):
                return
            self.reach("removing", newest)
            if (self.point, self.number) == ("half removed", newest):
                min(path.iterdir()).unlink()
                self.reach("half removed", newest)

        before(checkpoint, "_write_draft", lambda _, step, *__: self.reach("save", step))
        after(checkpoint, "save_file", written)
        before(checkpoint, "_sync", synced)
        before(checkpoint.os, "replace", lambda _, target: self.reach("renaming", step_of(target)))
        after(checkpoint.os, "replace", renamed)
        before(checkpoint.shutil, "rmtree", removed)

    def _cut(self, point: str, path: Path) -> None:
        """Reach a point with half of a file written."""
        if (point, step_of(path.parent)) == (self.point, self.number):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            self.reach(point, self.number)

    def _poison(self) -> None:
        """Make the loss, or only its gradient, not finite, in this step and those that ``point`` counts from it on."""
        self._note_step()
        steps = range(self.number, self.number + int(self.point))

        def poison(outputs):
            if self.step not in steps:
                return
            if self.deed == "nan":
                outputs.sample_losses = outputs.sample_losses * float("nan")
            else:
                outputs.sample_losses.register_hook(lambda gradient: gradient * float("inf"))

        for engine in (PlainEngine, ZeroEngine):
            _change_result(engine, "forward", poison)


def fill(disk: Path) -> None:
    """Leave no room on a disk."""
    room = os.statvfs(disk)
    (disk / "filler").write_bytes(b"0" * (room.f_bavail * room.f_frsize))


def step_of(path: str | Path) -> int | None:
    """Of a checkpoint's folder or its draft, None of anything else."""
    match = re.fullmatch(r"step-([0-9]+)(\.tmp)?", Path(path).name)
    return int(match[1]) if match else None


def before(owner, name: str, action) -> None:
    """Call ``action`` with the arguments of a function before it does its work."""
    work = getattr(owner, name)

    def watched(*arguments, **options):
        action(*arguments, **options)
        return work(*arguments, **options)

    setattr(owner, name, watched)


def after(owner, name: str, action) -> None:
    """Call ``action`` with the arguments of a function when it has done its work."""
    work = getattr(owner, name)

    def watched(*arguments, **options):
        result = work(*arguments, **options)
        action(*arguments, **options)
        return result

    setattr(owner, name, watched)


def _change_result(owner, name: str, change) -> None:
    work = getattr(owner, name)

    def watched(*arguments, **options):
        result = work(*arguments, **options)
        change(result)
        return result

    setattr(owner, name, watched)
