"""What the benchmark trains: models built from their shape with random weights, and real clips with long answers."""

from dataclasses import dataclass
from importlib.util import find_spec

import torch
from transformers import AutoModelForImageTextToText, InternVLConfig

from skeletonllm.models.backbones.internvl import FRAME_TOKEN
from skeletonllm.models.configuration import SkeletonLLMConfig
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.models.tiny import tiny_backbone, tiny_tokenizer
from skeletonllm.skeleton.batch import ClipBatch
from skeletonllm.skeleton.synthesis import ACTIONS, synthesize
from skeletonllm.tasks.rationale import build_prompt, build_target
from skeletonllm.training.lora import LoraArguments, attach_lora
from skeletonllm.training.parts import set_precision, set_trainable

# Teachers may write up to 512 tokens. Every sample has the same answer: rows need no padding, so every token counted is
# one that learns or is read.
RATIONALE = 6 * (
    "The right hand rises above the head and swings from side to side while the left arm hangs down beside the hip. "
    "The knees stay straight, both feet stand still, and the torso does not turn. "
)


@dataclass(frozen=True)
class Shape:
    """A model by the sizes of its layers; the vision tower cuts pictures into square patches."""

    vision: dict
    text: dict
    patch_size: int
    image_size: int


# InternVL3-8B: InternViT-300M and Qwen2.5-7B.
LARGE = Shape(
    vision=dict(
        hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096, attention_bias=True
    ),
    text=dict(
        vocab_size=151674, hidden_size=3584, intermediate_size=18944, num_hidden_layers=28, num_attention_heads=28,
        num_key_value_heads=4, max_position_embeddings=32768, rope_theta=1e6, tie_word_embeddings=False,
    ),
    patch_size=14,
    image_size=448,
)  # fmt: skip
SIZES = ("tiny", "8b")


@dataclass(frozen=True)
class Batch:
    """One batch: text as the model takes it, clips on the device, and how many tokens of each kind it has."""

    text: dict[str, torch.Tensor]
    clips: ClipBatch
    visual_tokens: int
    text_tokens: int


def backbone_config(size: str, image_size: int | None) -> tuple[InternVLConfig, object]:
    """Config of the backbone, and a tokenizer that knows the words of the prompt and the answer.

    The tokenizers of the large model cannot be built without a download; what a token says plays no part here.
    """
    texts = [build_prompt(), build_target(RATIONALE, "wave")]
    if size == "tiny":
        return tiny_backbone(texts, **({} if image_size is None else {"image_size": image_size}))
    tokenizer = tiny_tokenizer(texts)
    side = image_size or LARGE.image_size
    return InternVLConfig(
        vision_config=dict(image_size=[side] * 2, patch_size=[LARGE.patch_size] * 2, **LARGE.vision),
        text_config=dict(
            model_type="qwen2", pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None, **LARGE.text,
        ),
        image_token_id=tokenizer.convert_tokens_to_ids(FRAME_TOKEN),
        image_seq_length=(side // LARGE.patch_size // 2) ** 2,
        downsample_ratio=0.5,
        tie_word_embeddings=False,
    ), tokenizer  # fmt: skip


def build(
    size: str, frames: int, image_size: int | None, device: str
) -> tuple[SkeletonLLMForConditionalGeneration, SkeletonLLMProcessor]:
    """A model with the renderer, the projector and, where PEFT is installed, LoRA of rank 32 to train.

    On a GPU all that is frozen is made there in bfloat16, and what learns is in float32; on a CPU everything is in
    float32, as in training.
    """
    backbone, tokenizer = backbone_config(size, image_size)
    low = torch.bfloat16 if torch.device(device).type == "cuda" else None
    config = SkeletonLLMConfig(backbone_config=backbone, num_frames=frames)
    torch.manual_seed(0)
    with torch.device(device):
        made = AutoModelForImageTextToText.from_config(backbone, dtype=low or torch.float32, attn_implementation="sdpa")
    model = SkeletonLLMForConditionalGeneration(config, backbone=made).to(device)
    parts = ["renderer", "projector"]
    if find_spec("peft"):
        attach_lora(model, LoraArguments(), seed=0)
        parts.append("lora")
    set_trainable(model, parts)
    set_precision(model, low)
    return model.train(), SkeletonLLMProcessor.for_model(config, tokenizer)


def embedded_batch(processor: SkeletonLLMProcessor, image_token: int, samples: int, device: str) -> Batch:
    """Clips of the embedded actions that one person does alone, each by another performer."""
    labels = [label for label, action in sorted(ACTIONS.items()) if action.persons == 1]
    clips = [
        processor.sample(synthesize(labels[number % len(labels)], topology="kinect_v2", performer=number))
        for number in range(samples)
    ]
    inputs = processor(clips, [build_prompt()] * samples, [build_target(RATIONALE, "wave")] * samples)
    drawn = inputs.pop("clips").to(device)
    visual = int((inputs["input_ids"] == image_token).sum())
    text = int(inputs["attention_mask"].sum()) - visual
    return Batch({name: value.to(device) for name, value in inputs.items()}, drawn, visual, text)
