"""What tests of runs read from a run's folder, and ways to end a run before its time."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from skeletonllm.models.trained import load_trained
from skeletonllm.training.checkpoint import CHECKPOINT_FOLDER, load_checkpoint
from skeletonllm.training.trainer import Trainer


class Crash(Exception):
    """What stands for the end of a process in the midst of a step."""


def lines_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def losses_of(folder: Path) -> torch.Tensor:
    return torch.tensor([line["loss"] for line in lines_of(folder)], dtype=torch.float64)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """The state of the model that a finished run left."""
    return load_trained(folder).model.state_dict()


def learnt_at(folder: Path, step: int) -> dict[str, torch.Tensor]:
    """The parameters in a run's checkpoint of a step."""
    return load_checkpoint(folder / CHECKPOINT_FOLDER / f"step-{step:06d}").tensors["model"]


def checkpoints_of(folder: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in (folder / CHECKPOINT_FOLDER).iterdir())


def files_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    """To the bit."""
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def before_step(action) -> pytest.MonkeyPatch:
    """Calls ``action(trainer)`` before each step of each run; undo it."""
    step = Trainer._one_step

    def watched(self, *arguments):
        action(self)
        return step(self, *arguments)

    patch = pytest.MonkeyPatch()
    patch.setattr(Trainer, "_one_step", watched)
    return patch


def crash_before(number: int) -> pytest.MonkeyPatch:
    """Ends runs when they have done ``number`` steps and are about to do the next."""

    def crash(trainer):
        if trainer.step == number:
            raise Crash

    return before_step(crash)


def stopped_after(number: int, run, signal_number: int = signal.SIGTERM) -> SystemExit:
    """Run and send this process a signal so that the run ends itself when ``number`` steps are done."""

    def request(trainer):
        # A step looks for signals when it begins, so one that comes within it is obeyed by the next.
        if trainer.step == number - 2:
            os.kill(os.getpid(), signal_number)

    patch = before_step(request)
    try:
        with pytest.raises(SystemExit) as stopped:
            run()
    finally:
        patch.undo()
    return stopped.value
