"""Checkpoints that a crash, a full disk or a bad sector cannot spoil."""

import json
import logging
import shutil

import pytest
import torch

from skeletonllm.training import checkpoint
from skeletonllm.training.checkpoint import (
    KEEP,
    find_damage,
    load_newest_checkpoint,
    pack_optimizer,
    save_checkpoint,
    unpack_optimizer,
)


def save(folder, step):
    tensors = dict(model={"weight": torch.full((3, 2), float(step))}, random=dict(cpu=torch.get_rng_state()))
    return save_checkpoint(folder, step, tensors, dict(recipe={"name": "x"}, step_of_state=step))


def newest(folder):
    found = load_newest_checkpoint(folder)
    if found is None:
        return None
    step, tensors, state = found
    assert torch.equal(tensors["model"]["weight"], torch.full((3, 2), float(step)))
    assert state["step_of_state"] == step
    return step


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_what_is_written_is_read_back(tmp_path):
    path = save(tmp_path, 10)
    assert path.name == "step-000010" and find_damage(path) is None
    step, tensors, state = load_newest_checkpoint(tmp_path)
    assert step == 10 and set(tensors) == {"model", "random"} and state["recipe"] == {"name": "x"}
    assert torch.equal(tensors["random"]["cpu"], torch.get_rng_state())
    assert {file.suffix for file in path.iterdir()} == {".json", ".safetensors"}


def test_nothing_to_load_is_none(tmp_path):
    assert load_newest_checkpoint(tmp_path) is None
    assert load_newest_checkpoint(tmp_path / "absent") is None


def test_the_newest_two_are_kept(tmp_path):
    for step in (5, 10, 15, 20):
        save(tmp_path, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000015", "step-000020"]
    assert KEEP == 2 and newest(tmp_path) == 20


def test_the_millionth_step_is_newer_than_the_one_before(tmp_path):
    for step in (999_998, 999_999, 1_000_000):
        save(tmp_path, step)
    assert newest(tmp_path) == 1_000_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-1000000", "step-999999"]


@pytest.mark.parametrize("name", ["model.safetensors", "random.safetensors", "state.json", "manifest.json"])
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
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == ["step-000020.tmp"]
    assert newest(tmp_path) == 10
    save(tmp_path, 20)  # writes over the remains
    assert newest(tmp_path) == 20 and not list(tmp_path.glob("*.tmp"))


def test_the_manifest_is_written_after_everything_that_it_lists(tmp_path):
    path = save(tmp_path, 10)
    files = json.loads((path / checkpoint.MANIFEST).read_text())["files"]
    assert set(files) == {file.name for file in path.iterdir()} - {checkpoint.MANIFEST}
    for name, entry in files.items():
        assert entry["bytes"] == (path / name).stat().st_size


def test_an_optimiser_goes_on_as_if_it_had_never_stopped():
    def start():
        torch.manual_seed(0)
        layers = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Linear(5, 2))
        return layers, torch.optim.AdamW([dict(params=layer.parameters(), lr=0.01) for layer in layers], lr=0.1)

    def advance(model, optimizer, steps):
        for step in steps:
            inputs = torch.randn(3, 4, generator=torch.Generator().manual_seed(step))
            model(inputs).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()

    model, optimizer = start()
    advance(model, optimizer, range(3))
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    packed = {name: value.clone() for name, value in pack_optimizer(optimizer).items()}
    advance(model, optimizer, range(3, 6))

    resumed, other = start()
    resumed.load_state_dict(weights)
    unpack_optimizer(other, packed)
    advance(resumed, other, range(3, 6))
    for name, value in model.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
