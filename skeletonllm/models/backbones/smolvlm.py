"""SmolVLM2: SigLIP, pixel shuffle, a linear connector, and a small Llama (SmolLM2).

Frames are shown whole, as its processor shows those of videos, never cut into tiles.
"""

from collections.abc import Sequence

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedTokenizerBase, SmolVLMConfig

from skeletonllm.models.backbones.base import BackboneFamily, TinySizes

FAKE_TOKEN, GLOBAL_TOKEN, IMAGE_TOKEN = "<fake_token_around_image>", "<global-img>", "<image>"
TURN_START, TURN_END = "<|im_start|>", "<end_of_utterance>"
# Of each channel, mean and deviation alike.
MIDDLE = 0.5
# The tower leaves out pictures that are zero throughout, which stand for padding. One that merely is so much darker or
# brighter than zero counts; half precision still tells it from zero, and nobody sees it.
TRACE = 2.0**-14
# As many frames as the processor of its videos takes.
MOST_FRAMES = 64
_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty".split()


class SmolVLM(BackboneFamily):
    """See the module."""

    model_type = "smolvlm"
    frame_start, frame_end = FAKE_TOKEN + GLOBAL_TOKEN, FAKE_TOKEN
    placeholders = {"images": IMAGE_TOKEN, "video": IMAGE_TOKEN}
    # The template ends with "Assistant:" and writes answers behind a space.
    answer_prefix = " "
    chat_template = (
        "<|im_start|>{% for message in messages %}"
        "{{ message['role'] | capitalize + ': ' }}"
        "{% for part in message['content'] %}{{ part['text'] }}{% endfor %}"
        "{{ '<end_of_utterance>\n' }}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
    )
    turn_tokens = (TURN_START, TURN_END)
    named_tokens = {
        "fake_image_token": FAKE_TOKEN,
        "global_image_token": GLOBAL_TOKEN,
        "image_token": IMAGE_TOKEN,
    }
    vision, projector, language = "vision_model", ("connector",), "text_model"

    @property
    def frame_tokens(self) -> tuple[str, ...]:
        return FAKE_TOKEN, GLOBAL_TOKEN, IMAGE_TOKEN

    def native_image_size(self, config: PretrainedConfig) -> int:
        return config.vision_config.image_size

    def cell_size(self, config: PretrainedConfig) -> tuple[int, int]:
        return config.vision_config.patch_size, config.scale_factor

    def tokens_per_frame(self, config: PretrainedConfig, image_size: int) -> int:
        patch, merge = self.cell_size(config)
        if image_size > config.vision_config.image_size:
            # Its position embeddings are looked up, not resampled: neighbours would share one.
            raise ValueError(f"image size {image_size} is more than the {config.vision_config.image_size} of the tower")
        # What is left over at the lower and right edge is not read, as 6 of the 384 pixels of the largest model.
        cells, rest = divmod(image_size // patch, merge)
        if not cells or rest:
            raise ValueError(
                f"image size {image_size} has {image_size // patch} patches to a side, no multiple of {merge}"
            )
        return cells**2

    def placeholder_id(self, config: PretrainedConfig, layout: str) -> int:
        return config.image_token_id

    def clip_text(
        self, layout: str, tokens_per_frame: int, times: Sequence[float | None], show_times: bool = False
    ) -> str:
        """Videos as its processor writes them: how many frames and how long, then each behind its time, MM:SS."""
        if layout == "images":
            return super().clip_text(layout, tokens_per_frame, times, show_times)
        if None in times:
            raise ValueError("videos of smolvlm tell seconds, and the times of the frames are not known")
        if len(times) > MOST_FRAMES:
            raise ValueError(f"videos of smolvlm have at most {MOST_FRAMES} frames, found {len(times)}")
        duration = int(times[-1])
        clock = f"{duration // 3600}:{duration // 60 % 60:02d}:{duration % 60:02d}"
        count = _in_words(len(times))
        text = f"You are provided the following series of {count} frames from a {clock} [H:MM:SS] video.\n"
        frame = self.frame_text(layout, tokens_per_frame)
        text += "".join(f"\nFrame from {int(t // 60):02d}:{int(t % 60):02d}:{frame}" for t in times)
        return text + "\n\n"

    def content(self, text: str) -> list[dict[str, str]]:
        # Its template walks through the parts of a message; of plain text it would leave nothing.
        return [{"type": "text", "text": text}]

    def picture_inputs(
        self, frames: torch.Tensor, config: PretrainedConfig, layout: str, normalize: bool
    ) -> dict[str, torch.Tensor]:
        """``pixel_values`` (B, N, 3, S, S); without a mask every pixel counts."""
        pixel_values = (frames - MIDDLE) / MIDDLE if normalize else frames
        blank = (pixel_values == 0).flatten(2).all(-1)[..., None, None, None]
        return {"pixel_values": pixel_values + TRACE * blank}

    def tiny_config(self, tokenizer: PreTrainedTokenizerBase, sizes: TinySizes) -> SmolVLMConfig:
        return SmolVLMConfig(
            vision_config=dict(
                hidden_size=sizes.vision_hidden_size,
                intermediate_size=4 * sizes.vision_hidden_size,
                num_hidden_layers=sizes.vision_layers,
                num_attention_heads=sizes.heads,
                image_size=sizes.image_size,
                patch_size=sizes.patch_size,
            ),
            text_config=sizes.language(tokenizer, tie_word_embeddings=True, model_type="llama"),
            image_token_id=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
            pad_token_id=tokenizer.pad_token_id,
            scale_factor=2,
            tie_word_embeddings=True,
        )

    def position_table(self, backbone: nn.Module) -> torch.Tensor:
        return backbone.model.vision_model.embeddings.position_embedding.weight


def _in_words(number: int) -> str:
    """0 to 69, as in "twenty-four"."""
    if number < len(_UNITS):
        return _UNITS[number]
    tens, units = divmod(number, 10)
    return _TENS[tens - 2] + (f"-{_UNITS[units]}" if units else "")
