"""The benchmark of a training step: what it counts is what runs, and what it compares draws the same pictures."""

import json
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import step_timing
import train_step
from step_flops import StepOperations, peak_operations
from step_model import LARGE, backbone_config, build, embedded_batch
from step_renderers import per_gaussian_compositing

from skeletonllm.training.planning.flops import Sample, count_flops, total_flops
from skeletonllm.training.planning.shape import build_without_weights, shape_of

FRAMES = 3


def training(checkpointing: bool, attention: str):
    model, processor = build("tiny", FRAMES, None, "cpu")
    model.backbone.set_attn_implementation(attention)
    batch = embedded_batch(processor, model.config.backbone_config.image_token_id, 2, "cpu")
    return step_timing.Training(model, "cpu", checkpointing), batch


def library_count(checkpointing: bool, attention: str) -> int:
    made, batch = training(checkpointing, attention)
    frames = made.model.render(batch.clips).detach().requires_grad_()
    with FlopCounterMode(display=False) as counter:
        made.read(batch, frames)
    return counter.get_total_flops()


def test_without_fused_attention_the_count_is_that_of_the_library():
    """Written out, attention is matrix products, which the library's counter sees one by one."""
    for checkpointing in (False, True):
        made, batch = training(checkpointing, "eager")
        assert made.count(batch).hardware == library_count(checkpointing, "eager")


def test_what_checkpointing_computes_again_is_hardware_work_and_not_the_models():
    kept, again = (made.count(batch) for made, batch in (training(on, "sdpa") for on in (False, True)))
    assert again.model == kept.model
    assert again.hardware > 1.2 * kept.hardware


def test_fused_attention_counts_its_scores_twice_for_the_hardware_and_half_of_a_causal_square():
    query = torch.randn(2, 4, 8, 16, requires_grad=True)
    square = 2 * 2 * 4 * 8 * 8 * 16
    for causal, product in ((False, square), (True, square // 2)):
        with StepOperations() as counted:
            attended = torch.nn.functional.scaled_dot_product_attention(query, query, query, is_causal=causal)
            attended.sum().backward()
        assert (counted.model, counted.hardware) == (6 * product, 7 * product)


def test_fused_attention_of_the_model_is_counted_as_if_written_out_but_for_the_causal_half():
    """Weights of the products beside attention are the same, and attention is at most what it is when written out."""
    made, batch = training(False, "sdpa")
    without_attention, eager = library_count(False, "sdpa"), library_count(False, "eager")
    assert without_attention < made.count(batch).model < eager


def test_the_planner_foresees_the_operations_that_run():
    """Two counts that share no code: formulas of the layers' sizes, and every product as it runs."""
    model, processor = build("tiny", FRAMES, None, "cpu")
    config = model.config.backbone_config
    batch = embedded_batch(processor, config.image_token_id, 1, "cpu")
    answer = int((batch.text["labels"] != -100).sum())
    sample = Sample(FRAMES, model.config.image_size, batch.text_tokens - answer, answer)
    shape = shape_of(build_without_weights(config), lora_rank=32)
    planned = count_flops(shape, sample, {"renderer", "projector", "lora"}, checkpointing=True)
    del planned["renderer"]
    counted = step_timing.Training(model, "cpu").count(batch)
    assert (counted.model, counted.hardware) == (total_flops(planned).model, total_flops(planned).total)


def test_frozen_layers_have_no_weight_gradients():
    made, batch = training(False, "sdpa")
    frozen = made.count(batch).model
    for parameter in made.model.parameters():
        parameter.requires_grad_()
    everything = made.count(batch).model
    # Forward and activation gradients are one unit each, weight gradients the third.
    assert 1.3 < everything / frozen < 1.5


def test_the_loop_over_gaussians_draws_the_same_pictures_and_gradients():
    made, batch = training(False, "sdpa")
    drawn = {}
    for name in ("kernels", "loop"):
        made.model.zero_grad()
        if name == "loop":
            with per_gaussian_compositing():
                frames = made.model.render(batch.clips)
        else:
            frames = made.model.render(batch.clips)
        frames.square().sum().backward()
        drawn[name] = frames.detach(), made.model.renderer.palette.grad.clone()
    assert drawn["loop"][0].amax() > 0.2
    # The kernels leave out what is below their cut-off: half a grey level, and half a percent of the gradients.
    assert (drawn["kernels"][0] - drawn["loop"][0]).abs().max() < 1 / 255
    error = (drawn["kernels"][1] - drawn["loop"][1]).norm() / drawn["loop"][1].norm()
    assert error < 0.02


def test_a_step_changes_what_learns_and_nothing_else():
    made, batch = training(True, "sdpa")
    before = {name: value.clone() for name, value in made.model.named_parameters()}
    made.step(batch), made.step(batch)  # LoRA's first factors get their first gradient in the second step
    for name, value in made.model.named_parameters():
        assert torch.equal(value, before[name]) != value.requires_grad, name


@pytest.fixture
def small(monkeypatch):
    """The script on the CPU with one timed step, and whether PEFT is there."""

    def run(*arguments: str, peft: bool = True):
        found = train_step.find_spec
        for module in (train_step, sys.modules["step_model"]):
            monkeypatch.setattr(module, "find_spec", lambda name: found(name) if peft or name != "peft" else None)
        train_step.main(
            ["--size", "tiny", "--device", "cpu", "--frames", "2", "--steps", "1", "--batch-sizes", "1", *arguments]
        )

    return run


def test_the_script_writes_a_row_for_the_kernels_and_one_for_the_loop(small, capsys):
    small("--output", "json")
    head, kernels, loop = map(json.loads, capsys.readouterr().out.splitlines())
    assert head["torch"] == torch.__version__ and head["trainable"] < head["parameters"]
    assert (kernels["compositing"], loop["compositing"]) == ("kernels", "per-Gaussian loop")
    assert kernels["visual_tokens_per_second"] == pytest.approx(2 * kernels["samples_per_second"])
    for each in (kernels, loop):
        assert each["steps"] == 1 and each["note"] == ""
        assert each["render"] + each["render_backward"] == pytest.approx(each["renderer_share"] * each["step"])
    assert loop["renderer_share"] > kernels["renderer_share"]


def test_the_table_has_as_many_cells_as_columns_and_says_what_is_lacking(small, capsys):
    small("--limit", "0", peft=False)
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(table) == 4 and len({line.count("|") for line in table}) == 1
    assert all("1 step in 0 s, not warmed up; without LoRA: PEFT is not installed" in line for line in table[2:])


def test_a_step_that_does_not_fit_leaves_a_row_that_says_so(small, capsys, monkeypatch):
    def refuse(*_):
        raise torch.OutOfMemoryError("not enough")

    monkeypatch.setattr(step_timing.Training, "step", refuse)
    small()
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| 1 ")]
    assert len(rows) == 2 and all("| out of memory |" in line and "ms" not in line for line in rows)


def test_the_large_model_is_the_one_it_is_named_after():
    """Meta tensors have shapes and no memory. The published InternVL3-8B has 7,944,373,760 parameters."""
    from transformers import AutoModelForImageTextToText

    config, _ = backbone_config("8b", None)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    parameters = sum(each.numel() for each in model.parameters())
    assert parameters == 7_944_373_760
    assert config.image_seq_length == 256 and LARGE.image_size == 448


def test_devices_are_known_by_a_part_of_their_name():
    assert peak_operations("NVIDIA H200") == pytest.approx(989.5e12, rel=1e-3)
    assert peak_operations("NVIDIA A100-SXM4-80GB") == 312e12
    assert peak_operations("another") is None
