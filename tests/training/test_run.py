"""Runs of several stages: each starts from what the last one learnt, and a run goes on wherever it was stopped."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from minute_runs import (
    assert_same,
    before_step,
    checkpoints_of,
    files_of,
    learnt_at,
    lines_of,
    losses_of,
    stopped_after,
    weights_of,
)  # fmt: skip

from skeletonllm.data.examples import Examples
from skeletonllm.rendering.draction import DrAction
from skeletonllm.training import data, run
from skeletonllm.training.checkpoint import CHECKPOINT_FOLDER
from skeletonllm.training.parts import canonical_name, part_of
from skeletonllm.training.run import train

STAGES = ["foundation", "warmup", "discriminate", "distill", "refine"]
# Products of a batch and of a single clip are summed in another order, on losses of about 5 nats.
ROUNDING = 1e-5


def end_of(staged, name):
    """The checkpoint at the end of a stage."""
    return staged.folder / CHECKPOINT_FOLDER / f"step-{staged.spans[name].last:06d}"


def test_the_stages_run_in_order(staged):
    lines = lines_of(staged.folder)
    assert list(dict.fromkeys(line["stage"] for line in lines)) == STAGES
    for line in lines:
        span = staged.spans[line["stage"]]
        assert span.first < line["step"] <= span.last
        assert {key for key in line if key.startswith("loss/")} == {f"loss/{task}" for task in span.stage.tasks}
    assert {line["step"] for line in lines} >= {span.last for span in staged.spans.values()}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_changes_its_parts_and_leaves_all_others_as_they_were_to_the_bit(staged, name):
    parts = set(staged.spans[name].stage.train)
    before, learning = staged.begun[name]
    after = learnt_at(staged.folder, staged.spans[name].last)
    assert {part_of(parameter) for parameter in learning} == parts
    for parameter, value in before.items():
        parameter = canonical_name(parameter)
        if part_of(parameter) in parts:
            assert not torch.equal(after[parameter], value), parameter
        elif parameter in after:
            assert torch.equal(after[parameter], value), parameter


def test_checkpoints_hold_what_was_trained_so_far_and_nothing_else(staged):
    parts = set()
    for name in STAGES:
        parts |= set(staged.spans[name].stage.train)
        assert {part_of(parameter) for parameter in learnt_at(staged.folder, staged.spans[name].last)} == parts


def test_each_stage_starts_from_what_the_last_one_learnt(staged, start_of):
    fresh = dict(start_of(staged.recipe).named_parameters())
    assert_same(staged.begun[STAGES[0]][0], fresh)
    for last, name in zip(STAGES, STAGES[1:], strict=False):
        begun = {canonical_name(parameter): value for parameter, value in staged.begun[name][0].items()}
        learnt = learnt_at(staged.folder, staged.spans[last].last)
        assert_same({parameter: begun[parameter] for parameter in learnt}, learnt)
        for parameter in begun.keys() - learnt.keys():
            assert part_of(parameter) == "lora" or torch.equal(begun[parameter], fresh[parameter]), parameter


def test_the_checkpoints_at_the_ends_of_stages_are_kept(staged):
    assert checkpoints_of(staged.folder) == [span.last for span in staged.spans.values()]


@pytest.fixture(scope="module")
def interrupted(four_recipe, four_spans, tmp_path_factory):
    """A run of all stages that was stopped in the midst of every one of them."""
    folder = tmp_path_factory.mktemp("interrupted")
    for number, span in enumerate(four_spans.values()):
        middle = (span.first + span.last + 1) // 2
        stopped_after(middle, lambda resume=number > 0: train(four_recipe(), folder, resume=resume))
        assert checkpoints_of(folder)[-1] == middle
        torch.manual_seed(123)  # the next process has another past
    train(four_recipe(), folder, resume=True)
    return folder


@pytest.mark.parametrize("name", STAGES)
def test_stopped_in_the_midst_of_a_stage_it_ends_with_the_same_weights_to_the_bit(staged, interrupted, name):
    last = staged.spans[name].last
    assert_same(learnt_at(interrupted, last), learnt_at(staged.folder, last))


def test_stopped_in_every_stage_a_run_leaves_the_same_model_and_the_same_log(staged, interrupted):
    assert_same(weights_of(interrupted), weights_of(staged.folder))
    whole = {line["step"]: line for line in lines_of(staged.folder)}
    steps = [line["step"] for line in lines_of(interrupted)]
    assert steps == sorted(whole)
    for line in lines_of(interrupted):
        # A window that a stop cut in two holds fewer steps; those at its end are there all the same.
        assert line["stage"] == whole[line["step"]]["stage"]
    assert losses_of(interrupted)[-1] == losses_of(staged.folder)[-1]


def test_a_single_stage_continues_from_the_newest_checkpoint(staged, four_recipe, tmp_path):
    newest = end_of(staged, "warmup")
    shutil.copytree(newest, tmp_path / CHECKPOINT_FOLDER / newest.name)
    train(staged.recipe, tmp_path, stage="discriminate", resume=True)
    last = staged.spans["discriminate"].last
    assert checkpoints_of(tmp_path)[-1] == last
    assert_same(learnt_at(tmp_path, last), learnt_at(staged.folder, last))
    assert {line["stage"] for line in lines_of(tmp_path)} == {"discriminate"}


def test_stages_one_by_one_are_the_same_as_all_at_once(staged, tmp_path):
    for name in ("foundation", "warmup"):
        train(staged.recipe, tmp_path, stage=name, resume=name != "foundation")
    last = staged.spans["warmup"].last
    assert_same(learnt_at(tmp_path, last), learnt_at(staged.folder, last))


def test_a_finished_run_that_is_resumed_does_nothing_and_keeps_its_model(staged, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(staged.folder, folder)
    before = files_of(folder)

    def never(trainer):
        raise AssertionError("a step was done")

    patch = before_step(never)
    try:
        train(staged.recipe, folder, resume=True)
    finally:
        patch.undo()
    assert files_of(folder) == before


def test_the_trained_parameters_of_another_run_are_taken_along(staged, four_recipe, tmp_path):
    start = end_of(staged, "foundation")
    found = {}
    patch = before_step(lambda trainer: found.setdefault("begun", _parameters(trainer)))
    try:
        train(four_recipe(stages=dict(warmup={})), tmp_path / "second", start=start)
    finally:
        patch.undo()
    learnt = learnt_at(staged.folder, 3)
    assert_same({name: found["begun"][name] for name in learnt}, learnt)
    # The second run's checkpoints stand for themselves: they hold what it took along.
    after = learnt_at(tmp_path / "second", 3)
    assert_same({name: after[name] for name in learnt}, learnt)
    assert {part_of(name) for name in after} == {"renderer", "projector", "vision", "language"}


def test_a_whole_run_can_be_started_from_and_its_newest_checkpoint_counts(staged, four_recipe, tmp_path):
    found = {}
    patch = before_step(lambda trainer: found.setdefault("begun", _parameters(trainer)))
    try:
        train(four_recipe(stages=dict(refine=dict(epochs=1))), tmp_path, start=staged.folder)
    finally:
        patch.undo()
    assert_same(found["begun"], learnt_at(staged.folder, staged.spans["refine"].last))


def _parameters(trainer):
    return {canonical_name(name): p.detach().clone() for name, p in trainer.engine.model.named_parameters()}


def test_a_start_that_does_not_fit_is_refused(staged, four_recipe, tmp_path):
    with pytest.raises(ValueError, match="holds no whole checkpoint"):
        train(four_recipe(), tmp_path / "run", start=tmp_path)
    other = four_recipe(model=dict(renderer=dict(modulator="mlp")), stages=dict(warmup={}))
    with pytest.raises(ValueError, match="the checkpoint and the model differ in renderer"):
        train(other, tmp_path / "run", start=staged.folder)
    assert not (tmp_path / "run").exists()


def test_a_stage_without_epochs_is_left_out(four_recipe, tmp_path):
    stages = dict(warmup={}, discriminate=dict(epochs=0), refine=dict(epochs=1))
    train(four_recipe(stages=stages, log_every=1), tmp_path)
    assert [line["stage"] for line in lines_of(tmp_path)] == ["warmup"] * 3 + ["refine"] * 3


def test_what_a_later_stage_lacks_is_told_before_anything_is_trained(four_recipe, tmp_path, monkeypatch):
    load = data.load_source

    def without_rationales(*arguments, **options):
        return [replace(recording, rationale=None) for recording in load(*arguments, **options)]

    monkeypatch.setattr(data, "load_source", without_rationales)
    with pytest.raises(ValueError, match="task rationale needs rationales, and none of 12 recordings has one"):
        train(four_recipe(), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    train(four_recipe(), tmp_path / "run", stage="warmup")  # which asks for none


def test_an_unknown_stage_is_told_which_there_are(four_recipe, tmp_path):
    with pytest.raises(ValueError, match=f"no stage 'tune' in the recipe; it has {', '.join(STAGES)}, or all"):
        train(four_recipe(), tmp_path / "run", stage="tune")
    assert not (tmp_path / "run").exists()


class Drawing:
    """Counts the pictures for the model, not those for people."""

    def __init__(self, monkeypatch, image_size):
        self.clips = 0
        render = DrAction.render

        def counted(renderer, clips, image_size=448, **options):
            if image_size == self.image_size:
                self.clips += len(getattr(clips, "topologies", [clips]))
            return render(renderer, clips, image_size=image_size, **options)

        self.image_size = image_size
        monkeypatch.setattr(DrAction, "render", counted)


@pytest.mark.parametrize("variants", [1, 2])
def test_a_renderer_that_rests_draws_each_clip_once(staged, four_recipe, tmp_path, monkeypatch, variants):
    start = end_of(staged, "distill")
    refine = dict(refine=dict(learning_rate=1e-3, epochs=2, variants=variants))
    drawing = Drawing(monkeypatch, image_size=32)
    train(four_recipe(stages=refine), tmp_path, start=start)
    # Two epochs of twelve recordings.
    assert drawing.clips == 12 * variants


def test_cached_frames_give_the_losses_of_frames_drawn_anew(four_recipe, tmp_path, monkeypatch):
    cached = four_recipe(stages=dict(refine=dict(epochs=2)), log_every=1)
    drawn = four_recipe(stages=dict(refine=dict(epochs=2, variants=0)), log_every=1)
    train(cached, tmp_path / "cached")
    drawing = Drawing(monkeypatch, image_size=32)
    # The same clips, which variants=0 would vary anew.
    monkeypatch.setattr(run, "Examples", lambda *given, **named: Examples(*given, **{**named, "variants": 1}))
    train(drawn, tmp_path / "drawn")
    assert drawing.clips == 24
    losses = losses_of(tmp_path / "drawn")
    torch.testing.assert_close(losses_of(tmp_path / "cached"), losses, atol=ROUNDING, rtol=0)
    assert losses.unique().numel() == 6


def test_a_run_is_not_resumed_with_other_recordings_than_it_was_begun_with(recipe, tmp_path, monkeypatch):
    short = recipe(optimization=dict(batch_size=4), save_every=1)
    train(short, tmp_path, time_limit=None)
    (tmp_path / "model" / "training.json").unlink()  # as if it had stopped before its end
    whole = data.read_all
    monkeypatch.setattr(data, "read_all", lambda *arguments, **options: whole(*arguments, **options)[1:])
    with pytest.raises(ValueError, match="begun with other recordings; 11 can be read now"):
        train(short, tmp_path, resume=True)


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_prepare_the_same_steps_and_an_epoch_has_every_recording_once(recipe, tmp_path, workers):
    once = dict(stages=dict(scratch=dict(train=["projector"], epochs=1)), save_every=2)
    train(recipe(**once), tmp_path / "thread")
    train(recipe(**once, data=dict(workers=workers)), tmp_path / "processes")
    assert losses_of(tmp_path / "thread").tolist() == losses_of(tmp_path / "processes").tolist()
    ledgers = [(tmp_path / name / "ledger" / "rank-00000.jsonl").read_text() for name in ("thread", "processes")]
    assert ledgers[0] == ledgers[1]
    seen = [id for line in ledgers[0].splitlines() for ids in json.loads(line)["ids"] for id in ids]
    assert len(seen) == len(set(seen)) == 12
