"""InternVL 3 in the form that transformers has of it: InternViT, pixel shuffle, a projector, and Qwen2.5.

The family has no layout of its own for videos: its processor writes them as pictures, ``Frame1: <img>...</img>``.
"""

import torch
from torch import nn
from transformers import InternVLConfig, PretrainedConfig, PreTrainedTokenizerBase

from skeletonllm.models.backbones.base import BackboneFamily, TinySizes
from skeletonllm.models.backbones.chat import CHATML, CHATML_TOKENS

FRAME_START, FRAME_TOKEN, FRAME_END = "<img>", "<IMG_CONTEXT>", "</img>"

# Mean and standard deviation of ImageNet's RGB, which the image processor subtracts and divides by.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class InternVL(BackboneFamily):
    """See the module."""

    model_type = "internvl"
    frame_start, frame_end = FRAME_START, FRAME_END
    placeholders = {"images": FRAME_TOKEN}
    chat_template, turn_tokens = CHATML, CHATML_TOKENS
    named_tokens = {
        "start_image_token": FRAME_START,
        "context_image_token": FRAME_TOKEN,
        "end_image_token": FRAME_END,
        "video_token": "<video>",
    }
    vision, projector, language = "vision_tower", ("multi_modal_projector",), "language_model"

    def native_image_size(self, config: PretrainedConfig) -> int:
        return config.vision_config.image_size[0]

    def cell_size(self, config: PretrainedConfig) -> tuple[int, int]:
        # The pixel shuffle merges squares of 1 / downsample_ratio patches.
        return config.vision_config.patch_size[0], int(1 / config.downsample_ratio)

    def picture_inputs(
        self, frames: torch.Tensor, config: PretrainedConfig, layout: str, normalize: bool
    ) -> dict[str, torch.Tensor]:
        """The frames of all rows stacked in order: ``pixel_values`` (B * N, 3, S, S)."""
        pixel_values = frames.flatten(0, 1)
        if normalize:
            mean = pixel_values.new_tensor(IMAGENET_MEAN)[:, None, None]
            std = pixel_values.new_tensor(IMAGENET_STD)[:, None, None]
            pixel_values = (pixel_values - mean) / std
        return {"pixel_values": pixel_values}

    def tiny_config(self, tokenizer: PreTrainedTokenizerBase, sizes: TinySizes) -> InternVLConfig:
        return InternVLConfig(
            vision_config=dict(
                hidden_size=sizes.vision_hidden_size,
                num_hidden_layers=sizes.vision_layers,
                num_attention_heads=sizes.heads,
                intermediate_size=4 * sizes.vision_hidden_size,
                image_size=[sizes.image_size] * 2,
                patch_size=[sizes.patch_size] * 2,
                # The published 0.1 keeps a deep pretrained tower stable; a shallow one would start nearly blind.
                layer_scale_init_value=1.0,
            ),
            text_config=sizes.language(tokenizer, model_type="qwen2"),
            image_token_id=tokenizer.convert_tokens_to_ids(FRAME_TOKEN),
            image_seq_length=(sizes.image_size // sizes.patch_size // 2) ** 2,
            downsample_ratio=0.5,
            tie_word_embeddings=True,
        )

    def position_table(self, backbone: nn.Module) -> torch.Tensor:
        return backbone.model.vision_tower.embeddings.position_embeddings
