"""Sweeps: who is asked what, what is lost and how sure that is, and that nothing is asked twice."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from skeletonllm.cli import app
from skeletonllm.data.recordings import Recording
from skeletonllm.evaluation.corruptions import corrupt
from skeletonllm.evaluation.intervals import wilson_interval
from skeletonllm.evaluation.questions import pose
from skeletonllm.evaluation.respondents import Answers
from skeletonllm.evaluation.respondents import Test as Asked
from skeletonllm.evaluation.robustness import Contestant, fingerprint_of, robustness_rows, short_names, sweep
from skeletonllm.evaluation.robustness_plot import plot_robustness
from skeletonllm.evaluation.selection import Selection
from skeletonllm.models.tiny import build_tiny
from skeletonllm.models.trained import Trained, save_trained
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.tasks.recognition import build_prompt

LABELS = ["bow", "push"]


@pytest.fixture(scope="module")
def four():
    """Two who bow and two pairs who push."""
    recordings = []
    for performer in (0, 1):
        for label in LABELS:
            sequence = synthesize(label, topology="kinect_v2", performer=performer)
            recordings.append((Recording(f"{label}/{performer}", label, lambda s=sequence: s, "test"), sequence))
    selection = Selection([one for one, _ in recordings], LABELS, [], [])
    return Asked("recognition", selection, recordings, pose(recordings, "recognition", LABELS, 1, 0))


class Counting:
    """Says that two people push and one bows, and knows nobody of whom half is hidden."""

    def __init__(self):
        self.asked = 0

    def answer(self, test: Asked) -> Answers:
        self.asked += len(test.recordings)
        texts = []
        for _, sequence in test.recordings:
            seen = sequence.valid.any((0, 2)).sum()
            knows = sequence.valid[:, 0].mean() > 0.6
            texts.append(LABELS[min(seen, 2) - 1] if knows else "bow")
        return Answers(texts)


def contestant(counting: Counting, name: str = "counting", fingerprint: str = "1") -> Contestant:
    return Contestant(name, counting.answer, fingerprint)


def test_what_is_lost_is_counted_on_those_whom_the_corruption_concerns(four, tmp_path):
    found = sweep([contestant(Counting())], four, ["missing_person", "noise"], tmp_path, progress=False)
    whole, alone = found["models"]["counting"]["missing_person"]
    assert whole["count"] == alone["count"] == 2, "those who bow have no second person to lose"
    assert (whole["level"], whole["accuracy"], whole["drop"]) == (0, 1.0, 0.0)
    assert (alone["level"], alone["accuracy"], alone["drop"], alone["drop_interval_95"]) == (1, 0.0, 1.0, [1.0, 1.0])
    assert alone["interval_95"] == list(wilson_interval(0, 2)) and alone["name"] == "second person"
    noise = found["models"]["counting"]["noise"]
    assert [row["level"] for row in noise] == [0, 2, 5, 10] and {row["count"] for row in noise} == {4}
    assert all(row["drop"] == 0 and row["unit"] == "cm" for row in noise)
    assert found["clean"]["counting"]["accuracy"] == 1 and found["chance"] == 0.5 and found["count"] == 4


def test_the_interval_of_a_drop_is_of_pairs(four, tmp_path):
    """Half of the clips lose: resampled pairs of four lose all or nothing once in 16 draws, within the 95 %."""
    found = sweep([contestant(Counting())], four, ["joint_dropout"], tmp_path, progress=False)
    last = found["models"]["counting"]["joint_dropout"][-1]
    assert (last["level"], last["accuracy"], last["drop"]) == (50, 0.5, 0.5)
    low, high = last["drop_interval_95"]
    assert (low, high) == (0.0, 1.0)


def test_all_are_asked_about_the_same_things_gone_wrong(four, tmp_path):
    seen: dict[str, list[bytes]] = {"one": [], "other": []}

    def watching(name):
        def answer(test):
            seen[name] += [sequence.joints.tobytes() for _, sequence in test.recordings]
            return Answers(["bow"] * len(test.recordings))

        return Contestant(name, answer, name)

    sweep([watching("one"), watching("other")], four, ["noise"], tmp_path, batch_size=3, progress=False)
    assert seen["one"] == seen["other"] and len(set(seen["one"])) == 16


def test_what_was_answered_is_not_asked_again_and_gives_the_same_results(four, tmp_path):
    wanted = ["noise", "occlusion"]
    first = Counting()
    whole = sweep([contestant(first)], four, wanted, tmp_path, progress=False)
    assert first.asked == 4 * (1 + 3 + 4)
    lines = (tmp_path / "levels.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "levels.jsonl").write_text("".join(lines[:5]) + lines[5][:20])  # killed while it wrote a line
    again = Counting()
    assert sweep([contestant(again)], four, wanted, tmp_path, progress=False) == whole
    assert again.asked == 4 * 3


@pytest.mark.parametrize("change", ["model", "seed", "recordings", "labels"])
def test_answers_of_another_model_or_to_other_questions_are_not_taken(four, tmp_path, change):
    sweep([contestant(Counting())], four, ["noise"], tmp_path, progress=False)
    again, changed, fingerprint = Counting(), four, "1"
    if change == "model":
        fingerprint = "2"
    elif change == "seed":
        changed = replace(changed, seed=1)
    elif change == "recordings":
        changed = replace(changed, recordings=changed.recordings[1:])
    else:
        changed = replace(changed, selection=replace(changed.selection, candidates=["push", "bow"]))
    sweep([contestant(again, fingerprint=fingerprint)], changed, ["noise"], tmp_path, progress=False)
    assert again.asked == 4 * len(changed.recordings)


def test_a_level_that_leaves_recordings_as_they_are_costs_nothing(four, tmp_path):
    twenty = replace(four, recordings=[(one, corrupt(s, "topology", 20, 0, "")) for one, s in four.recordings])
    rows = sweep([contestant(Counting())], twenty, ["topology"], tmp_path, progress=False)["models"]["counting"]
    assert [(row["level"], row["count"]) for row in rows["topology"]] == [(0, 4), (20, 4), (17, 4), (13, 4)]


def test_a_corruption_that_concerns_nobody_is_missing(four, tmp_path):
    bowing = replace(four, recordings=[row for row in four.recordings if row[0].label == "bow"])
    found = sweep([contestant(Counting())], bowing, ["missing_person"], tmp_path, progress=False)
    assert found["models"] == {"counting": {}}
    with pytest.raises(ValueError, match="nothing to draw"):
        plot_robustness(found, tmp_path / "plot.png")


def test_nobody_nothing_and_the_unknown_are_refused(four, tmp_path):
    for bad in (([], four), ([contestant(Counting())], replace(four, recordings=[]))):
        with pytest.raises(ValueError, match="needs a model and recordings"):
            sweep(*bad, ["noise"], tmp_path, progress=False)
    with pytest.raises(ValueError, match="unknown corruption 'rain'"):
        sweep([contestant(Counting())], four, ["rain"], tmp_path, progress=False)


def test_models_are_called_by_as_much_of_their_paths_as_tells_them_apart(tmp_path):
    assert short_names([tmp_path / "a", tmp_path / "b"]) == ["a", "b"]
    assert short_names([tmp_path / "a" / "seed-0", tmp_path / "b" / "seed-0"]) == ["a/seed-0", "b/seed-0"]
    with pytest.raises(ValueError, match="given twice"):
        short_names([tmp_path / "a", tmp_path / "b" / ".." / "a"])


@pytest.fixture
def models(tmp_path):
    """Two untaught models of the same labels, and one of others."""
    sizes = dict(num_frames=2, image_size=32, patch_size=8, vision_hidden_size=32, vision_layers=1, hidden_size=32,
                 layers=1, heads=2, renderer=dict(samples_per_bone=1))  # fmt: skip
    for name, labels in (("one", LABELS), ("other", LABELS), ("third", ["bow", "walk"])):
        (tmp_path / name).mkdir()
        save_trained(tmp_path / name, Trained(*build_tiny([build_prompt(labels)], **sizes), labels, {}))
    return tmp_path


OPTIONS = ("--data", "synthetic", "--option", 'labels=["bow", "push"]', "--option", "test_performers=1",
           "--option", 'topologies=["coco_17"]')  # fmt: skip


def test_the_command_writes_results_and_a_picture_of_several_models(models):
    wish = ["robustness", str(models / "one"), str(models / "other"), *OPTIONS, "--corruption", "occlusion"]
    result = CliRunner().invoke(app, [*wish, "--corruption", "view_angle"])
    assert result.exit_code == 0, result.output
    folder = models / "one" / "robustness"
    found = json.loads((folder / "robustness.json").read_text())
    assert set(found["models"]) == {"one", "other"} and found["versions"]["torch"] and found["data"] == "synthetic"
    for corruptions in found["models"].values():
        assert {name: len(rows) for name, rows in corruptions.items()} == {"occlusion": 5, "view_angle": 6}
    assert len(robustness_rows(found)) == 1 + 2 * 11
    from PIL import Image

    with Image.open(folder / "robustness.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 0


def test_models_that_choose_from_other_labels_are_not_compared(models):
    wish = ["robustness", str(models / "one"), str(models / "third"), *OPTIONS, "--shared-labels"]
    result = CliRunner().invoke(app, wish)
    assert isinstance(result.exception, ValueError) and "cannot be compared" in str(result.exception)


def test_a_model_that_was_trained_again_has_another_fingerprint(models):
    before = fingerprint_of(models / "one")
    assert before == fingerprint_of(models / "one") != fingerprint_of(models / "other")
    (models / "one" / "training.json").write_text((models / "one" / "training.json").read_text() + " ")
    assert fingerprint_of(models / "one") != before
