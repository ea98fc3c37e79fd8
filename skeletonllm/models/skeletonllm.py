"""SkeletonLLMForConditionalGeneration: DrAction in front of a multimodal LLM, in Hugging Face form."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoModelForImageTextToText, GenerationMixin, PreTrainedModel

from skeletonllm.models.configuration import SkeletonLLMConfig
from skeletonllm.models.patches import use_patch_products
from skeletonllm.models.pixels import frames_to_inputs
from skeletonllm.models.scoring import candidate_log_likelihoods
from skeletonllm.rendering.draction import DrAction
from skeletonllm.skeleton.batch import ClipBatch

IGNORED_LABEL = -100


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

    ``renderer`` (DrAction) draws the clips, ``backbone`` reads the frames; the loss reaches the renderer through the
    pictures. The renderer stays in float32 whatever the dtype of the backbone: eight bits of mantissa would move
    limbs by pixels.

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
            self.renderer = DrAction.from_settings(config.renderer)
        # The library draws new values for what does not bear this mark. from_pretrained, which makes models on the
        # meta device, marks what it finds in the checkpoint, and must not mistake start values for that.
        if not torch.empty(0).is_meta:
            for tensor in self._renderer_tensors().values():
                tensor._is_hf_initialized = True
        self.backbone = (
            AutoModelForImageTextToText.from_config(config.backbone_config) if backbone is None else backbone
        )
        use_patch_products(self.backbone)
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
        **loading,
    ) -> "SkeletonLLMForConditionalGeneration":
        """A new renderer in front of a trained backbone.

        Args:
            backbone: an image-text-to-text model, or the name or folder of one.
            renderer, num_frames, image_size, normalize: see ``SkeletonLLMConfig``.
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
        )
        return cls(config, backbone=backbone)

    def render(self, clips: ClipBatch) -> torch.Tensor:
        """Draw clips: (B, N, 3, S, S) float32 in [0, 1] with S the config's image size."""
        device = next(self.renderer.parameters()).device
        with torch.autocast(device.type, enabled=False):
            return self.renderer.render(clips, image_size=self.config.image_size)

    def pixel_inputs(self, clips: ClipBatch | None, frames: torch.Tensor | None) -> dict[str, torch.Tensor]:
        """The backbone's picture arguments, from clips to be drawn or from frames (B, N, 3, H, W) in [0, 1]."""
        if clips is None and frames is None:
            return {}
        if clips is not None and frames is not None:
            raise ValueError("give clips, which are drawn, or frames, not both")
        frames = self.render(clips) if frames is None else frames.float()
        return frames_to_inputs(frames, self.config.backbone_config, self.config.image_size, self.config.normalize)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        clips: ClipBatch | None = None,
        frames: torch.Tensor | None = None,
        **kwargs,
    ):
        """One pass; the result is the backbone's.

        Args:
            input_ids, attention_mask: (B, L), with placeholder tokens where frames go.
            labels: (B, L), -100 outside the answer. Adds ``loss``, the mean cross-entropy of the answers' tokens in
                nats, and cuts ``logits`` to the last columns, from the one that predicts the first labelled token:
                logits of thousands of picture tokens would take gigabytes and are never looked at.
            clips: B clips to draw.
            frames: (B, N, 3, H, W) in [0, 1], instead of clips.

        Raises:
            ValueError: labels without an answer, or frames and placeholder tokens that do not match.
        """
        inputs = dict(input_ids=input_ids, attention_mask=attention_mask, **self.pixel_inputs(clips, frames), **kwargs)
        if labels is None:
            return self.backbone(**inputs)
        labelled = (labels != IGNORED_LABEL).any(0).nonzero()
        if not len(labelled):
            raise ValueError("labels hold no token to learn: all of them are -100")
        first = max(int(labelled[0]), 1)
        outputs = self.backbone(**inputs, logits_to_keep=labels.shape[1] - first + 1)
        outputs.loss = functional.cross_entropy(
            outputs.logits[:, :-1].float().flatten(0, 1), labels[:, first:].flatten(), ignore_index=IGNORED_LABEL
        )
        return outputs

    @torch.no_grad()
    def generate(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        clips: ClipBatch | None = None,
        frames: torch.Tensor | None = None,
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
        pixels = self.pixel_inputs(clips, frames)
        return self.backbone.generate(input_ids=input_ids, attention_mask=attention_mask, **pixels, **kwargs)

    @torch.no_grad()
    def label_log_likelihoods(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        candidate_token_ids: Sequence[Sequence[int]],
        clips: ClipBatch | None = None,
        frames: torch.Tensor | None = None,
        candidates_per_pass: int = 16,
    ) -> torch.Tensor:
        """Summed log-probabilities (B, C) in nats of C answers to B left-padded prompts.

        ``SkeletonLLMProcessor.candidate_token_ids`` makes the answers from labels; see
        ``skeletonllm.models.scoring.candidate_log_likelihoods``.
        """
        prompt = dict(input_ids=input_ids, attention_mask=attention_mask, **self.pixel_inputs(clips, frames))
        return candidate_log_likelihoods(self.backbone, prompt, candidate_token_ids, candidates_per_pass)

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
            fresh = DrAction.from_settings(self.config.renderer)
        values = {**dict(fresh.named_parameters()), **dict(fresh.named_buffers())}
        for name in missing:
            tensor = self._renderer_tensors()[name]
            tensor.copy_(values[name])
            tensor._is_hf_initialized = True
        persistent = [name for name in missing if name in fresh.state_dict()]
        if persistent:
            warnings.warn(f"renderer starts untrained: the checkpoint has no {', '.join(persistent)}", stacklevel=2)


AutoModelForImageTextToText.register(SkeletonLLMConfig, SkeletonLLMForConditionalGeneration)
