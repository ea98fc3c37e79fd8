"""A small InternVL and its tokenizer, made on the spot: for tests, demos and machines without downloads."""

from collections.abc import Iterable

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import InternVLConfig, PreTrainedTokenizerFast

from skeletonllm.models.configuration import SkeletonLLMConfig
from skeletonllm.models.processing import FRAME_END, FRAME_START, FRAME_TOKEN, SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration

PAD, TURN_START, TURN_END, VIDEO_TOKEN = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<video>"

# ChatML, the conversation format of InternVL3's and Qwen's language models.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_TEMPLATE_WORDS = "user\nassistant\nsystem\n" + "".join(f"Frame{number}: \n" for number in range(1, 33))


def tiny_tokenizer(texts: Iterable[str], vocab_size: int = 1024) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on texts: their words become tokens, anything else falls back to bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, TURN_START, TURN_END, FRAME_START, FRAME_TOKEN, FRAME_END, VIDEO_TOKEN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([_TEMPLATE_WORDS, *texts], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=TURN_END,
        padding_side="left",
        extra_special_tokens={
            "start_image_token": FRAME_START,
            "context_image_token": FRAME_TOKEN,
            "end_image_token": FRAME_END,
            "video_token": VIDEO_TOKEN,
        },
        chat_template=CHAT_TEMPLATE,
    )


def tiny_backbone(
    texts: Iterable[str],
    *,
    image_size: int = 64,
    patch_size: int = 32,
    vision_hidden_size: int = 192,
    vision_layers: int = 2,
    hidden_size: int = 192,
    layers: int = 3,
    heads: int = 4,
    vocab_size: int = 1024,
) -> tuple[InternVLConfig, PreTrainedTokenizerFast]:
    """Config of an InternVL of about two million parameters, and a tokenizer for ``texts`` (prompts and labels).

    Each frame becomes (image_size / patch_size / 2)^2 tokens.

    Raises:
        ValueError: image_size is no multiple of twice the patch size.
    """
    if image_size % (2 * patch_size):
        raise ValueError(f"image_size {image_size} is no multiple of {2 * patch_size}, twice the patch size")
    tokenizer = tiny_tokenizer(texts, vocab_size)
    config = InternVLConfig(
        vision_config=dict(
            hidden_size=vision_hidden_size,
            num_hidden_layers=vision_layers,
            num_attention_heads=heads,
            intermediate_size=4 * vision_hidden_size,
            image_size=[image_size, image_size],
            patch_size=[patch_size, patch_size],
            # The published 0.1 keeps a deep pretrained tower stable; a shallow one would start nearly blind.
            layer_scale_init_value=1.0,
        ),
        text_config=dict(
            model_type="qwen2",
            vocab_size=len(tokenizer),
            hidden_size=hidden_size,
            intermediate_size=3 * hidden_size,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=max(1, heads // 2),
            max_position_embeddings=4096,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
        ),
        image_token_id=tokenizer.convert_tokens_to_ids(FRAME_TOKEN),
        image_seq_length=(image_size // patch_size // 2) ** 2,
        downsample_ratio=0.5,
        tie_word_embeddings=True,
    )
    return config, tokenizer


def build_tiny(
    texts: Iterable[str],
    *,
    seed: int = 0,
    renderer: dict | None = None,
    num_frames: int = 12,
    normalize: str = "backbone",
    face_camera: bool = False,
    **sizes,
) -> tuple[SkeletonLLMForConditionalGeneration, SkeletonLLMProcessor]:
    """An untrained small model and its processor, the same for the same texts, seed and sizes.

    Args:
        texts: what the tokenizer should know: prompts and labels.
        seed: of the weights; torch's global generator is left as it was.
        renderer: keyword arguments of ``DrAction``.
        num_frames, normalize: see ``SkeletonLLMConfig``.
        face_camera: see ``SkeletonLLMProcessor``.
        sizes: keyword arguments of ``tiny_backbone``.
    """
    backbone_config, tokenizer = tiny_backbone(texts, **sizes)
    config = SkeletonLLMConfig(
        backbone_config=backbone_config, renderer=renderer, num_frames=num_frames, normalize=normalize
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
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            torch.nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)
    # The output layer is tied to them: larger ones would start with confident nonsense.
    torch.nn.init.normal_(backbone.get_input_embeddings().weight, std=0.1)
    torch.nn.init.normal_(backbone.model.vision_tower.embeddings.position_embeddings, std=0.1)
