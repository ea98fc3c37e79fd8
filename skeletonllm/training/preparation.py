"""Before the first step: how a batch is shared, and a model made ready to learn."""

from collections.abc import Sequence

import torch
from transformers.modeling_layers import GradientCheckpointingLayer

from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.training.arguments import OptimizationArguments
from skeletonllm.training.distributed import Ranks
from skeletonllm.training.parts import set_precision, set_trainable


def share_batch(settings: OptimizationArguments, ranks: Ranks) -> tuple[int, int]:
    """Samples per microbatch, and microbatches per step, of each rank.

    Raises:
        ValueError: the batch cannot be shared evenly.
    """
    share, rest = divmod(settings.batch_size, ranks.world_size)
    if rest:
        raise ValueError(f"batch_size {settings.batch_size} cannot be shared evenly by {ranks.world_size} processes")
    micro = settings.micro_batch_size or share
    if share % micro:
        raise ValueError(f"a process has {share} samples per step, no multiple of micro_batch_size {micro}")
    return micro, share // micro


def low_precision(settings: OptimizationArguments, ranks: Ranks) -> torch.dtype | None:
    """The type of what rests and of autocast, None for float32 throughout."""
    wanted = settings.precision == "bfloat16" or (settings.precision == "auto" and ranks.device.type == "cuda")
    return torch.bfloat16 if wanted else None


def prepare(
    model: SkeletonLLMForConditionalGeneration,
    settings: OptimizationArguments,
    parts: Sequence[str],
    low: torch.dtype | None,
    ranks: Ranks,
) -> None:
    """Make a model ready to learn: its parts, their types, its device, and how its layers compute."""
    set_trainable(model, parts)
    set_precision(model, low)
    model.to(ranks.device)
    if settings.activation_checkpointing:
        backbone = model.backbone
        # Renamed in transformers 5.2x; the old name warns there.
        enable = getattr(backbone, "activation_checkpointing_enable", backbone.gradient_checkpointing_enable)
        enable(dict(use_reentrant=False))
        # Only reentrant checkpoints need inputs with gradients; here they would cost a resting tower a backward pass.
        backbone.disable_input_require_grads()
    if settings.compile:
        for module in model.backbone.modules():
            if isinstance(module, GradientCheckpointingLayer):  # the layers of transformers' towers and decoders
                module.compile()
    model.train()
