"""The parts of a model that can learn or rest, by the names their parameters have."""

from collections.abc import Iterable

import torch
from torch import nn

from skeletonllm.models.backbones import FAMILIES, family_of

# lora: low-rank adapters beside the language model's linear layers, see skeletonllm.training.lora.
PARTS = ("renderer", "projector", "lora", "vision", "language")
# Names that a part's modules have in any family of backbones. Projectors come first: some lie within the tower.
_MARKS = {
    "renderer": ("renderer.",),
    "lora": (".lora_",),
    "projector": tuple(f".{name}." for family in FAMILIES.values() for name in family.projector),
    "vision": tuple(f".{family.vision}." for family in FAMILIES.values()),
}


def part_of(name: str) -> str:
    """The part that a parameter of ``SkeletonLLMForConditionalGeneration`` belongs to."""
    if name.startswith(_MARKS["renderer"]):
        return "renderer"
    found = (part for part in ("lora", "projector", "vision") if any(mark in name for mark in _MARKS[part]))
    return next(found, "language")


def projector_modules(backbone: nn.Module) -> list[str]:
    """Ends of the names of a backbone's modules that are its projector, each a module of one kind."""
    modules, found = dict(backbone.named_modules()), []
    for name in family_of(backbone.config).projector:
        for path in (path for path in modules if path.endswith(f".{name}")):
            listed = isinstance(modules[path], nn.ModuleList)
            found += [f"{name}.{number}" for number in range(len(modules[path]))] if listed else [name]
    return found


def set_trainable(model: nn.Module, parts: Iterable[str]) -> None:
    """Let the given parts learn and the others rest."""
    parts = set(parts)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name) in parts)


def canonical_name(name: str) -> str:
    """A parameter's name with or without adapters beside it, which move a layer's own weight to ``base_layer``."""
    return name.replace(".base_layer.", ".")


def learning_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that learn, by their canonical names."""
    return {canonical_name(name): p for name, p in model.named_parameters() if p.requires_grad}


def parameter_groups(
    model: nn.Module, learning_rate: float, renderer_learning_rate: float, weight_decay: float
) -> list[dict]:
    """Groups for the optimiser, none of them empty: the renderer, and the matrices and vectors of every other part.

    The renderer has a learning rate of its own: its few parameters start far from where they are wanted. It has no
    weight decay, nor have vectors: features and mixing weights are colours, which decay would pull to grey.
    """
    groups: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            part = part_of(name)
            # ZeRO-3 leaves an empty tensor where a partitioned parameter was, and keeps the shape beside it.
            matrix = len(getattr(parameter, "ds_shape", parameter.shape)) > 1
            kind = part if part == "renderer" else f"{part} {'matrices' if matrix else 'vectors'}"
            groups.setdefault(kind, []).append(parameter)
    return [
        dict(
            name=kind,
            params=parameters,
            lr=renderer_learning_rate if kind == "renderer" else learning_rate,
            weight_decay=weight_decay if kind.endswith("matrices") else 0.0,
        )
        for kind, parameters in sorted(groups.items())
    ]


def group_part(name: str) -> str:
    """The part that a group of ``parameter_groups`` belongs to, by the group's name."""
    return name.split()[0]


def set_precision(model: nn.Module, low: torch.dtype | None) -> None:
    """Parameters that learn, and the renderer, in float32; the others in ``low``, or in float32 too if it is None.

    Learning in bfloat16 would lose updates below a 256th of a weight; a renderer in bfloat16 would move limbs by
    pixels.
    """
    for name, parameter in model.named_parameters():
        exact = low is None or parameter.requires_grad or part_of(name) == "renderer"
        parameter.data = parameter.data.to(torch.float32 if exact else low)
        if hasattr(parameter, "ds_tensor"):  # this rank's share under ZeRO-3
            parameter.ds_tensor.data = parameter.ds_tensor.data.to(parameter.dtype)
