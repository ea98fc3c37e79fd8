"""Families of multimodal LLMs, one file each and one entry in ``FAMILIES``.

A file says everything about its family: how frames stand in the prompt, how they become the vision tower's input with
gradients to the renderer, which sizes it takes, where its parts are, and how a tiny one is made.

Installed packages bring further families, each an instance, as entry points of the group ``skeletonllm.backbones``.
"""

from transformers import PretrainedConfig

from skeletonllm.models.backbones.base import BackboneFamily
from skeletonllm.models.backbones.internvl import InternVL
from skeletonllm.models.backbones.qwen2_5_vl import Qwen25VL
from skeletonllm.models.backbones.qwen3_vl import Qwen3VL
from skeletonllm.models.backbones.smolvlm import SmolVLM
from skeletonllm.skeleton.plugins import Registry

FAMILIES: Registry[BackboneFamily] = Registry(
    "skeletonllm.backbones",
    "backbone",
    lambda thing: isinstance(thing, BackboneFamily),
    {family.model_type: family for family in (InternVL(), Qwen25VL(), Qwen3VL(), SmolVLM())},
    lambda family: family.model_type,
)


def family_named(model_type: str) -> BackboneFamily:
    """A family by the ``model_type`` of its configurations. Raises ValueError that lists the known ones."""
    if model_type not in FAMILIES:
        raise ValueError(f"no pixel hand-over for backbones of type {model_type!r}; known: {', '.join(FAMILIES)}")
    return FAMILIES[model_type]


def family_of(backbone_config: PretrainedConfig) -> BackboneFamily:
    """The family of a backbone. Raises ValueError that lists the known ones."""
    return family_named(backbone_config.model_type)
