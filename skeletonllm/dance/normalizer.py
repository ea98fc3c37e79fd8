"""The numbers of motions brought to one range, which diffusion needs, and back."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from skeletonllm.skeleton.kinematics import Array

NAME = "normalizer"
# A channel that spans less never changes: to stretch its rounding to the whole range would be noise.
SMALLEST_SPAN = 1e-6


@dataclass(frozen=True, eq=False)
class Normalizer:
    """Each channel from [low, high] to [-1, 1], as in EDGE (Tseng et al. 2023); a channel without a span to 0.

    Args:
        low, high: (C,) float32.

    Raises:
        ValueError: shapes that differ, or limits that are not finite and in order.
    """

    low: np.ndarray
    high: np.ndarray

    def __post_init__(self):
        for name in ("low", "high"):
            object.__setattr__(self, name, np.array(getattr(self, name), np.float32))
        if self.low.ndim != 1 or self.low.shape != self.high.shape:
            raise ValueError(f"low has shape {self.low.shape} and high {self.high.shape}, expected (C,) both")
        if not (np.isfinite(self.low) & np.isfinite(self.high) & (self.low <= self.high)).all():
            raise ValueError("the limits of a normalizer are not finite, or some low is above its high")

    @classmethod
    def fit(cls, vectors: Iterable[np.ndarray]) -> "Normalizer":
        """The limits of (T, C) arrays, which are looked at one by one.

        Raises:
            ValueError: no array, or one that is not finite or has another number of channels.
        """
        low = high = None
        for index, vector in enumerate(vectors):
            if vector.ndim != 2 or not len(vector) or (low is not None and vector.shape[1:] != low.shape):
                wanted = "(T, C)" if low is None else f"(T, {len(low)})"
                raise ValueError(f"array {index} has shape {vector.shape}, expected {wanted} with T > 0")
            if not np.isfinite(vector).all():
                raise ValueError(f"array {index} is not finite")
            lowest, highest = vector.min(0), vector.max(0)
            low = lowest if low is None else np.minimum(low, lowest)
            high = highest if high is None else np.maximum(high, highest)
        if low is None:
            raise ValueError("no motions to fit a normalizer to")
        return cls(low, high)

    def normalize(self, values: Array) -> Array:
        """(..., C), clipped to [-1, 1]."""
        low, span = self._limits(values)
        scaled = (values - low) / span * 2 - 1
        constant = self._constant(values)
        if isinstance(values, torch.Tensor):
            return torch.where(constant, torch.zeros_like(scaled), scaled).clamp(-1, 1)
        return np.clip(np.where(constant, 0, scaled), -1, 1).astype(values.dtype)

    def denormalize(self, values: Array) -> Array:
        """(..., C) back from [-1, 1]; a channel without a span has its one value."""
        low, span = self._limits(values)
        constant = self._constant(values)
        restored = (values + 1) / 2 * span + low
        if isinstance(values, torch.Tensor):
            return torch.where(constant, low.expand_as(restored), restored)
        return np.where(constant, low, restored).astype(values.dtype)

    def save(self, folder: str | Path) -> None:
        """Write ``normalizer.safetensors`` and ``normalizer.json``, which says what it is."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"low": self.low, "high": self.high}, folder / f"{NAME}.safetensors")
        described = {"kind": "minimum and maximum to -1 and 1", "channels": len(self.low)}
        (folder / f"{NAME}.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> "Normalizer":
        """Read what ``save`` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: the file holds something else.
        """
        path = Path(folder) / f"{NAME}.safetensors"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; expected the normalizer of a dance model")
        try:
            limits = load_file(path)
        except SafetensorError as error:
            raise ValueError(f"{path}: no safetensors file: {error}") from error
        if set(limits) != {"low", "high"}:
            raise ValueError(f"{path}: holds {sorted(limits)}, expected high and low")
        return cls(limits["low"], limits["high"])

    def _limits(self, values: Array) -> tuple[Array, Array]:
        if values.shape[-1] != len(self.low):
            raise ValueError(f"values have shape {tuple(values.shape)}, expected (..., {len(self.low)})")
        span = np.maximum(self.high - self.low, SMALLEST_SPAN)
        if isinstance(values, torch.Tensor):
            return tuple(torch.as_tensor(limit).to(values) for limit in (self.low, span))
        return self.low, span

    def _constant(self, values: Array) -> Array:
        constant = self.high - self.low < SMALLEST_SPAN
        return torch.as_tensor(constant, device=values.device) if isinstance(values, torch.Tensor) else constant
