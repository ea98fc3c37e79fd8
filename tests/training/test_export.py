"""Exports of a checkpoint: other programs open them, and get the answers of the model that was trained."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from skeletonllm.models.scoring import candidate_log_likelihoods
from skeletonllm.models.tiny import build_tiny
from skeletonllm.models.trained import MODEL_FOLDER, load_trained
from skeletonllm.rendering.draction import DrAction
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.tasks.recognition import build_prompt
from skeletonllm.training.build import tiny_texts
from skeletonllm.training.checkpoint import CHECKPOINT_FOLDER, Checkpoint, load_checkpoint
from skeletonllm.training.export import export
from skeletonllm.training.lora import merge_lora
from skeletonllm.training.restore import restore
from skeletonllm.training.run import train

LABELS = ["raise both arms", "squat", "walk"]
SIZES = dict(image_size=32, patch_size=8, vision_hidden_size=32, vision_layers=1, hidden_size=32, layers=2, heads=2)
# Fast enough that three steps leave every part far from where it began.
FAST = dict(learning_rate=2e-2, renderer_learning_rate=2e-2)
STAGES = dict(warmup=FAST, distill=FAST)
LAST_OF_WARMUP, LAST = 3, 6
# Sums of products in another order, on log-likelihoods of about 20 nats.
CLOSE = 1e-5


def recipe_of(recipe, backbone, **changes):
    """A run of two stages upon a backbone."""
    model = dict(backbone=str(backbone), tiny=SIZES if backbone == "tiny" else {}, **changes.pop("model", {}))
    return recipe(**{"stages": STAGES, "model": model, **changes})


def answers(trained, model=None) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-likelihoods of the labels, and generated answers, for three clips; of a plain ``model`` behind the trained
    renderer if one is given."""
    processor = trained.processor
    clips = [processor.sample(synthesize(label, topology="coco_17", performer=9)) for label in LABELS]
    inputs = processor(clips, [build_prompt(LABELS), "What happens here?", build_prompt(LABELS[:2])])
    inputs |= trained.model.pixel_inputs(inputs.pop("clips"), None)
    model = trained.model.backbone if model is None else model
    scores = candidate_log_likelihoods(model, inputs, processor.candidate_token_ids(LABELS))
    return scores, model.generate(**inputs, max_new_tokens=8, do_sample=False)


def assert_same_answers(first, second):
    assert torch.equal(first[1], second[1])
    assert (first[0] - second[0]).abs().max() < CLOSE


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """The folder of a backbone whose answers depend on what it reads, as one from the hub would be."""
    folder = tmp_path_factory.mktemp("backbone")
    model, processor = build_tiny(tiny_texts(LABELS), seed=5, num_frames=3, **SIZES)
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            if parameter.ndim > 1:
                parameter.mul_(2)
    model.backbone.save_pretrained(folder)
    processor.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def run(recipe, backbone, tmp_path_factory) -> Path:
    """A finished run upon that backbone; read only."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    train(recipe_of(recipe, backbone), folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(run) -> Checkpoint:
    return load_checkpoint(run)


@pytest.fixture(scope="module")
def live(checkpoint):
    return restore(checkpoint)


@pytest.fixture(scope="module")
def adapter(checkpoint, tmp_path_factory) -> Path:
    return export(checkpoint, "adapter", tmp_path_factory.mktemp("export") / "adapter")


def test_live_merged_and_adapter_give_the_same_answers(checkpoint, live, adapter, backbone, tmp_path):
    expected = answers(live)
    assert len(expected[1].unique(dim=0)) == len(LABELS)  # they do depend on what is asked
    assert_same_answers(answers(load_trained(adapter)), expected)
    assert_same_answers(answers(load_trained(export(checkpoint, "merged", tmp_path / "merged"))), expected)
    plain = AutoModelForImageTextToText.from_pretrained(backbone).eval()
    assert (answers(live, plain)[0] - expected[0]).abs().max() > 100 * CLOSE


def test_stock_peft_on_the_plain_backbone_gives_the_answers_of_the_live_model(live, adapter):
    from peft import PeftConfig, PeftModel

    base = PeftConfig.from_pretrained(adapter).base_model_name_or_path
    plain = AutoModelForImageTextToText.from_pretrained(base)
    opened = PeftModel.from_pretrained(plain, adapter).eval()
    assert_same_answers(answers(live, opened), answers(live))
    assert_same_answers(answers(live, opened.merge_and_unload()), answers(live))


def test_the_adapter_file_is_what_peft_itself_would_write(live, adapter, backbone, tmp_path):
    from peft import PeftModel

    plain = AutoModelForImageTextToText.from_pretrained(backbone)
    PeftModel.from_pretrained(plain, adapter).save_pretrained(tmp_path)
    written, wanted = (load_file(folder / "adapter_model.safetensors") for folder in (adapter, tmp_path))
    assert written.keys() == wanted.keys()
    assert all(torch.equal(tensor, written[name]) for name, tensor in wanted.items())
    trained = dict(live.model.backbone.model.multi_modal_projector.named_parameters())
    assert trained
    for name, parameter in trained.items():
        assert torch.equal(written[f"base_model.model.model.multi_modal_projector.{name}"], parameter)
    assert not any("vision_tower" in name or "embed_tokens" in name or "base_layer" in name for name in written)


def test_an_opened_adapter_folder_is_like_the_restored_model_and_can_be_merged(live, adapter):
    opened = load_trained(adapter)
    assert opened.labels == LABELS and opened.recipe == live.recipe
    found, wanted = (dict(each.model.named_parameters()) for each in (opened, live))
    assert found.keys() == wanted.keys() and any(".lora_A." in name for name in found)
    assert all(torch.equal(parameter, wanted[name]) for name, parameter in found.items())
    before = answers(opened)
    merge_lora(opened.model)
    assert not any(".lora_" in name for name, _ in opened.model.named_parameters())
    assert_same_answers(answers(opened), before)


def test_adapters_without_a_trained_projector_leave_that_of_the_backbone(checkpoint, backbone, tmp_path):
    learnt = {name: value for name, value in checkpoint.tensors["model"].items() if "projector" not in name}
    without = Checkpoint(checkpoint.path, LAST, {"model": learnt}, checkpoint.state)
    folder = export(without, "adapter", tmp_path / "adapter")
    opened = load_trained(folder)
    assert_same_answers(answers(opened), answers(restore(without)))
    plain = AutoModelForImageTextToText.from_pretrained(backbone).state_dict()
    projector = {name: value for name, value in opened.model.backbone.state_dict().items() if "projector" in name}
    assert projector and all(torch.equal(value, plain[name]) for name, value in projector.items())


def test_a_merged_model_has_the_backbones_own_names(checkpoint, backbone, tmp_path):
    merged = export(checkpoint, "merged", tmp_path / "merged")
    model, plain = (AutoModelForImageTextToText.from_pretrained(folder) for folder in (merged, backbone))
    assert model.backbone.state_dict().keys() == plain.state_dict().keys()
    assert not (merged / "adapter_config.json").exists()
    assert {path.suffix for path in merged.iterdir()} == {".safetensors", ".json", ".jinja"}


def test_a_bfloat16_backbone_gives_the_same_answers_live_and_from_its_adapters(recipe, backbone, tmp_path):
    low = tmp_path / "low"
    shutil.copytree(backbone, low)
    AutoModelForImageTextToText.from_pretrained(backbone, dtype=torch.bfloat16).save_pretrained(low)
    train(recipe_of(recipe, low), tmp_path / "run")
    checkpoint = load_checkpoint(tmp_path / "run")
    folder = export(checkpoint, "adapter")
    opened, live = load_trained(folder), restore(checkpoint)
    types = {name: parameter.dtype for name, parameter in live.model.named_parameters()}
    assert {name: parameter.dtype for name, parameter in opened.model.named_parameters()} == types
    assert set(types.values()) == {torch.bfloat16, torch.float32}
    assert torch.equal(answers(opened)[0], answers(live)[0])
    # The file has what was learnt, not what is left of it in the backbone's type.
    for name, tensor in load_file(folder / "adapter_model.safetensors").items():
        assert tensor.dtype == torch.float32 and not torch.equal(tensor, tensor.bfloat16().float()), name


def test_a_tiny_backbone_is_written_along_and_the_folder_may_move(recipe, tmp_path):
    train(recipe_of(recipe, "tiny"), tmp_path / "run")
    checkpoint = load_checkpoint(tmp_path / "run")
    expected = answers(restore(checkpoint))
    folder = export(checkpoint, "adapter")
    assert folder == tmp_path / "run" / "export" / "adapter"
    base = json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert Path(base) == folder / "backbone"
    shutil.move(folder, tmp_path / "elsewhere")
    assert_same_answers(answers(load_trained(tmp_path / "elsewhere")), expected)


def test_adapters_upon_a_model_trained_here_open_upon_that_model(recipe, run, tmp_path):
    train(recipe_of(recipe, run), tmp_path / "second")
    checkpoint = load_checkpoint(tmp_path / "second")
    folder = export(checkpoint, "adapter")
    base = json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert Path(base) == run / MODEL_FOLDER
    assert_same_answers(answers(load_trained(folder)), answers(restore(checkpoint)))


def test_another_place_of_the_backbone_can_be_given_and_a_missing_one_is_named(live, adapter, backbone, tmp_path):
    moved = tmp_path / "adapter"
    shutil.copytree(adapter, moved)
    config = json.loads((moved / "adapter_config.json").read_text())
    (moved / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": "/gone"}))
    with pytest.raises(FileNotFoundError, match="no backbone at /gone; adapter_config.json says"):
        load_trained(moved)
    assert_same_answers(answers(load_trained(moved, backbone)), answers(live))


def test_a_whole_model_takes_no_other_backbone(run, backbone):
    with pytest.raises(ValueError, match="holds a whole model"):
        load_trained(run, backbone)


@pytest.mark.parametrize("sizes", [dict(hidden_size=48), dict(layers=3), dict(layers=1)], ids=str)
def test_a_backbone_of_other_sizes_is_refused(adapter, tmp_path, sizes):
    model, _ = build_tiny(tiny_texts(LABELS), **{**SIZES, **sizes})
    model.backbone.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"adapters in .*adapter do not fit the backbone at .*{tmp_path.name}"):
        load_trained(adapter, tmp_path)


FILES = ["adapter_config.json", "adapter_model.safetensors", "renderer.json", "renderer.safetensors"]


@pytest.mark.parametrize("file", FILES)
def test_damage_in_an_adapter_folder_is_named(adapter, tmp_path, file):
    copy = tmp_path / "adapter"
    shutil.copytree(adapter, copy)
    (copy / file).write_bytes(b"{")
    with pytest.raises(ValueError, match=r"adapter.*(damaged|not a safetensors file)"):
        load_trained(copy)


def test_an_export_of_a_step_has_what_was_learnt_until_then(run, checkpoint, tmp_path):
    early = load_checkpoint(run / CHECKPOINT_FOLDER / f"step-{LAST_OF_WARMUP:06d}")
    assert export(early, "renderer").parent == run / "export"  # beside the run, not beside the checkpoint
    first = DrAction.from_file(run / "export" / "renderer" / "renderer.safetensors")
    last = DrAction.from_file(export(checkpoint, "renderer", tmp_path / "last") / "renderer.safetensors")
    for renderer, source in ((first, early), (last, checkpoint)):
        learnt = source.tensors["model"]
        assert all(torch.equal(value, learnt[f"renderer.{name}"]) for name, value in renderer.named_parameters())
    assert not torch.equal(first.palette, last.palette)
    assert json.loads((tmp_path / "last" / "export.json").read_text())["step"] == LAST


def test_an_exported_renderer_draws_what_the_model_sees(checkpoint, live, tmp_path):
    folder = export(checkpoint, "renderer", tmp_path / "renderer")
    described = json.loads((folder / "renderer.json").read_text())
    assert (described["num_frames"], described["image_size"]) == (3, 32)
    clip = live.processor.sample(synthesize("walk", topology="coco_17", performer=2))
    with torch.no_grad():
        drawn = DrAction.from_file(folder / "renderer.safetensors").render(clip, image_size=32)
        assert torch.equal(drawn, live.model.renderer.render(clip, image_size=32))


def test_a_trained_released_renderer_is_written_in_the_released_format(recipe, shared, tmp_path):
    weights = shared / "golden" / "weights" / "draction_candidate_01.safetensors"
    asked = recipe_of(
        recipe,
        "tiny",
        data=dict(options=dict(labels=LABELS, performers=4, topologies=["kinect_v2"])),
        model=dict(renderer={}, renderer_weights=str(weights)),
        stages=dict(warmup=FAST),
    )
    train(asked, tmp_path / "run")
    checkpoint = load_checkpoint(tmp_path / "run")
    folder = export(checkpoint, "renderer", published=True)
    with safe_open(folder / "renderer.safetensors", "pt") as file:
        header = file.metadata()
    assert (header["format"], header["render_frames"], header["render_size"]) == ("skeletonllm-draction-v1", "3", "32")
    read, start = (DrAction.from_published(path) for path in (folder / "renderer.safetensors", weights))
    for name, value in restore(checkpoint).model.renderer.state_dict().items():
        assert torch.equal(read.state_dict()[name], value), name
    assert not torch.equal(read.canonical_features, start.canonical_features)
    assert torch.equal(read.canonical_means, start.canonical_means)


def test_our_own_renderer_has_no_released_format(checkpoint, tmp_path):
    with pytest.raises(ValueError, match="features of body regions where the format has one per Gaussian"):
        export(checkpoint, "renderer", tmp_path / "new", published=True)
    with pytest.raises(ValueError, match="merged has none"):
        export(checkpoint, "merged", tmp_path / "new", published=True)
    assert not list(tmp_path.iterdir())


def test_what_adapters_cannot_hold_is_refused(recipe, run, adapter, tmp_path):
    early = load_checkpoint(run / CHECKPOINT_FOLDER / f"step-{LAST_OF_WARMUP:06d}")
    with pytest.raises(ValueError, match="has no adapters: distill is the first stage that trains them"):
        export(early, "adapter", tmp_path / "new")

    def altered(stages, backbone=None):
        state = json.loads(json.dumps(early.state))
        state["recipe"]["stages"] = stages
        state["recipe"]["model"]["backbone"] = backbone or state["recipe"]["model"]["backbone"]
        return state

    without = Checkpoint(early.path, early.step, early.tensors, altered(dict(warmup={})))
    with pytest.raises(ValueError, match="no stage of its recipe trains them; export to renderer or merged"):
        export(without, "adapter", tmp_path / "new")

    last = load_checkpoint(run)
    whole = {**last.tensors["model"], "backbone.model.vision_tower.layernorm.weight": torch.ones(32)}
    with pytest.raises(ValueError, match="weights of vision were trained themselves.*export to merged"):
        export(Checkpoint(last.path, LAST, {"model": whole}, last.state), "adapter", tmp_path / "new")
    upon = Checkpoint(last.path, LAST, last.tensors, altered(STAGES, str(adapter)))
    with pytest.raises(ValueError, match="trained upon the adapters in .*export to merged"):
        export(upon, "adapter", tmp_path / "new")
    with pytest.raises(ValueError, match="cannot export to 'lora', expected merged, adapter, renderer"):
        export(last, "lora", tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_an_earlier_export_is_replaced_and_nothing_else_is(checkpoint, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    export(checkpoint, "renderer", folder)  # empty
    (folder / "renderer.json").write_text("old")
    export(checkpoint, "renderer", folder)
    assert (folder / "renderer.json").read_text() != "old"
    with pytest.raises(FileExistsError, match="something else than an earlier export to merged"):
        export(checkpoint, "merged", folder)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="choose another folder"):
        export(checkpoint, "renderer", folder)
    assert (folder / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with pytest.raises(FileExistsError):
        export(checkpoint, "renderer", folder / "notes.txt")
