"""SkeletonLLMForConditionalGeneration: DrAction in front of a multimodal LLM, in Hugging Face form."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from transformers import AutoModelForImageTextToText, GenerationMixin, PreTrainedModel
from transformers.utils import ModelOutput

from skeletonllm.models.backbones import family_of
from skeletonllm.models.configuration import SkeletonLLMConfig
from skeletonllm.models.foreground import foreground_rows, tower_of
from skeletonllm.models.losses import mean_per_sample, predicting_positions
from skeletonllm.models.patches import use_patch_products
from skeletonllm.models.pixels import frames_to_inputs
from skeletonllm.models.scoring import candidate_log_likelihoods
from skeletonllm.rendering.registry import build_renderer
from skeletonllm.skeleton.batch import ClipBatch

# What keeps packed samples apart in any number of rows, by a mask that transformers makes from their positions.
MASKING_ATTENTIONS = ("eager", "sdpa", "flex_attention")


@dataclass
class SkeletonLLMOutput(ModelOutput):
    """What a pass with labels gives.

    Args:
        loss: mean of ``sample_losses``, float32.
        sample_losses: (S,) float32, mean cross-entropy in nats of each sample's answer, in the order of ``sample_ids``.
        logits: (B, K, V) at the K columns that predict a labelled token of any row.
        hidden_states, attentions: the backbone's, if they were asked for.
    """

    loss: torch.Tensor | None = None
    sample_losses: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None


@contextmanager
def _default_float32() -> Iterator[None]:
    """``from_pretrained`` makes modules in the checkpoint's dtype, on the meta device; the renderer is made here."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.device("cpu"):
            yield
    finally:
        torch.set_default_dtype(before)


class SkeletonLLMForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """Skeleton clips and text to text.

    ``renderer`` (DrAction, or one that learns nothing) draws the clips, ``backbone`` reads the frames; the loss reaches
    the renderer through the pictures. The renderer stays in float32 whatever the dtype of the backbone: eight bits of
    mantissa would move limbs by pixels.

    Args:
        config: what to build.
        backbone: a loaded model to take instead of building ``config.backbone_config``.
    """

    config: SkeletonLLMConfig
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _keep_in_fp32_modules_strict = ["renderer"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: SkeletonLLMConfig, backbone: PreTrainedModel | None = None):
        super().__init__(config)
        with _default_float32():
            self.renderer = build_renderer(config.renderer)
        # The library draws new values for what does not bear this mark. from_pretrained, which makes models on the
        # meta device, marks what it finds in the checkpoint, and must not mistake start values for that.
        if not torch.empty(0).is_meta:
            for tensor in self._renderer_tensors().values():
                tensor._is_hf_initialized = True
        self.backbone = (
            AutoModelForImageTextToText.from_config(config.backbone_config) if backbone is None else backbone
        )
        use_patch_products(self.backbone)
        if config.foreground is not None:
            tower_of(config.backbone_config.model_type).prepare(self.backbone)
        self.generation_config = self.backbone.generation_config
        self.post_init()

    @classmethod
    def from_backbone(
        cls,
        backbone: str | PreTrainedModel,
        *,
        renderer: dict | None = None,
        num_frames: int = 12,
        image_size: int | None = None,
        normalize: str = "backbone",
        frame_layout: str = "images",
        foreground: dict | None = None,
        **loading,
    ) -> "SkeletonLLMForConditionalGeneration":
        """A new renderer in front of a trained backbone.

        Args:
            backbone: an image-text-to-text model, or the name or folder of one.
            renderer, num_frames, image_size, normalize, frame_layout, foreground: see ``SkeletonLLMConfig``.
            loading: for ``from_pretrained`` of the backbone, if it is not loaded yet (``dtype``, ``device_map``, ...).
        """
        if isinstance(backbone, str):
            backbone = AutoModelForImageTextToText.from_pretrained(backbone, **loading)
        elif loading:
            raise TypeError(f"{', '.join(loading)} would have no effect on a backbone that is loaded already")
        config = SkeletonLLMConfig(
            backbone_config=backbone.config,
            renderer=renderer,
            num_frames=num_frames,
            image_size=image_size,
            normalize=normalize,
            frame_layout=frame_layout,
            foreground=foreground,
            dtype=backbone.config.dtype,
            # A config spreads its choice over its parts, and without any the backbone would see the words to come.
            attn_implementation=backbone.config._attn_implementation,
        )
        return cls(config, backbone=backbone)

    def render(self, clips: ClipBatch) -> torch.Tensor:
        """Draw clips: (B, N, 3, S, S) float32 in [0, 1] with S the config's image size."""
        device = self.renderer.device
        with torch.autocast(device.type, enabled=False):
            return self.renderer.render(clips, image_size=self.config.image_size)

    def pixel_inputs(self, clips: ClipBatch | None, frames: torch.Tensor | None) -> dict[str, torch.Tensor]:
        """The backbone's picture arguments, from clips to be drawn or from frames (B, N, 3, H, W) in [0, 1]."""
        if clips is None and frames is None:
            return {}
        if clips is not None and frames is not None:
            raise ValueError("give clips, which are drawn, or frames, not both")
        frames = self.render(clips) if frames is None else frames.float()
        config = self.config
        return frames_to_inputs(
            frames, config.backbone_config, config.image_size, config.normalize, config.frame_layout
        )

    def _read(
        self, clips: ClipBatch | None, frames: torch.Tensor | None, rows: dict[str, torch.Tensor | None]
    ) -> dict[str, torch.Tensor | None]:
        """Rows of tokens, with the backbone's picture arguments; with foreground patches both are shorter.

        Args:
            rows: ``input_ids`` and other (B, L), see ``skeletonllm.models.foreground.without_dropped``.
        """
        if self.config.foreground is None or (clips is None) == (frames is None):
            return rows | self.pixel_inputs(clips, frames)
        return foreground_rows(self, rows, clips, frames)

    def position_ids(
        self,
        input_ids: torch.Tensor | None,
        attention_mask: torch.Tensor | None = None,
        sample_ids: torch.Tensor | None = None,
        text_positions: torch.Tensor | None = None,
        frame_seconds: torch.Tensor | None = None,
    ) -> torch.Tensor | None:
        """Where tokens stand: what the backbone takes as its ``position_ids``, None for its own count.

        Left to themselves, some backbones count the tokens of pictures as if they were words.

        Args:
            input_ids, attention_mask, sample_ids, frame_seconds: see ``forward``.
            text_positions: (B, L), restarting with each sample of a row.

        Raises:
            ValueError: they are to be calculated, and there are no ``input_ids`` from their beginning, or the frame
                layout wants ``frame_seconds``.
        """
        config = self.config
        family = family_of(config.backbone_config)
        if not family.own_positions:
            return text_positions
        if input_ids is None:
            raise ValueError(f"{family.model_type} wants all of input_ids, from which positions are made, or them")
        if frame_seconds is None and config.frame_layout in family.spaced_layouts:
            raise ValueError(f"{config.frame_layout} layout of {family.model_type} wants frame_seconds")
        if sample_ids is None:
            sample_ids = torch.arange(len(input_ids), device=input_ids.device)[:, None].expand_as(input_ids)
            if attention_mask is not None:
                sample_ids = sample_ids.masked_fill(attention_mask == 0, -1)
        return family.position_ids(
            input_ids, config.backbone_config, config.image_size, config.frame_layout, sample_ids, text_positions,
            frame_seconds,
        )  # fmt: skip

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        clips: ClipBatch | None = None,
        frames: torch.Tensor | None = None,
        sample_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        frame_seconds: torch.Tensor | None = None,
        **kwargs,
    ):
        """One pass; the result is the backbone's, or with labels a ``SkeletonLLMOutput``.

        Args:
            input_ids, attention_mask: (B, L), with placeholder tokens where frames go.
            labels: (B, L), -100 outside the answer. Every sample counts the same in the loss, however long its
                answer. Logits are made only for the columns that predict a labelled token: those of thousands of
                picture tokens would take gigabytes and are never looked at.
            clips: clips to draw, one per sample, in the order of their placeholders.
            frames: (S, N, 3, H, W) in [0, 1], instead of clips.
            sample_ids: (B, L) int64 for rows that hold several samples: which one a token belongs to, -1 on padding.
                The default is a sample per row.
            position_ids: (B, L) int64, restarting at 0 with each sample of a row and at the padding behind them. With
                more dimensions, what the backbone takes.
            frame_seconds: (S,) by sample, mean seconds between frames, where the frame layout wants it; see
                ``position_ids``.

        Raises:
            ValueError: a sample without an answer; frames and placeholder tokens that do not match; samples in one
                row that the backbone would let see each other; positions that nobody knows.

        With foreground patches the columns of placeholders that are left out are missing in all that is returned, and
        every row ends with its last token.
        """
        if sample_ids is not None:
            self._check_separation(sample_ids, attention_mask, position_ids)
        if position_ids is None or sample_ids is not None:
            known = input_ids if kwargs.get("past_key_values") is None else None
            position_ids = self.position_ids(known, attention_mask, sample_ids, position_ids, frame_seconds)
        rows = dict(input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids)
        inputs = self._read(clips, frames, rows | dict(labels=labels, sample_ids=sample_ids)) | kwargs
        labels, sample_ids = inputs.pop("labels"), inputs.pop("sample_ids")
        if "inputs_embeds" in inputs:
            del inputs["input_ids"]  # the backbone takes one or the other
        if sample_ids is not None or labels is not None:
            # Nothing goes on from here; and with a cache transformers would not look for samples in the positions.
            inputs["use_cache"] = False
        if labels is None:
            return self.backbone(**inputs)
        if sample_ids is None:
            sample_ids = torch.arange(len(labels), device=labels.device)[:, None].expand_as(labels)
        predicts = predicting_positions(labels, sample_ids)
        columns = predicts.any(0).nonzero()[:, 0]
        outputs = self.backbone(**inputs, logits_to_keep=columns)
        losses = mean_per_sample(
            outputs.logits[predicts[:, columns]], labels[:, 1:][predicts], sample_ids[:, 1:][predicts]
        )
        return SkeletonLLMOutput(
            loss=losses.mean(),
            sample_losses=losses,
            logits=outputs.logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def _check_separation(self, sample_ids, attention_mask, position_ids) -> None:
        """Raises ValueError where attention would leak between the samples of a row."""
        begins = sample_ids[:, 1:] != sample_ids[:, :-1]
        if attention_mask is not None or position_ids is None or position_ids[:, 1:][begins].any():
            raise ValueError("rows of several samples take position_ids that restart with each, and no attention_mask")
        attention = self.backbone.config.get_text_config()._attn_implementation
        # Flash attention has no mask; transformers tells it where samples begin only if all are in one row.
        flash = "flash" in attention and len(sample_ids) == 1
        if attention not in MASKING_ATTENTIONS and not flash:
            rows = f"{len(sample_ids)} rows of several samples"
            raise ValueError(f"{attention} attention cannot keep apart {rows}; use one row, or {MASKING_ATTENTIONS}")

    @torch.no_grad()
    def generate(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        clips: ClipBatch | None = None,
        frames: torch.Tensor | None = None,
        frame_seconds: torch.Tensor | None = None,
        **kwargs,
    ) -> torch.Tensor:
        """The backbone's ``generate`` on left-padded prompts, the clips drawn once: (B, L + new tokens) ids.

        Raises:
            ValueError: several beams or several answers per prompt: older releases of transformers then repeat single
                frames instead of clips. Repeat the prompts for several answers.
        """
        for setting in ("num_beams", "num_return_sequences"):
            if (kwargs.get(setting) or getattr(self.generation_config, setting, None) or 1) > 1:
                raise ValueError(f"{setting} above 1 is not supported; repeat the prompts instead")
        self.backbone.generation_config = self.generation_config  # from_pretrained replaces ours, not the backbone's
        prompt = self._prompt(input_ids, attention_mask, clips, frames, frame_seconds)
        generated = self.backbone.generate(**prompt, **kwargs)
        if "inputs_embeds" not in prompt:
            return generated
        return torch.cat([input_ids, generated[:, prompt["input_ids"].shape[1] :]], dim=1)

    @torch.no_grad()
    def label_log_likelihoods(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        candidate_token_ids: Sequence[Sequence[int]],
        clips: ClipBatch | None = None,
        frames: torch.Tensor | None = None,
        frame_seconds: torch.Tensor | None = None,
        candidates_per_pass: int = 16,
    ) -> torch.Tensor:
        """Summed log-probabilities (B, C) in nats of C answers to B left-padded prompts.

        ``SkeletonLLMProcessor.candidate_token_ids`` makes the answers from labels; see
        ``skeletonllm.models.scoring.candidate_log_likelihoods``.
        """
        prompt = self._prompt(input_ids, attention_mask, clips, frames, frame_seconds)
        if "inputs_embeds" in prompt:
            del prompt["input_ids"]
        return candidate_log_likelihoods(self.backbone, prompt, candidate_token_ids, candidates_per_pass)

    def _prompt(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None,
        clips: ClipBatch | None,
        frames: torch.Tensor | None,
        frame_seconds: torch.Tensor | None,
    ) -> dict[str, torch.Tensor]:
        """Left-padded prompts as arguments of the backbone."""
        position_ids = self.position_ids(input_ids, attention_mask, frame_seconds=frame_seconds)
        rows = dict(input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids)
        prompt = self._read(clips, frames, rows)
        return {name: value for name, value in prompt.items() if value is not None or name == "attention_mask"}

    def get_input_embeddings(self) -> nn.Module:
        return self.backbone.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.backbone.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        return self.backbone.get_output_embeddings()

    def set_output_embeddings(self, value: nn.Module) -> None:
        self.backbone.set_output_embeddings(value)

    def _renderer_tensors(self) -> dict[str, torch.Tensor]:
        return {**dict(self.renderer.named_parameters()), **dict(self.renderer.named_buffers())}

    def _apply(self, fn, recurse=True):
        """Every move and cast of the model passes here: the renderer moves along, but stays float32."""
        tensors = list(self._renderer_tensors().values())
        tensors += [tensor.grad for tensor in tensors if tensor.grad is not None]
        ours = {id(tensor) for tensor in tensors}

        def keep_renderer_float32(tensor: torch.Tensor) -> torch.Tensor:
            converted = fn(tensor)
            if id(tensor) in ours and converted.dtype != tensor.dtype:
                return tensor.to(converted.device)
            return converted

        return super()._apply(keep_renderer_float32, recurse)

    def _init_weights(self, module: nn.Module) -> None:
        """The library's general start values are not for the renderer, and the backbone has its own."""

    @torch.no_grad()
    def initialize_weights(self) -> None:
        """Called on a new model, and by ``from_pretrained`` when uninitialised memory stands for missing keys."""
        super().initialize_weights()
        missing = [
            name
            for name, tensor in self._renderer_tensors().items()
            if not getattr(tensor, "_is_hf_initialized", False)
        ]
        if not missing:
            return
        with _default_float32():
            fresh = build_renderer(self.config.renderer)
        values = {**dict(fresh.named_parameters()), **dict(fresh.named_buffers())}
        for name in missing:
            tensor = self._renderer_tensors()[name]
            tensor.copy_(values[name])
            tensor._is_hf_initialized = True
        persistent = [name for name in missing if name in fresh.state_dict()]
        if persistent:
            warnings.warn(f"renderer starts untrained: the checkpoint has no {', '.join(persistent)}", stacklevel=2)


AutoModelForImageTextToText.register(SkeletonLLMConfig, SkeletonLLMForConditionalGeneration)
