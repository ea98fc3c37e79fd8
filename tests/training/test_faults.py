"""Being stopped by a signal: nothing is lost, and the process says why it ended."""

import os
import signal

import pytest
import torch

from skeletonllm.models.trained import load_trained
from skeletonllm.training.faults import StopRequest
from skeletonllm.training.run import train
from skeletonllm.training.trainer import Trainer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_after_its_step_and_it_goes_on_to_the_same_weights(recipe, tmp_path, monkeypatch, number):
    train(recipe(save_every=1000), tmp_path / "whole")
    step = Trainer._one_step

    def interrupted(self):
        if self.step == 6:
            os.kill(os.getpid(), number)
        return step(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_one_step", interrupted)
        with pytest.raises(SystemExit) as stopped:
            train(recipe(save_every=1000), tmp_path / "stopped")
    assert stopped.value.code == 128 + number
    assert [path.name for path in (tmp_path / "stopped" / "checkpoints").iterdir()] == ["step-000007"]
    train(recipe(save_every=1000), tmp_path / "stopped", resume=True)
    whole, resumed = (load_trained(tmp_path / name).model.state_dict() for name in ("whole", "stopped"))
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with StopRequest() as stop:
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert stop.signal_number is None
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_second_interrupt_ends_at_once():
    with pytest.raises(KeyboardInterrupt), StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.signal_number == signal.SIGINT
        os.kill(os.getpid(), signal.SIGINT)
