"""Engines: forward, backward, step and state of a model, alike for plain torch and for DeepSpeed."""

import json
import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed
from torch import nn

from skeletonllm.training.distributed import Ranks
from skeletonllm.training.parts import learning_parameters

logger = logging.getLogger(__name__)

BETAS = (0.9, 0.98)
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class EngineSettings:
    """How an engine computes.

    Args:
        samples: per microbatch of a process; DeepSpeed wants to know.
        accumulation: microbatches of a process per step.
        max_gradient_norm: gradients are scaled down to it.
        low_precision: type of autocast, or None for none.
    """

    samples: int
    accumulation: int
    max_gradient_norm: float
    low_precision: torch.dtype | None


class Engine(ABC):
    """What the training loop needs of a model under an optimiser.

    Moments and parameters go in and out whole, by canonical name, so that a checkpoint fits any engine, any ZeRO stage
    and any number of processes.

    Args:
        model: on its device, with its trainable parameters set.
        groups: of ``skeletonllm.training.parts.parameter_groups``.
        settings, ranks: see there.
    """

    def __init__(self, model: nn.Module, groups: list[dict], settings: EngineSettings, ranks: Ranks):
        self.model, self.settings, self.ranks = model, settings, ranks
        self.names = [group["name"] for group in groups]
        self.rates = [group["lr"] for group in groups]
        self.optimizer: torch.optim.Optimizer

    @abstractmethod
    def forward(self, **inputs):
        """The model's outputs."""

    @abstractmethod
    def backward(self, loss: torch.Tensor, last: bool) -> None:
        """Add the gradients of a microbatch, averaged over microbatches and ranks; ``last`` of the step or not."""

    @abstractmethod
    def gradient_squares(self) -> torch.Tensor:
        """This rank's share of the squared gradient norm of each group, (G,) float64; sums over ranks are the whole.

        Only between the last ``backward`` and ``step``.
        """

    @abstractmethod
    def step(self, factor: float, norm: float) -> None:
        """Change the weights, with learning rates times ``factor``, given the norm of all gradients."""

    @abstractmethod
    def discard(self) -> None:
        """Forget the gradients and change nothing."""

    @abstractmethod
    def parameters(self, prefix: str = "") -> dict[str, torch.Tensor]:
        """Whole copies, on the CPU, of the parameters that learn and whose names begin so; every rank must ask."""

    @abstractmethod
    def optimizer_state(self) -> dict[str, torch.Tensor]:
        """``NAME/exp_avg`` and ``NAME/exp_avg_sq`` of each parameter and the number of steps, ``step``; every rank
        must ask. Empty before the first step."""

    @abstractmethod
    def load_optimizer_state(self, state: dict[str, torch.Tensor]) -> None:
        """Restore what ``optimizer_state`` gave, on any engine."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the model and of all that was put into it."""


class PlainEngine(Engine):
    """Plain torch, with gradients averaged over ranks once per step."""

    def __init__(self, model, groups, settings, ranks):
        super().__init__(model, groups, settings, ranks)
        self.optimizer = torch.optim.AdamW(groups, betas=BETAS)

    def forward(self, **inputs):
        low = self.settings.low_precision
        with torch.autocast(self.ranks.device.type, dtype=low, enabled=low is not None):
            return self.model(**inputs)

    def backward(self, loss, last):
        (loss / self.settings.accumulation).backward()
        if last and self.ranks.world_size > 1:
            for parameter in self._parameters():
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                torch.distributed.all_reduce(parameter.grad)
                parameter.grad /= self.ranks.world_size

    def gradient_squares(self):
        squares = torch.zeros(len(self.names), dtype=torch.float64)
        if self.ranks.is_first:  # after averaging all ranks hold the same gradients
            for index, group in enumerate(self.optimizer.param_groups):
                squares[index] = sum_of_squares([p.grad for p in group["params"] if p.grad is not None])
        return squares

    def step(self, factor, norm):
        if norm > self.settings.max_gradient_norm:
            for parameter in self._parameters():
                if parameter.grad is not None:
                    parameter.grad *= self.settings.max_gradient_norm / norm
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        self.optimizer.step()
        self.optimizer.zero_grad()

    def discard(self):
        self.optimizer.zero_grad()

    def parameters(self, prefix=""):
        learning = learning_parameters(self.model)
        return {name: p.detach().cpu().clone() for name, p in learning.items() if name.startswith(prefix)}

    def optimizer_state(self):
        state, steps = {}, 0
        for name, parameter in learning_parameters(self.model).items():
            if entry := self.optimizer.state.get(parameter):
                steps = max(steps, int(entry["step"]))
                state |= {f"{name}/{key}": entry[key].cpu() for key in MOMENTS}
        return {**state, "step": torch.tensor(steps)} if steps else {}

    def load_optimizer_state(self, state):
        for name, parameter in learning_parameters(self.model).items():
            if f"{name}/{MOMENTS[0]}" in state:
                moments = {key: state[f"{name}/{key}"].to(parameter.device, copy=True) for key in MOMENTS}
                self.optimizer.state[parameter] = {"step": state["step"].float(), **moments}

    def close(self):
        self.optimizer.zero_grad()

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]


def make_engine(
    model: nn.Module, groups: list[dict], settings: EngineSettings, ranks: Ranks, deepspeed: dict | None
) -> Engine:
    """A DeepSpeed engine if a configuration is given, else plain torch."""
    if deepspeed is None:
        return PlainEngine(model, groups, settings, ranks)
    from skeletonllm.training.zero import ZeroEngine

    return ZeroEngine(model, groups, settings, ranks, deepspeed)


def load_deepspeed_config(path: str | Path) -> dict:
    """A DeepSpeed configuration file.

    Raises:
        ValueError: it is not JSON, or its ZeRO stage is not 1, 2 or 3.
        ImportError: DeepSpeed is not installed.
    """
    import importlib.util

    path = Path(path)
    try:
        config = json.loads(path.read_text())
        stage = config["zero_optimization"]["stage"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a DeepSpeed configuration with a zero_optimization stage: {error!r}") from error
    if stage not in (1, 2, 3):
        raise ValueError(f"{path}: ZeRO stage {stage!r}, expected 1, 2 or 3; without ZeRO leave --deepspeed away")
    if importlib.util.find_spec("deepspeed") is None:
        raise ValueError(f"{path}: DeepSpeed is not installed; pip install 'skeletonllm[train]', or leave it away")
    return config


def sum_of_squares(gradients: list[torch.Tensor]) -> torch.Tensor:
    """The sum of squares of all elements, float64, from the tensors' norms: without copies of them in float64."""
    if not gradients:
        return torch.zeros((), dtype=torch.float64)
    return torch.stack(torch._foreach_norm(gradients)).double().square().sum()
