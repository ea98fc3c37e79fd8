"""The planner: its figures against those of a small model that really runs."""

import gc
import json
import weakref
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from skeletonllm.models.tiny import build_tiny
from skeletonllm.training.lora import LoraArguments, attach_lora
from skeletonllm.training.parts import PARTS, part_of, set_precision, set_trainable
from skeletonllm.training.plan import Setting, make_plan, stage_sample
from skeletonllm.training.planning.communication import scatter_traffic, step_traffic
from skeletonllm.training.planning.flops import Sample, count_flops, total_flops
from skeletonllm.training.planning.hardware import HARDWARE
from skeletonllm.training.planning.memory import Load, activation_bytes, plan_memory, share, state_memory
from skeletonllm.training.planning.shape import (
    build_without_weights,
    load_backbone_config,
    shape_of,
    shipped_backbones,
)
from skeletonllm.training.stages import STAGES

FRAMES, SIZE, RANK = 3, 64, 4
# The stages, and a fine-tuning of the whole backbone, which no stage does.
TRAINED = {**{name: tuple(stage.train) for name, stage in STAGES.items()}, "backbone": ("vision", "language")}


def _checkpoint(backbone):
    # Renamed in 5.23; the old name warns there.
    enable = getattr(backbone, "activation_checkpointing_enable", None) or backbone.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    # Transformers makes embeddings want gradients, for the reentrant kind, which would wake a resting tower.
    backbone.disable_input_require_grads()


@pytest.fixture
def prepared():
    """A small model as a stage trains it, its shape, inputs, frames that stand for the renderer's, and their sample."""

    def prepare(trained: tuple[str, ...], attention: str, checkpointing: bool):
        model, processor = build_tiny(
            ["what is this", "walk", "sit down"], num_frames=FRAMES, image_size=SIZE, patch_size=16,
            vision_hidden_size=64, vision_layers=2, hidden_size=96, layers=2, heads=4,
        )  # fmt: skip
        shape = shape_of(model, RANK if "lora" in trained else 0)
        if "lora" in trained:
            attach_lora(model, LoraArguments(RANK, 2 * RANK, 0.0), seed=0)
        set_trainable(model, trained)
        model.backbone.set_attn_implementation(attention)
        if checkpointing:
            _checkpoint(model.backbone)
        model.train()
        inputs = processor(None, ["what is this"], ["walk sit down"])
        frames = torch.rand(1, FRAMES, 3, SIZE, SIZE, requires_grad="renderer" in trained)
        answer = int((inputs["labels"] != -100).sum())
        text = inputs["input_ids"].numel() - answer - FRAMES * processor.tokens_per_frame
        return model, shape, dict(inputs, frames=frames), Sample(FRAMES, SIZE, text, answer)

    return prepare


@pytest.fixture(scope="module")
def shape_8b():
    return shape_of(build_without_weights(load_backbone_config("InternVL3-8B-hf")), lora_rank=32)


@pytest.mark.parametrize("trained", TRAINED)
def test_parameters_are_those_of_the_model_part_by_part(prepared, trained):
    model, shape, _, _ = prepared(TRAINED[trained], "sdpa", False)
    counted = dict.fromkeys(PARTS, 0)
    for name, parameter in model.named_parameters():
        counted[part_of(name)] += parameter.numel()
    assert shape.parameters == counted
    assert shape.total_parameters == sum(parameter.numel() for parameter in model.parameters())


def test_shipped_shapes_have_the_sizes_that_were_published():
    # Billions of parameters by the table of models of internvl.readthedocs.io.
    published = {"1B": 0.9, "2B": 2.1, "8B": 7.9, "14B": 15.1, "38B": 38.4, "78B": 78.4}
    found = {}
    for name in shipped_backbones():
        model = build_without_weights(load_backbone_config(name))
        found[name.removeprefix("OpenGVLab/InternVL3-").removesuffix("-hf")] = model.backbone.num_parameters() / 1e9
    assert {size: round(billions, 1) for size, billions in found.items()} == published


@pytest.mark.parametrize("checkpointing", [False, True], ids=["keeping", "checkpointing"])
@pytest.mark.parametrize("trained", TRAINED)
def test_operations_are_those_that_torch_counts(prepared, trained, checkpointing):
    parts = TRAINED[trained]
    # Eager attention is plain products over all pairs, which the counter knows on every device.
    model, shape, inputs, sample = prepared(parts, "eager", checkpointing)
    with FlopCounterMode(display=False) as forward:
        loss = model(**inputs).loss
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    planned = total_flops(
        count_flops(
            shape, sample, parts, checkpointing=checkpointing, cached_frames=True, causal_share=1, fused_attention=False
        )
    )
    # Equal with the release at hand; others may stop a little earlier or later in what they calculate again.
    assert forward.get_total_flops() == pytest.approx(planned.forward, rel=0.01)
    assert backward.get_total_flops() == pytest.approx(planned.backward + planned.recomputed, rel=0.01)


@pytest.mark.parametrize("checkpointing", [False, True], ids=["keeping", "checkpointing"])
@pytest.mark.parametrize("trained", TRAINED)
def test_activations_are_those_that_autograd_keeps(prepared, trained, checkpointing):
    parts = TRAINED[trained]
    model, shape, inputs, sample = prepared(parts, "sdpa", checkpointing)
    not_activations = {tensor.untyped_storage().data_ptr() for tensor in [*model.parameters(), inputs["frames"]]}
    kept = []

    def remember(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(weakref.ref(tensor))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        loss = model(**inputs).loss
    gc.collect()
    alive = [reference() for reference in kept if reference() is not None]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in alive}
    measured = sum(size for pointer, size in storages.items() if pointer not in not_activations)
    load = Load(checkpointing=checkpointing, lora_dropout=False, element_bytes=4)
    planned = sum(activation_bytes(shape, sample, load, parts).values())
    assert loss.requires_grad
    # The plan leaves out statistics of norms, angles of positions and masks: three percent of so narrow a model.
    assert measured == pytest.approx(planned, rel=0.05)


def test_state_is_what_a_step_of_adamw_leaves_in_memory(prepared):
    model, shape, inputs, _ = prepared(TRAINED["distill"], "sdpa", False)
    set_precision(model, torch.bfloat16)
    optimizer = torch.optim.AdamW([parameter for parameter in model.parameters() if parameter.requires_grad])
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for part in PARTS:
        own = [parameter for name, parameter in model.named_parameters() if part_of(name) == part]
        planned = state_memory(shape.parameters[part], part in TRAINED["distill"], gpus=8, zero=0)
        assert planned.weights == sum(parameter.nbytes for parameter in own)
        assert planned.gradients == sum(parameter.grad.nbytes for parameter in own if parameter.grad is not None)
        moments = [optimizer.state[parameter] for parameter in own if parameter.requires_grad]
        assert planned.optimizer == sum(state["exp_avg"].nbytes + state["exp_avg_sq"].nbytes for state in moments)


@pytest.mark.parametrize("gpus", [1, 3, 8, 64])
def test_shares_of_all_gpus_are_the_whole_with_less_padding_than_gpus(gpus):
    for parameters in (2974, 27_540_480, 7_612_820_993):
        assert 0 <= gpus * share(parameters, gpus) - parameters < gpus


def test_each_zero_stage_divides_what_the_one_before_did_and_one_thing_more():
    whole, divided = 1000, 250
    stages = [state_memory(whole, True, gpus=4, zero=zero) for zero in range(4)]
    assert [stage.weights for stage in stages] == [4 * whole, 4 * whole, 4 * whole, 4 * divided]
    assert [stage.gradients for stage in stages] == [4 * whole, 4 * whole, 4 * divided, 4 * divided]
    # Moments, and in stages 1 and 2 DeepSpeed's flat copy of a share.
    assert [stage.optimizer for stage in stages] == [8 * whole, 12 * divided, 12 * divided, 8 * divided]
    frozen = [state_memory(whole, False, gpus=4, zero=zero) for zero in range(4)]
    assert [stage.total for stage in frozen] == [2 * whole, 2 * whole, 2 * whole, 2 * divided]


def test_checkpointing_trades_memory_for_arithmetic(shape_8b):
    setting = Setting(trainable=TRAINED["distill"], sample=stage_sample("distill"))
    with_it, without = make_plan(shape_8b, setting), make_plan(shape_8b, replace(setting, checkpointing=False))
    assert with_it.memory.total < 0.8 * without.memory.total
    again, once = total_flops(with_it.flops), total_flops(without.flops)
    assert again.model == once.model
    # All but the projector, the output layer and scores of attention is calculated twice.
    assert 0.9 * once.forward < again.recomputed - once.recomputed < once.forward


def test_frozen_layers_have_no_gradients_of_weights_and_a_resting_tower_has_no_backward_pass(shape_8b):
    sample = stage_sample("refine")
    distilled = count_flops(shape_8b, sample, TRAINED["distill"])
    refined = count_flops(shape_8b, sample, TRAINED["refine"], checkpointing=True, cached_frames=True)
    assert distilled["language"].backward < 1.1 * distilled["language"].forward
    assert distilled["projector"].backward == 2 * distilled["projector"].forward
    assert refined["vision"].backward == refined["vision"].recomputed == 0
    assert refined["renderer"].total == 0 < distilled["renderer"].total
    assert refined["language"].backward == distilled["language"].backward


def test_the_papers_operations_are_those_of_the_vision_tower_alone(shape_8b):
    # 8.67 and 1.94 TFLOPs for 12 frames at 448 and 224 pixels; they leave out the class token, one in 256.
    for size, published in ((448, 8.67e12), (224, 1.94e12)):
        counts = count_flops(shape_8b, Sample(image_size=size), ())
        assert counts["vision"].forward == pytest.approx(published, rel=0.005)
        assert total_flops(counts).forward > 5 * published


def test_the_renderer_is_a_thousandth_of_the_arithmetic(shape_8b):
    counts = count_flops(shape_8b, stage_sample("distill", persons=2), TRAINED["distill"])
    assert 0 < counts["renderer"].total < 1e-3 * total_flops(counts).total


@pytest.mark.parametrize(("gpus", "nodes"), [(1, 1), (4, 1), (8, 1), (16, 2), (512, 64)])
def test_a_collective_over_nodes_sends_as_much_as_a_ring_and_little_of_it_between_them(gpus, nodes):
    sent = scatter_traffic(1e9, gpus, gpus_per_node=8)
    assert sent.total == pytest.approx((gpus - 1) / gpus * 1e9)
    assert sent.between == pytest.approx((nodes - 1) / nodes * 1e9 / 8)


def test_traffic_follows_the_zero_stage(shape_8b):
    learning = sum(shape_8b.parameters[part] for part in TRAINED["distill"])
    frozen = shape_8b.total_parameters - learning

    def sent(zero: int, trained: str = "distill", accumulation: int = 1) -> float:
        purposes = step_traffic(shape_8b, TRAINED[trained], 64, 8, zero, accumulation)
        return sum(traffic.total for traffic in purposes.values()) * 64 / 63

    assert sent(0) == pytest.approx(2 * 4 * learning)
    # Gradients and weights in float32; stage 2 sends gradients after every micro-batch.
    assert sent(1) == sent(2) == pytest.approx((4 + 4) * learning)
    assert sent(1, accumulation=3) == sent(1)
    assert sent(2, accumulation=3) == pytest.approx((3 * 4 + 4) * learning)
    assert sent(3) == pytest.approx(4 * learning + 2 * (4 * learning + 2 * frozen))
    tower, renderer = 2 * shape_8b.parameters["vision"], shape_8b.parameters["renderer"]
    assert sent(3, "refine") == pytest.approx(sent(3) - tower - (4 + 2 * 4 - 2 * 2) * renderer)
    assert not sum(traffic.total for traffic in step_traffic(shape_8b, TRAINED["distill"], 1, 8, 3, 1).values())


def test_the_largest_backbone_needs_its_weights_divided():
    shape = shape_of(build_without_weights(load_backbone_config("InternVL3-78B-hf")), lora_rank=32)
    setting = Setting(trainable=TRAINED["distill"], sample=stage_sample("distill"), gpus=64)
    assert not make_plan(shape, replace(setting, zero=2)).fits
    assert make_plan(shape, replace(setting, zero=3)).fits


def test_memory_by_part_adds_up(shape_8b):
    memory = plan_memory(shape_8b, Sample(), Load(), TRAINED["distill"], gpus=64, zero=2)
    parts = sum(part.total for part in memory.parts.values())
    rest = memory.copies + memory.logits + memory.working + memory.buckets + memory.gathered + memory.context
    assert memory.total == pytest.approx(parts + rest)
    assert memory.parts["language"].weights == 2 * shape_8b.parameters["language"]
    # All that learns in numbers of 4 bytes, twice: one bucket is filled while the other is sent.
    learning = sum(shape_8b.parameters[part] for part in TRAINED["distill"])
    assert memory.buckets == 8 * learning
    assert plan_memory(shape_8b, Sample(), Load(), ("language",), 64, 1).buckets == 8 * 500_000_000
    assert plan_memory(shape_8b, Sample(), Load(), ("renderer",), 64, 0).buckets == 0
    assert memory.gathered == 0 < plan_memory(shape_8b, Sample(), Load(), TRAINED["distill"], 64, 3).gathered


def test_speed_follows_the_figures_of_the_hardware(shape_8b):
    setting = Setting(trainable=TRAINED["distill"], gpus=64, utilisation=0.4)
    made = make_plan(shape_8b, setting)
    assert made.bottleneck == "arithmetic"
    slow, fast = made.samples_per_second
    per_gpu = HARDWARE["h200"].flops * 0.4 / total_flops(made.flops).total
    assert fast == pytest.approx(64 * per_gpu) and 0.9 * fast < slow < fast
    # Half of what is carried out is calculated again under checkpointing, or nearly.
    assert 0.2 < made.model_utilisation < 0.4
    assert make_plan(shape_8b, replace(setting, utilisation=0.2)).samples_per_second[1] == pytest.approx(fast / 2)
    assert make_plan(shape_8b, replace(setting, hardware=HARDWARE["a100"])).samples_per_second[1] < 0.4 * fast
    longer = make_plan(shape_8b, replace(setting, batch_size=256))
    assert longer.setting.accumulation == 4 and sum(longer.seconds.values()) > 3.9 * sum(made.seconds.values())
    # Weights brought together for both passes take time of their own, which may or may not hide behind arithmetic.
    divided = make_plan(shape_8b, replace(setting, zero=3)).samples_per_second
    assert divided[0] < 0.8 * slow and divided[1] == pytest.approx(fast)


def test_longer_answers_and_more_frames_are_more_tokens(shape_8b):
    recognition, rationale = stage_sample("refine"), stage_sample("distill")
    assert recognition.visual_tokens(shape_8b) == rationale.visual_tokens(shape_8b) == 3072
    assert rationale.answer_tokens > recognition.answer_tokens
    assert stage_sample("refine", frames=24).tokens(shape_8b) > 6144
    given = stage_sample("distill", text_tokens=5, answer_tokens=7)
    assert given.tokens(shape_8b) == 3072 + 5 + 7


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (dict(gpus=0), "gpus is 0"),
        (dict(gpus=12), "12 GPUs"),
        (dict(zero=4), "ZeRO stage is 4"),
        (dict(batch_size=7, gpus=2), "multiple of 2"),
        (dict(batch_size=0), "multiple of 1"),
        (dict(utilisation=0.0), "utilisation is 0.0"),
        (dict(sample=Sample(image_size=450)), "image size 450 is no multiple of 28"),
    ],
    ids=lambda value: "" if isinstance(value, str) else ",".join(value),
)
def test_what_cannot_be_is_refused(shape_8b, wrong, told):
    with pytest.raises(ValueError, match=told):
        make_plan(shape_8b, Setting(**{"trainable": TRAINED["distill"], **wrong}))


def test_unknown_stages_and_samples_without_frames_are_refused():
    with pytest.raises(ValueError, match="unknown stage 'finetune', expected one of warmup"):
        stage_sample("finetune")
    with pytest.raises(ValueError, match="frames is 0"):
        stage_sample("distill", frames=0)


def test_an_unknown_backbone_is_told_what_there_is_and_never_downloaded():
    with pytest.raises(ValueError, match=r"OpenGVLab/InternVL3-8B-hf.*config.json.*nothing is downloaded"):
        load_backbone_config("Qwen/Qwen2.5-VL-7B-Instruct")


def test_a_configuration_is_read_from_a_file_a_folder_and_a_model_of_ours(tmp_path, prepared):
    model, shape, _, _ = prepared(("renderer",), "sdpa", False)
    model.config.save_pretrained(tmp_path / "ours")
    model.config.backbone_config.save_pretrained(tmp_path / "backbone")
    for place in ("ours", "backbone", "backbone/config.json"):
        found = shape_of(build_without_weights(load_backbone_config(str(tmp_path / place))))
        assert found.parameters == shape.parameters


@pytest.mark.parametrize("content", ["{", "[]", "{}", json.dumps({"model_type": "nobody"})])
def test_a_file_that_is_no_configuration_is_refused_by_name(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"config.json: (not JSON|found model_type)"):
        load_backbone_config(str(tmp_path))


def test_a_family_that_pictures_cannot_be_handed_to_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llava"}))
    with pytest.raises(ValueError, match="no pixel hand-over for backbones of type 'llava'"):
        build_without_weights(load_backbone_config(str(tmp_path)))
