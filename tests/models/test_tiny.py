import hashlib
import subprocess
import sys

import pytest
import torch

from skeletonllm.models.tiny import build_tiny, tiny_backbone, tiny_tokenizer

TEXTS = ["Which action is it?", "wave left", "wave right", "sit down"]


def test_same_seed_same_weights_and_the_global_generator_is_left_alone():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one, _ = build_tiny(TEXTS, seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    same, _ = build_tiny(TEXTS, seed=4)
    other, _ = build_tiny(TEXTS, seed=5)
    for name, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[name]), name
    for part in ("renderer.features", "backbone.model.multi_modal_projector.linear_1.weight"):
        assert not torch.equal(one.state_dict()[part], other.state_dict()[part])


def test_the_tokenizer_is_the_same_in_every_process():
    script = (
        "import hashlib; from skeletonllm.models.tiny import tiny_tokenizer;"
        f"print(hashlib.sha256(tiny_tokenizer({TEXTS!r}).backend_tokenizer.to_str().encode()).hexdigest())"
    )
    here = hashlib.sha256(tiny_tokenizer(TEXTS).backend_tokenizer.to_str().encode()).hexdigest()
    there = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()[
        -1
    ]
    assert here == there


def test_known_labels_are_a_token_per_word_and_other_text_survives():
    tokenizer = tiny_tokenizer(TEXTS)
    for label in TEXTS[1:]:
        assert len(tokenizer.encode(label)) == 2
    for text in ("Küche, 寝る!", "line\nbreak", "<b>"):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_default_sizes_are_a_few_million_parameters():
    model, processor = build_tiny(TEXTS)
    assert 1e6 < sum(parameter.numel() for parameter in model.parameters()) < 5e6
    assert processor.tokens_per_frame == 1 and processor.num_frames == 12
    assert model.generation_config.eos_token_id == processor.tokenizer.eos_token_id


def test_patches_can_be_told_apart_from_the_start():
    model, _ = build_tiny(TEXTS)
    positions = model.backbone.model.vision_tower.embeddings.position_embeddings[0]
    assert torch.cdist(positions, positions).fill_diagonal_(1.0).min() > 0.1


def test_an_image_size_that_does_not_fit_the_patches_is_refused():
    with pytest.raises(ValueError, match="no multiple of 64"):
        tiny_backbone(TEXTS, image_size=80)
