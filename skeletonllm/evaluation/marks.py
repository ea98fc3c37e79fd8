"""Marks within an answer, between which a part of the model runs, and how many bytes of tensors there are."""

import weakref
from collections.abc import Callable
from typing import TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration

Measure = TypeVar("Measure")


def marked(
    model: SkeletonLLMForConditionalGeneration, inputs: dict, tokens: int, read: Callable[[], Measure]
) -> list[tuple[str, Measure]]:
    """Answer, and read a measure at the beginning of each part and at the end.

    Returns:
        (part that begins, what was read), in order: ``render``, ``vision``, ``prefill``, ``decode`` for each further
        token, and ``end``.
    """
    marks: list[tuple[str, Measure]] = []

    def before_pass(*_):
        marks.append(("decode" if any(name == "prefill" for name, _ in marks) else "prefill", read()))

    handle = model.backbone.get_decoder().register_forward_pre_hook(before_pass)
    renderer = model.renderer
    names = ("render", "render_patches")
    originals = {name: getattr(renderer, name) for name in names if hasattr(renderer, name)}

    def around(original):
        def run(*args, **kwargs):
            marks.append(("render", read()))
            result = original(*args, **kwargs)
            marks.append(("vision", read()))
            return result

        return run

    try:
        for name, original in originals.items():
            setattr(renderer, name, around(original))
        model.generate(**inputs, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)
        marks.append(("end", read()))
    finally:
        handle.remove()
        for name in originals:
            delattr(renderer, name)  # of the instance; its class has the method
    return marks


def differences(marks: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """(part, by how much the measure grew in it), in order."""
    return [(part, after - before) for (part, before), (_, after) in zip(marks, marks[1:], strict=False)]


class LiveTensors(TorchDispatchMode):
    """Bytes of the tensors that were made within and are still there: ``live``, and ``peak``, the most of them at once.

    What an operation needs besides its results, for as long as it runs, is not seen.
    """

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        results = func(*args, **(kwargs or {}))
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        there = {each.untyped_storage()._cdata for each in given}
        for each in tree_leaves(results):
            if isinstance(each, torch.Tensor) and each.untyped_storage()._cdata not in there | self._known:
                self._add(each.untyped_storage())
        return results

    def _add(self, storage: torch.UntypedStorage) -> None:
        self._known.add(storage._cdata)
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._remove, storage._cdata, storage.nbytes())

    def _remove(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size
