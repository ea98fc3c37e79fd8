"""Recordings that are odd or cannot be read, in the files that a run is trained on."""

import json

import numpy as np
import pytest
from launches import launch

from skeletonllm.skeleton.synthesis import synthesize

LABELS = ("squat", "walk")
FILES = 50  # so that one bad file is within the budget of 2 %, and two are not
POISONED = 65


def spoil(joints: np.ndarray, how: str, bone: tuple[int, int]) -> np.ndarray:
    """Joints (T, P, J, 3) with something wrong."""
    joints = np.concatenate([joints, joints + [1.0, 0.0, 0.0]], 1)
    if how == "nan-joint":
        joints[2:5, 0, 7] = np.nan
        joints[3, 1, 2, 1] = np.inf
    elif how == "no-length":
        joints[:, 0, bone[0]] = joints[:, 0, bone[1]]
        joints[:, 1] = joints[:, 1, :1]  # all joints of a person in one place
    elif how == "missing-person":
        joints[:, 1] = np.nan
        joints[4:] = np.nan
    elif how == "one-frame":
        joints = joints[:1]
    return joints


def write(folder, name, label, how=""):
    sequence = synthesize(label, topology="coco_17", performer=len(name) % 7)
    joints = spoil(sequence.joints, how, sequence.topology.bones[0])
    path = folder / "train" / label / f"{name}.npz"
    (folder / "test").mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, joints=joints, fps=sequence.fps, topology="coco_17")


@pytest.fixture
def recipe_of(write_recipe):
    def make(root, batch_size):
        stage = dict(train=["renderer", "projector"], epochs=1, learning_rate=1e-3)
        return write_recipe(
            data=dict(source="folder", root=str(root)),
            optimization=dict(batch_size=batch_size, threads=1),
            stages=dict(learn=stage),
            log_every=1,
        )

    return make


ODD = {
    "nan-joint": "unknown joints",
    "no-length": "bones of no length",
    "missing-person": "frames without anybody",
    "one-frame": "one frame only",
}


def test_odd_recordings_are_masked_named_in_one_warning_and_learnt_from(recipe_of, tmp_path):
    for how in ODD:
        write(tmp_path / "data", how, LABELS[0], how)
    for name in ("a", "b", "c", "d"):
        write(tmp_path / "data", name, LABELS[1])
    ended = launch(tmp_path / "run", recipe_of(tmp_path / "data", batch_size=8), world_size=1)
    assert ended.codes == [0], ended.tail()
    (warning,) = [line for line in ended.output[0].splitlines() if "masked in" in line]
    assert "masked in 4 of 8 recordings" in warning
    for how, told in ODD.items():
        assert told in warning.split(f"train/{LABELS[0]}/{how}.npz: ")[1].split(";")[0], how
    (line,) = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert line["skipped"] == 0 and np.isfinite(line["loss"])
    assert 0 < line["gradient_norm/renderer"] < np.inf and 0 < line["gradient_norm/projector"] < np.inf


@pytest.mark.parametrize("bad", [1, 2])
def test_files_that_cannot_be_read_are_left_out_up_to_a_budget(recipe_of, tmp_path, bad):
    for number in range(FILES):
        write(tmp_path / "data", f"{number:02d}", LABELS[number % 2])
    spoilt = [tmp_path / "data" / "train" / LABELS[number] / f"{number:02d}.npz" for number in range(bad)]
    for path in spoilt:
        path.write_bytes(path.read_bytes()[:300])
    ended = launch(tmp_path / "run", recipe_of(tmp_path / "data", batch_size=FILES - 1), world_size=1)
    assert all(f"left out: {path}" in ended.output[0] for path in spoilt), ended.tail()
    if bad == 1:
        assert ended.codes == [0], ended.tail()
    else:
        assert ended.codes == [POISONED] and "cannot be read" in ended.output[0].splitlines()[-1], ended.tail()
        assert not (tmp_path / "run" / "log.jsonl").exists()
