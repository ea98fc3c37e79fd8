"""train.py with things that happen to one rank before one step: ``DISTURBANCE=terminate:1:4,spoil:0:5``.

Each is WHAT:RANK:STEP, with steps counted from 0. A launcher starts this file in place of train.py.
"""

import os
import signal
import sys

import torch
from minute_runs import before_step

from skeletonllm.cli import main
from skeletonllm.training.trainer import Trainer


def terminate(_: Trainer) -> None:
    """Ask the process to stop, as a batch system does."""
    os.kill(os.getpid(), signal.SIGTERM)


def kill(_: Trainer) -> None:
    """End the process as a lack of memory does."""
    os.kill(os.getpid(), signal.SIGKILL)


def spoil(trainer: Trainer) -> None:
    """Make one loss of the step's first microbatch not a number."""
    _change_losses_once(trainer, lambda losses: losses * torch.tensor([torch.nan] + [1.0] * (len(losses) - 1)))


def burst(trainer: Trainer) -> None:
    """Make the gradients of the step's first microbatch infinite, and leave its losses as they are."""

    def change(losses):
        losses.register_hook(lambda gradient: gradient * torch.inf)
        return losses

    _change_losses_once(trainer, change)


def _change_losses_once(trainer: Trainer, change) -> None:
    whole = trainer.engine.forward

    def forward(**inputs):
        trainer.engine.forward = whole
        outputs = whole(**inputs)
        outputs.sample_losses = change(outputs.sample_losses)
        return outputs

    trainer.engine.forward = forward


def disturb(trainer: Trainer) -> None:
    for disturbance in os.environ["DISTURBANCE"].split(","):
        what, rank, step = disturbance.split(":")
        if (trainer.ranks.rank, trainer.step) == (int(rank), int(step)):
            dict(terminate=terminate, kill=kill, spoil=spoil, burst=burst)[what](trainer)


if __name__ == "__main__":
    before_step(disturb)
    main(["train", *sys.argv[1:]])
