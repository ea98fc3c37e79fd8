"""A run's folder: what there is to go on from, and the finished model, which appears in it whole or not at all."""

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from skeletonllm.models.trained import MODEL_FOLDER
from skeletonllm.training.checkpoint import CHECKPOINT_FOLDER, Checkpoint, load_newest_checkpoint, told_as_os_error

logger = logging.getLogger(__name__)

STEP_FILE = "step.json"  # in the folder of the trained model


def find_beginning(folder: Path, resume: bool) -> Checkpoint | None:
    """The checkpoint to go on from, None to begin anew.

    Raises:
        FileExistsError: the folder holds a run and ``resume`` is not set, or a finished one without a checkpoint.
    """
    checkpoints, model = folder / CHECKPOINT_FOLDER, folder / MODEL_FOLDER
    if not resume:
        if any(checkpoints.glob("step-*")) or model.exists():
            raise FileExistsError(f"{folder} holds a run already; resume it, or choose another folder")
        return None
    found = load_newest_checkpoint(checkpoints)
    if found is None:
        if model.exists():
            raise FileExistsError(f"{folder} holds a finished run and no checkpoint to go on from")
        logger.warning("%s holds no checkpoint; the run begins anew", checkpoints)
    return found


def write_model(folder: Path, step: int, save: Callable[[Path], None]) -> None:
    """The model of a step in ``folder/model``, in place of that of an earlier one.

    Args:
        folder: of the run.
        step: of training.
        save: writes the model into the folder that it is given.
    """
    final = folder / MODEL_FOLDER
    draft, old = final.with_suffix(".tmp"), final.with_suffix(".old")
    for left_over in (draft, old):
        shutil.rmtree(left_over, ignore_errors=True)
    with told_as_os_error(draft):
        save(draft)
    (draft / STEP_FILE).write_text(json.dumps(dict(step=step)))
    if final.exists():  # of an earlier stage
        os.replace(final, old)
    os.replace(draft, final)
    shutil.rmtree(old, ignore_errors=True)


def step_of_model(folder: Path) -> int | None:
    """The step of the checkpoint that a run's model was written from, None if there is no such model."""
    path = folder / MODEL_FOLDER / STEP_FILE
    return json.loads(path.read_text())["step"] if path.exists() else None
