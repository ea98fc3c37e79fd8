"""Runs: they learn, stop, go on, and refuse to harm what is there."""

import json
import logging
from types import SimpleNamespace

import pytest
import torch
from minute_runs import (
    Crash,
    assert_same,
    before_step,
    checkpoints_of,
    crash_before,
    files_of,
    learnt_at,
    lines_of,
    weights_of,
)  # fmt: skip

from skeletonllm.models.tiny import build_tiny
from skeletonllm.models.trained import MODEL_FOLDER, load_trained
from skeletonllm.tasks.recognition import build_prompt
from skeletonllm.training.arguments import ModelArguments
from skeletonllm.training.build import build_model
from skeletonllm.training.run import train

SCRATCH = ["renderer", "projector", "vision", "language"]


@pytest.fixture(scope="module")
def whole(recipe, tmp_path_factory):
    """A run from beginning to end; read only."""
    folder = tmp_path_factory.mktemp("whole")
    train(recipe(), folder)
    return folder


def crashed(recipe, folder, step):
    patch = crash_before(step)
    try:
        with pytest.raises(Crash):
            train(recipe, folder)
    finally:
        patch.undo()


def test_the_loss_falls_and_the_log_says_how(recipe, tmp_path):
    asked = recipe(scratch=dict(epochs=20), optimization=dict(warmup_share=0.0))
    model = train(asked, tmp_path)
    assert model == tmp_path / MODEL_FOLDER
    lines = lines_of(tmp_path)
    assert [line["step"] for line in lines] == list(range(4, 61, 4))
    # From ln(vocabulary) = 6 nats to what is known once the words of the labels are learnt, about 1.
    assert lines[0]["loss"] > 4 and lines[-1]["loss"] < 0.5 * lines[0]["loss"]
    for line in lines:
        assert line["epoch"] == pytest.approx(line["step"] / 3)
        assert line["gradient_norm"] > 0 and line["seconds_per_step"] > 0
        assert line["samples_per_second"] == pytest.approx(4 / line["seconds_per_step"])
        # Three frames of four placeholders each, and a question longer than that.
        assert line["visual_tokens_per_second"] == pytest.approx(12 * line["samples_per_second"])
        assert line["text_tokens_per_second"] > 20 * line["samples_per_second"]
        assert 0 < line["data_wait_share"] < 1 and 0 < line["renderer_share"] < 1
        # Two for one by the recipe, whatever the schedule does to both.
        assert line["learning_rate/renderer"] == pytest.approx(2 * line["learning_rate/language matrices"])
        assert line["learning_rate/projector vectors"] == line["learning_rate/language matrices"]
        assert line["eta_seconds"] == round((60 - line["step"]) * line["seconds_per_step"])
    rates = [line["learning_rate/language matrices"] for line in lines]
    assert rates == sorted(rates, reverse=True) and 0 < rates[-1] < 0.01 * rates[0]
    assert json.loads((tmp_path / "recipe.json").read_text()) == asked.as_dict()


def test_a_run_that_was_stopped_ends_with_the_same_weights_to_the_bit(recipe, whole, tmp_path):
    crashed(recipe(), tmp_path, step=12)
    assert not (tmp_path / MODEL_FOLDER).exists()
    torch.manual_seed(123)  # another process has another past
    torch.rand(7)
    train(recipe(), tmp_path, resume=True)
    assert_same(weights_of(tmp_path), weights_of(whole))
    # Every step is logged once, although steps 11 and 12 were done twice.
    assert [line["step"] for line in lines_of(tmp_path)] == [4, 8, 12, 16, 18]
    assert lines_of(tmp_path)[-1]["loss"] == lines_of(whole)[-1]["loss"]


def test_a_damaged_newest_checkpoint_costs_steps_but_changes_nothing(recipe, whole, tmp_path, caplog):
    crashed(recipe(), tmp_path, step=12)
    weights = tmp_path / "checkpoints" / "step-000010" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING):
        train(recipe(), tmp_path, resume=True)
    assert "passed over" in caplog.text and "resumed at step 5 of 18" in caplog.text
    assert_same(weights_of(tmp_path), weights_of(whole))


def test_a_log_line_cut_off_by_a_crash_does_not_stay(recipe, tmp_path):
    crashed(recipe(), tmp_path, step=9)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 1')
    train(recipe(), tmp_path, resume=True)
    assert [line["step"] for line in lines_of(tmp_path)] == [4, 8, 12, 16, 18]


def test_the_same_recipe_gives_the_same_weights_and_another_seed_others(recipe, whole, tmp_path):
    train(recipe(), tmp_path / "again")
    train(recipe(optimization=dict(seed=1)), tmp_path / "other")
    assert_same(weights_of(tmp_path / "again"), weights_of(whole))
    name = "backbone.model.multi_modal_projector.linear_1.weight"
    assert not torch.equal(weights_of(whole)[name], weights_of(tmp_path / "other")[name])


@pytest.mark.parametrize("resting", ["renderer", "vision"])
def test_parts_that_rest_keep_their_start_and_all_others_change(recipe, start_of, tmp_path, resting):
    asked = recipe(scratch=dict(train=[part for part in SCRATCH if part != resting], epochs=2))
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


def test_a_renderer_alone_can_learn_through_a_backbone_that_rests(recipe, start_of, tmp_path):
    asked = recipe(scratch=dict(train=["renderer"], epochs=2))
    before, after = start_of(asked), load_trained(train(asked, tmp_path)).model
    assert_same(before.backbone.state_dict(), after.backbone.state_dict())
    for name, value in before.renderer.state_dict().items():
        assert not torch.equal(value, after.renderer.state_dict()[name]), name


def test_a_folder_that_holds_a_run_is_left_alone(recipe, tmp_path):
    crashed(recipe(), tmp_path, step=7)
    before = files_of(tmp_path)
    with pytest.raises(FileExistsError, match="holds a run already"):
        train(recipe(), tmp_path)
    with pytest.raises(ValueError, match="begun with another recipe"):
        train(recipe(scratch=dict(learning_rate=1e-4)), tmp_path, resume=True)
    assert before == files_of(tmp_path)


def test_a_finished_run_is_not_begun_anew_without_being_asked(recipe, tmp_path):
    short, longer = (recipe(scratch=dict(epochs=epochs)) for epochs in (1, 2))
    train(short, tmp_path)
    before = files_of(tmp_path)
    with pytest.raises(FileExistsError, match="holds a run already"):
        train(longer, tmp_path)
    with pytest.raises(ValueError, match="begun with another recipe"):
        train(longer, tmp_path, resume=True)
    assert files_of(tmp_path) == before


def test_a_model_whose_checkpoints_are_gone_is_not_begun_anew(recipe, tmp_path):
    (tmp_path / MODEL_FOLDER).mkdir()
    for resume in (False, True):
        with pytest.raises(FileExistsError, match="holds a"):
            train(recipe(), tmp_path, resume=resume)
    assert not files_of(tmp_path)


def test_resuming_an_empty_folder_begins_with_a_warning(recipe, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        train(recipe(scratch=dict(epochs=1)), tmp_path / "new", resume=True)
    assert "begins anew" in caplog.text and (tmp_path / "new" / MODEL_FOLDER).is_dir()


def spoiling(what, steps):
    """Makes the loss or the gradients of some steps not finite; notes parameters and moments around each step.

    Returns the patch and, by step, copies of all that learns as it was when the step began.
    """
    states = {}

    def spoil(trainer):
        engine = trainer.engine
        first = not states
        states[trainer.step] = {**engine.parameters(), **engine.optimizer_state()}
        if first and what == "gradient":
            palette = engine.model.renderer.palette
            palette.register_hook(lambda gradient: gradient * (torch.inf if trainer.step in steps else 1))
        if first and what == "loss":
            # One sample of the batch is enough.
            def poisoned(**inputs):
                outputs = type(engine).forward(engine, **inputs)
                if trainer.step in steps:
                    spoilt = outputs.sample_losses * torch.tensor([1.0, torch.nan, 1.0, 1.0])
                    return SimpleNamespace(sample_losses=spoilt)
                return outputs

            engine.forward = poisoned

    return before_step(spoil), states


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_step_that_is_not_finite_is_left_out_and_written_down(recipe, tmp_path, what, caplog):
    patch, states = spoiling(what, steps={2, 3, 5})
    trainers = []
    watch = before_step(trainers.append)
    try:
        with caplog.at_level(logging.WARNING):
            train(recipe(log_every=3), tmp_path)
    finally:
        watch.undo()
        patch.undo()
    for step in (2, 3, 5):
        assert_same(states[step + 1], states[step])
    for step in (0, 1, 4, 6):
        for name in ("renderer.palette", "backbone.model.multi_modal_projector.linear_1.weight"):
            assert not torch.equal(states[step + 1][name], states[step][name])
        assert int(states[step + 1]["step"]) == int(states[step].get("step", 0)) + 1
    lines = [json.loads(line) for line in (tmp_path / "skipped.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 3, 5]
    for line in lines:
        assert line["ids"] == [question.id for question in trainers[0].examples.questions(line["step"])]
        assert len(line["ids"]) == 4 and ("nan" in line["what"] or "inf" in line["what"])
    assert "step 2 left out" in caplog.text
    # A step that was left out counts in no mean.
    assert [line["skipped"] for line in lines_of(tmp_path)] == [1, 2, 0, 0, 0, 0]
    assert all(0 < line["loss"] < 10 and 0 < line["gradient_norm"] < 100 for line in lines_of(tmp_path))
    assert (tmp_path / MODEL_FOLDER).is_dir()


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_three_steps_in_a_row_that_are_not_finite_end_the_run(recipe, tmp_path, what):
    patch, states = spoiling(what, steps={6, 7, 8})
    try:
        with pytest.raises(FloatingPointError, match=r"step 8: loss .*(nan|inf).* third step in a row"):
            train(recipe(), tmp_path)
    finally:
        patch.undo()
    assert_same(states[8], states[6])
    assert not (tmp_path / MODEL_FOLDER).exists() and checkpoints_of(tmp_path) == [5]
    # Nothing is spoilt in the checkpoint: without the cause the run goes on.
    train(recipe(), tmp_path, resume=True)
    assert all(value.isfinite().all() for value in weights_of(tmp_path).values())


def test_steps_left_out_before_a_stop_count_after_it(recipe, tmp_path):
    patch, _ = spoiling("gradient", steps={3, 4})
    try:
        crashed(recipe(), tmp_path, step=5)
    finally:
        patch.undo()
    assert checkpoints_of(tmp_path) == [5]
    patch = before_step(lambda trainer: trainer.engine.model.renderer.palette.register_hook(lambda g: g * torch.nan))
    try:
        with pytest.raises(FloatingPointError, match="step 5"):
            train(recipe(), tmp_path, resume=True)
    finally:
        patch.undo()


def test_a_step_that_is_left_out_again_after_a_crash_is_written_down_once(recipe, tmp_path):
    for crashing in (True, False):
        patch, _ = spoiling("gradient", steps={4, 6})
        try:
            if crashing:
                crashed(recipe(), tmp_path, step=8)
            else:
                train(recipe(), tmp_path, resume=True)
        finally:
            patch.undo()
        lines = (tmp_path / "skipped.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == [4, 6]


def test_each_sample_counts_the_same_however_long_its_answer(recipe, tmp_path):
    """The loss of a line is the mean over samples, not over tokens."""
    tasks = dict(recognition=1.0, rationale=1.0)
    rationale = dict(tasks=tasks, epochs=1, train=["projector"], learning_rate=0.0, variants=1)
    train(recipe(scratch=rationale, augmentation=dict(missing=0.0), log_every=1), tmp_path)
    found = []
    patch = before_step(found.append)
    try:
        train(recipe(scratch=rationale, augmentation=dict(missing=0.0), log_every=1), tmp_path / "again")
    finally:
        patch.undo()
    trainer = found[0]
    model = trainer.engine.model.eval()
    lengths = set()
    for line in lines_of(tmp_path):
        alone = []
        for example in trainer.examples.batch(line["step"] - 1):
            inputs = trainer.processor([example.clip], [example.prompt], [example.answer])
            labels = inputs.pop("labels")
            with torch.no_grad():
                logits = model(**inputs).logits[:, :-1]
            target = labels[:, 1:]
            alone.append(torch.nn.functional.cross_entropy(logits[target >= 0], target[target >= 0]))
            lengths.add(int((target >= 0).sum()))
        # Padding and a batch of four sum in another order.
        assert line["loss"] == pytest.approx(float(torch.stack(alone).mean()), abs=1e-4)
    assert max(lengths) > 10 * min(lengths)


def test_the_checkpoint_at_the_end_of_a_stage_has_no_state_of_the_optimiser(whole):
    from safetensors.torch import load_file

    middle, end = (load_file(whole / "checkpoints" / f"step-0000{step}" / "optimizer.safetensors") for step in (15, 18))
    assert end == {} and int(middle["step"]) == 15
    moments = {f"{name}/{key}" for name in learnt_at(whole, 15) for key in ("exp_avg", "exp_avg_sq")}
    assert set(middle) == moments | {"step"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(model=dict(tiny=dict(depth=3))), "model.tiny: unknown key depth; known: .*vision_layers"),
        (dict(model=dict(tiny=dict(layers="three"))), "model.tiny: layers: found 'three', expected int"),
        (dict(model=dict(renderer=dict(samples=3))), "model.renderer: unknown key samples; known: modulator"),
        (dict(optimization=dict(batch_size=13)), "12 recordings are fewer than the batch size 13"),
        (dict(optimization=dict(micro_batch_size=3)), "4 samples per step, no multiple of micro_batch_size 3"),
        (dict(data=dict(where=dict(performer=1))), "where: performer is 1, expected a list"),
        (dict(data=dict(source="ntu_rgbd")), "unknown data source 'ntu_rgbd'"),
    ],
)
def test_a_recipe_that_cannot_be_run_says_why_and_writes_nothing(recipe, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        train(recipe(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_row_too_short_for_a_sample_says_so(recipe, tmp_path):
    with pytest.raises(ValueError, match="tokens, rows at most 20"):
        train(recipe(optimization=dict(row_length=20)), tmp_path)


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


def test_released_renderer_weights_are_where_training_begins(recipe, shared, tmp_path):
    from skeletonllm.rendering.draction import DrAction

    weights = shared / "golden" / "weights" / "draction_candidate_01.safetensors"
    # Released Gaussians are declared for few topologies.
    asked = recipe(
        scratch=dict(train=["renderer"], epochs=1),
        data=dict(options=dict(labels=["squat", "walk"], performers=4, topologies=["kinect_v2"])),
        model=dict(renderer={}, renderer_weights=str(weights)),
    )
    start = dict(DrAction.from_published(weights).named_parameters())
    begun = []
    patch = before_step(lambda trainer: begun.append(trainer.engine.parameters("renderer.")))
    try:
        train(asked, tmp_path)
    finally:
        patch.undo()
    assert_same({name.removeprefix("renderer."): value for name, value in begun[0].items()}, start)
    after = dict(load_trained(tmp_path).model.renderer.named_parameters())
    assert after.keys() == start.keys()
    assert all(not torch.equal(after[name], value) for name, value in start.items())
