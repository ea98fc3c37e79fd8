"""The sizes of a model that a plan is made from, without its weights."""

import json
import re
import warnings
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch
from torch import nn
from transformers import CONFIG_MAPPING, AutoModelForImageTextToText, PretrainedConfig

from skeletonllm.models.backbones.internvl import InternVL
from skeletonllm.models.configuration import SkeletonLLMConfig
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.rendering.gaussians import gaussian_table
from skeletonllm.skeleton.topologies import KINECT_V2
from skeletonllm.training.lora import TARGETS
from skeletonllm.training.parts import part_of


@dataclass(frozen=True)
class Transformer:
    """A stack of equal layers.

    Args:
        layers: how many.
        width: of the residual stream.
        attention_width, key_value_width: of queries and of keys, all heads together.
        hidden: width inside the feed-forward part.
        gated: whether that part has a gate, and so two tensors of its width.
        normed_queries: whether queries and keys are normalised.
        multiply_adds: of all linear layers of the stack, per token.
        last_multiply_adds: of the linear layers that end each layer; part of ``multiply_adds``.
    """

    layers: int
    width: int
    attention_width: int
    key_value_width: int
    hidden: int
    gated: bool
    normed_queries: bool
    multiply_adds: int
    last_multiply_adds: int


@dataclass(frozen=True)
class Shape:
    """What a model consists of.

    Args:
        vision, language: the two stacks.
        patch_size: pixels, the side of a patch.
        merge: the side of the square of patches that becomes one token.
        patch_multiply_adds: of the patch embedding, per patch.
        projector_multiply_adds: of the projector, per token.
        vocabulary: tokens that the output layer chooses from.
        lora_rank: of the adapters; 0 if there are none.
        lora_multiply_adds: of all adapters, per token.
        gaussians: that a person is drawn with.
        parameters: how many each part has, by part.
        largest_module: parameters of the largest module that is used at once: a layer, or the table of embeddings.
        language_layer: parameters of a layer of the language model.
    """

    vision: Transformer
    language: Transformer
    patch_size: int
    merge: int
    patch_multiply_adds: int
    projector_multiply_adds: int
    vocabulary: int
    lora_rank: int
    lora_multiply_adds: int
    gaussians: int
    parameters: dict[str, int]
    largest_module: int
    language_layer: int

    @property
    def total_parameters(self) -> int:
        return sum(self.parameters.values())


def shipped_backbones() -> dict[str, Path]:
    """Configurations of the package, by the names of the models that they describe."""
    folder = Path(str(resources.files("skeletonllm.recipes"))) / "backbones"
    sizes = sorted(folder.glob("*.json"), key=lambda path: int(re.search(r"-(\d+)B", path.stem)[1]))
    return {f"OpenGVLab/{path.stem}": path for path in sizes}


def load_backbone_config(name: str) -> PretrainedConfig:
    """A backbone's configuration: shipped, or from a local folder or ``config.json``. Nothing is downloaded.

    The configuration of a model of ours gives that of its backbone.

    Raises:
        ValueError: neither of them, or a file that is no configuration of an image-text-to-text model.
    """
    shipped = shipped_backbones()
    path = shipped.get(name) or shipped.get(f"OpenGVLab/{name}") or Path(name)
    path = path / "config.json" if path.is_dir() else path
    if not path.is_file():
        raise ValueError(
            f"no backbone {name!r}; known: {', '.join(shipped)}; of any other, give the folder of the model or the "
            "path of its config.json (nothing is downloaded)"
        )
    try:
        content = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    if isinstance(content, dict) and content.get("model_type") == SkeletonLLMConfig.model_type:
        content = content.get("backbone_config")
    kind = content.pop("model_type", None) if isinstance(content, dict) else None
    if kind not in CONFIG_MAPPING:
        raise ValueError(f"{path}: found model_type {kind!r}, expected that of a model of transformers")
    return CONFIG_MAPPING[kind](**content)


def build_without_weights(
    backbone_config: PretrainedConfig, renderer: dict | None = None
) -> SkeletonLLMForConditionalGeneration:
    """The model on the meta device: every parameter with its shape, none with memory. The renderer is on the CPU.

    Raises:
        ValueError: a family of backbones that pictures cannot be handed to.
    """
    config = SkeletonLLMConfig(backbone_config=backbone_config, renderer=renderer)
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about start values, which nobody reads here
        backbone = AutoModelForImageTextToText.from_config(backbone_config)
    return SkeletonLLMForConditionalGeneration(config, backbone=backbone)


def shape_of(model: SkeletonLLMForConditionalGeneration, lora_rank: int = 0) -> Shape:
    """The sizes of a model without adapters, as it would be with adapters of ``lora_rank``; 0 for none.

    Raises:
        ValueError: another family than InternVL, of whose tower the plan does not know what it calculates.
    """
    config = model.config.backbone_config
    if config.model_type != InternVL.model_type:
        raise ValueError(f"a plan can be made for backbones of type {InternVL.model_type}, not {config.model_type}")
    vision, text = config.vision_config, config.get_text_config()
    parameters = dict.fromkeys(("renderer", "vision", "projector", "language", "lora"), 0)
    for name, parameter in model.named_parameters():
        parameters[part_of(name)] += parameter.numel()
    linear = {
        name: module for name, module in model.backbone.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)
    }

    def multiply_adds(marks: str) -> int:
        return sum(module.weight.numel() for name, module in linear.items() if re.search(marks, name))

    adapted = [module for name, module in linear.items() if re.fullmatch(TARGETS, name)]
    parameters["lora"] = lora_rank * sum(module.in_features + module.out_features for module in adapted)
    head_size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    layer = sum(parameter.numel() for parameter in model.backbone.model.language_model.layers[0].parameters())
    embeddings = model.get_input_embeddings().weight.numel()
    return Shape(
        vision=Transformer(
            layers=vision.num_hidden_layers,
            width=vision.hidden_size,
            attention_width=vision.hidden_size,
            key_value_width=vision.hidden_size,
            hidden=vision.intermediate_size,
            gated=False,
            normed_queries=vision.use_qk_norm,
            multiply_adds=multiply_adds(r"vision_tower\.(?!embeddings)"),
            last_multiply_adds=multiply_adds(r"vision_tower\..*\.fc2"),
        ),
        language=Transformer(
            layers=text.num_hidden_layers,
            width=text.hidden_size,
            attention_width=text.num_attention_heads * head_size,
            key_value_width=text.num_key_value_heads * head_size,
            hidden=text.intermediate_size,
            gated=True,
            normed_queries=any("q_norm" in name for name, _ in model.backbone.model.language_model.named_modules()),
            multiply_adds=multiply_adds(r"language_model\."),
            last_multiply_adds=multiply_adds(r"language_model\..*\.down_proj"),
        ),
        patch_size=vision.patch_size[0],
        merge=int(1 / config.downsample_ratio),
        patch_multiply_adds=multiply_adds(r"vision_tower\.embeddings"),
        projector_multiply_adds=multiply_adds(r"multi_modal_projector\."),
        vocabulary=text.vocab_size,
        lora_rank=lora_rank,
        lora_multiply_adds=parameters["lora"],  # every weight of an adapter is used once per token
        gaussians=len(gaussian_table(KINECT_V2, model.renderer.settings.get("samples_per_bone", 10))),
        parameters=parameters,
        largest_module=max(layer, embeddings),
        language_layer=layer,
    )
