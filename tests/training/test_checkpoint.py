"""Checkpoints that a crash, a full disk or a bad sector cannot spoil."""

import json
import logging
import shutil

import pytest
import torch

from skeletonllm.training import checkpoint
from skeletonllm.training.checkpoint import (
    find_damage,
    load_checkpoint,
    load_newest_checkpoint,
    save_checkpoint,
    set_aside,
)


def save(folder, step, **keeping):
    moments = {"weight/exp_avg": torch.full((3, 2), 0.5), "step": torch.tensor(step)}
    tensors = dict(model={"weight": torch.full((3, 2), float(step))}, optimizer=moments)
    return save_checkpoint(folder, step, tensors, dict(recipe={"name": "x"}, step_of_state=step), **keeping)


def newest(folder):
    found = load_newest_checkpoint(folder)
    if found is None:
        return None
    assert torch.equal(found.tensors["model"]["weight"], torch.full((3, 2), float(found.step)))
    assert found.state["step_of_state"] == found.step and found.path == folder / f"step-{found.step:06d}"
    return found.step


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_what_is_written_is_read_back(tmp_path):
    path = save(tmp_path, 10)
    assert path.name == "step-000010" and find_damage(path) is None
    found = load_newest_checkpoint(tmp_path)
    assert found.step == 10 and set(found.tensors) == {"model", "optimizer"} and found.state["recipe"] == {"name": "x"}
    assert found.tensors["optimizer"]["step"] == 10
    assert torch.equal(found.tensors["optimizer"]["weight/exp_avg"], torch.full((3, 2), 0.5))
    assert {file.suffix for file in path.iterdir()} == {".json", ".safetensors"}


def test_nothing_to_load_is_none(tmp_path):
    assert load_newest_checkpoint(tmp_path) is None
    assert load_newest_checkpoint(tmp_path / "absent") is None


def test_the_newest_two_are_kept(tmp_path):
    for step in (5, 10, 15, 20):
        save(tmp_path, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000015", "step-000020"]
    assert newest(tmp_path) == 20


def test_steps_to_keep_outlive_the_newest_two(tmp_path):
    for step in (5, 10, 15, 20, 25):
        save(tmp_path, step, keep=(10, 100))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000010", "step-000020", "step-000025"]


def test_a_step_to_keep_does_not_outlive_a_run_that_goes_on_from_before_it(tmp_path):
    for step in (10, 20):
        save(tmp_path, step, keep=(20,))
    flip(tmp_path / "step-000020" / "model.safetensors", -1)
    save(tmp_path, 15, keep=(20,))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000010", "step-000015"]


def test_so_many_are_kept_as_are_asked_for(tmp_path):
    for step in (5, 10, 15, 20):
        save(tmp_path, step, keep_last=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000010", "step-000015", "step-000020"]


def test_the_millionth_step_is_newer_than_the_one_before(tmp_path):
    for step in (999_998, 999_999, 1_000_000):
        save(tmp_path, step)
    assert newest(tmp_path) == 1_000_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-1000000", "step-999999"]


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("harm", ["flip", "truncate", "empty", "remove"])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(tmp_path, caplog, name, harm):
    save(tmp_path, 10)
    file = save(tmp_path, 20) / name
    if harm == "flip":
        # In the manifest the first letter of a key, elsewhere the last byte of what was saved.
        flip(file, file.read_bytes().index(b"sha256") if name == "manifest.json" else -1)
    elif harm == "truncate":
        file.write_bytes(file.read_bytes()[:-7])
    elif harm == "empty":
        file.write_bytes(b"")
    else:
        file.unlink()
    with caplog.at_level(logging.WARNING):
        assert newest(tmp_path) == 10
    assert "step-000020" in caplog.text and name in caplog.text


def test_no_flipped_bit_of_the_manifest_gives_another_checkpoint(tmp_path):
    path = save(tmp_path, 20)
    manifest = path / checkpoint.MANIFEST
    whole = manifest.read_bytes()
    for position in range(len(whole)):
        flip(manifest, position)
        if find_damage(path) is None:
            assert newest(tmp_path) == 20, f"byte {position}"
        manifest.write_bytes(whole)


def test_a_checkpoint_under_another_ones_name_does_not_count(tmp_path):
    shutil.copytree(save(tmp_path, 10), tmp_path / "step-000900")
    assert newest(tmp_path) == 10


def test_all_damaged_is_as_good_as_none_and_what_comes_next_is_not_thrown_away(tmp_path):
    for step in (30, 40):
        flip(save(tmp_path, step) / "model.safetensors", -1)
    assert load_newest_checkpoint(tmp_path) is None
    save(tmp_path, 10)  # the run began anew
    assert newest(tmp_path) == 10
    save(tmp_path, 20)
    assert newest(tmp_path) == 20


@pytest.mark.parametrize("stage", ["save_file", "_sha256", "_sync"])
def test_a_crash_while_writing_leaves_the_older_checkpoint_in_force(tmp_path, monkeypatch, stage):
    save(tmp_path, 10)

    def crash(*arguments):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, stage, crash)
        with pytest.raises(OSError, match="no space"):
            save(tmp_path, 20)
    # What was begun takes no room.
    assert [path.name for path in tmp_path.iterdir()] == ["step-000010"]
    assert newest(tmp_path) == 10
    save(tmp_path, 20)
    assert newest(tmp_path) == 20


def test_what_a_killed_process_left_half_written_does_not_count_and_goes_away(tmp_path):
    shutil.copytree(save(tmp_path, 10), tmp_path / "step-000020.tmp")
    assert newest(tmp_path) == 10
    save(tmp_path, 30)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000010", "step-000030"]


def test_what_is_set_aside_is_not_gone_but_does_not_count(tmp_path):
    save(tmp_path, 10)
    set_aside(save(tmp_path, 20))
    assert newest(tmp_path) == 10 and (tmp_path / "step-000020.damaged" / "model.safetensors").is_file()
    for step in (30, 40, 50):
        save(tmp_path, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000020.damaged", "step-000040", "step-000050"]


def test_the_manifest_is_written_after_everything_that_it_lists(tmp_path):
    path = save(tmp_path, 10)
    files = json.loads((path / checkpoint.MANIFEST).read_text())["files"]
    assert set(files) == {file.name for file in path.iterdir()} - {checkpoint.MANIFEST}
    for name, entry in files.items():
        assert entry["bytes"] == (path / name).stat().st_size


def test_a_checkpoint_is_found_by_its_folder_or_as_the_newest_of_its_run(tmp_path):
    for step in (10, 20):
        save(tmp_path / "checkpoints", step)
    assert load_checkpoint(tmp_path / "checkpoints" / "step-000010").step == 10
    assert load_checkpoint(tmp_path).step == 20
    flip(tmp_path / "checkpoints" / "step-000020" / "model.safetensors", -1)
    assert load_checkpoint(tmp_path).step == 10
    with pytest.raises(ValueError, match="damaged: .*step-000020/model.safetensors is not what was written"):
        load_checkpoint(tmp_path / "checkpoints" / "step-000020")
    with pytest.raises(ValueError, match="absent holds no whole checkpoint, in checkpoints/step-N"):
        load_checkpoint(tmp_path / "absent")
