"""Features of music kept on disk, one safetensors file per piece."""

import json
import warnings
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from skeletonllm.rendering.video import replacing

Kept = tuple[np.ndarray, np.ndarray, tuple[str, ...]]
"""Values (T, C), beats (B,) and notes."""


def load_cached(path: Path) -> Kept | None:
    """What ``save_cached`` wrote, or None where there is nothing. A damaged file is nothing, with a warning."""
    if not path.exists():
        return None
    try:
        with safe_open(path, "numpy") as file:
            notes = tuple(json.loads(file.metadata()["notes"]))
            return file.get_tensor("values"), file.get_tensor("beats"), notes
    except SafetensorError as error:
        warnings.warn(f"{path}: damaged, computed anew ({error})", stacklevel=3)
        return None


def save_cached(path: Path, values: np.ndarray, beats: np.ndarray, notes: tuple[str, ...]) -> None:
    """Keeps features; a folder that cannot be written costs the time to compute them again, and a warning."""
    try:
        with replacing(path) as unfinished:
            tensors = {"values": np.ascontiguousarray(values), "beats": np.ascontiguousarray(beats, np.int64)}
            save_file(tensors, unfinished, {"notes": json.dumps(notes)})
    except OSError as error:
        warnings.warn(f"{path}: features of music are not kept ({error})", stacklevel=3)
