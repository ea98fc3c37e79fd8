"""A rank that hangs: the others do not wait for it for ever."""

import json
import os
import signal

import psutil
import pytest
from launches import PROMPTLY, differences, launch, start, training, wait

HUNG = 76


@pytest.fixture
def impatient(write_recipe):
    return write_recipe(patience_minutes=0.15)


@pytest.fixture
def ended(impatient, tmp_path):
    """Two ranks, of which the second was stopped in the fourth step, after the watchdog of the first."""
    folder = tmp_path / "run"
    processes = start(training(folder, impatient), 2, {1: "freeze forward 3"})
    processes[0].join(PROMPTLY)
    state = psutil.Process(processes[1].pid).status()
    os.kill(processes[1].pid, signal.SIGKILL)
    return folder, wait(processes), state


def test_the_watchdog_of_a_waiting_rank_writes_stacks_and_ends_it(ended, impatient, whole):
    folder, how, state = ended
    assert state == psutil.STATUS_STOPPED and how.codes == [HUNG, -9], how.tail()
    stacks = (folder / "heartbeats" / "rank-00000.stacks").read_text()
    assert "in _one_step" in stacks and "all_reduce" in stacks
    assert "stacks in" in how.output[0]
    for rank in (0, 1):
        beat = json.loads((folder / "heartbeats" / f"rank-{rank:05d}.json").read_text())
        assert beat["done"].startswith(("step", "save")) and beat["process"] > 0
    again = launch(folder, impatient, resume=True)
    assert again.codes == [0, 0], again.tail()
    assert not differences(folder, whole)
