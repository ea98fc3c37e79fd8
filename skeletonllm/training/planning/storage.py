"""Checkpoints in bytes and seconds: their size is counted, the speed of a disk is measured or assumed."""

import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch

from skeletonllm.training.checkpoint import save_checkpoint
from skeletonllm.training.engine import MOMENTS

FLOAT32, INT64 = 4, 8
MEASURED_BYTES, HASHED_BYTES = 128 * 2**20, 16 * 2**20


@dataclass(frozen=True)
class CheckpointSize:
    """Bytes of a checkpoint's files, without the kilobytes of JSON beside them."""

    model: int
    optimizer: int

    @property
    def total(self) -> int:
        return self.model + self.optimizer


@dataclass(frozen=True)
class Disk:
    """Where checkpoints, data and weights lie.

    Args:
        write: bytes per second of one process.
        read: bytes per second of all nodes together.
        hashing: bytes per second that a process hashes with.
        source: of these figures, for people.
    """

    write: float
    read: float
    hashing: float
    source: str

    def save_seconds(self, size: float) -> float:
        """To write ``size`` bytes of a checkpoint."""
        return size / self.write + size / self.hashing

    def verify_seconds(self, size: float, readers: int = 1) -> float:
        """To read ``size`` bytes and compare their hashes, on so many nodes at once."""
        return readers * size / self.read + size / self.hashing


def checkpoint_size(learnt: Mapping[str, tuple[int, ...]], learning: Mapping[str, tuple[int, ...]]) -> CheckpointSize:
    """Size of a checkpoint in the midst of a stage.

    Args:
        learnt: shapes, by name, of what this stage or an earlier one trains.
        learning: of what this stage trains, and therefore has moments of.
    """
    moments = {f"{name}/{key}": ("F32", shape) for name, shape in learning.items() for key in MOMENTS}
    return CheckpointSize(
        safetensors_bytes({name: ("F32", shape) for name, shape in learnt.items()}),
        safetensors_bytes({**moments, "step": ("I64", ())}),
    )


def safetensors_bytes(tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> int:
    """Exact size of a file of float32 (F32) and int64 (I64) tensors, given type and shape by name.

    The format: eight bytes for the length of the header, the header in JSON, padded to a multiple of eight, the data.
    """
    header, end = {}, 0
    # The library puts wider types first, and orders by name within a type.
    for name, (kind, shape) in sorted(tensors.items(), key=lambda item: (item[1][0] != "I64", item[0])):
        begin, end = end, end + torch.Size(shape).numel() * (INT64 if kind == "I64" else FLOAT32)
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [begin, end]}
    length = len(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode())
    return 8 + -(-length // 8) * 8 + end


def measured_disk(folder: Path, size: int = MEASURED_BYTES) -> Disk:
    """Save a checkpoint of ``size`` bytes under a folder, synced to the disk, read it again, and clear it away."""
    hashing = measured_hashing()
    with tempfile.TemporaryDirectory(dir=folder) as place:
        content = {"model": {"sample": torch.zeros(size // FLOAT32)}}
        begin = time.perf_counter()
        file = save_checkpoint(Path(place), 1, content, {}) / "model.safetensors"
        # Hashing may have been slower this time than just before; then there is no telling them apart.
        written = max(time.perf_counter() - begin - size / hashing, size / 1e12)
        _forget(file)
        begin = time.perf_counter()
        file.read_bytes()
        read = time.perf_counter() - begin
    source = f"measured with {size / 1e6:.0f} MB in {folder} by one process, taken to be what all nodes get together"
    return Disk(size / written, size / read, hashing, source)


def assumed_disk(write: float = 1e9, read: float = 10e9) -> Disk:
    """A disk of so many bytes per second. Hashing is measured here.

    Raises:
        ValueError: bandwidths that are not positive.
    """
    if not (write > 0 and read > 0):
        raise ValueError(f"a disk that writes {write} and reads {read} bytes per second, expected more than 0")
    source = f"assumed: one process writes {write / 1e9:g} GB/s, all nodes together read {read / 1e9:g} GB/s"
    return Disk(write, read, measured_hashing(), source)


def measured_hashing() -> float:
    """Bytes per second of this processor, for the hashes of a checkpoint's manifest."""
    content = bytes(HASHED_BYTES)
    begin = time.process_time()
    sha256(content).digest()
    return len(content) / (time.process_time() - begin)


def _forget(file: Path) -> None:
    """Take a file out of the page cache, so that it is read from the disk again."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
