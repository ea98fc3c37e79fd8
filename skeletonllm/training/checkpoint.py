"""Checkpoints that a crash cannot spoil: written beside, listed in a manifest, then renamed into place.

A folder ``step-000100`` counts only if its ``manifest.json``, written last, names every file with its size and hash
and they agree. Tensors are safetensors, everything else is JSON.
"""

import errno
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

logger = logging.getLogger(__name__)

CHECKPOINT_FOLDER = "checkpoints"
MANIFEST = "manifest.json"
_NAME = re.compile(r"step-[0-9]+")


@dataclass(frozen=True)
class Checkpoint:
    """What was read: tensors by file stem and name, and the JSON-able rest."""

    path: Path
    step: int
    tensors: dict[str, dict[str, torch.Tensor]]
    state: dict


def save_checkpoint(
    folder: Path,
    step: int,
    tensors: dict[str, dict[str, torch.Tensor]],
    state: dict,
    keep: Container[int] = (),
    keep_last: int = 2,
) -> Path:
    """Write ``folder/step-N``.

    Args:
        folder: where checkpoints are kept.
        step: steps done.
        tensors: file stem -> tensors of that file.
        state: JSON-able rest.
        keep: steps whose checkpoints stay, such as the ends of stages.
        keep_last: so many of the newest stay too; the others are removed after the write.

    Raises:
        OSError: it could not be written, for lack of room for one; what was there before is as it was.
    """
    final = folder / f"step-{step:06d}"
    draft = folder / f"{final.name}.tmp"
    for left_over in folder.glob("step-*.tmp"):  # of a process that was killed while it wrote
        shutil.rmtree(left_over)
    try:
        _write_draft(draft, step, tensors, state)
        if final.exists():  # damaged, or the run would have gone on from it
            shutil.rmtree(final)
        os.replace(draft, final)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    _sync(folder)
    # Later steps are damaged, or the run would have gone on from them; they must not outlive what is whole.
    earlier = [path for path in _newest_first(folder) if _step_of(path) <= step]
    for path in _newest_first(folder):
        if path not in earlier[:keep_last] and (path not in earlier or _step_of(path) not in keep):
            shutil.rmtree(path)
    return final


def _write_draft(draft: Path, step: int, tensors: dict[str, dict[str, torch.Tensor]], state: dict) -> None:
    draft.mkdir(parents=True)
    for stem, content in tensors.items():
        path = draft / f"{stem}.safetensors"
        with told_as_os_error(path):
            save_file({key: value.detach().contiguous() for key, value in content.items()}, path)
    (draft / "state.json").write_text(json.dumps(state))
    files = {path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)} for path in sorted(draft.iterdir())}
    for name in files:
        _sync(draft / name)
    (draft / MANIFEST).write_text(json.dumps({"step": step, "files": files}, indent=1))
    _sync(draft / MANIFEST)
    _sync(draft)


@contextmanager
def told_as_os_error(path: Path) -> Iterator[None]:
    """A failure of the disk while safetensors are written, which they tell in an error of their own."""
    try:
        yield
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error), str(path)) from error


def set_aside(path: Path) -> None:
    """Take a damaged checkpoint out of the row, without removing what may be of use to someone."""
    aside = path.with_name(f"{path.name}.damaged")
    if aside.exists():  # the same step, damaged before
        shutil.rmtree(aside)
    os.replace(path, aside)


def load_newest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest whole checkpoint, or None. Damaged ones are named in a warning."""
    for path in _newest_first(folder):
        problem = find_damage(path)
        if problem is None:
            return _load(path)
        logger.warning("checkpoint passed over: %s", problem)
    return None


def load_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint, given its folder, or the newest whole one of a run, given the run's folder.

    Raises:
        ValueError: there is none, or the one asked for is damaged.
    """
    if _NAME.fullmatch(path.name):
        if problem := find_damage(path):
            raise ValueError(f"checkpoint is damaged: {problem}")
        return _load(path)
    found = load_newest_checkpoint(path / CHECKPOINT_FOLDER)
    if found is None:
        raise ValueError(f"{path} holds no whole checkpoint, in {CHECKPOINT_FOLDER}/step-N")
    return found


def _load(path: Path) -> Checkpoint:
    tensors = {file.stem: load_file(file) for file in sorted(path.glob("*.safetensors"))}
    return Checkpoint(path, _step_of(path), tensors, json.loads((path / "state.json").read_text()))


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


def is_checkpoint(path: Path) -> bool:
    """Whether a folder is a checkpoint by its name, whole or not."""
    return path.is_dir() and bool(_NAME.fullmatch(path.name))


def all_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, whole or not, the oldest first."""
    return _newest_first(folder)[::-1]


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
