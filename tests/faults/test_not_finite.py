"""Losses and gradients that are no numbers, on one rank only: no rank takes them."""

import json

import pytest
import torch
from launches import checkpoints_of, launch, ledger_of, samples_of, tensors_at

STEP = 4  # done when the fault comes
RANK = 1


@pytest.fixture(scope="module")
def every_step(write_recipe):
    return write_recipe(save_every=1)


def skipped_in(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "skipped.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("deed", "zero"), [("nan", False), ("burst", True)], ids=["loss", "gradient-zero-2"])
def test_one_rank_is_not_finite_and_all_leave_the_step_out(every_step, tmp_path, deed, zero):
    folder = tmp_path / "run"
    ended = launch(folder, every_step, faults={RANK: f"{deed} 1 {STEP}"}, zero=zero)
    assert ended.codes == [0, 0], ended.tail()
    before, after, later = (tensors_at(folder, step) for step in (STEP, STEP + 1, STEP + 2))
    assert any(name.endswith("exp_avg") for name in before)
    assert before.keys() == after.keys() and all(torch.equal(value, after[name]) for name, value in before.items())
    assert not all(torch.equal(value, later[name]) for name, value in after.items())
    assert all(value.isfinite().all() for value in later.values())
    (line,) = skipped_in(folder)
    assert line["step"] == STEP and sorted(line["ids"]) == samples_of(folder)[STEP + 1]
    assert len(line["ids"]) == 4 and "left out" in ended.output[0] and "left out" in ended.output[RANK]


def test_three_in_a_row_end_the_run_as_poisoned_with_the_weights_of_before(every_step, tmp_path):
    folder = tmp_path / "run"
    ended = launch(folder, every_step, faults={RANK: f"nan 3 {STEP}"})
    assert ended.codes == [65, 65], ended.tail()
    assert [line["step"] for line in skipped_in(folder)] == [STEP, STEP + 1, STEP + 2]
    assert "third step in a row" in ended.output[0]
    before, last = tensors_at(folder, STEP), tensors_at(folder, checkpoints_of(folder)[-1])
    assert checkpoints_of(folder)[-1] > STEP and all(torch.equal(value, last[name]) for name, value in before.items())
    assert {line["step"] for line in ledger_of(folder)["rank-00000"]} == set(range(1, STEP + 4))
