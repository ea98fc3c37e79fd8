"""Preparing what the next steps need while the present one is computed."""

import io
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

Prepared = TypeVar("Prepared")

AHEAD = 2  # steps that each worker process prepares in advance


class _Steps(Dataset):
    def __init__(self, prepare: Callable[[int], Prepared]):
        self.prepare = prepare

    def __getitem__(self, step: int) -> Prepared:
        return self.prepare(step)


def in_advance(prepare: Callable[[int], Prepared], first: int, last: int, workers: int = 0) -> Iterator[Prepared]:
    """``prepare(first)`` to ``prepare(last - 1)`` in order, whoever made them.

    A step is a function of its number, so that any number of workers gives the same, and going on elsewhere needs
    nothing but the number.

    Args:
        prepare: makes what a step needs.
        first, last: steps [first, last).
        workers: processes that prepare; 0: a thread of this one, a step ahead.
    """
    if workers:
        packed = DataLoader(
            _Steps(prepare),
            batch_size=None,
            sampler=range(first, last),
            num_workers=workers,
            prefetch_factor=AHEAD,
            collate_fn=_pack,
        )
        yield from map(pickle.loads, packed)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="data") as executor:
        following = executor.submit(prepare, first)
        for number in range(first, last):
            current = following.result()
            if number + 1 < last:
                following = executor.submit(prepare, number + 1)
            yield current


class _Pickler(pickle.Pickler):
    """Sends tensors as arrays. Left to itself, torch opens a piece of shared memory for each of a batch's many."""

    def reducer_override(self, value):
        if type(value) is torch.Tensor and value.device.type == "cpu" and not value.requires_grad:
            try:
                return torch.from_numpy, (value.numpy(),)
            except TypeError:  # a type that numpy lacks, such as bfloat16
                return NotImplemented
        return NotImplemented


def _pack(prepared: Any) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(prepared)
    return buffer.getvalue()
