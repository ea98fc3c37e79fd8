"""Qwen3-VL: a tower whose layers reach into the first layers of the language model (DeepStack), and Qwen3.

A video is a run of placeholders per pair of frames, each behind its time in words.
"""

from collections.abc import Sequence

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase, Qwen3VLConfig

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


class Qwen3VL(QwenVL):
    """See the module."""

    model_type = "qwen3_vl"
    mean, std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)

    def clip_text(
        self, layout: str, tokens_per_frame: int, times: Sequence[float | None], show_times: bool = False
    ) -> str:
        """As its processor wrote videos when the model came out: ``<0.3 seconds><|vision_start|>...`` for each pair.

        The time is the mean of both frames'. (Since 5.0 transformers leaves another pair of marks around all of it.)
        """
        if layout == "images":
            return super().clip_text(layout, tokens_per_frame, times, show_times)
        if None in times:
            raise ValueError("videos of qwen3_vl tell seconds, and the times of the frames are not known")
        pairs = [
            (times[begin], times[min(begin + 1, len(times) - 1)]) for begin in range(0, len(times), FRAMES_PER_PATCH)
        ]
        frame = self.frame_text(layout, tokens_per_frame)
        return "".join(f"<{(first + last) / 2:.1f} seconds>{frame}" for first, last in pairs)

    def tiny_config(self, tokenizer: PreTrainedTokenizerBase, sizes: TinySizes) -> Qwen3VLConfig:
        return Qwen3VLConfig(
            vision_config=dict(
                depth=sizes.vision_layers,
                hidden_size=sizes.vision_hidden_size,
                intermediate_size=4 * sizes.vision_hidden_size,
                num_heads=sizes.heads,
                patch_size=sizes.patch_size,
                num_position_embeddings=(sizes.image_size // sizes.patch_size) ** 2,
                # The language model adds one to the output of each of its first layers.
                deepstack_visual_indexes=list(range(min(sizes.vision_layers, sizes.layers))),
                out_hidden_size=sizes.hidden_size,
            ),
            text_config=sizes.language(
                tokenizer,
                tie_word_embeddings=True,
                head_dim=sizes.hidden_size // sizes.heads,
                rope_parameters=dict(
                    rope_type="default", mrope_section=mrope_section(sizes), mrope_interleaved=True, rope_theta=5e6
                ),
            ),
            image_token_id=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
            video_token_id=tokenizer.convert_tokens_to_ids(VIDEO_TOKEN),
            vision_start_token_id=tokenizer.convert_tokens_to_ids(VISION_START),
            vision_end_token_id=tokenizer.convert_tokens_to_ids(VISION_END),
            tie_word_embeddings=True,
        )

    def position_table(self, backbone: nn.Module) -> torch.Tensor:
        return backbone.model.visual.pos_embed.weight
