import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, InternVLConfig

from skeletonllm.models import SkeletonLLMConfig, SkeletonLLMForConditionalGeneration, SkeletonLLMProcessor


@pytest.fixture
def saved(build, tmp_path):
    model, processor = build()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    return model, processor, tmp_path


def test_a_saved_model_gives_the_same_logits_to_the_bit(saved, clips, prompts):
    model, processor, folder = saved
    loaded = SkeletonLLMForConditionalGeneration.from_pretrained(folder)
    again = SkeletonLLMProcessor.from_pretrained(folder)
    batch, same = processor(clips, prompts), again(clips, prompts)
    assert torch.equal(batch["input_ids"], same["input_ids"])
    with torch.no_grad():
        assert torch.equal(model(**batch).logits, loaded(**same).logits)
    assert loaded.generation_config.eos_token_id == processor.tokenizer.eos_token_id
    for field in ("renderer", "num_frames", "image_size", "normalize", "tokens_per_frame"):
        assert getattr(loaded.config, field) == getattr(model.config, field), field


def test_a_saved_folder_holds_weights_in_safetensors_and_text_only(saved):
    suffixes = {path.suffix for path in saved[2].iterdir()}
    assert suffixes == {".safetensors", ".json", ".jinja"}


def test_auto_classes_open_a_saved_folder(saved):
    _, processor, folder = saved
    assert isinstance(AutoConfig.from_pretrained(folder), SkeletonLLMConfig)
    assert isinstance(AutoModelForImageTextToText.from_pretrained(folder), SkeletonLLMForConditionalGeneration)
    opened = AutoProcessor.from_pretrained(folder)
    assert isinstance(opened, SkeletonLLMProcessor)
    assert opened.tokens_per_frame == processor.tokens_per_frame


def test_a_model_loaded_in_bfloat16_has_an_exact_renderer(saved):
    model, _, folder = saved
    loaded = SkeletonLLMForConditionalGeneration.from_pretrained(folder, dtype=torch.bfloat16)
    for name, value in model.renderer.state_dict().items():
        found = loaded.renderer.state_dict()[name]
        assert found.dtype == torch.float32 and torch.equal(found, value), name
    assert {parameter.dtype for parameter in loaded.backbone.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("lost", ["renderer.", "renderer.modulator.gru.", "renderer.palette"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_renderer_missing_from_the_checkpoint_starts_properly_and_says_so(saved, lost, dtype):
    model, _, folder = saved
    with torch.no_grad():
        for parameter in model.renderer.parameters():
            parameter.fill_(9.0)
    weights = {name: value.contiguous() for name, value in model.state_dict().items() if not name.startswith(lost)}
    weights.pop("backbone.lm_head.weight")  # tied to the embeddings
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.warns(UserWarning, match=f"has no .*{lost.removeprefix('renderer.')}"):
        loaded = SkeletonLLMForConditionalGeneration.from_pretrained(folder, dtype=dtype)
    for name, value in loaded.renderer.state_dict().items():
        assert value.dtype == torch.float32 and value.isfinite().all(), name
        if f"renderer.{name}".startswith(lost):
            # Start values: the largest are the palette's logits, of probabilities between 0.1 and 0.95.
            assert value.abs().max() < 3.0, name
            if name.endswith("weight_hh_l0"):
                assert value.std() > 0.05  # a GRU of ten units starts uniform in +-0.32
        else:
            assert (value == 9.0).all(), name


def test_the_checkpoint_has_the_renderer_beside_the_backbone(saved):
    model, _, folder = saved
    weights = load_file(folder / "model.safetensors")
    assert {name.split(".")[0] for name in weights} == {"renderer", "backbone"}
    for name, value in model.renderer.state_dict().items():
        assert torch.equal(weights[f"renderer.{name}"], value)


def test_a_foreign_processor_is_refused(saved):
    folder = saved[2]
    (folder / "processor_config.json").write_text(json.dumps({"processor_class": "InternVLProcessor"}))
    with pytest.raises(ValueError, match="is of InternVLProcessor"):
        SkeletonLLMProcessor.from_pretrained(folder)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "needs the backbone_config"),
        ({"backbone_config": {"hidden_size": 3}}, "model_type None"),
        ({"backbone_config": {"model_type": "qwen2"}}, "no pixel hand-over for backbones of type 'qwen2'"),
        ({"backbone_config": InternVLConfig(), "image_size": 450}, "no multiple of 28"),
        ({"backbone_config": InternVLConfig(), "normalize": "clip"}, "unknown normalize 'clip'"),
        ({"backbone_config": InternVLConfig(), "num_frames": 0}, "num_frames is 0"),
    ],
)
def test_a_config_that_cannot_work_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SkeletonLLMConfig(**settings)


def test_a_backbone_is_taken_from_a_folder_in_the_dtype_asked_for(build, tmp_path):
    source, _ = build()
    source.backbone.save_pretrained(tmp_path)
    model = SkeletonLLMForConditionalGeneration.from_backbone(str(tmp_path), dtype=torch.bfloat16)
    for name, value in source.backbone.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], value.bfloat16()), name
    assert {parameter.dtype for parameter in model.renderer.parameters()} == {torch.float32}
