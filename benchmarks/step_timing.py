"""One training step with marks in time, and many of them measured."""

import gc
import time
from dataclasses import dataclass, replace
from statistics import median

import torch
from step_flops import StepOperations
from step_model import Batch

from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.training.parts import parameter_groups

MARKS = ("begin", "drawn", "read", "drawn back", "end")


@dataclass(frozen=True)
class Timing:
    """Median seconds of a step and its parts.

    Args:
        step: all of it, with clipping and the optimiser.
        render, render_backward: the renderer's share of it.
        steps: how many were timed; 0 where the batch did not fit.
        peak_bytes: most that tensors took on the device, None where that is not known.
        note: why there are fewer steps than asked for.
    """

    step: float = 0.0
    render: float = 0.0
    render_backward: float = 0.0
    steps: int = 0
    peak_bytes: int | None = None
    note: str = ""

    @property
    def renderer_share(self) -> float:
        return (self.render + self.render_backward) / self.step


class Training:
    """A model with its optimiser; checkpointing on, bfloat16 autocast on a GPU."""

    def __init__(self, model: SkeletonLLMForConditionalGeneration, device: str, checkpointing: bool = True):
        self.model, self.device = model, torch.device(device)
        self.operations = StepOperations()
        groups = parameter_groups(model, learning_rate=2e-5, renderer_learning_rate=2e-3, weight_decay=0.05)
        self.parameters = [parameter for group in groups for parameter in group["params"]]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=self.device.type == "cuda")
        if checkpointing:
            # The newer name; releases before it know the older one alone.
            name = "activation_checkpointing_enable"
            enable = getattr(model.backbone, name, None) or model.backbone.gradient_checkpointing_enable
            enable({"use_reentrant": False, "context_fn": lambda: self.operations.checkpoint_contexts()})

    def step(self, batch: Batch) -> list:
        """One step; the marks that it passed, in the order of ``MARKS``.

        The backward pass is cut at the frames: what comes before is the backbone's, what comes after the renderer's.
        """
        marks = [self._mark()]
        frames = self.model.render(batch.clips)
        marks.append(self._mark())
        self.read(batch, frames_leaf := frames.detach().requires_grad_())
        marks.append(self._mark())
        frames.backward(frames_leaf.grad)
        marks.append(self._mark())
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        marks.append(self._mark())
        return marks

    def read(self, batch: Batch, frames: torch.Tensor) -> None:
        """The backbone's forward and backward pass; gradients reach the frames."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            loss = self.model(**batch.text, frames=frames, use_cache=False).loss
        loss.backward()

    def count(self, batch: Batch) -> StepOperations:
        """Operations of the backbone in one step; the renderer's few matrix products are left out."""
        with torch.no_grad():
            frames = self.model.render(batch.clips)
        self.operations = StepOperations()
        with self.operations:
            self.read(batch, frames.requires_grad_())
        self.optimizer.zero_grad()
        return self.operations

    def measure(self, batch: Batch, steps: int, limit: float, warm: int = 2) -> Timing:
        """Median of so many steps after warm ones, or of those that were done when ``limit`` seconds were over."""
        try:
            timing = self._measure(batch, steps, limit, warm)
        except torch.OutOfMemoryError:
            timing = Timing(note="out of memory")
        self.optimizer.zero_grad()
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return timing

    def _measure(self, batch: Batch, steps: int, limit: float, warm: int) -> Timing:
        begin, taken = time.perf_counter(), []
        while len(taken) < warm + steps and (not taken or time.perf_counter() - begin < limit):
            if len(taken) <= warm and self.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            marks = self.step(batch)
            self._wait()
            taken.append([self._seconds(*pair) for pair in zip(marks, marks[1:], strict=False)])
        timed = taken[warm:] or taken[-1:]
        render, _, render_backward, _ = (median(column) for column in zip(*timed, strict=True))
        timing = Timing(median(map(sum, timed)), render, render_backward, len(timed), self._peak_bytes())
        if len(taken) == warm + steps:
            return timing
        cold = ", not warmed up" if len(taken) <= warm else ""
        return replace(timing, note=f"{len(timed)} step{'s' * (len(timed) > 1)} in {limit:.0f} s{cold}")

    def _mark(self):
        if self.device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _seconds(self, begin, end) -> float:
        return end - begin if self.device.type != "cuda" else begin.elapsed_time(end) / 1e3

    def _peak_bytes(self) -> int | None:
        return torch.cuda.max_memory_allocated() if self.device.type == "cuda" else None
