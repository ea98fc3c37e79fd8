"""Processes that are killed, wherever they are: the job ends, and resumed it comes to the same, to the bit."""

import pytest
import torch
from launches import checkpoints_of, differences, launch, tensors_at

from skeletonllm.models.trained import load_trained
from skeletonllm.training.checkpoint import load_newest_checkpoint

# Rank, point and step, so that each kill finds the run a step or two further on.
IN_A_STEP = [
    (1, "data", 1), (0, "forward", 2), (1, "backward", 3), (0, "agreement", 4), (1, "agreed", 5), (0, "update", 6),
    (1, "updated", 7), (0, "ledger", 8),
]  # fmt: skip
# Points of the save of a step, and the checkpoint from which the run goes on.
IN_A_SAVE = [
    ("save", 4, 2), ("half a file", 4, 2), ("model", 4, 2), ("optimizer", 4, 2), ("state", 4, 2),
    ("half a manifest", 4, 2), ("manifest", 4, 2), ("renaming", 4, 2), ("renamed", 4, 4), ("removing", 6, 6),
    ("half removed", 8, 8),
]  # fmt: skip
KEPT = 2
LOST = 76  # another process is gone; starting again may help


def killed_one_after_the_other(folder, recipe, kills, **options):
    """Run into each kill in turn, each time going on; yields after each."""
    for number, kill in enumerate(kills):
        rank, point, step = kill
        ended = launch(folder, recipe, faults={rank: f"kill {point} {step}"}, resume=number > 0, **options)
        assert ended.codes[rank] == -9, f"not killed at {kill}\n{ended.tail()}"
        yield kill, ended


def test_a_rank_killed_in_any_phase_of_a_step_ends_the_job_and_loses_nothing(whole, minute, tmp_path):
    folder = tmp_path / "run"
    for (rank, *_), ended in killed_one_after_the_other(folder, minute, IN_A_STEP):
        assert ended.codes[1 - rank] == LOST, ended.tail()
    ended = launch(folder, minute, resume=True)
    assert ended.codes == [0, 0], ended.tail()
    assert not differences(folder, whole)


@pytest.fixture(scope="module")
def keeping_two(write_recipe):
    return write_recipe(keep_last=KEPT)


def test_killed_at_any_point_of_a_save_the_newest_whole_checkpoint_is_the_one_resumed(
    whole_alone, keeping_two, tmp_path
):
    folder = tmp_path / "run"
    kills = [(0, point, step) for point, step, _ in IN_A_SAVE]
    expected = [step for *_, step in IN_A_SAVE]
    for (kill, _), step in zip(
        killed_one_after_the_other(folder, keeping_two, kills, world_size=1), expected, strict=True
    ):
        newest = load_newest_checkpoint(folder / "checkpoints")
        assert newest.step == step, kill
        assert same(tensors_at(folder, step), tensors_at(whole_alone, step)), kill
    ended = launch(folder, keeping_two, resume=True, world_size=1)
    assert ended.codes == [0], ended.tail()
    assert checkpoints_of(folder) == [8, 9] and not list((folder / "checkpoints").glob("*.tmp"))
    assert not differences(folder, whole_alone)


def test_the_rank_that_saves_is_killed_and_the_one_that_waits_for_it_ends_too(whole, minute, tmp_path):
    folder = tmp_path / "run"
    ended = launch(folder, minute, faults={0: "kill half a file 6"})
    assert ended.codes == [-9, LOST], ended.tail()
    assert load_newest_checkpoint(folder / "checkpoints").step == 4
    assert launch(folder, minute, resume=True).codes == [0, 0]
    assert not differences(folder, whole)


def test_killed_while_the_finished_model_is_written_the_next_run_writes_it(whole_alone, minute, tmp_path):
    folder = tmp_path / "run"
    for (_, point, _), _ in killed_one_after_the_other(
        folder, minute, [(0, "ledger", 8), (0, "finishing", 8), (0, "half a model", -1)], world_size=1
    ):
        assert not (folder / "model").exists(), point
    ended = launch(folder, minute, resume=True, world_size=1)
    assert ended.codes == [0], ended.tail()
    assert same(load_trained(folder).model.state_dict(), load_trained(whole_alone).model.state_dict())
    assert not differences(folder, whole_alone)
    ended = launch(folder, minute, resume=True, world_size=1)
    assert ended.codes == [0] and "nothing left to train" in ended.output[0], ended.tail()


def same(first, second) -> bool:
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())
