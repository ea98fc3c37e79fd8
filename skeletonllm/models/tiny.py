"""A small backbone and its tokenizer, made on the spot: for tests, demos and machines without downloads."""

from collections.abc import Iterable

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PretrainedConfig, PreTrainedTokenizerFast

from skeletonllm.models.backbones import family_named, family_of
from skeletonllm.models.backbones.base import TinySizes
from skeletonllm.models.configuration import SkeletonLLMConfig
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration

PAD = "<|endoftext|>"
_TEMPLATE_WORDS = "user\nassistant\nsystem\n" + "".join(f"Frame{number}: \n" for number in range(1, 33))


def tiny_tokenizer(texts: Iterable[str], vocab_size: int = 1024, family: str = "internvl") -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on texts: their words become tokens, anything else falls back to bytes."""
    kind = family_named(family)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, *kind.turn_tokens, *kind.named_tokens.values()],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([_TEMPLATE_WORDS, *texts], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=kind.turn_tokens[-1],
        padding_side="left",
        extra_special_tokens=dict(kind.named_tokens),
        chat_template=kind.chat_template,
    )


def tiny_backbone(
    texts: Iterable[str],
    *,
    family: str = "internvl",
    image_size: int = 64,
    patch_size: int = 32,
    vision_hidden_size: int = 192,
    vision_layers: int = 2,
    hidden_size: int = 192,
    layers: int = 3,
    heads: int = 4,
    vocab_size: int = 1024,
) -> tuple[PretrainedConfig, PreTrainedTokenizerFast]:
    """Config of a backbone of about two million parameters, and a tokenizer for ``texts`` (prompts and labels).

    Each frame becomes (image_size / patch_size / 2)^2 tokens.

    Args:
        texts: what the tokenizer should know.
        family: among ``skeletonllm.models.backbones.FAMILIES``.
        image_size, patch_size: pixels.
        vision_hidden_size, vision_layers: of the tower.
        hidden_size, layers: of the language model.
        heads: of both.
        vocab_size: tokens.

    Raises:
        ValueError: an unknown family; image_size is no multiple of twice the patch size; other sizes that do not fit.
    """
    if image_size % (2 * patch_size):
        raise ValueError(f"image_size {image_size} is no multiple of {2 * patch_size}, twice the patch size")
    tokenizer = tiny_tokenizer(texts, vocab_size, family)
    sizes = TinySizes(image_size, patch_size, vision_hidden_size, vision_layers, hidden_size, layers, heads)
    return family_named(family).tiny_config(tokenizer, sizes), tokenizer


def build_tiny(
    texts: Iterable[str],
    *,
    seed: int = 0,
    renderer: dict | None = None,
    num_frames: int = 12,
    normalize: str = "backbone",
    frame_layout: str = "images",
    foreground: dict | None = None,
    face_camera: bool = False,
    image_size: int = 64,
    **sizes,
) -> tuple[SkeletonLLMForConditionalGeneration, SkeletonLLMProcessor]:
    """An untrained small model and its processor, the same for the same texts, seed and sizes.

    Args:
        texts: what the tokenizer should know: prompts and labels.
        seed: of the weights; torch's global generator is left as it was.
        renderer: ``settings`` of a renderer, see ``SkeletonLLMConfig``.
        num_frames, normalize, frame_layout, foreground: see ``SkeletonLLMConfig``.
        face_camera: see ``SkeletonLLMProcessor``.
        image_size, sizes: keyword arguments of ``tiny_backbone``.
    """
    backbone_config, tokenizer = tiny_backbone(texts, image_size=image_size, **sizes)
    config = SkeletonLLMConfig(
        backbone_config=backbone_config,
        renderer=renderer,
        num_frames=num_frames,
        image_size=image_size,
        normalize=normalize,
        frame_layout=frame_layout,
        foreground=foreground,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SkeletonLLMForConditionalGeneration(config)
        _spread(model.backbone)
    model.generation_config.update(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, max_new_tokens=32
    )
    return model, SkeletonLLMProcessor.for_model(config, tokenizer, face_camera=face_camera)


@torch.no_grad()
def _spread(backbone: torch.nn.Module) -> None:
    """Start values under which a model of this size learns within minutes.

    The library's (standard deviation 0.02, position embeddings zero) suit wide models and trained checkpoints. In a
    narrow one every layer would add next to nothing and all attention would be even: the few picture tokens drown
    among the words of the prompt for hundreds of steps. Here each layer keeps the variance of its input.
    """
    for module in backbone.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d | torch.nn.Conv3d):
            torch.nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)
    # The output layer is tied to them: larger ones would start with confident nonsense.
    torch.nn.init.normal_(backbone.get_input_embeddings().weight, std=0.1)
    table = family_of(backbone.config).position_table(backbone)
    if table is not None:
        torch.nn.init.normal_(table, std=0.1)
