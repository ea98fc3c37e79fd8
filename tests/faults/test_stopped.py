"""Runs that are told to stop, by a signal to any one rank or by the clock: all ranks save and say why they ended."""

import pytest
from launches import checkpoints_of, differences, launch

REQUEUE, INTERRUPTED = 75, 130


def test_a_signal_to_any_rank_stops_all_of_them_and_the_run_comes_to_the_same(whole, minute, tmp_path):
    """One after the other: each run goes on from where the last one was stopped."""
    folder = tmp_path / "run"
    for number, (fault, code, saved) in enumerate(
        [
            # A signal is seen when the next step begins, and obeyed when that step is done.
            ({1: "terminate forward 0"}, REQUEUE, 2),
            ({0: "warn backward 3"}, REQUEUE, 5),
            ({1: "interrupt agreed 5"}, INTERRUPTED, 7),
        ]
    ):
        ended = launch(folder, minute, faults=fault, resume=number > 0)
        assert ended.codes == [code, code], ended.tail()
        assert checkpoints_of(folder)[-1] == saved, fault
        assert f"stopped after step {saved}; go on with --resume" in ended.output[0]
    ended = launch(folder, minute, resume=True)
    assert ended.codes == [0, 0], ended.tail()
    assert not differences(folder, whole)


@pytest.mark.parametrize("told", ["option", "slurm"])
def test_a_run_stops_before_its_time_is_up_and_comes_to_the_same(whole_alone, minute, tmp_path, told):
    folder = tmp_path / "run"
    limit, environment = (["--time-limit", "0.01"], {}) if told == "option" else ([], {"SLURM_JOB_END_TIME": "1"})
    ended = launch(folder, minute, *limit, world_size=1, environment=environment)
    assert ended.codes == [REQUEUE] and checkpoints_of(folder) == [1], ended.tail()
    ended = launch(folder, minute, world_size=1, resume=True)
    assert ended.codes == [0], ended.tail()
    assert not differences(folder, whole_alone)


def test_a_signal_while_a_model_is_built_ends_the_process_at_once_with_the_same_code(minute, tmp_path):
    folder = tmp_path / "run"
    ended = launch(folder, minute, world_size=1, faults={0: "terminate building 0"})
    assert ended.codes == [REQUEUE], ended.tail()
    assert not checkpoints_of(folder)


def test_a_batch_script_may_always_say_resume(whole_alone, minute, tmp_path):
    folder = tmp_path / "run"
    ended = launch(folder, minute, world_size=1, resume=True)
    assert ended.codes == [0] and "the run begins anew" in ended.output[0], ended.tail()
    assert not differences(folder, whole_alone)
