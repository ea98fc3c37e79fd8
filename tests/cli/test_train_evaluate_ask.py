"""The whole way by commands: train a minute model, evaluate it, ask it."""

import hashlib
import json
import re

import pytest
import yaml
from PIL import Image

from skeletonllm import cli
from skeletonllm.skeleton.formats import write_npz
from skeletonllm.skeleton.synthesis import synthesize

LABELS = ["raise both arms", "squat", "walk"]
RECIPE = f"""
description: A model of fifty thousand parameters.
data: {{options: {{labels: {LABELS}, performers: 4, test_performers: 1, topologies: [coco_17]}}}}
model:
  num_frames: 3
  renderer: {{samples_per_bone: 2}}
  tiny:
    {{image_size: 32, patch_size: 8, vision_hidden_size: 32, vision_layers: 1, hidden_size: 32, layers: 1, heads: 2}}
optimization: {{batch_size: 6, threads: 1}}
stages:
  scratch:
    {{train: [renderer, projector, vision, language], epochs: 8, learning_rate: 1e-2, renderer_learning_rate: 2e-2}}
log_every: 4
save_every: 8
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "minute.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def trained(recipe, tmp_path_factory):
    """The folder of a finished run, made by the command."""
    folder = tmp_path_factory.mktemp("run") / "minute"
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", "--recipe", str(recipe), "--output", str(folder), "optimization.batch_size=4"])
    assert not ended.value.code
    return folder


@pytest.fixture
def squat(tmp_path):
    return write(tmp_path / "squat.npz", "squat", 7)


def write(path, label, performer):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_npz(synthesize(label, topology="coco_17", performer=performer), path)
    return path


def test_a_run_writes_its_recipe_its_log_its_checkpoints_and_its_model(trained):
    assert {path.name for path in trained.iterdir()} >= {"recipe.json", "log.jsonl", "checkpoints", "model"}
    written = json.loads((trained / "recipe.json").read_text())
    assert written["name"] == "minute" and written["optimization"]["batch_size"] == 4
    assert [json.loads(line)["step"] for line in (trained / "log.jsonl").open()] == [4, 8, 12, 16, 20, 24]
    assert sorted(path.name for path in (trained / "checkpoints").iterdir()) == ["step-000016", "step-000024"]


def test_without_output_a_run_goes_to_a_folder_of_its_name(run, recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, printed, _ = run("train", "--recipe", recipe, "stages.scratch.epochs=1", "name=short")
    assert code == 0 and printed.strip().splitlines()[-1] == "trained model: runs/short/model"
    assert (tmp_path / "runs" / "short" / "model" / "training.json").is_file()


def test_a_printed_recipe_is_whole_and_can_be_used_again(run, recipe, tmp_path):
    code, printed, _ = run("train", "--recipe", recipe, "--print-config", "model.num_frames=5")
    assert code == 0
    assert yaml.safe_load(printed)["model"]["num_frames"] == 5
    assert yaml.safe_load(printed)["augmentation"]["yaw"] == 0.0
    assert yaml.safe_load(printed)["stages"]["scratch"]["tasks"] == {"recognition": 1.0}
    (tmp_path / "again.yaml").write_text(printed)
    assert run("train", "--recipe", tmp_path / "again.yaml", "--print-config")[1] == printed


def test_the_printed_recipe_is_all_there_is_to_know_of_the_four_stages(run, recipe, tmp_path):
    printed = run("train", "--recipe", recipe, "--print-config", "stages={warmup: {}, refine: {epochs: 2}}")[1]
    stages = yaml.safe_load(printed)["stages"]
    assert list(stages) == ["warmup", "refine"] and stages["warmup"]["train"] == ["renderer"]
    assert stages["refine"]["epochs"] == 2.0 and stages["refine"]["train"] == ["projector", "lora"]
    assert yaml.safe_load(printed)["model"]["lora"] == {"rank": 32, "alpha": 64, "dropout": 0.05}


def test_a_dry_run_tells_of_every_stage_and_writes_nothing(run, recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, printed, _ = run(
        "train", "--recipe", recipe, "--dry-run", "-o", tmp_path / "out",
        "stages={warmup: {epochs: 4}, discriminate: {}, distill: {}, refine: {epochs: 2}}",
    )  # fmt: skip
    assert code == 0 and not list(tmp_path.iterdir())
    steps = {}
    for name in ("warmup", "discriminate", "distill", "refine"):
        (row,) = [line for line in printed.splitlines() if re.search(rf"\b{name}\b", line)]
        count, seconds, hours, memory = re.findall(r"[0-9.]+", row)
        steps[name] = int(count)
        assert float(seconds) > 0 and float(hours) >= 0 and 0.1 < float(memory) < 1000
    assert steps == {"warmup": 8, "discriminate": 2, "distill": 2, "refine": 4}  # twelve recordings, six at once
    assert re.search(r"expected in all: \d+\.\d+ hours", printed)


def test_stages_are_trained_one_by_one_or_taken_from_another_run(run, recipe, trained, tmp_path):
    stages = "stages={warmup: {}, discriminate: {}}"
    wish = ("train", "--recipe", recipe, stages, "-o", tmp_path / "run")
    assert run(*wish, "--stage", "warmup", "--from", trained)[0] == 0
    assert run(*wish, "--stage", "discriminate", "--resume")[0] == 0
    found = [json.loads(line)["stage"] for line in (tmp_path / "run" / "log.jsonl").open()]
    assert found == ["warmup", "discriminate"]
    assert run(*wish, "--resume")[0] == 0  # nothing is left to do


def test_evaluation_on_shared_labels_counts_every_recording_once(run, trained):
    wish = ("--option", "test_performers=2", "--option", 'topologies=["kinect_v2", "smpl_22", "coco_17"]')
    code, printed, _ = run(
        "evaluate", trained, "--shared-labels", "--where", "performer=100001", *wish, "--option", "labels=null"
    )
    folder = trained / "evaluation" / "synthetic-test-performer=100001-shared"
    assert code == 0 and f"written to {folder}" in printed.replace("\n", "")
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["count"] == 9 and summary["candidates"] == LABELS  # three actions in three topologies
    assert summary["chance"] == pytest.approx(1 / 3) and summary["scoring"] == "log-likelihood"
    predictions = [json.loads(line) for line in (folder / "predictions.jsonl").open()]
    assert len({prediction["id"] for prediction in predictions}) == 9
    assert sum(p["label"] == p["predicted"] for p in predictions) == summary["hits"]
    for label, found in summary["per_class"].items():
        assert found["count"] == 3 and re.search(rf"{label}\W+{100 * found['accuracy']:.1f} %", printed)
    assert re.search(r"accuracy \d+\.\d % \(\d+\.\d to \d+\.\d, 95 % interval\), \d of 9", printed)
    assert "chance 33.3 %" in printed
    assert min(Image.open(folder / "confusion.png").size) > 200


def test_a_model_is_tested_on_what_it_was_trained_on_unless_something_else_is_said(run, trained, tmp_path):
    assert run("evaluate", trained, "-o", tmp_path)[0] == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    # One test performer and one topology, as in the recipe; the source's own defaults are twenty and three.
    assert summary["count"] == 3 and summary["data"] == "synthetic" and summary["training_seed"] == 0
    assert summary["options"]["topologies"] == ["coco_17"] and summary["options"]["labels"] == LABELS
    assert set(summary["calibration"]) >= {"expected_calibration_error", "brier", "reliability"}
    low, high = summary["macro_interval_95"]
    assert low <= summary["macro_accuracy"] <= high
    written = (tmp_path / "predictions.jsonl").read_bytes()
    assert summary["predictions_sha256"] == hashlib.sha256(written).hexdigest()


def test_one_part_of_a_mixture_is_tested_under_its_names(run, recipe, tmp_path):
    options = "{labels: [walk, squat], performers: 2, test_performers: 1, topologies: [coco_17]}"
    write(tmp_path / "data" / "train" / "walking" / "0.npz", "walk", 1)
    write(tmp_path / "data" / "test" / "walking" / "1.npz", "walk", 2)
    parts = f"real: {{source: folder, root: {tmp_path / 'data'}}}, made: {{source: synthetic, options: {options}}}"
    changes = ("data.options={}", f"data.mixture={{{parts}}}", "stages.scratch.epochs=1", "optimization.batch_size=2")
    assert run("train", "--recipe", recipe, "-o", tmp_path / "run", *changes)[0] == 0
    code, _, said = run("evaluate", tmp_path / "run")
    assert code == 2 and "choose one of its parts with --part (real, made)" in said
    code, printed, said = run("evaluate", tmp_path / "run", "--part", "real")
    assert code == 0, said
    summary = json.loads((tmp_path / "run" / "evaluation" / "real-test" / "summary.json").read_text())
    assert summary["candidates"] == ["squat", "walk"] and list(summary["per_class"]) == ["walk"]  # not "walking"
    assert summary["part"] == "real" and summary["count"] == 1


def test_evaluation_by_generation_on_a_folder_of_files(run, trained, tmp_path):
    for number in range(2):
        write(tmp_path / "data" / "squat" / f"{number}.npz", "squat", number)
        write(tmp_path / "data" / "walk" / f"{number}.npz", "walk", number)
    code, _, _ = run(
        "evaluate", trained / "model", "--data", "folder", "--root", tmp_path / "data", "--split", "all",
        "--generate", "-o", tmp_path / "out",
    )  # fmt: skip
    assert code == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["count"] == 4 and summary["scoring"] == "generation" and summary["candidates"] == LABELS
    texts = [json.loads(line)["text"] for line in (tmp_path / "out" / "predictions.jsonl").open()]
    assert len(texts) == 4 and all(isinstance(text, str) for text in texts)


def test_a_test_set_with_unknown_actions_is_refused_and_shared_ones_are_translated(run, trained, tmp_path):
    write(tmp_path / "data" / "walking" / "0.npz", "walk", 1)
    write(tmp_path / "data" / "fly" / "0.npz", "walk", 2)
    wish = ("evaluate", trained, "--data", "folder", "--root", tmp_path / "data", "--split", "all")
    code, _, said = run(*wish)
    assert code == 2 and "not trained on fly, walking; see --shared-labels" in said
    code, _, _ = run(*wish, "--shared-labels", "-o", tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert code == 0 and summary["candidates"] == ["walk"] and summary["count"] == summary["hits"] == 1


def test_a_label_in_a_table_is_never_markup(capsys):
    from skeletonllm.cli.evaluate import print_table

    print_table([["label", "right"], ["[red]stop[/]", "1"], ["throw [ball]", "2"], ["[/]", "3"]])
    printed = capsys.readouterr().out
    assert "[red]stop[/]" in printed and "throw [ball]" in printed and "[/]" in printed


def test_asking_without_a_question_ranks_the_actions_that_were_learnt(run, trained, squat):
    code, printed, _ = run("ask", trained, squat)
    answer, *ranked = printed.strip().splitlines()
    found = [re.fullmatch(r"\s*(\d+\.\d)%\s+(.*)", line).groups() for line in ranked]
    assert code == 0 and {label for _, label in found} == set(LABELS) and found[0][1] == answer
    shares = [float(share) for share, _ in found]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(100, abs=0.2)


def test_asking_gives_what_evaluation_predicts(run, trained, tmp_path):
    for performer, label in enumerate(LABELS):
        write(tmp_path / "data" / label / "0.npz", label, performer)
    wish = ("--data", "folder", "--root", tmp_path / "data", "--split", "all", "-o", tmp_path / "out")
    assert run("evaluate", trained, *wish)[0] == 0
    for line in (tmp_path / "out" / "predictions.jsonl").open():
        prediction = json.loads(line)
        assert run("ask", trained, tmp_path / "data" / prediction["id"])[1].splitlines()[0] == prediction["predicted"]


def test_given_answers_are_ranked_and_a_free_question_is_answered(run, trained, squat):
    code, printed, _ = run("ask", trained, squat, "--candidate", "walk", "--candidate", "squat")
    assert code == 0 and len(printed.strip().splitlines()) == 3 and "raise" not in printed
    code, printed, _ = run("ask", trained, squat, "What happens here?", "--max-new-tokens", "4")
    assert code == 0 and "%" not in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--recipe", "absent"], "no recipe 'absent'; shipped: "),
        (["train", "--recipe", "RECIPE", "optimization.epoch=3"], "minute.yaml: optimization: unknown key epoch"),
        (
            ["train", "--recipe", "RECIPE", "--stage", "warmup", "-o", "NEW"],
            "no stage 'warmup'",
        ),
        (["train", "--recipe", "RECIPE", "--from", "NEW", "-o", "NEW"], "new holds no whole checkpoint"),
        (["train", "--recipe", "RECIPE", "--deepspeed", "RECIPE", "-o", "NEW"], "not a DeepSpeed configuration"),
        (["train", "--recipe", "RECIPE", "model.tiny.depth=3", "-o", "NEW"], "model.tiny: unknown key depth"),
        (["train", "--recipe", "RECIPE", "-o", "RUN"], "holds a run already; resume it, or choose another folder"),
        (["train", "--recipe", "RECIPE", "-o", "RUN", "--resume"], "the run was begun with another recipe"),
        (["train", "--recipe", "nw_ucla", "-o", "NEW"], "nw_ucla needs its folder: data.root=FOLDER"),
        (["evaluate", "NEW"], "new holds no trained model: training.json is missing"),
        (["evaluate", "RUN", "--data", "ntu_rgbd"], "unknown data source 'ntu_rgbd'; known: synthetic"),
        (["evaluate", "RUN", "--data", "utd_mhad"], "utd_mhad needs its folder"),
        (["evaluate", "RUN", "--where", "view"], "'view' is not of the form attribute=number"),
        (["evaluate", "RUN", "--where", "view=1"], "no attribute 'view'; they have performer, take, topology"),
        (["evaluate", "RUN", "--split", "dev"], "unknown split 'dev'"),
        (["ask", "RUN", "absent.npz"], "absent.npz: No such file or directory"),
        (["ask", "NEW", "FILE"], "new holds no trained model"),
        (["ask", "RUN", "FILE", "<IMG_CONTEXT>?"], "the question contains <IMG_CONTEXT>"),
        (["ask", "RUN", "FILE", "--candidate", "walk", "--candidate", "Walk"], "cannot be told apart"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(run, recipe, trained, squat, tmp_path, arguments, message):
    places = {"RECIPE": recipe, "RUN": trained, "NEW": tmp_path / "new", "FILE": squat}
    code, printed, said = run(*(places.get(argument, argument) for argument in arguments))
    assert code == 2 and not printed
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("skeletonllm: ")]
    assert message in line and said.rstrip().endswith(line)
