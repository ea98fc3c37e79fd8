"""A run that trains a policy: motions, updates, and the policy in the end; resumable at any checkpoint."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

from skeletonllm.dance.body import default_body
from skeletonllm.dance.imitation.evaluator import prepare
from skeletonllm.dance.imitation.policy.recipe import EMBEDDED, ImitationData, ImitationRecipe
from skeletonllm.dance.imitation.policy.training import Learner, learn
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.physics import Physics, Reference
from skeletonllm.dance.synthesis import embedded_pairs
from skeletonllm.models.trained import MODEL_FOLDER
from skeletonllm.training.checkpoint import CHECKPOINT_FOLDER
from skeletonllm.training.faults import TimeLimit, ending_at_once
from skeletonllm.training.plain_values import from_plain
from skeletonllm.training.run_folder import find_beginning, step_of_model, write_model

logger = logging.getLogger(__name__)


def train(
    recipe: ImitationRecipe,
    folder: str | Path,
    read: Callable[[str], list[Motion]],
    *,
    resume: bool = False,
    threads: int = 1,
    backend: str = "mujoco",
    time_limit: float | None = None,
) -> Path:
    """Train a policy into a folder; ``model/`` in it is the policy, for ``Policy.load``.

    Args:
        recipe: what to do.
        folder: of the run.
        read: gives the motions of one of the recipe's ``data.inputs`` that is not ``embedded``.
        resume: go on from the newest whole checkpoint in the folder.
        threads: of the processor, for the simulator; what is learnt does not depend on it.
        backend: the simulator, a name of ``physics.BACKENDS``.
        time_limit: minutes after which to save and stop; SLURM's own is known.

    Returns:
        The folder of the policy.

    Raises:
        FileExistsError: the folder holds a run already and ``resume`` is not set.
        ValueError: motions that cannot be followed, or a checkpoint of another recipe.
        SystemExit, FloatingPointError: see ``training.learn``.
    """
    folder, limit = Path(folder), TimeLimit(time_limit)
    with ending_at_once():
        found = find_beginning(folder, resume)
        if found is not None:
            place = folder / CHECKPOINT_FOLDER
            if from_plain(ImitationRecipe, found.state["recipe"], str(place)).decisive() != recipe.decisive():
                raise ValueError(f"{place}: the run was begun with another recipe; see recipe.json in its folder")
            logger.warning("resumed at update %d of %d", found.step, recipe.optimization.steps)
            if found.step == recipe.optimization.steps == step_of_model(folder):
                logger.warning("%s is finished; there is nothing left to train", folder)
                return folder / MODEL_FOLDER
        learner = Learner(recipe, load_references(recipe.data, recipe.physics, read), threads, backend)
        if found is not None:
            learner.restore(found)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.json").write_text(json.dumps(recipe.as_dict(), indent=1))
        learn(learner, folder, limit)
        write_model(folder, learner.step, learner.policy().save)
    return folder / MODEL_FOLDER


def load_references(data: ImitationData, physics: Physics, read: Callable[[str], list[Motion]]) -> list[Reference]:
    """What is followed. Motions that cannot be simulated are told and left out.

    Raises:
        ValueError: none is left.
    """
    references, body = [], default_body()
    for name in data.inputs:
        motions = (
            [pair.motion for pair in embedded_pairs(data.songs, data.seed, data.seconds)]
            if name == EMBEDDED else read(name)
        )  # fmt: skip
        for motion in motions:
            try:
                references.append(prepare(motion, body, physics, source=motion.source))
            except ValueError as error:
                logger.warning("%s is left out: %s", motion.source, error)
    if not references:
        raise ValueError(f"{', '.join(data.inputs)}: no motion that can be followed")
    return references
