"""Checkpoints that something has spoilt: named, passed over, and the run comes to the same."""

import shutil

import pytest
from launches import checkpoints_of, differences, launch

NEWEST, BEFORE = "step-000006", 4


@pytest.fixture(scope="module")
def interrupted(minute, tmp_path_factory):
    """A run of one process that was killed in its eighth step, with checkpoints at 2, 4 and 6."""
    folder = tmp_path_factory.mktemp("interrupted") / "run"
    ended = launch(folder, minute, world_size=1, faults={0: "kill forward 7"})
    assert ended.codes == [-9] and checkpoints_of(folder) == [2, 4, 6], ended.tail()
    return folder


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


HARMS = {
    "truncated": ("model.safetensors", lambda path: path.write_bytes(path.read_bytes()[:-1])),
    "flipped": ("optimizer.safetensors", flip),
    "missing": ("state.json", lambda path: path.unlink()),
    "empty": ("manifest.json", lambda path: path.write_bytes(b"")),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_file_is_named_and_the_checkpoint_before_it_taken(interrupted, whole_alone, minute, tmp_path, harm):
    folder = tmp_path / "run"
    shutil.copytree(interrupted, folder)
    name, spoil = HARMS[harm]
    spoil(folder / "checkpoints" / NEWEST / name)
    ended = launch(folder, minute, world_size=1, resume=True)
    assert ended.codes == [0], ended.tail()
    warning = next(line for line in ended.output[0].splitlines() if "passed over" in line)
    assert f"{NEWEST}/{name}" in warning
    assert f"resumed at step {BEFORE} of 9" in ended.output[0]
    assert not differences(folder, whole_alone)


@pytest.mark.parametrize("hint", [b"step-000002", b"\xff\x00\xfe garbage", b""], ids=["stale", "garbage", "empty"])
def test_what_a_file_called_latest_says_plays_no_part(interrupted, tmp_path, hint):
    from skeletonllm.training.checkpoint import load_checkpoint

    folder = tmp_path / "run"
    shutil.copytree(interrupted, folder)
    for place in (folder, folder / "checkpoints"):
        (place / "latest").write_bytes(hint)
    assert load_checkpoint(folder).step == 6


def test_a_stale_latest_does_not_change_where_a_run_goes_on(interrupted, whole_alone, minute, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(interrupted, folder)
    (folder / "checkpoints" / "latest").write_text("step-000002")
    ended = launch(folder, minute, world_size=1, resume=True)
    assert ended.codes == [0] and "resumed at step 6 of 9" in ended.output[0], ended.tail()
    assert not differences(folder, whole_alone)
