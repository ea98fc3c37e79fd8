"""SkeletonLLMConfig: a backbone, a renderer, and how frames go from one to the other."""

from transformers import CONFIG_MAPPING, AutoConfig, PretrainedConfig

from skeletonllm.models.backbones import family_of
from skeletonllm.models.foreground import Foreground, tower_of
from skeletonllm.models.pixels import NORMALIZATIONS


class SkeletonLLMConfig(PretrainedConfig):
    """Configuration of ``SkeletonLLMForConditionalGeneration``.

    Args:
        backbone_config: of an image-text-to-text model of transformers; a dictionary needs its ``model_type``.
        renderer: ``settings`` of a renderer, see ``skeletonllm.rendering.registry.build_renderer``.
        num_frames: frames per clip.
        image_size: pixels, the side of a rendered frame. Default: what the vision tower was made for.
        normalize: ``backbone`` or ``none``, see ``skeletonllm.models.pixels.frames_to_inputs``.
        frame_layout: ``images`` or ``video``: how frames stand in the prompt and reach the tower, see
            ``skeletonllm.models.backbones``.
        foreground: ``margin`` and ``cutoff`` of a ``skeletonllm.models.foreground.Foreground``, an empty dictionary
            for its defaults: only what bodies touch is encoded and read. None: whole pictures.

    Raises:
        ValueError: no backbone, one of an unsupported family, a layout that the family does not have, or an image size
            that its tower cannot take; foreground settings that are wrong, or not for this family.
    """

    model_type = "skeletonllm"
    sub_configs = {"backbone_config": AutoConfig}
    has_no_defaults_at_init = True

    backbone_config: dict | PretrainedConfig | None = None
    renderer: dict | None = None
    num_frames: int = 12
    image_size: int | None = None
    normalize: str = "backbone"
    frame_layout: str = "images"
    foreground: dict | None = None

    def __post_init__(self, **kwargs):
        if isinstance(self.backbone_config, dict):
            settings = dict(self.backbone_config)
            model_type = settings.pop("model_type", None)
            if model_type not in CONFIG_MAPPING:
                raise ValueError(f"backbone_config has model_type {model_type!r}, which transformers does not know")
            self.backbone_config = CONFIG_MAPPING[model_type](**settings)
        if self.backbone_config is None:
            raise ValueError("SkeletonLLMConfig needs the backbone_config of an image-text-to-text model")
        if self.normalize not in NORMALIZATIONS:
            raise ValueError(f"unknown normalize {self.normalize!r}, expected one of {', '.join(NORMALIZATIONS)}")
        if self.num_frames < 1:
            raise ValueError(f"num_frames is {self.num_frames}, expected at least 1")
        self.renderer = dict(self.renderer or {})
        family = family_of(self.backbone_config)
        if self.frame_layout not in family.placeholders:
            layouts = ", ".join(family.placeholders)
            raise ValueError(f"frame_layout {self.frame_layout!r}: {family.model_type} has the layouts {layouts}")
        if self.image_size is None:
            self.image_size = family.native_image_size(self.backbone_config)
        family.tokens_per_frame(self.backbone_config, self.image_size)  # refuses a size that the tower cannot take
        if self.foreground is not None:
            Foreground.of(self.foreground)
            tower_of(self.backbone_config.model_type).check_config(self.backbone_config)
        super().__post_init__(**kwargs)

    @property
    def tokens_per_frame(self) -> int:
        """Placeholder tokens that stand for one frame in the prompt."""
        return family_of(self.backbone_config).tokens_per_frame(self.backbone_config, self.image_size)

    @property
    def frame_token_id(self) -> int:
        """The placeholder token."""
        return family_of(self.backbone_config).placeholder_id(self.backbone_config, self.frame_layout)

    def get_text_config(self, *args, **kwargs) -> PretrainedConfig:
        """The language model's part, which caches and generation are sized by."""
        return self.backbone_config.get_text_config(*args, **kwargs)


AutoConfig.register(SkeletonLLMConfig.model_type, SkeletonLLMConfig)
