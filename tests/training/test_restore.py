"""From checkpoints back to models: nothing that was learnt is lost on the way."""

import pytest
import torch
from minute_runs import assert_same, learnt_at, stopped_after

from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.training.build import build_model
from skeletonllm.training.checkpoint import load_checkpoint
from skeletonllm.training.lora import has_lora
from skeletonllm.training.parts import canonical_name, part_of
from skeletonllm.training.restore import apply_learnt, recipe_of, restore
from skeletonllm.training.run import train


@pytest.fixture(scope="module")
def half(four_recipe, tmp_path_factory):
    """A recipe whose backbone is stored in bfloat16, as large ones are."""
    folder = tmp_path_factory.mktemp("backbone")
    model, processor = build_model(four_recipe().model, ["bow"], seed=5)
    model.backbone.to(torch.bfloat16).save_pretrained(folder)
    processor.tokenizer.save_pretrained(folder)
    stages = dict(distill=dict(learning_rate=1e-3), refine=dict(learning_rate=1e-3, epochs=1))
    return four_recipe(
        model=dict(backbone=str(folder), tiny={}), stages=stages, optimization=dict(precision="bfloat16"), log_every=1
    )


@pytest.fixture(scope="module")
def half_run(half, tmp_path_factory):
    folder = tmp_path_factory.mktemp("half")
    train(half, folder)
    return folder


@pytest.mark.parametrize("middle", [2, 5])
def test_a_run_on_a_bfloat16_backbone_goes_on_to_the_same_weights_to_the_bit(half, half_run, tmp_path, middle):
    stopped_after(middle, lambda: train(half, tmp_path))
    train(half, tmp_path, resume=True)
    for last in (3, 6):
        assert_same(learnt_at(tmp_path, last), learnt_at(half_run, last))


def test_what_was_learnt_on_a_bfloat16_backbone_reaches_the_next_stage_unrounded(half, half_run):
    learnt = learnt_at(half_run, 3)
    projector = "backbone.model.multi_modal_projector.linear_1.weight"
    assert not torch.equal(learnt[projector].bfloat16().float(), learnt[projector])
    model, _ = build_model(half.model, ["bow"], seed=0)
    assert dict(model.named_parameters())[projector].dtype == torch.bfloat16
    apply_learnt(model, learnt, half)
    given = {canonical_name(name): parameter for name, parameter in model.named_parameters()}
    assert_same({name: given[name] for name in learnt}, learnt)


def test_a_restored_model_can_be_asked_and_has_the_types_of_its_backbone(half_run):
    trained = restore(load_checkpoint(half_run))
    for name, parameter in trained.model.named_parameters():
        exact = part_of(name) in ("renderer", "lora")
        assert parameter.dtype == (torch.float32 if exact else torch.bfloat16), name
    clip = trained.processor.sample(synthesize("walk", topology="coco_17", performer=7))
    with torch.no_grad():
        assert trained.model(**trained.processor([clip], ["What happens?"])).logits.isfinite().all()


def test_adapters_are_put_in_place_where_the_checkpoint_has_some(staged, start_of):
    for stage, adapted in (("discriminate", False), ("distill", True)):
        model = start_of(staged.recipe)
        apply_learnt(model, learnt_at(staged.folder, staged.spans[stage].last), staged.recipe)
        assert has_lora(model) == adapted


def test_parameters_that_the_model_lacks_or_has_in_another_shape_are_named(staged, start_of):
    model = start_of(staged.recipe)
    with pytest.raises(ValueError, match="differ in renderer.absent"):
        apply_learnt(model, {"renderer.absent": torch.zeros(3)}, staged.recipe)
    with pytest.raises(ValueError, match="differ in renderer.palette"):
        apply_learnt(model, {"renderer.palette": torch.zeros(3)}, staged.recipe)


def test_a_model_does_not_share_memory_with_the_checkpoint_it_came_from(staged, start_of):
    learnt = learnt_at(staged.folder, staged.spans["warmup"].last)
    before = {name: value.clone() for name, value in learnt.items()}
    model = start_of(staged.recipe)
    apply_learnt(model, learnt, staged.recipe)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    assert_same(learnt, before)


def test_a_backbone_named_from_where_the_run_began_is_found_from_elsewhere(recipe, tmp_path, monkeypatch):
    first = tmp_path / "runs" / "first"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    train(recipe(), first)
    train(recipe(model=dict(backbone="runs/first", tiny={})), tmp_path / "runs" / "second")
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = recipe_of(load_checkpoint(tmp_path / "runs" / "second"))
    assert found.model.backbone == str(first)
    assert restore(load_checkpoint(tmp_path / "runs" / "second")).labels == ["raise both arms", "squat", "walk"]


def test_recordings_of_several_actions_add_tasks_but_no_label(recipe, tmp_path):
    several = dict(source="synthetic_sequences", options=dict(performers=4, test_performers=1, topologies=["coco_17"]))
    single = dict(source="synthetic", options=dict(labels=["squat", "walk"], performers=4, topologies=["coco_17"]))
    tasks = dict(recognition=1.0, localization=1.0, questions=1.0, captioning=1.0)
    asked = recipe(
        data=dict(options={}, mixture=dict(single=single, several=several)),
        model=dict(show_times=True, tiny=dict(recipe().model.tiny, every_task=True)),
        stages=dict(talk=dict(train=["renderer", "language"], tasks=tasks, epochs=1)),
    )
    train(asked, tmp_path)
    restored = restore(load_checkpoint(max((tmp_path / "checkpoints").iterdir())))
    assert restored.labels == ["squat", "walk"] and restored.processor.show_times


def test_a_run_that_reads_the_foreground_alone_is_restored_as_such(recipe, tmp_path):
    asked = recipe(model=dict(foreground=dict(margin=1)), stages=dict(talk=dict(train=["renderer"], epochs=1)))
    train(asked, tmp_path)
    restored = restore(load_checkpoint(max((tmp_path / "checkpoints").iterdir())))
    assert restored.model.config.foreground == dict(margin=1)
    further = recipe(model=dict(backbone=str(tmp_path / "model"), tiny={}))
    with pytest.raises(ValueError, match="trained with model.foreground"):
        build_model(further.model, ["bow"], seed=0)
