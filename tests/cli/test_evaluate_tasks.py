"""Every task is evaluated, beside answers that see nothing, by a model of ours or by an external one."""

import json
import sys
from pathlib import Path

import pytest

from skeletonllm.skeleton.formats import write_npz
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.training.arguments import recipe_from_dict
from skeletonllm.training.run import train

sys.path.append(str(Path(__file__).parents[1] / "data"))
from teacher_server import Served, TeacherServer, pictures_of  # noqa: E402

LABELS = ["bow", "squat", "walk"]
SOURCE = ("--option", 'labels=["bow", "squat", "walk"]', "--option", "performers=4", "--option", "test_performers=2",
          "--option", 'topologies=["coco_17"]')  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model that was trained for a step, with one class that it never saw."""
    folder = tmp_path_factory.mktemp("tasks")
    protocol = folder / "split.yaml"
    protocol.write_text("{train: {performer: [0, 1, 2, 3]}, test: {performer: [100000, 100001]}, unseen: [walk]}")
    tiny = dict(image_size=32, patch_size=8, vision_hidden_size=32, vision_layers=1, hidden_size=32, layers=1, heads=2)
    recipe = dict(
        data=dict(
            options=dict(labels=LABELS, performers=4, test_performers=2, topologies=["coco_17"]),
            protocol=str(protocol),
        ),
        model=dict(num_frames=3, renderer=dict(samples_per_bone=1), tiny=tiny),
        optimization=dict(batch_size=4, threads=1),
        stages=dict(scratch=dict(train=["projector", "language"], learning_rate=1e-3)),
        pictures_every=0,
    )
    train(recipe_from_dict(recipe), folder / "run")
    return folder / "run"


def results(folder):
    lines = (folder / "predictions.jsonl").read_text().splitlines()
    return json.loads((folder / "summary.json").read_text()), [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    "task", ["rationale", "discrimination", "captioning", pytest.param("questions", marks=pytest.mark.slow)]
)
def test_a_task_is_scored_beside_three_ways_to_be_blind(run, trained, tmp_path, task):
    wish = ("evaluate", trained, "--task", task, "--blind", "--protocol", "usual", "--draws", "2", *SOURCE)
    if task in ("rationale", "discrimination"):
        wish = (*wish, "--shared-labels")
    code, printed, said = run(*wish, "-o", tmp_path / "one")
    assert code == 0, said
    summary, rows = results(tmp_path / "one")
    # Of three classes two are known to the model; about texts alone all are asked.
    assert len(rows) == summary["questions"] == (8 if "--shared-labels" in wish else 12)
    score = sum(row["score"] for row in rows) / len(rows)
    assert summary["metrics"]["score"]["value"] == pytest.approx(score)
    assert list(summary["blind"]) == ["prior", "black", "others"]
    for name, blind in summary["blind"].items():
        gain = score - blind["metrics"]["score"]["value"]
        assert blind["advantage"]["all"]["value"] == pytest.approx(gain)
        assert f"blind, {name}:" in printed
    assert summary["versions"]["torch"] and summary["seed"] == 0 and "commit" in summary
    run(*wish, "-o", tmp_path / "two")
    assert (tmp_path / "two" / "predictions.jsonl").read_bytes() == (
        tmp_path / "one" / "predictions.jsonl"
    ).read_bytes()


def test_times_are_scored_by_overlap(run, trained, tmp_path):
    code, printed, said = run(
        "evaluate", trained, "--task", "localization", "--data", "synthetic_sequences", "--blind", "-o", tmp_path / "o",
        *SOURCE[2:],
    )  # fmt: skip
    assert code == 0, said
    summary, rows = results(tmp_path / "o")
    assert {"score", "iou_at_least_half", "understood"} <= set(summary["metrics"]) and "iou_at_least_half" in printed
    assert len({tuple(row["stretch"]) for row in rows}) == len(rows) == 2
    assert 0.1 < summary["blind"]["prior"]["metrics"]["score"]["value"] < 0.9


def test_generalised_zero_shot_offers_all_classes_and_counts_both_sides(run, trained, tmp_path):
    code, printed, _ = run("evaluate", trained, "--generalized", *SOURCE, "-o", tmp_path / "o")
    assert code == 0 and "harmonic mean" in printed
    summary, rows = results(tmp_path / "o")
    assert summary["candidates"] == LABELS and len(rows) == 6
    assert summary["generalized"]["seen"]["count"] == 4 and summary["generalized"]["unseen"]["count"] == 2
    code, _, said = run("evaluate", trained, "--generalized", "--protocol", "usual", *SOURCE, "-o", tmp_path / "p")
    assert code == 2 and "needs unseen classes" in said


def test_an_external_model_is_evaluated_and_what_it_answered_is_not_asked_again(run, tmp_path):
    def answer(question, number):
        assert len(pictures_of(question)) == 12
        return Served("Label: bow." if number % 2 else "I cannot tell")

    with TeacherServer(answer) as server:
        wish = ("evaluate", "--api", server.url, "--model", "org/some model", *SOURCE, "-o", tmp_path / "o", "--blind",
                "--concurrency", "1")  # fmt: skip
        code, printed, said = run(*wish)
        assert code == 0, said
        first = results(tmp_path / "o")
        assert run(*wish)[0] == 0
    assert len(server.questions) == 6 and results(tmp_path / "o") == first
    summary, rows = first
    assert summary["model"] == "org/some model" and summary["scoring"] == "generation" and summary["count"] == 6
    assert [row["predicted"] for row in rows] == [None, "bow"] * 3 and rows[0]["text"] == "I cannot tell"
    assert summary["hits"] == sum(row["label"] == "bow" for row in rows[1::2])
    assert list(summary["blind"]) == ["prior"] and "blind, prior: 33.3 %" in printed


def test_a_recording_is_shown_to_an_external_model_with_or_without_a_trained_one(run, trained, tmp_path, monkeypatch):
    write_npz(synthesize("walk", topology="coco_17", performer=7), tmp_path / "walk.npz")
    monkeypatch.setenv("MY_KEY", "sesame")
    with TeacherServer(lambda *_: Served(" Somebody walks.\n")) as server:
        api = ("--api", server.url, "--model", "m", "--key-variable", "MY_KEY")
        assert run("ask", tmp_path / "walk.npz", "What is this?", *api)[:2] == (0, "Somebody walks.\n")
        assert run("ask", trained, tmp_path / "walk.npz", "What is this?", *api)[:2] == (0, "Somebody walks.\n")
        assert run("ask", trained, tmp_path / "walk.npz", *api)[0] == 0
    free, ours, closed = server.questions
    assert server.headers[0]["Authorization"] == "Bearer sesame"
    assert (len(pictures_of(free)), len(pictures_of(ours))) == (12, 3)  # as the trained model would see it
    assert free["messages"][-1]["content"][-1]["text"] == "What is this?"
    assert closed["messages"][-1]["content"][-1]["text"].splitlines()[1:] == ["bow", "squat"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate"], "give the folder of a trained model, or --api and --model"),
        (["evaluate", "--api", "http://127.0.0.1:1/v1"], "--api and --model belong together"),
        (["evaluate", "RUN", "--task", "dancing"], "unknown task 'dancing'; known: recognition"),
        (["evaluate", "RUN", "--option", "performers"], "expected KEY=VALUE"),
        (["evaluate", "RUN", "--option", "people=3"], "data source synthetic: "),
        (["evaluate", "RUN", "--task", "questions", "--generalized"], "is about recognition"),
        (["ask", "FILE", "--model", "m"], "--api and --model belong together"),
        (["ask", "FILE", "--api", "http://127.0.0.1:1/v1", "--model", "m"], "ask something, or offer answers"),
    ],
)
def test_what_cannot_be_evaluated_or_asked_is_told_in_one_line(run, trained, tmp_path, arguments, message):
    write_npz(synthesize("walk", topology="coco_17", performer=7), tmp_path / "walk.npz")
    places = {"RUN": trained, "FILE": tmp_path / "walk.npz"}
    code, _, said = run(*(places.get(argument, argument) for argument in arguments))
    assert code == 2 and "Traceback" not in said
    assert message in [line for line in said.splitlines() if line.startswith("skeletonllm: ")][-1]
