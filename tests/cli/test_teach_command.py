"""skeletonllm teach: from a student's recipe and renderer to a folder of rationales."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "data"))

from teacher_server import Served, TeacherServer, label_of, pictures_of  # noqa: E402

from skeletonllm.data.sources.synthetic import recordings  # noqa: E402
from skeletonllm.data.teacher import attach_rationales  # noqa: E402
from skeletonllm.rendering.draction import DrAction  # noqa: E402
from skeletonllm.skeleton.synthesis import describe  # noqa: E402

LABELS = ["squat", "walk"]
RECIPE = """
data: {options: {labels: [squat, walk], performers: 2, test_performers: 2, topologies: [coco_17]}}
model:
  num_frames: 3
  renderer: {modulator: none, samples_per_bone: 2}
  tiny: {image_size: 32, patch_size: 8, vision_hidden_size: 32, vision_layers: 1, hidden_size: 32, layers: 1, heads: 2}
augmentation: {yaw: 10}
optimization: {batch_size: 4, threads: 1}
stages:
  look: {train: [projector], epochs: 1, learning_rate: 1e-3}
  reason: {train: [projector], tasks: {rationale: 1}, epochs: 2, learning_rate: 1e-3}
"""


def truthful(question: dict, number: int = 0) -> Served:
    label = label_of(question)
    return Served(f"{describe(label, performer=0)}\nLabel: {label}")


@pytest.fixture
def student(tmp_path) -> list[str]:
    """The options that name a recipe and its renderer."""
    (tmp_path / "student.yaml").write_text(RECIPE)
    torch.manual_seed(0)
    DrAction("none", samples_per_bone=2).save(tmp_path / "renderer.safetensors")
    return ["--recipe", tmp_path / "student.yaml", "--renderer", tmp_path / "renderer.safetensors", "--image-size", 32]


def test_the_training_recordings_of_a_recipe_are_asked_about_once(run, student, tmp_path):
    with TeacherServer(truthful) as server:
        command = ["teach", "--endpoint", server.url, "--model", "teacher", "-o", tmp_path / "taught", *student]
        code, printed, _ = run(*command)
        assert code == 0 and "4 accepted, 0 rejected, 0 left; 480 tokens" in printed
        assert run(*command)[0] == 0 and len(server.questions) == 4
    assert all(len(pictures_of(question)) == 3 for question in server.questions)
    known = recordings(["coco_17"], performers=2, test_performers=2, labels=LABELS)
    attached = attach_rationales(known, tmp_path / "taught")
    assert [recording.rationale is not None for recording in attached] == [True] * 4 + [False] * 4


@pytest.mark.slow
def test_a_trained_model_gives_recipe_renderer_and_size_and_learns_from_what_it_is_taught(run, student, tmp_path):
    train = ["train", "--recipe", student[1], "-o"]
    assert run(*train, tmp_path / "run", "--stage", "look")[0] == 0
    with TeacherServer(truthful) as server:
        code, printed, _ = run(
            "teach",
            "--endpoint",
            server.url,
            "--model",
            "t",
            "-o",
            tmp_path / "taught",
            "--model-folder",
            tmp_path / "run",
        )
    settings = json.loads((tmp_path / "taught" / "settings.json").read_text())
    assert code == 0 and "4 accepted" in printed
    assert settings["image_size"] == 32 and settings["sampling"]["augmentation"]["yaw"] == 10
    rationales = f"data.rationales={tmp_path / 'taught'}"
    more = ["--stage", "reason", "--from", tmp_path / "run", rationales]
    assert run(*train, tmp_path / "distilled", *more)[0] == 0


def test_a_limit_asks_about_the_first_recordings(run, student, tmp_path):
    with TeacherServer(truthful) as server:
        code, printed, _ = run(
            "teach", "--endpoint", server.url, "--model", "t", "-o", tmp_path / "taught", "--limit", 1, *student
        )
    assert code == 0 and "1 accepted, 0 rejected, 0 left" in printed and len(server.questions) == 1


def test_the_key_comes_from_the_named_variable_and_is_not_printed(run, student, tmp_path, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", "sk-not-to-be-seen")
    with TeacherServer(lambda q, n: Served(b"sk-not-to-be-seen is wrong", status=401)) as server:
        options = ["--model", "t", "-o", tmp_path / "taught", "--key-variable", "TEACHER_KEY", *student]
        code, printed, error = run("teach", "--endpoint", server.url, *options)
    assert server.headers[0]["Authorization"] == "Bearer sk-not-to-be-seen"
    assert code == 2 and "the key is missing or not accepted" in error and len(server.questions) == 1
    assert "sk-not" not in printed + error


def test_a_cap_ends_a_job_well_and_one_without_answer_wants_to_be_started_again(run, student, tmp_path):
    def answer(question, number):
        return truthful(question) if number < 2 else Served(status=500)

    with TeacherServer(answer) as server:
        command = ["teach", "--endpoint", server.url, "--model", "t", "-o", tmp_path / "taught", *student, "--tries", 1]
        code, printed, _ = run(*command, "--token-cap", 240, "--max-tokens", 100)
        assert code == 0 and "2 accepted, 0 rejected, 2 left" in printed and "a cap is reached" in printed
        code, printed, _ = run(*command, "--max-tokens", 100)
        assert code == 75 and "2 left" in printed and "start again" in printed


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--split", "test"], "the teacher would touch 4 of 4 recordings"),
        (["--recipe", "four_stages", "data.where={performer: 1}"], "performer is 1"),
        (["--model-folder", "nowhere"], "a file with its --renderer"),
        (["--endpoint", "https://me:hidden@x.org/v1"], "keys come from the environment"),
        (["--cost-cap", "5"], "needs the prices"),
        (["--prompt-version", "0"], "known: 1"),
    ],
    ids=["split", "recipe", "both", "password", "prices", "version"],
)
def test_wrong_arguments_are_told_in_one_line(run, student, tmp_path, options, told):
    command = ["teach", "--model", "t", "-o", tmp_path / "taught", *student, *options]
    code, _, error = run(*command)
    assert code == 2 and told in error and "hidden" not in error and error.count("\n") == 1


def test_changes_need_a_recipe_to_change(run, student, tmp_path):
    code, _, error = run("teach", "--model", "t", "-o", tmp_path / "taught", *student[2:], "data.split=train")
    assert code == 2 and "need a --recipe" in error


def start(student, server: TeacherServer, folder: Path) -> subprocess.Popen:
    """A job of its own process."""
    program = "import sys; from skeletonllm.cli import main; main(sys.argv[1:])"
    options = ["--endpoint", server.url, "--model", "t", "-o", str(folder), "--concurrency", "1", *map(str, student)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'kernels'}"}
    return subprocess.Popen([sys.executable, "-c", program, "teach", *options], env=environment, stderr=subprocess.PIPE)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "term"])
def test_a_job_that_was_ended_goes_on_where_it_was(student, tmp_path, number):
    asked = []

    def answer(question, count):
        asked.append(label_of(question))
        return Served(truthful(question).content, wait=600.0 if len(asked) == 3 and number == signal.SIGKILL else 0.5)

    with TeacherServer(answer) as server:
        job = start(student, server, tmp_path / "taught")
        deadline = time.monotonic() + 120
        while len(asked) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        job.send_signal(number)
        job.communicate(timeout=60)
        assert job.returncode == (-9 if number == signal.SIGKILL else 75)
        before = len(asked)
        job = start(student, server, tmp_path / "taught")
        job.communicate(timeout=120)
        assert job.returncode == 0
    # The question that was under way when the job was killed had no answer.
    assert len(asked) - before == 4 - (2 if number == signal.SIGKILL else before)
    rows = [json.loads(line) for line in (tmp_path / "taught" / "accepted.jsonl").read_text().splitlines()]
    assert len({row["id"] for row in rows}) == len(rows) == 4
