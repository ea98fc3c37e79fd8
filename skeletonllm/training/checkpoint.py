"""Checkpoints that a crash cannot spoil: written beside, listed in a manifest, then renamed into place.

A folder ``step-000100`` counts only if its ``manifest.json``, written last, names every file with its size and hash
and they agree. Tensors are safetensors, everything else is JSON.
"""

import hashlib
import json
import logging
import os
import re
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

logger = logging.getLogger(__name__)

KEEP = 2
MANIFEST = "manifest.json"
_NAME = re.compile(r"step-[0-9]+")


def save_checkpoint(folder: Path, step: int, tensors: dict[str, dict[str, torch.Tensor]], state: dict) -> Path:
    """Write ``folder/step-N``.

    Args:
        folder: where checkpoints are kept; all but the newest ``KEEP`` are removed after the write.
        step: steps done.
        tensors: file stem -> tensors of that file.
        state: JSON-able rest.
    """
    final = folder / f"step-{step:06d}"
    draft = folder / f"{final.name}.tmp"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for stem, content in tensors.items():
        save_file({key: value.detach().contiguous() for key, value in content.items()}, draft / f"{stem}.safetensors")
    (draft / "state.json").write_text(json.dumps(state))
    files = {path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)} for path in sorted(draft.iterdir())}
    (draft / MANIFEST).write_text(json.dumps({"step": step, "files": files}, indent=1))
    for path in draft.iterdir():
        _sync(path)
    if final.exists():
        shutil.rmtree(final)
    os.replace(draft, final)
    _sync(folder)
    # Later steps are damaged, or the run would have gone on from them; they must not outlive what is whole.
    earlier = [path for path in _newest_first(folder) if _step_of(path) <= step]
    for path in _newest_first(folder):
        if path not in earlier[:KEEP]:
            shutil.rmtree(path)
    return final


def load_newest_checkpoint(folder: Path) -> tuple[int, dict[str, dict[str, torch.Tensor]], dict] | None:
    """The newest whole checkpoint: (step, tensors, state), or None. Damaged ones are named in a warning."""
    for path in _newest_first(folder):
        problem = find_damage(path)
        if problem is None:
            tensors = {file.stem: load_file(file) for file in sorted(path.glob("*.safetensors"))}
            return _step_of(path), tensors, json.loads((path / "state.json").read_text())
        logger.warning("checkpoint passed over: %s", problem)
    return None


def find_damage(path: Path) -> str | None:
    """What is wrong with a checkpoint folder, or None."""
    try:
        manifest = json.loads((path / MANIFEST).read_text())
        step = manifest["step"]
        files = {name: (entry["bytes"], entry["sha256"]) for name, entry in manifest["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{path / MANIFEST}: {error}"
    if step != _step_of(path) or "state.json" not in files:
        return f"{path / MANIFEST} is of another checkpoint"
    for name, (size, digest) in files.items():
        file = path / name
        if not file.is_file():
            return f"{file} is missing"
        if file.stat().st_size != size or _sha256(file) != digest:
            return f"{file} is not what was written: {file.stat().st_size} bytes, expected {size}"
    return None


def pack_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """An optimiser's moments as flat names; its groups are rebuilt from the recipe."""
    return {
        f"{index}.{key}": value if torch.is_tensor(value) else torch.tensor(value)
        for index, entries in optimizer.state_dict()["state"].items()
        for key, value in entries.items()
    }


def unpack_optimizer(optimizer: torch.optim.Optimizer, packed: dict[str, torch.Tensor]) -> None:
    """Restore what ``pack_optimizer`` gave."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in packed.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _newest_first(folder: Path) -> list[Path]:
    """Checkpoints, whole or not, by their number: names of a million steps do not sort."""
    return sorted((path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)), key=_step_of, reverse=True)


def _step_of(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
