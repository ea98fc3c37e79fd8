"""A run of the generator: data, weights, steps, and the generator in the end; resumable at any step."""

import json
import logging
from pathlib import Path

import torch

from skeletonllm.dance.denoiser import Denoiser
from skeletonllm.dance.generator import Generator
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.training.generator_loop import learnt_by, mean_of
from skeletonllm.dance.training.pieces import Clips, Piece, load_pieces
from skeletonllm.dance.training.recipe import DanceRecipe, GeneratorRecipe
from skeletonllm.dance.training.trainer import DanceTrainer, Learner
from skeletonllm.models.trained import MODEL_FOLDER
from skeletonllm.training.checkpoint import CHECKPOINT_FOLDER, Checkpoint, load_newest_checkpoint
from skeletonllm.training.distributed import Ranks, process_group
from skeletonllm.training.engine import load_deepspeed_config
from skeletonllm.training.faults import TimeLimit, check_room, ending_at_once
from skeletonllm.training.plain_values import from_plain
from skeletonllm.training.run_folder import find_beginning, step_of_model, write_model

logger = logging.getLogger(__name__)


def train(
    recipe: DanceRecipe,
    folder: str | Path,
    *,
    resume: bool = False,
    deepspeed: str | Path | None = None,
    time_limit: float | None = None,
) -> Path:
    """Train a generator into a folder, as one of the processes of a launcher or alone.

    Args:
        recipe: what to do.
        folder: of the run; ``model/`` in it is the generator, for ``Generator.load``.
        resume: go on from the newest whole checkpoint in the folder.
        deepspeed: a DeepSpeed configuration file of ZeRO stage 1 or 2; None: plain torch.
        time_limit: minutes after which to save and stop; SLURM's own is known.

    Returns:
        The folder of the generator.

    Raises:
        FileExistsError: the folder holds a run already and ``resume`` is not set.
        ValueError: recipe, data, checkpoint and configuration do not go together.
        FloatingPointError, SystemExit: see ``Loop.train``.
    """
    folder, limit = Path(folder), TimeLimit(time_limit)
    config = None if deepspeed is None else load_deepspeed_config(deepspeed)
    with ending_at_once(), process_group(always=config is not None) as ranks:
        found = beginning_of(recipe, folder, resume)
        if found is not None and found.step == recipe.optimization.steps == step_of_model(folder):
            logger.warning("%s is finished; there is nothing left to train", folder)
            return folder / MODEL_FOLDER
        torch.manual_seed(recipe.optimization.seed)
        pieces = load_pieces(recipe.data, phase=recipe.model.beat_phase, progress=ranks.is_first)
        generator = _begin(recipe, pieces)
        if found is None or found.step < recipe.optimization.steps:
            _learn(recipe, folder, generator, pieces, found, ranks, config, limit)
            found = load_newest_checkpoint(folder / CHECKPOINT_FOLDER)
        if ranks.is_first:
            generator.denoiser.cpu().load_state_dict(mean_of(found))
            write_model(folder, found.step, generator.save)
        ranks.barrier()
        return folder / MODEL_FOLDER


def beginning_of(recipe: GeneratorRecipe, folder: Path, resume: bool) -> Checkpoint | None:
    """The checkpoint that a run goes on from, None to begin anew.

    Raises:
        FileExistsError: as ``find_beginning``.
        ValueError: the run was begun with another recipe.
    """
    found = find_beginning(folder, resume)
    if found is None:
        return None
    checkpoints = folder / CHECKPOINT_FOLDER
    if from_plain(type(recipe), found.state["recipe"], str(checkpoints)).decisive() != recipe.decisive():
        raise ValueError(f"{checkpoints}: the run was begun with another recipe; see recipe.json there")
    logger.warning("resumed at step %d of %d", found.step, recipe.optimization.steps)
    return found


def _begin(recipe: DanceRecipe, pieces: list[Piece]) -> Generator:
    """The generator before the first step."""
    if recipe.model.start:
        return Generator.load(recipe.model.start)
    music_features = pieces[0].music.shape[1]
    denoiser = Denoiser.from_preset(recipe.model.preset, **{"music_features": music_features, **recipe.model.changes})
    normalizer = Normalizer.fit(piece.vectors for piece in pieces)
    music_normalizer = Normalizer.fit(piece.music for piece in pieces)
    return Generator(denoiser, normalizer, music_normalizer, beat_phase=recipe.model.beat_phase)


def _learn(
    recipe: DanceRecipe,
    folder: Path,
    generator: Generator,
    pieces: list[Piece],
    found: Checkpoint | None,
    ranks: Ranks,
    deepspeed: dict | None,
    limit: TimeLimit,
) -> None:
    settings = recipe.optimization
    clips = Clips(
        pieces,
        generator.normalizer,
        generator.music_normalizer,
        stride=recipe.data.stride,
        batch_size=settings.batch_size,
        seed=settings.seed,
        frames=generator.denoiser.config.frames,
    )
    if found is not None:
        if found.state["clips"] != len(clips):
            raise ValueError(
                f"{folder}: the run was begun with {found.state['clips']} clips, now there are {len(clips)}"
            )
        generator.denoiser.load_state_dict(learnt_by(found))
    learner = Learner(generator.denoiser, generator.body, generator.normalizer)
    trainer = DanceTrainer(learner, clips, recipe, folder, ranks, deepspeed, limit)
    if found is not None:
        trainer.restore(found)
    if ranks.is_first:
        check_room(folder, trainer.bytes_to_write())
        (folder / "recipe.json").write_text(json.dumps(recipe.as_dict(), indent=1))
    ranks.barrier()
    trainer.train()
