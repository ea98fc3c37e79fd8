"""From a checkpoint back to a model, whatever engine wrote it."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from skeletonllm.models.trained import Trained
from skeletonllm.training.arguments import Recipe, recipe_from_dict
from skeletonllm.training.build import build_model
from skeletonllm.training.checkpoint import Checkpoint
from skeletonllm.training.lora import attach_lora, has_lora
from skeletonllm.training.parts import canonical_name, part_of


@torch.no_grad()
def apply_learnt(model: nn.Module, learnt: Mapping[str, torch.Tensor], recipe: Recipe) -> None:
    """Give a model the parameters of a checkpoint, with adapters if there are any.

    They keep the checkpoint's type: rounded to that of a bfloat16 backbone they would lose what the next steps or the
    next stage build upon.

    Raises:
        ValueError: the model has no such parameters, or of another shape.
    """
    if any(part_of(name) == "lora" for name in learnt) and not has_lora(model):
        attach_lora(model, recipe.model.lora, recipe.optimization.seed)
    parameters = {canonical_name(name): parameter for name, parameter in model.named_parameters()}
    unfit = [n for n, value in learnt.items() if n not in parameters or parameters[n].shape != value.shape]
    if unfit:
        raise ValueError(f"the checkpoint and the model differ in {', '.join(sorted(unfit)[:5])}")
    for name, value in learnt.items():
        parameters[name].data = value.to(parameters[name].device, copy=True)


def recipe_of(checkpoint: Checkpoint) -> Recipe:
    """The recipe that a checkpoint was trained by.

    A backbone in a folder that the recipe names from where the run was started is found from elsewhere too, beside the
    checkpoint or above it.
    """
    recipe = recipe_from_dict(checkpoint.state["recipe"])
    named = Path(recipe.model.backbone)
    if recipe.model.backbone != "tiny" and not named.exists():
        above = (parent / named for parent in checkpoint.path.resolve().parents)
        recipe.model.backbone = str(next((path for path in above if path.is_dir()), named))
    return recipe


def restore(checkpoint: Checkpoint) -> Trained:
    """The model of a checkpoint, with its adapters beside its layers, ready to be asked.

    Adapters are in float32, everything else has the type that it has in the recipe's backbone.

    Raises:
        ValueError: the recipe's backbone is not what the checkpoint was trained from.
    """
    recipe, labels = recipe_of(checkpoint), checkpoint.state["labels"]
    model, processor = build_model(recipe.model, labels, recipe.optimization.seed)
    types = {name: parameter.dtype for name, parameter in model.named_parameters()}
    apply_learnt(model, checkpoint.tensors["model"], recipe)
    for name, parameter in model.named_parameters():
        if part_of(name) != "lora":
            parameter.data = parameter.data.to(types[canonical_name(name)])
    return Trained(model.eval(), processor, labels, recipe.as_dict())
