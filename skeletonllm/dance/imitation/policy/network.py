"""The policy as a judge uses it: a small network whose answers are the same to the bit in every batch."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from skeletonllm.dance.imitation.policy.followers import ACTION_SIZE
from skeletonllm.dance.imitation.policy.observations import OBSERVATION_SIZE
from skeletonllm.dance.physics import Physics

SETTINGS, WEIGHTS = "policy.json", "policy.safetensors"
KIND = "imitation policy"
CLIP = 10.0
"""Standard deviations beyond which nothing is seen."""
EPSILON = 1e-8
# A matrix product adds up in an order that depends on the size of the batch, and bodies that fall are chaotic. So all
# numbers are rounded to multiples of powers of two so coarse that float64 holds every sum exactly, in whatever order:
# products are multiples of 2^-36, and below 2^17 if the weights of a neuron add up to less than 2^11.
_ACTIVATION, _WEIGHT, _LARGEST, _HEAVIEST = 2.0**-16, 2.0**-20, 2.0**6, 2.0**11


@dataclass(frozen=True, eq=False)
class Policy:
    """What steers a simulated body: ReLU layers between what it sees and what it does.

    Args:
        weights: matrices (out, in) of each layer, float32.
        biases: (out,) of each.
        mean, variance: (650,) of what was seen in training.
        physics: the world in which it was trained.

    Raises:
        ValueError: sizes that do not fit, or weights that are not finite or too large.
    """

    weights: Sequence[np.ndarray]
    biases: Sequence[np.ndarray]
    mean: np.ndarray
    variance: np.ndarray
    physics: Physics = field(default_factory=Physics)

    def __post_init__(self):
        size = OBSERVATION_SIZE
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if weight.ndim != 2 or weight.shape[1] != size or bias.shape != weight.shape[:1]:
                raise ValueError(f"layer {layer} is {weight.shape} with {bias.shape}, expected {size} inputs")
            heaviest = np.abs(weight).sum(-1).max() + np.abs(bias).max()
            if not heaviest < _HEAVIEST:
                raise ValueError(f"the weights of layer {layer} add up to {heaviest:.3g}, expected less than 2048")
            size = len(weight)
        if size != ACTION_SIZE:
            raise ValueError(f"the last layer has {size} outputs, expected {ACTION_SIZE}")
        for name in ("mean", "variance"):
            values = getattr(self, name)
            if values.shape != (OBSERVATION_SIZE,) or not np.isfinite(values).all():
                raise ValueError(f"{name} has shape {values.shape}, expected {OBSERVATION_SIZE} finite numbers")
        layers = [
            (np.round(weight.astype(np.float64).T / _WEIGHT) * _WEIGHT,
             np.round(bias.astype(np.float64) / _WEIGHT) * _WEIGHT)
            for weight, bias in zip(self.weights, self.biases, strict=True)
        ]  # fmt: skip
        object.__setattr__(self, "_layers", layers)

    def act(self, observations: np.ndarray) -> np.ndarray:
        """(N, 75) from -1 to 1 for what N bodies see (N, 650): the mean of what was tried in training."""
        seen = (observations - self.mean) / np.sqrt(self.variance + EPSILON)
        seen = _rounded(np.clip(seen, -CLIP, CLIP))
        *hidden, (weight, bias) = self._layers
        for matrix, offset in hidden:
            seen = _rounded(np.clip(seen @ matrix + offset, 0.0, _LARGEST))
        return np.clip(seen @ weight + bias, -1.0, 1.0)

    def save(self, folder: str | Path) -> None:
        """Write safetensors and JSON into a folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {"mean": self.mean, "variance": self.variance}
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            tensors |= {f"{layer}.weight": weight, f"{layer}.bias": bias}
        save_file({name: np.ascontiguousarray(values) for name, values in tensors.items()}, folder / WEIGHTS)
        settings = {"kind": KIND, "layers": len(self.weights), "physics": asdict(self.physics)}
        # Last, so that a folder which has it has everything.
        (folder / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> "Policy":
        """Read what ``save`` wrote, from its folder or that of the training run, which has it in ``model``.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file holds something else.
        """
        folder = Path(folder)
        if not (folder / SETTINGS).exists():
            # Only here, as the room of the models is slow to open.
            from skeletonllm.models.trained import MODEL_FOLDER

            folder = folder / MODEL_FOLDER if (folder / MODEL_FOLDER).is_dir() else folder
        path = folder / SETTINGS
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; expected the folder of a policy, or of its training")
        if not (folder / WEIGHTS).is_file():
            raise FileNotFoundError(f"{folder / WEIGHTS}: no such file")
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
            if settings["kind"] != KIND:
                raise ValueError(f"kind is {settings['kind']!r}, expected {KIND!r}")
            tensors = load_file(folder / WEIGHTS)
            weights, biases = (
                [tensors[f"{layer}.{name}"] for layer in range(settings["layers"])] for name in ("weight", "bias")
            )
            return cls(weights, biases, tensors["mean"], tensors["variance"], Physics(**settings["physics"]))
        except (KeyError, TypeError, ValueError, SafetensorError) as error:
            raise ValueError(f"{path}: not a policy: {type(error).__name__}: {error}") from error


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.round(values / _ACTIVATION) * _ACTIVATION
