"""One process, two, or one that was killed and started again: the same files, to the byte."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from skeletonllm.evaluation.parts import Parts
from skeletonllm.evaluation.respondents import Ours
from skeletonllm.training.arguments import recipe_from_dict
from skeletonllm.training.run import train

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("killed_evaluation.py")
# Twelve questions in batches of two, with three sights: eighteen parts.
RECOGNITION = ("--blind", "--batch-size", "2")
PARTS = 18
SECONDS = 240
SAME_CODE = "of these tests"


@pytest.fixture(autouse=True)
def same_code(monkeypatch):
    """Whoever works on the checkout while tests run changes nothing between two evaluations that are to be equal."""
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setattr("skeletonllm.evaluation.run.code_digest", lambda: SAME_CODE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model that was trained for a step."""
    tiny = dict(image_size=32, patch_size=8, vision_hidden_size=32, vision_layers=1, hidden_size=32, layers=1, heads=2)
    recipe = dict(
        data=dict(
            options=dict(labels=["bow", "clap", "walk"], performers=4, test_performers=4, topologies=["coco_17"])
        ),
        model=dict(num_frames=3, renderer=dict(samples_per_bone=1), tiny=tiny),
        optimization=dict(batch_size=4, threads=1),
        stages=dict(scratch=dict(train=["projector", "language"], learning_rate=1e-3)),
        pictures_every=0,
    )
    folder = tmp_path_factory.mktemp("shared") / "run"
    train(recipe_from_dict(recipe), folder)
    return folder


def start(*arguments, rank=0, world_size=1, kill_after=-1):
    """``skeletonllm evaluate`` in a process of its own, as a launcher starts it."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")]),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",  # sums of several threads end in other bits
        "RANK": str(rank),
        "WORLD_SIZE": str(world_size),
        "LOCAL_RANK": str(rank),
        "KILL_AFTER": str(kill_after),
        "CODE_DIGEST": SAME_CODE,
    }
    return subprocess.Popen([sys.executable, PROGRAM, *map(str, arguments)], env=environment, cwd=ROOT)


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def alone(run, trained, tmp_path):
    """The files of one process."""

    def evaluate(*arguments):
        code, _, said = run("evaluate", trained, *arguments, "-o", tmp_path / "alone")
        assert code == 0, said
        return files_in(tmp_path / "alone")

    return evaluate


def test_two_processes_leave_the_files_of_one(alone, trained, tmp_path):
    wish = ("--task", "captioning", "--draws", "2", "--batch-size", "3")
    pair = [start(trained, *wish, "-o", tmp_path / "pair", rank=rank, world_size=2) for rank in range(2)]
    assert [process.wait(SECONDS) for process in pair] == [0, 0]
    found = files_in(tmp_path / "pair")
    assert found == alone(*wish) and sorted(found) == ["predictions.jsonl", "summary.json"]
    assert b'"r_precision"' in found["summary.json"] and b'"cider_d"' in found["summary.json"]


def test_a_process_that_dies_keeps_nobody_waiting_and_its_work_is_done_by_the_other(alone, trained, tmp_path):
    folder = tmp_path / "pair"
    lost = start(trained, *RECOGNITION, "-o", folder, rank=1, world_size=2, kill_after=3)
    assert lost.wait(SECONDS) == -signal.SIGKILL and len(files_in(folder)) == 1 + 3
    assert start(trained, *RECOGNITION, "-o", folder, rank=0, world_size=2).wait(SECONDS) == 0
    found = files_in(folder)
    assert found == alone(*RECOGNITION) and sorted(found) == ["confusion.png", "predictions.jsonl", "summary.json"]


def test_what_was_killed_goes_on_and_what_has_ended_is_not_done_again(run, alone, trained, tmp_path, monkeypatch):
    folder = tmp_path / "killed"
    assert start(trained, *RECOGNITION, "-o", folder, kill_after=7).wait(SECONDS) == -signal.SIGKILL
    code, _, said = run("evaluate", trained, *RECOGNITION, "--seed", "1", "-o", folder)
    assert code == 2 and f"{folder / 'parts'} holds answers of an evaluation with other settings" in said

    written = []
    keep = Parts.write
    monkeypatch.setattr(Parts, "write", lambda self, name, content: (written.append(name), keep(self, name, content)))
    assert run("evaluate", trained, *RECOGNITION, "-o", folder)[0] == 0
    assert len(written) == PARTS - 7
    assert files_in(folder) == alone(*RECOGNITION)

    def refuse(*_):
        raise AssertionError("asked again")

    monkeypatch.setattr(Ours, "answer_batches", refuse)
    code, printed, _ = run("evaluate", trained, *RECOGNITION, "-o", folder)
    assert code == 0 and "mean over labels" in printed and "blind, others" in printed


def test_an_endpoint_is_asked_by_one_process(run, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, _, said = run("evaluate", "--api", "http://127.0.0.1:1/v1", "--model", "m")
    assert code == 2 and "asked by one process" in said
