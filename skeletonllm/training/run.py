"""A run: data, model and the stages of a recipe, each starting from the last, resumable at any point."""

import gc
import json
import logging
import tempfile
from pathlib import Path

import torch

from skeletonllm.data.examples import Examples
from skeletonllm.data.mixture import Mixture
from skeletonllm.data.oddities import warn_of_oddities
from skeletonllm.data.recordings import digest_of_order, labels_of
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.models.trained import MODEL_FOLDER, save_trained
from skeletonllm.training.arguments import Recipe, recipe_from_dict
from skeletonllm.training.build import build_model, stages_that_learn
from skeletonllm.training.checkpoint import (
    CHECKPOINT_FOLDER,
    Checkpoint,
    load_checkpoint,
    load_newest_checkpoint,
)
from skeletonllm.training.data import choose_recordings, load
from skeletonllm.training.distributed import Ranks, process_group
from skeletonllm.training.engine import load_deepspeed_config
from skeletonllm.training.faults import TimeLimit, check_room, ending_at_once
from skeletonllm.training.lora import attach_lora, has_lora, merge_lora
from skeletonllm.training.parts import PARTS
from skeletonllm.training.restore import apply_learnt, restore
from skeletonllm.training.run_folder import find_beginning, step_of_model, write_model
from skeletonllm.training.stages import StageSpan, choose, schedule
from skeletonllm.training.trainer import Trainer

logger = logging.getLogger(__name__)


def train(
    recipe: Recipe,
    folder: str | Path,
    *,
    stage: str = "all",
    resume: bool = False,
    start: str | Path | None = None,
    deepspeed: str | Path | None = None,
    time_limit: float | None = None,
) -> Path:
    """Train by a recipe into a folder, as one of the processes of a launcher or alone.

    Args:
        recipe: what to do.
        folder: of the run; ``model/`` in it is the trained model with its adapters merged, for ``from_pretrained``.
        stage: one of the recipe's stages, or ``all`` of them in order.
        resume: go on from the newest whole checkpoint in the folder, wherever it is.
        start: a checkpoint, or a run's folder, of which to take everything trained so far, before the first stage.
        deepspeed: a DeepSpeed configuration file; None: plain torch.
        time_limit: minutes after which to save and stop; SLURM's own is known.

    Returns:
        The folder of the trained model.

    Raises:
        FileExistsError: the folder holds a run already and ``resume`` is not set.
        ValueError: recipe, data, checkpoint and configuration do not go together.
        FloatingPointError, SystemExit: see ``Trainer.train``.
    """
    limit = TimeLimit(time_limit)
    config = None if deepspeed is None else load_deepspeed_config(deepspeed)
    # A stage that learns minds signals itself. While data and models are read, nothing is lost by ending at once.
    with ending_at_once(), process_group(always=config is not None) as ranks:
        run = Run(recipe, Path(folder), ranks, config, stage, start, limit)
        return run.train(resume)


def rehearse(recipe: Recipe, *, stage: str = "all", deepspeed: str | Path | None = None) -> list[dict]:
    """Build everything and do two steps of each stage, without writing anything.

    Returns:
        For each stage its name, steps, seconds per step, expected seconds, and the peak of memory so far in GiB.
    """
    config = None if deepspeed is None else load_deepspeed_config(deepspeed)
    with process_group(always=config is not None) as ranks, tempfile.TemporaryDirectory() as folder:
        return Run(recipe, Path(folder), ranks, config, stage).rehearse()


class Run:
    """The stages of a recipe, in one process of those that share the work."""

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        ranks: Ranks,
        deepspeed: dict | None,
        stage: str,
        start: str | Path | None = None,
        time_limit: TimeLimit | None = None,
    ):
        self.recipe, self.folder, self.ranks, self.deepspeed = recipe, folder, ranks, deepspeed
        self.time_limit = time_limit
        self.start = None if start is None else load_checkpoint(Path(start))
        settings = recipe.optimization
        if settings.threads:
            torch.set_num_threads(settings.threads)
        parts, self.confusable = choose_recordings(recipe)
        count = len(Mixture(parts))
        if count < settings.batch_size:
            raise ValueError(f"{count} recordings are fewer than the batch size {settings.batch_size}")
        self.recordings = load(parts, progress="reading" if ranks.is_first else None)
        self.order = digest_of_order(self.recordings.all_recordings())
        if ranks.is_first:
            warn_of_oddities(self.recordings.in_memory_pairs())
        self.labels = labels_of(self.recordings.all_recordings())
        self.spans = schedule(stages_that_learn(recipe), len(self.recordings) // settings.batch_size)
        self.chosen = choose(self.spans, stage)
        for span in self.chosen:  # what a later stage lacks is told before the first one begins
            self._examples(span, None)

    def train(self, resume: bool) -> Path:
        self._agree_on_order()
        found = self._found(resume)
        model_folder = self.folder / MODEL_FOLDER
        left = [span for span in self.chosen if found is None or found.step < span.last]
        if not left and step_of_model(self.folder) == found.step:
            logger.warning("%s is finished; there is nothing left to train", self.folder)
            return model_folder
        for span in left:
            trainer = self._trainer(span, found)
            if self.ranks.is_first:
                check_room(self.folder, trainer.bytes_to_write())
                (self.folder / "recipe.json").write_text(json.dumps(self.recipe.as_dict(), indent=1))
            self.ranks.barrier()
            trainer.train()
            del trainer
            gc.collect()  # a backbone of many gigabytes, before the next one is loaded
            found = load_newest_checkpoint(self.folder / CHECKPOINT_FOLDER)
        if self.ranks.is_first:
            _write_model(self.folder, found)
        self.ranks.barrier()
        return model_folder

    def _agree_on_order(self) -> None:
        """A file that only some ranks could read would shift the order of all that come behind it, unnoticed."""
        if int(self.ranks.sum(torch.tensor([float(self.order)], dtype=torch.float64))) != (
            self.ranks.world_size * self.order
        ):
            raise ValueError(
                f"rank {self.ranks.rank} has {len(self.recordings)} recordings; the ranks do not have the same ones"
            )

    def rehearse(self) -> list[dict]:
        reports = []
        for span in self.chosen:
            facts = self._trainer(span, None).rehearse()
            gc.collect()
            steps = span.last - span.first
            reports.append(dict(stage=span.name, steps=steps, **facts, seconds=steps * facts["seconds_per_step"]))
        return reports

    def _found(self, resume: bool) -> Checkpoint | None:
        """The checkpoint to go on from."""
        checkpoints = self.folder / CHECKPOINT_FOLDER
        found = find_beginning(self.folder, resume)
        if found is None:
            return None
        # What was left out then, because there was no such key yet, has its default.
        if recipe_from_dict(found.state["recipe"]).decisive() != self.recipe.decisive():
            raise ValueError(f"{checkpoints}: the run was begun with another recipe; see recipe.json there")
        if found.state["order"] != self.order:
            raise ValueError(
                f"{checkpoints}: the run was begun with other recordings; {len(self.recordings)} can be read now"
            )
        logger.warning("resumed at step %d of %d", found.step, self.spans[-1].last)
        return found

    def _trainer(self, span: StageSpan, found: Checkpoint | None) -> Trainer:
        """A fresh model with everything learnt so far, about to begin a stage or to go on within it."""
        recipe, settings = self.recipe, self.recipe.optimization
        torch.manual_seed(settings.seed)
        model, processor = self._build()
        learnt = {**(self.start.tensors["model"] if self.start else {}), **(found.tensors["model"] if found else {})}
        apply_learnt(model, learnt, recipe)
        if "lora" in span.stage.train and not has_lora(model):
            attach_lora(model, recipe.model.lora, settings.seed)
        ends = [span.last for span in self.spans]
        trainer = Trainer(
            model,
            processor,
            self._examples(span, processor),
            recipe,
            span,
            self.folder,
            self.ranks,
            self.deepspeed,
            learnt,
            ends,
            self.chosen[-1].last,
            self.time_limit,
        )
        if found is not None and span.first < found.step < span.last:
            trainer.restore(found)
        return trainer

    def _build(self) -> tuple[SkeletonLLMForConditionalGeneration, SkeletonLLMProcessor]:
        """The model as the recipe begins it; under ZeRO-3 its large parts in shares, if all that learns is small."""
        recipe = self.recipe
        large = {"vision", "language"}
        in_full = any(large & set(span.stage.train) for span in self.spans)
        arguments = (recipe.model, self.labels, recipe.optimization.seed)
        if self.deepspeed is None or self.deepspeed["zero_optimization"]["stage"] < 3 or in_full:
            return build_model(*arguments)
        from skeletonllm.training.zero import loading_in_shares, make_whole

        model, processor = build_model(*arguments, loading=loading_in_shares(self.ranks))
        make_whole(model, {part for part in PARTS if part not in large})
        return model, processor

    def _examples(self, span: StageSpan, processor: SkeletonLLMProcessor | None) -> Examples:
        recipe = self.recipe
        return Examples(
            self.recordings,
            processor,
            recipe.optimization.batch_size,
            recipe.augmentation,
            span.stage.tasks,
            recipe.data.fewer_candidates,
            self.confusable,
            variants=span.stage.variants,
            seed=recipe.optimization.seed,
            list_candidates=recipe.data.list_candidates,
        )


def _write_model(folder: Path, checkpoint: Checkpoint) -> None:
    """The model of a checkpoint with its adapters merged."""
    trained = restore(checkpoint)
    merge_lora(trained.model)
    write_model(folder, checkpoint.step, lambda draft: save_trained(draft, trained))
