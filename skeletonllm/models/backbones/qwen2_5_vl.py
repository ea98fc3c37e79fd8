"""Qwen2.5-VL: a tower with window attention, a merger, and Qwen2.5 with positions in time, height and width.

A video is one run of placeholders; its seconds are in the positions of its tokens.
"""

from collections.abc import Sequence

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase, Qwen2_5_VLConfig

from skeletonllm.models.backbones.base import TinySizes
from skeletonllm.models.backbones.qwen_vl import (
    FRAMES_PER_PATCH,
    IMAGE_TOKEN,
    VIDEO_TOKEN,
    VISION_END,
    VISION_START,
    QwenVL,
    mrope_section,
)


class Qwen25VL(QwenVL):
    """See the module."""

    model_type = "qwen2_5_vl"
    spaced_layouts = ("video",)
    # Of CLIP's image processor.
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

    def clip_text(
        self, layout: str, tokens_per_frame: int, times: Sequence[float | None], show_times: bool = False
    ) -> str:
        if layout == "images":
            return super().clip_text(layout, tokens_per_frame, times, show_times)
        return self.frame_text(layout, tokens_per_frame * -(-len(times) // FRAMES_PER_PATCH))

    def tiny_config(self, tokenizer: PreTrainedTokenizerBase, sizes: TinySizes) -> Qwen2_5_VLConfig:
        return Qwen2_5_VLConfig(
            vision_config=dict(
                depth=sizes.vision_layers,
                hidden_size=sizes.vision_hidden_size,
                intermediate_size=4 * sizes.vision_hidden_size,
                num_heads=sizes.heads,
                patch_size=sizes.patch_size,
                # Windows of two cells, and one layer that sees all.
                window_size=4 * sizes.patch_size,
                fullatt_block_indexes=[sizes.vision_layers - 1],
                tokens_per_second=2,
                out_hidden_size=sizes.hidden_size,
            ),
            text_config=sizes.language(
                tokenizer,
                tie_word_embeddings=True,
                rope_parameters=dict(rope_type="default", mrope_section=mrope_section(sizes), rope_theta=1e6),
            ),
            image_token_id=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
            video_token_id=tokenizer.convert_tokens_to_ids(VIDEO_TOKEN),
            vision_start_token_id=tokenizer.convert_tokens_to_ids(VISION_START),
            vision_end_token_id=tokenizer.convert_tokens_to_ids(VISION_END),
            tie_word_embeddings=True,
        )

    def position_table(self, backbone: nn.Module) -> torch.Tensor | None:
        return None  # rotary in the tower as well
