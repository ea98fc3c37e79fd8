"""Runs: they learn, stop, go on, and refuse to harm what is there."""

import json
import logging

import pytest
import torch

from skeletonllm.models.tiny import build_tiny
from skeletonllm.models.trained import MODEL_FOLDER, load_trained
from skeletonllm.tasks.recognition import build_prompt
from skeletonllm.training.arguments import ModelArguments
from skeletonllm.training.run import build_model, train
from skeletonllm.training.trainer import Trainer


class Stop(Exception):
    """What stands for a crash."""


@pytest.fixture
def stop_after_save(monkeypatch):
    """Lets a run write some checkpoints and some more steps, then ends it."""

    def arm(saves=1, further_steps=2):
        whole, step = Trainer.save, Trainer._one_step
        left = dict(saves=saves, steps=further_steps)

        def save(self):
            whole(self)
            left["saves"] -= 1

        def one_step(self):
            if left["saves"] <= 0:
                left["steps"] -= 1
            if left["steps"] < 0:
                raise Stop
            return step(self)

        patch = pytest.MonkeyPatch()
        patch.setattr(Trainer, "save", save)
        patch.setattr(Trainer, "_one_step", one_step)
        return patch

    patches = []
    yield lambda *arguments: patches.append(arm(*arguments)) or patches[-1]
    for patch in patches:
        patch.undo()


def lines_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def weights_of(folder):
    return load_trained(folder).model.state_dict()


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def start_of(recipe):
    """The model before its first step."""
    return build_model(recipe.model, recipe.data.options["labels"], recipe.optimization.seed)[0]


def test_the_loss_falls_and_the_log_says_how(recipe, tmp_path):
    asked = recipe(optimization=dict(epochs=20))
    model = train(asked, tmp_path)
    assert model == tmp_path / MODEL_FOLDER
    lines = lines_of(tmp_path)
    assert [line["step"] for line in lines] == list(range(4, 61, 4))
    # From ln(vocabulary) = 6 nats to what is known once the words of the labels are learnt, about 1.
    assert lines[0]["loss"] > 4 and lines[-1]["loss"] < 0.4 * lines[0]["loss"]
    for line in lines:
        assert line["epoch"] == pytest.approx(line["step"] / 3)
        assert line["gradient_norm"] > 0 and line["seconds_per_step"] > 0
        assert line["samples_per_second"] == pytest.approx(4 / line["seconds_per_step"])
        assert line["tokens_per_second"] > 20 * line["samples_per_second"]
        assert 0 < line["data_share"] < 1 and 0 < line["render_forward_share"] < 1
        # Two for one by the recipe, whatever the schedule does to both.
        assert line["learning_rate/renderer"] == pytest.approx(2 * line["learning_rate/matrices"])
        assert line["learning_rate/vectors"] == line["learning_rate/matrices"]
        assert line["eta_seconds"] >= 0
    rates = [line["learning_rate/matrices"] for line in lines]
    assert rates == sorted(rates, reverse=True) and rates[-1] == 0.0
    assert json.loads((tmp_path / "recipe.json").read_text()) == asked.as_dict()


def test_a_run_that_was_stopped_ends_with_the_same_weights_to_the_bit(recipe, tmp_path, stop_after_save):
    train(recipe(), tmp_path / "whole")
    patch = stop_after_save(2)
    with pytest.raises(Stop):
        train(recipe(), tmp_path / "stopped")
    patch.undo()
    assert not (tmp_path / "stopped" / MODEL_FOLDER).exists()
    torch.manual_seed(123)  # another process has another past
    torch.rand(7)
    train(recipe(), tmp_path / "stopped", resume=True)
    assert_same(weights_of(tmp_path / "whole"), weights_of(tmp_path / "stopped"))
    # Every step is logged once, although steps 11 and 12 were done twice.
    assert [line["step"] for line in lines_of(tmp_path / "stopped")] == [4, 8, 12, 16, 18]
    assert lines_of(tmp_path / "stopped")[-1]["loss"] == lines_of(tmp_path / "whole")[-1]["loss"]


def test_a_damaged_newest_checkpoint_costs_steps_but_changes_nothing(recipe, tmp_path, stop_after_save, caplog):
    train(recipe(), tmp_path / "whole")
    patch = stop_after_save(2)
    with pytest.raises(Stop):
        train(recipe(), tmp_path / "stopped")
    patch.undo()
    weights = tmp_path / "stopped" / "checkpoints" / "step-000010" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING):
        train(recipe(), tmp_path / "stopped", resume=True)
    assert "passed over" in caplog.text and "resumed at step 5 of 18" in caplog.text
    assert_same(weights_of(tmp_path / "whole"), weights_of(tmp_path / "stopped"))


def test_a_log_line_cut_off_by_a_crash_does_not_stay(recipe, tmp_path, stop_after_save):
    patch = stop_after_save(1, 4)
    with pytest.raises(Stop):
        train(recipe(), tmp_path)
    patch.undo()
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 1')
    train(recipe(), tmp_path, resume=True)
    assert [line["step"] for line in lines_of(tmp_path)] == [4, 8, 12, 16, 18]


def test_the_same_recipe_gives_the_same_weights_and_another_seed_others(recipe, tmp_path):
    for name in ("first", "second"):
        train(recipe(), tmp_path / name)
    train(recipe(optimization=dict(seed=1)), tmp_path / "other")
    assert_same(weights_of(tmp_path / "first"), weights_of(tmp_path / "second"))
    name = "backbone.model.multi_modal_projector.linear_1.weight"
    assert not torch.equal(weights_of(tmp_path / "first")[name], weights_of(tmp_path / "other")[name])


@pytest.mark.parametrize("resting", ["renderer", "vision"])
def test_parts_that_rest_keep_their_start_and_all_others_change(recipe, tmp_path, resting):
    parts = [part for part in ("renderer", "projector", "vision", "language") if part != resting]
    asked = recipe(train=parts, optimization=dict(epochs=2))
    before, after = start_of(asked).state_dict(), weights_of(train(asked, tmp_path))
    mark = {"renderer": "renderer.", "vision": "vision_tower."}[resting]
    assert any(mark in name for name in after)
    for name, value in after.items():
        if mark in name:
            assert torch.equal(value, before[name]), name
    for learning in ("renderer.palette", "multi_modal_projector.linear_1.weight", "embed_tokens.weight"):
        name = next(name for name in after if name.endswith(learning))
        if mark not in name:
            assert not torch.equal(after[name], before[name]), name


def test_a_renderer_alone_can_learn_through_a_backbone_that_rests(recipe, tmp_path):
    asked = recipe(train=["renderer"], optimization=dict(epochs=2))
    before, after = start_of(asked), load_trained(train(asked, tmp_path)).model
    assert_same(before.backbone.state_dict(), after.backbone.state_dict())
    for name, value in before.renderer.state_dict().items():
        assert not torch.equal(value, after.renderer.state_dict()[name]), name


def test_a_folder_that_holds_a_run_is_left_alone(recipe, tmp_path, stop_after_save):
    patch = stop_after_save(1)
    with pytest.raises(Stop):
        train(recipe(), tmp_path)
    patch.undo()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(FileExistsError, match="holds a run already"):
        train(recipe(), tmp_path)
    with pytest.raises(ValueError, match="begun with another recipe"):
        train(recipe(optimization=dict(learning_rate=1e-4)), tmp_path, resume=True)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_finished_run_without_checkpoints_is_not_begun_anew(recipe, tmp_path):
    train(recipe(save_every=100, optimization=dict(epochs=1)), tmp_path)
    before = (tmp_path / MODEL_FOLDER / "model.safetensors").read_bytes()
    for resume in (False, True):
        with pytest.raises(FileExistsError, match="holds a"):
            train(recipe(save_every=100, optimization=dict(epochs=2)), tmp_path, resume=resume)
    assert (tmp_path / MODEL_FOLDER / "model.safetensors").read_bytes() == before


def test_resuming_an_empty_folder_begins_with_a_warning(recipe, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        train(recipe(optimization=dict(epochs=1)), tmp_path / "new", resume=True)
    assert "begins anew" in caplog.text and (tmp_path / "new" / MODEL_FOLDER).is_dir()


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_what_is_not_finite_ends_the_run_before_any_weight_changes(recipe, tmp_path, monkeypatch, what):
    class Watched(Trainer):
        runs = []

        def _one_step(self):
            self.runs.append(self)
            if self.step == 2 and what == "loss":
                with torch.no_grad():
                    self.model.backbone.model.multi_modal_projector.linear_1.weight[0, 0] = torch.nan
            if self.step == 2 and what == "gradient":
                self.model.renderer.palette.register_hook(lambda gradient: gradient * torch.inf)
            self.before = {name: value.clone() for name, value in self.model.state_dict().items()}
            return super()._one_step()

    monkeypatch.setattr("skeletonllm.training.run.Trainer", Watched)
    with pytest.raises(FloatingPointError, match=rf"step 2: {what}.* is (nan|inf) on \['.*coco_17'"):
        train(recipe(), tmp_path)
    run = Watched.runs[-1]
    for name, value in run.model.state_dict().items():
        torch.testing.assert_close(value, run.before[name], atol=0, rtol=0, equal_nan=True, msg=name)
    assert not (tmp_path / MODEL_FOLDER).exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(model=dict(tiny=dict(depth=3))), "model.tiny: unknown key depth; known: .*vision_layers"),
        (dict(model=dict(tiny=dict(layers="three"))), "model.tiny: layers: found 'three', expected int"),
        (dict(model=dict(renderer=dict(samples=3))), "model.renderer: unknown key samples; known: modulator"),
        (dict(optimization=dict(batch_size=13)), "12 recordings are fewer than the batch size 13"),
        (dict(data=dict(where=dict(performer=1))), "where: performer is 1, expected a list"),
        (dict(data=dict(source="ntu")), "unknown data source 'ntu'"),
    ],
)
def test_a_recipe_that_cannot_be_run_says_why_and_writes_nothing(recipe, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        train(recipe(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_backbone_from_a_folder_gets_a_new_renderer_and_keeps_its_weights(minute, tmp_path):
    labels = ["bow", "clap"]
    sizes = minute()["model"]["tiny"]
    model, processor = build_tiny([build_prompt(labels), *labels], seed=5, **sizes)
    model.backbone.save_pretrained(tmp_path)
    processor.tokenizer.save_pretrained(tmp_path)
    arguments = ModelArguments(backbone=str(tmp_path), renderer=dict(modulator="none"), num_frames=4, face_camera=True)
    built, again = (build_model(arguments, labels, seed) for seed in (0, 0))
    assert_same(built[0].backbone.state_dict(), model.backbone.state_dict())
    assert_same(built[0].renderer.state_dict(), again[0].renderer.state_dict())
    assert built[0].renderer.settings["modulator"] == "none"
    assert built[1].num_frames == 4 and built[1].face_camera
    assert built[1].tokens_per_frame == processor.tokens_per_frame
