"""What each rank holds when DeepSpeed shares a small model out: ``python pieces_of_deepspeed.py`` prints it as JSON.

The elements of the model are numbered, so that their values tell which they are. The other ranks are pretended; each
rank is a fork of this process, because DeepSpeed keeps the groups of the first.
"""

import json
import os
import sys

import torch
from torch import nn

from skeletonllm.training.engine import EngineSettings
from skeletonllm.training.parts import parameter_groups
from skeletonllm.training.planning.order import pretended
from skeletonllm.training.zero import ZeroEngine, without_shared_memory

# (ZeRO stage, rank, ranks): the first, the last, one in the middle, one that holds padding alone.
CASES = [(1, 1, 3), (2, 4, 5), (2, 40, 64), (2, 511, 512), (3, 0, 5), (3, 63, 64), (3, 300, 512)]


class Parts(nn.Module):
    """Something with a renderer, a projector and a language model that rests."""

    def __init__(self):
        super().__init__()
        self.renderer = nn.Linear(5, 3)
        self.multi_modal_projector = nn.Sequential(nn.LayerNorm(37), nn.Linear(37, 41))
        self.language_model = nn.Linear(13, 41)
        self.language_model.requires_grad_(False)


def numbered() -> Parts:
    """Elements count from 1, through all parameters."""
    model, first = Parts(), 1
    for parameter in model.parameters():
        parameter.data = torch.arange(first, first + parameter.numel()).float().view_as(parameter)
        first += parameter.numel()
    return model


def groups_of(model: nn.Module) -> list[dict]:
    return parameter_groups(model, learning_rate=1e-3, renderer_learning_rate=1e-3, weight_decay=0.1)


def held(stage: int, rank: int, world_size: int) -> list[int]:
    """Numbers of the elements that a rank holds, of weights that learn (stages 1 and 2) or of all (3)."""
    model = numbered()
    with pretended(rank, world_size) as ranks:
        config = {"zero_optimization": {"stage": stage}}
        engine = ZeroEngine(model, groups_of(model), EngineSettings(1, 1, 1.0, None), ranks, config)
        if stage < 3:
            pieces = torch.cat(engine.zero.single_partition_of_fp32_groups).detach()
            return [int(number) for number in pieces if number]  # padding is zero
        numbers = []
        for parameter in model.parameters():
            room = parameter.ds_tensor.ds_numel
            # What pads a piece is not defined.
            numbers += parameter.ds_tensor[: max(0, min(room, parameter.ds_numel - rank * room))].int().tolist()
        return numbers


def main() -> None:
    without_shared_memory()
    import deepspeed  # noqa: F401  once, before the forks

    os.environ["LOCAL_RANK"] = "0"
    found = []
    for case in CASES:
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.dup2(2, 1)  # DeepSpeed's messages
            with os.fdopen(writer, "w") as pipe:
                json.dump(held(*case), pipe)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            found.append([case, json.load(pipe)])
        os.wait()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
