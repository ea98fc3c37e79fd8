"""Low-rank adapters (LoRA, arXiv 2106.09685) on the language model's linear layers, put in place by PEFT."""

from dataclasses import dataclass

import torch
from torch import nn

from skeletonllm.models.backbones import FAMILIES
from skeletonllm.training.distributed import name_accelerator

# Below the module that is the language model in some family of backbones, and nowhere else.
_LANGUAGE = "|".join(sorted({family.language for family in FAMILIES.values()}))
TARGETS = rf".*\b({_LANGUAGE})\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


@dataclass
class LoraArguments:
    """Adapters as the paper has them.

    Args:
        rank: of the two factors.
        alpha: the product is scaled by alpha / rank.
        dropout: of the adapters' input while they learn.
    """

    rank: int = 32
    alpha: int = 64
    dropout: float = 0.05

    def __post_init__(self):
        if self.rank < 1 or self.alpha < 1 or not 0 <= self.dropout < 1:
            raise ValueError(f"lora: {self}, expected rank and alpha of 1 or more and dropout from 0 to below 1")


def lora_config(arguments: LoraArguments, targets: str = TARGETS):
    """PEFT's configuration of these adapters, beside the linear layers whose whole names ``targets`` matches."""
    from peft import LoraConfig

    return LoraConfig(
        r=arguments.rank, lora_alpha=arguments.alpha, lora_dropout=arguments.dropout, target_modules=targets
    )


def attach_lora(model: nn.Module, arguments: LoraArguments, seed: int) -> None:
    """Put adapters beside the linear layers of ``model.backbone``'s language model; they change nothing yet."""
    add_adapters(model.backbone, arguments, TARGETS, seed)


def add_adapters(module: nn.Module, arguments: LoraArguments, targets: str, seed: int) -> None:
    """Put adapters beside the linear layers of a module that ``targets`` matches; all else rests.

    The module keeps its class. The weights of these layers move to ``base_layer`` in them.
    """
    name_accelerator()
    from peft import inject_adapter_in_model

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(lora_config(arguments, targets), module)


def has_lora(model: nn.Module) -> bool:
    return any(".lora_" in name for name, _ in model.named_parameters())


def merge_lora(model: nn.Module) -> None:
    """Merge the adapters of ``attach_lora``, see ``merge_adapters``."""
    merge_adapters(model.backbone)


def merge_adapters(module: nn.Module) -> None:
    """Add the adapters' products to the layers beside them and take the adapters out.

    The sum is made in float32 and rounded once, to the layer's own type.
    """
    name_accelerator()
    from peft.tuners.lora import LoraLayer

    for name, layered in list(module.named_modules()):
        if isinstance(layered, LoraLayer):
            layer = layered.get_base_layer()
            with torch.no_grad():
                update = layered.get_delta_weight("default").float()
                layer.weight.copy_(layer.weight.float() + update)
            parent, _, child = name.rpartition(".")
            setattr(module.get_submodule(parent), child, layer)
    if hasattr(module, "peft_config"):
        del module.peft_config
