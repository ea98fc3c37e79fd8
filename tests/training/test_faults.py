"""Being stopped by a signal: nothing is lost, and the process says why it ended."""

import os
import signal

import pytest
from minute_runs import assert_same, checkpoints_of, lines_of, stopped_after, weights_of

from skeletonllm.training.faults import StopRequest
from skeletonllm.training.run import train


@pytest.fixture(scope="module")
def whole(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    train(recipe(save_every=1000), folder)
    return folder


# To be started again, or stopped by a person.
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130), (signal.SIGUSR1, 75)])
def test_a_signal_ends_the_run_after_its_step_and_it_goes_on_to_the_same_weights(recipe, whole, tmp_path, number, code):
    stopped = stopped_after(7, lambda: train(recipe(save_every=1000), tmp_path), number)
    assert stopped.code == code
    assert checkpoints_of(tmp_path) == [7]
    train(recipe(save_every=1000), tmp_path, resume=True)
    assert_same(weights_of(tmp_path), weights_of(whole))


def test_a_signal_in_the_last_step_of_a_stage_lets_the_next_one_follow_when_resumed(staged, four_recipe, tmp_path):
    last = staged.spans["foundation"].last
    stopped = stopped_after(last, lambda: train(four_recipe(), tmp_path))
    assert stopped.code == 75 and checkpoints_of(tmp_path) == [last]
    train(four_recipe(), tmp_path, stage="warmup", resume=True)
    assert checkpoints_of(tmp_path) == [last, staged.spans["warmup"].last]


def test_what_was_logged_before_a_signal_is_on_tensorboard_too(recipe, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    stopped_after(9, lambda: train(recipe(), tmp_path))
    assert [line["step"] for line in lines_of(tmp_path)] == [4, 8]
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("loss")] == [4, 8]


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
