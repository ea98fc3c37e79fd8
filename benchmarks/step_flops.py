"""Counting the floating-point operations of a training step, and what a device could do in the same time.

Every matrix product, convolution and attention is counted as it runs. ``model`` operations are those that the gradients
need: forward once, gradients to activations, and weight gradients of what learns (those of frozen layers never run).
``hardware`` operations are all that ran: activation checkpointing computes the forward pass of most layers again, and
fused attention computes its scores again in its backward pass.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from skeletonllm.training.planning.hardware import HARDWARE

_FUSED = ("flash_attention", "efficient_attention", "cudnn_attention", "flash_attention_for_cpu")
_FORWARD = {getattr(torch.ops.aten, f"_scaled_dot_product_{kind}") for kind in _FUSED}
_BACKWARD = {getattr(torch.ops.aten, f"_scaled_dot_product_{kind}_backward") for kind in _FUSED}


def peak_operations(device_name: str) -> float | None:
    """Dense bfloat16 operations per second by the vendor's data sheet, None for a device that the planner has not."""
    return next((kind.flops for key, kind in HARDWARE.items() if key.upper() in device_name), None)


class StepOperations(TorchDispatchMode):
    """Counts what runs while it is entered; one instance for one step.

    ``checkpoint_contexts`` is for ``torch.utils.checkpoint`` (its ``context_fn``): it marks what is computed again.

    Attributes:
        model, hardware: operations so far, a multiplication and an addition being two.
    """

    def __init__(self):
        super().__init__()
        self.model = self.hardware = 0
        self._again = False

    def checkpoint_contexts(self):
        return nullcontext(), self._computing_again()

    @contextmanager
    def _computing_again(self) -> Iterator[None]:
        self._again = True
        try:
            yield
        finally:
            self._again = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        operation = func._overloadpacket
        if operation in _FORWARD or operation in _BACKWARD:
            # Forward: scores and their sums of values. Backward: gradients of the four factors, and the scores again.
            product = _attention_product(func, args, kwargs or {})
            needed, ran = (2, 2) if operation in _FORWARD else (4, 5)
            self._add(needed * product, ran * product)
        elif operation in flop_registry:
            count = flop_registry[operation](*args, **(kwargs or {}), out_val=result)
            self._add(count, count)
        return result

    def _add(self, needed: int, ran: int) -> None:
        self.hardware += ran
        self.model += 0 if self._again else needed


def _attention_product(func, args, kwargs) -> int:
    """Operations of one of the matrix products of attention, (L, D) by (D, M) for every head; causal ones do half."""
    given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
    batch, heads, length, width = given["query"].shape
    full = 2 * batch * heads * length * given["key"].shape[2] * width
    return full // 2 if given.get("is_causal") else full
