"""What this package has to know of a family of multimodal LLMs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedTokenizerBase

# How frames stand in the prompt: each as a picture of its own, or all as a video.
LAYOUTS = ("images", "video")


@dataclass(frozen=True)
class TinySizes:
    """Sizes of a model that is made on the spot; see ``skeletonllm.models.tiny``."""

    image_size: int
    patch_size: int
    vision_hidden_size: int
    vision_layers: int
    hidden_size: int
    layers: int
    heads: int

    def language(self, tokenizer: PreTrainedTokenizerBase, **settings) -> dict[str, Any]:
        """The configuration of the language model, with further ``settings`` of its family."""
        return dict(
            vocab_size=len(tokenizer),
            hidden_size=self.hidden_size,
            intermediate_size=3 * self.hidden_size,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=max(1, self.heads // 2),
            max_position_embeddings=4096,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            **settings,
        )


class BackboneFamily(ABC):
    """One family; a subclass has one instance, in ``skeletonllm.models.backbones.FAMILIES``.

    Attributes:
        model_type: of its configuration in transformers.
        frame_start, frame_end: special tokens around the placeholders of a picture.
        placeholders: for each layout that the family has, the special token that vision features replace.
        own_positions: whether tokens are not simply counted, so that ``position_ids`` says where they stand.
        spaced_layouts: the layouts in which the positions of tokens depend on the seconds between frames.
        answer_prefix: what its chat template writes between the prompt and an answer.
        chat_template: of the tokenizers that are made for tiny models, as the family's own writes conversations.
        turn_tokens: special tokens of that template, the one that ends a turn last.
        named_tokens: special tokens of pictures, by the names under which the family's own processor looks for them.
        vision, projector, language: where these parts are: pieces of the names of modules, the projector's stronger
            than those of the tower, in which it may lie.
    """

    model_type: ClassVar[str]
    frame_start: ClassVar[str]
    frame_end: ClassVar[str]
    placeholders: ClassVar[Mapping[str, str]]
    own_positions: ClassVar[bool] = False
    spaced_layouts: ClassVar[tuple[str, ...]] = ()
    answer_prefix: ClassVar[str] = ""
    chat_template: ClassVar[str]
    turn_tokens: ClassVar[tuple[str, ...]]
    named_tokens: ClassVar[Mapping[str, str]]
    vision: ClassVar[str]
    projector: ClassVar[tuple[str, ...]]
    language: ClassVar[str]

    @property
    def frame_tokens(self) -> tuple[str, ...]:
        """All special tokens that stand for frames; no question may hold them."""
        return tuple(dict.fromkeys((self.frame_start, *self.placeholders.values(), self.frame_end)))

    @abstractmethod
    def native_image_size(self, config: PretrainedConfig) -> int:
        """Pixels, the side of the pictures that the tower was made for."""

    @abstractmethod
    def cell_size(self, config: PretrainedConfig) -> tuple[int, int]:
        """Pixels of the side of a patch, and patches of the side of the square that becomes one token."""

    def tokens_per_frame(self, config: PretrainedConfig, image_size: int) -> int:
        """Placeholders of a picture of ``image_size`` pixels. Raises ValueError if the tower cannot take the size."""
        patch, merge = self.cell_size(config)
        cell = patch * merge
        if image_size < cell or image_size % cell:
            raise ValueError(f"image size {image_size} is no multiple of {cell} ({merge} patches of {patch} pixels)")
        return (image_size // cell) ** 2

    def placeholder_id(self, config: PretrainedConfig, layout: str) -> int:
        """The token that vision features replace, as the configuration has it."""
        return {"images": config.image_token_id, "video": getattr(config, "video_token_id", None)}[layout]

    def frame_text(self, layout: str, tokens: int) -> str:
        """``tokens`` placeholders and what stands around them."""
        return self.frame_start + self.placeholders[layout] * tokens + self.frame_end

    def clip_text(
        self, layout: str, tokens_per_frame: int, times: Sequence[float | None], show_times: bool = False
    ) -> str:
        """What stands for the frames of a clip in a user turn, before the question.

        Args:
            layout: among the family's.
            tokens_per_frame: placeholders of a picture.
            times: for each frame its second in the recording, or None where nobody knows.
            show_times: put each picture behind its second; videos that tell times tell them anyway.

        Raises:
            ValueError: times are to be told, and they are not known.
        """
        frame = self.frame_text(layout, tokens_per_frame)
        if show_times and None in times:
            raise ValueError("the prompt tells times, which only clips have: give them")
        spans = [f" ({time:.1f} s)" if show_times else "" for time in times]
        return "".join(f"Frame{number}{span}: {frame}\n" for number, span in enumerate(spans, start=1))

    def content(self, text: str) -> str | list[dict[str, str]]:
        """A message as the family's chat template wants it."""
        return text

    @abstractmethod
    def picture_inputs(
        self, frames: torch.Tensor, config: PretrainedConfig, layout: str, normalize: bool
    ) -> dict[str, torch.Tensor]:
        """Frames to the arguments that carry them into the backbone, with gradients to the frames.

        Args:
            frames: (B, N, 3, S, S) in [0, 1], of a size that the tower takes.
            config: of the backbone.
            layout: among the family's.
            normalize: as the tower was trained, or raw.
        """

    def position_ids(
        self,
        input_ids: torch.Tensor,
        config: PretrainedConfig,
        image_size: int,
        layout: str,
        sample_ids: torch.Tensor,
        text_positions: torch.Tensor | None = None,
        frame_seconds: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Where tokens stand: what the backbone takes as ``position_ids``; only of families with ``own_positions``.

        Args:
            input_ids: (B, L).
            config: of the backbone.
            image_size: pixels, the side of a picture.
            layout: among the family's.
            sample_ids: (B, L) int64, which sample a token belongs to, negative on padding.
            text_positions: (B, L), restarting with each sample, where a row holds several.
            frame_seconds: (S,) by sample, mean seconds between its frames; in ``spaced_layouts``.
        """
        raise NotImplementedError(f"{self.model_type} has no positions of its own")

    @abstractmethod
    def tiny_config(self, tokenizer: PreTrainedTokenizerBase, sizes: TinySizes) -> PretrainedConfig:
        """The configuration of a tiny model. Raises ValueError for sizes that do not fit each other."""

    @abstractmethod
    def position_table(self, backbone: nn.Module) -> torch.Tensor | None:
        """The tower's learnt embeddings of positions, None if it has none."""
