"""A run of fine-tuning: a generator, music, rewards, updates, and the generator in the end; resumable at any step."""

import copy
import json
import logging
from pathlib import Path

from skeletonllm.dance.denoiser import Denoiser
from skeletonllm.dance.finetuning.policy import Policy
from skeletonllm.dance.finetuning.recipe import FinetuneRecipe
from skeletonllm.dance.finetuning.trainer import FinetuneTrainer
from skeletonllm.dance.generator import Generator
from skeletonllm.dance.training.generator_loop import learnt_by, mean_of
from skeletonllm.dance.training.pieces import Clips, load_pieces
from skeletonllm.dance.training.run import beginning_of
from skeletonllm.models.trained import MODEL_FOLDER
from skeletonllm.training.checkpoint import CHECKPOINT_FOLDER, Checkpoint, load_newest_checkpoint
from skeletonllm.training.distributed import Ranks, process_group
from skeletonllm.training.engine import load_deepspeed_config
from skeletonllm.training.faults import TimeLimit, check_room, ending_at_once
from skeletonllm.training.lora import add_adapters, merge_adapters
from skeletonllm.training.run_folder import step_of_model, write_model

logger = logging.getLogger(__name__)

# The linear layers of attention and of what follows it, in the decoder and in the music encoder.
_ADAPTED = r"(music_)?layers\.\d+\.((attention|hearing)\.(projection|out)|feed_forward\.(0|3))"


def finetune(
    recipe: FinetuneRecipe,
    folder: str | Path,
    *,
    resume: bool = False,
    deepspeed: str | Path | None = None,
    time_limit: float | None = None,
) -> Path:
    """Fine-tune a generator into a folder, as one of the processes of a launcher or alone.

    Args and errors as for ``skeletonllm.dance.training.run.train``; ``ValueError`` also for a recipe without a
    generator, or one of which the rewards cannot be learnt from.

    Returns:
        The folder of the generator.
    """
    folder, limit = Path(folder), TimeLimit(time_limit)
    if not recipe.generator:
        raise ValueError("the recipe names no generator to fine-tune: generator=FOLDER")
    config = None if deepspeed is None else load_deepspeed_config(deepspeed)
    with ending_at_once(), process_group(always=config is not None) as ranks:
        found = beginning_of(recipe, folder, resume)
        if found is not None and found.step == recipe.optimization.steps == step_of_model(folder):
            logger.warning("%s is finished; there is nothing left to train", folder)
            return folder / MODEL_FOLDER
        generator = Generator.load(recipe.generator)
        if generator.vectors == "edge":
            raise ValueError(f"{recipe.generator}: makes vectors of EDGE; rewards are of dances of our own body alone")
        if found is None or found.step < recipe.optimization.steps:
            _learn(recipe, folder, generator, found, ranks, config, limit)
            found = load_newest_checkpoint(folder / CHECKPOINT_FOLDER)
            generator = Generator.load(recipe.generator)
        if ranks.is_first:
            _adapt(generator.denoiser, recipe)
            generator.denoiser.load_state_dict(mean_of(found))
            if recipe.lora is not None:
                merge_adapters(generator.denoiser)
            write_model(folder, found.step, generator.save)
        ranks.barrier()
        return folder / MODEL_FOLDER


def _learn(
    recipe: FinetuneRecipe,
    folder: Path,
    generator: Generator,
    found: Checkpoint | None,
    ranks: Ranks,
    deepspeed: dict | None,
    limit: TimeLimit,
) -> None:
    rewards = recipe.rewards.weighted()
    _, direct = recipe.objective.split(rewards)
    pieces = load_pieces(recipe.data, generator.body, phase=generator.beat_phase, progress=ranks.is_first)
    clips = Clips(
        pieces,
        generator.normalizer,
        generator.music_normalizer,
        stride=recipe.data.stride,
        batch_size=1,
        seed=0,
        frames=generator.denoiser.config.frames,
    )
    generator = generator.to(ranks.device)
    reference = copy.deepcopy(generator.denoiser).requires_grad_(False)
    _adapt(generator.denoiser, recipe)
    if found is not None:
        generator.denoiser.load_state_dict(learnt_by(found), strict=recipe.lora is None)
    objective = recipe.objective
    policy = Policy(
        generator.denoiser,
        generator.normalizer,
        generator.body,
        clip=objective.clip if objective.method == "ppo" else None,
        kl=objective.kl,
        direct=direct,
        last_steps=objective.last_steps,
    )
    trainer = FinetuneTrainer(policy, reference, clips, rewards, recipe, folder, ranks, deepspeed, limit)
    if found is not None:
        trainer.restore(found)
    if ranks.is_first:
        check_room(folder, trainer.bytes_to_write())
        (folder / "recipe.json").write_text(json.dumps(recipe.as_dict(), indent=1))
    ranks.barrier()
    trainer.train()


def _adapt(denoiser: Denoiser, recipe: FinetuneRecipe) -> None:
    if recipe.lora is not None:
        add_adapters(denoiser, recipe.lora, _ADAPTED, recipe.optimization.seed)
