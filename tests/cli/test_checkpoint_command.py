"""skeletonllm checkpoint: list, verify and diff of a run's checkpoints, whole and damaged."""

import pytest
import torch

from skeletonllm.training.checkpoint import save_checkpoint

RATE = "optimization.learning_rate"


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    """Tables are as wide as they need to be."""
    monkeypatch.setenv("COLUMNS", "400")


@pytest.fixture
def written(tmp_path):
    """A run with checkpoints of steps 5 and 10."""
    for step in (5, 10):
        tensors = dict(
            model={"same": torch.ones(2), "weight": torch.full((2, 2), float(step))},
            optimizer={"weight/exp_avg": torch.zeros(2, 2), "step": torch.tensor(step)},
        )
        recipe = dict(name="x", optimization=dict(seed=0, learning_rate=step / 100))
        state = dict(stage="warmup", world_size=step // 5, recipe=recipe, labels=["a"])
        save_checkpoint(tmp_path / "run" / "checkpoints", step, tensors, state)
    return tmp_path / "run"


def step_of(run, number):
    return run / "checkpoints" / f"step-{number:06d}"


def damage(run, number):
    path = step_of(run, number) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def rows(printed):
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if "│" in line]


def test_list_tells_step_stage_size_and_processes(run, written):
    code, printed, error = run("checkpoint", "list", written)
    assert code == 0 and not error
    (first, second) = rows(printed)
    size = sum(file.stat().st_size for file in step_of(written, 5).iterdir())
    assert first == [str(step_of(written, 5)), "5", "warmup", f"{size / 1e6:.2f}", "1", "whole"]
    assert second[1] == "10" and second[4:] == ["2", "whole"]


def test_list_tells_what_is_wrong_with_one_and_goes_on(run, written):
    damage(written, 5)
    (step_of(written, 10) / "manifest.json").unlink()
    code, printed, _ = run("checkpoint", "list", written / "checkpoints", step_of(written, 5))
    assert code == 0
    first, second, third = rows(printed)
    assert first == third and "model.safetensors is not what was written" in first[5] and first[2] == "?"
    assert second[1] == "10" and "manifest.json" in second[5]


def test_verify_names_the_damaged_file_and_ends_with_1(run, written):
    code, printed, _ = run("checkpoint", "verify", written)
    assert code == 0 and printed.count(": whole\n") == 2
    damage(written, 10)
    code, printed, _ = run("checkpoint", "verify", written)
    assert code == 1
    assert f"{step_of(written, 5)}: whole" in printed
    assert f"{step_of(written, 10) / 'model.safetensors'} is not what was written" in printed
    assert run("checkpoint", "verify", step_of(written, 5))[0] == 0


def test_diff_tells_tensors_and_settings_that_differ_and_no_others(run, written):
    code, printed, _ = run("checkpoint", "diff", step_of(written, 5), written)
    assert code == 0
    assert "model: 1 tensors are the same to the bit, 1 are not" in printed
    assert ["weight", "5.00e+00", "1.00e+00"] in rows(printed)  # from 5 to 10 in each place
    assert ["step", "5.00e+00", "1.00e+00"] in rows(printed)
    assert "recipe: 1 settings differ" in printed and [RATE, "0.05", "0.1"] in rows(printed)


def test_diff_of_a_checkpoint_with_itself_finds_nothing(run, written):
    code, printed, _ = run("checkpoint", "diff", written, step_of(written, 10))
    assert code == 0 and not rows(printed) and "recipe: the same" in printed
    assert "model: 2 tensors are the same to the bit, 0 are not" in printed


def test_diff_names_tensors_that_only_one_has_and_shapes(run, written, tmp_path):
    state = dict(stage="refine", world_size=1, recipe={}, labels=[])
    tensors = dict(model={"weight": torch.ones(3), "new": torch.ones(1)}, optimizer={})
    other = save_checkpoint(tmp_path / "other", 7, tensors, state)
    code, printed, _ = run("checkpoint", "diff", step_of(written, 5), other)
    assert code == 0
    found = {row[0]: row[1] for row in rows(printed) if len(row) == 3}
    assert found["new"] == "only in the second" and found["same"] == "only in the first"
    assert found["weight"] == "shapes (2, 2) and (3,)"
    assert found[RATE] == "0.05"  # and absent from the second


def test_a_damaged_one_is_not_compared_and_a_folder_without_any_is_refused(run, written, tmp_path):
    damage(written, 5)
    code, _, error = run("checkpoint", "diff", step_of(written, 5), written)
    assert code == 2 and "damaged" in error and "model.safetensors" in error
    for command in ("list", "verify"):
        code, _, error = run("checkpoint", command, tmp_path)
        assert code == 2 and f"{tmp_path} is no checkpoint and holds none" in error


def test_it_explains_itself(run):
    code, printed, _ = run("checkpoint", "--help")
    assert code == 0 and all(command in printed for command in ("list", "verify", "diff"))
