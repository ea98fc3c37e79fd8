"""The parts of a model that can learn or rest, by the names their parameters have."""

from collections.abc import Iterable

from torch import nn

PARTS = ("renderer", "projector", "vision", "language")
_MARKS = {"renderer": "renderer.", "projector": "multi_modal_projector.", "vision": "vision_tower."}


def part_of(name: str) -> str:
    """The part that a parameter of ``SkeletonLLMForConditionalGeneration`` belongs to."""
    if name.startswith(_MARKS["renderer"]):
        return "renderer"
    return next((part for part in ("projector", "vision") if _MARKS[part] in name), "language")


def set_trainable(model: nn.Module, parts: Iterable[str]) -> None:
    """Let the given parts learn and the others rest."""
    parts = set(parts)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name) in parts)


def parameter_groups(
    model: nn.Module, learning_rate: float, renderer_learning_rate: float, weight_decay: float
) -> list[dict]:
    """Groups for the optimiser: the renderer with a learning rate of its own and without decay, matrices with decay.

    The renderer's features and mixing weights are colours, not weights: decay would pull them to grey.
    """
    groups: dict[str, list[nn.Parameter]] = {"renderer": [], "matrices": [], "vectors": []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            kind = "renderer" if part_of(name) == "renderer" else "matrices" if parameter.ndim > 1 else "vectors"
            groups[kind].append(parameter)
    settings = {
        "renderer": dict(lr=renderer_learning_rate, weight_decay=0.0),
        "matrices": dict(lr=learning_rate, weight_decay=weight_decay),
        "vectors": dict(lr=learning_rate, weight_decay=0.0),
    }
    return [dict(name=kind, params=group, **settings[kind]) for kind, group in groups.items() if group]
