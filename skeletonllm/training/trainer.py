"""The training loop of one stage."""

import copy
import json
import logging
import math
import signal
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from skeletonllm.data.examples import Examples
from skeletonllm.data.loading import in_advance
from skeletonllm.data.recordings import digest_of_order
from skeletonllm.data.seeds import mixed_seed
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.rendering.cache import FrameCache
from skeletonllm.training.arguments import Recipe
from skeletonllm.training.checkpoint import CHECKPOINT_FOLDER, Checkpoint, find_damage, save_checkpoint, set_aside
from skeletonllm.training.distributed import Ranks
from skeletonllm.training.engine import EngineSettings, make_engine
from skeletonllm.training.faults import SIGNALS, StopRequest, TimeLimit, Watchdog, exit_code
from skeletonllm.training.parts import group_part, learning_parameters, parameter_groups
from skeletonllm.training.preparation import low_precision, prepare, share_batch
from skeletonllm.training.progress import Ledger, Log, RendererClock, Window, peak_memory, rewind, sheet_of
from skeletonllm.training.shares import arrange, microbatches_of
from skeletonllm.training.stages import Span

logger = logging.getLogger(__name__)

SKIPPED_FILE = "skipped.jsonl"
# Steps in a row whose loss or gradients are not finite; then something is wrong that skipping does not mend.
MOST_SKIPPED = 3
PICTURED_CLIPS = 3
RENDERER = "renderer."


@dataclass
class Microbatch:
    """What a rank computes at once: the model's inputs on the CPU, and task and id of each sample."""

    inputs: dict
    tasks: list[str]
    ids: list[str]


class Trainer:
    """Trains a model through one stage.

    Writes, from the first rank, ``checkpoints/step-N`` with every parameter that this stage or an earlier one trained,
    ``log.jsonl``, ``tensorboard/`` and ``pictures/``. Nothing random is carried from step to step: order, augmentation
    and dropout of a step depend on the seed, its number and the rank alone.

    Args:
        model, processor: what learns, and what prepares its input.
        examples: questions by step.
        recipe: how it learns.
        span: the stage and its steps.
        folder: where everything is written.
        ranks: this process among the others.
        deepspeed: a DeepSpeed configuration, or None for plain torch.
        learnt: parameters that earlier stages trained, which the checkpoints carry along.
        ends: steps at which stages end; their checkpoints are kept.
        until: the step at which the run ends, for the time that is left; default: the end of the stage.
        time_limit: when the run has to stop.

    Raises:
        ValueError: a batch that the ranks cannot share evenly.
    """

    def __init__(
        self,
        model: SkeletonLLMForConditionalGeneration,
        processor: SkeletonLLMProcessor,
        examples: Examples,
        recipe: Recipe,
        span: Span,
        folder: Path,
        ranks: Ranks,
        deepspeed: dict | None = None,
        learnt: dict[str, torch.Tensor] | None = None,
        ends: Sequence[int] = (),
        until: int | None = None,
        time_limit: TimeLimit | None = None,
    ):
        self.processor, self.examples, self.recipe, self.span = processor, examples, recipe, span
        self.folder, self.ranks, self.learnt, self.ends = folder, ranks, dict(learnt or {}), ends
        self.step, self.skipped_in_row = span.first, 0
        self.order = digest_of_order(examples.recordings.all_recordings())
        self.until, self.time_limit = until or span.last, time_limit or TimeLimit()
        self.best: tuple[float, int] | None = None
        self.verifier = ThreadPoolExecutor(1, thread_name_prefix="verification")
        self.verified: tuple[Path, Future] | None = None
        settings, stage = recipe.optimization, span.stage
        self.low_precision = low_precision(settings, ranks)
        self.micro_batch_size, self.accumulation = share_batch(settings, ranks)
        self.image_token = model.config.frame_token_id
        prepare(model, settings, stage.train, self.low_precision, ranks)
        # Copies, because ZeRO-3 takes the model's own renderer apart: one to draw pictures for people, and one, where
        # the renderer rests, to draw frames for the cache.
        self.painter = copy.deepcopy(model.renderer).cpu()
        self.cache, renderer = None, model.renderer
        if stage.variants and "renderer" not in stage.train:
            self.cache, renderer = FrameCache(self.folder / "frames"), copy.deepcopy(model.renderer)
        self.renderer, self.image_size = renderer, model.config.image_size
        self.clock = RendererClock(renderer, ranks.device)
        groups = parameter_groups(model, stage.learning_rate, stage.renderer_learning_rate, settings.weight_decay)
        self.groups = [group["name"] for group in groups]
        computing = EngineSettings(
            self.micro_batch_size, self.accumulation, settings.max_gradient_norm, self.low_precision
        )
        self.engine = make_engine(model, groups, computing, ranks, deepspeed)

    def train(self) -> None:
        """Run to the end of the stage, and leave a checkpoint there.

        Raises:
            FloatingPointError: losses or gradients of three steps in a row were not finite; no weight was changed by
                them.
            SystemExit: stopped by a signal to any rank, or in time before a limit, after a checkpoint was written; see
                ``skeletonllm.training.faults.exit_code``.
            OSError: the last checkpoint of the stage, or of a run that was told to stop, could not be written.
        """
        log = Log(self.folder, self.step) if self.ranks.is_first else None
        ledger = Ledger(self.folder, self.ranks, self.step)
        if log:
            rewind(self.folder / SKIPPED_FILE, self.step - 1)  # there steps are told by how many were done before
        bar = tqdm(total=self.span.last, initial=self.step, desc=self.span.name, mininterval=1.0, disable=not log)
        watchdog = Watchdog(self.folder, self.ranks.rank, 60 * self.recipe.patience_minutes)
        window, since_save = Window(), Window()
        self._picture(log)
        with bar, watchdog, StopRequest() as stop:
            batches = in_advance(self.share_of, self.step, self.span.last, self.recipe.data.workers)
            while self.step < self.span.last:
                begin = time.perf_counter()
                microbatches = next(batches)
                waited = time.perf_counter() - begin
                if self.time_limit.is_near() and stop.signal_number is None:
                    stop.signal_number = signal.SIGUSR1
                # Before the ranks agree: when one of them saves the step, all of them have it in their ledgers.
                ledger.write(self.step + 1, [microbatch.ids for microbatch in microbatches])
                facts = self._one_step(microbatches, stop.signal_number)
                signal_number = facts.pop("signal_number")
                facts |= {"data_seconds": waited, "seconds": time.perf_counter() - begin}
                self.time_limit.took("step", facts["seconds"])
                window.add(facts)
                since_save.add(facts)
                watchdog.beat(f"step {self.step}")
                bar.update()
                done = self.step == self.span.last
                if done or self.step % self.recipe.log_every == 0:
                    if log:
                        log.write(self._line(window))
                    window = Window()
                if self.recipe.pictures_every and (done or self.step % self.recipe.pictures_every == 0):
                    self._picture(log)
                if done or signal_number or self.step % self.recipe.save_every == 0:
                    self.save(since_save.summary()["loss"], must=bool(done or signal_number))
                    since_save = Window()
                    watchdog.beat(f"save {self.step}")
                if done and signal_number is None:  # what came within this step has no further step to notice it
                    signal_number = self._asked_to_stop(stop.signal_number)
                if signal_number:
                    logger.warning("stopped after step %d; go on with --resume", self.step)
                    raise SystemExit(exit_code(signal_number))
        if log:
            log.close()
        self._set_aside_if_damaged()
        self.engine.close()

    def _asked_to_stop(self, signal_number: int | None) -> int | None:
        """A signal that any rank was sent, the same on every rank; every rank must ask."""
        return _first_of(self.ranks.sum(_flags_of(signal_number)))

    def bytes_to_write(self) -> int:
        """An estimate, from above, of what a stage's checkpoints take at once."""
        moments = sum(getattr(p, "ds_numel", p.numel()) for p in learning_parameters(self.engine.model).values())
        carried = sum(value.numel() for value in self.learnt.values())
        kept = self.recipe.keep_last + int(self.recipe.keep_best) + 1  # and the one being written
        return kept * 4 * (3 * moments + carried)

    def rehearse(self) -> dict[str, float]:
        """Do two steps and say what the second, which has nothing left to warm up, took; nothing is written."""
        for step in (self.span.first, self.span.first + 1):
            begin = time.perf_counter()
            self._one_step(self.share_of(step), None)
            seconds = time.perf_counter() - begin
        self.engine.close()
        return dict(seconds_per_step=seconds, memory_gib=peak_memory(self.ranks.device))

    def share_of(self, step: int) -> list[Microbatch]:
        """What this rank computes in a step."""
        settings = self.recipe.optimization
        arranged = arrange(self.examples.questions(step), settings.group_by_length)
        microbatches = []
        for questions in microbatches_of(arranged, self.ranks.rank, self.ranks.world_size, self.micro_batch_size):
            examples = [self.examples.example(question) for question in questions]
            inputs = self.processor(
                [example.clip for example in examples],
                [example.prompt for example in examples],
                [example.answer for example in examples],
                row_length=settings.row_length,
            )
            microbatches.append(
                Microbatch(inputs, [example.task for example in examples], [example.id for example in examples])
            )
        return microbatches

    def _one_step(self, microbatches: list[Microbatch], signal_number: int | None) -> dict[str, float]:
        """Change the weights once and tell, the same on every rank, what happened."""
        torch.manual_seed(mixed_seed(self.recipe.optimization.seed, self.step, self.ranks.rank))
        tasks = sorted(self.span.stage.tasks)
        losses, counts = torch.zeros(len(tasks), dtype=torch.float64), torch.zeros(len(tasks), dtype=torch.float64)
        visual = text = 0
        for number, microbatch in enumerate(microbatches):
            outputs = self.engine.forward(**self._to_device(microbatch.inputs), use_cache=False)
            self.engine.backward(outputs.sample_losses.mean(), last=number + 1 == len(microbatches))
            self.clock.end()
            for task, loss in zip(microbatch.tasks, outputs.sample_losses.detach().double().cpu(), strict=True):
                losses[tasks.index(task)] += loss
                counts[tasks.index(task)] += 1
            ids = microbatch.inputs["input_ids"]
            seen = int((ids == self.image_token).sum())
            visual, text = visual + seen, text + _filled(microbatch.inputs) - seen
        signals = _flags_of(signal_number)
        measured = torch.tensor([visual, text, self.clock.seconds() / self.ranks.world_size], dtype=torch.float64)
        pieces = [signals, measured, losses, counts, self.engine.gradient_squares()]
        # One collective for all that the ranks have to agree on, before any weight changes.
        pieces = self.ranks.sum(torch.cat(pieces)).split([len(piece) for piece in pieces])
        signals, measured, losses, counts, squares = pieces
        norm = float(squares.sum().sqrt())
        finite = math.isfinite(norm) and bool(losses.isfinite().all())
        if finite:
            factor = self.span.learning_rate_factor(self.step, self.recipe.optimization.warmup_share)
            self.engine.step(factor, norm)
            self.skipped_in_row = 0
        else:
            self._skip(losses, norm)
            losses, counts, squares = (torch.zeros_like(piece) for piece in (losses, counts, squares))
            norm = 0.0
        self.step += 1
        facts = dict(zip(("visual_tokens", "text_tokens", "renderer_seconds"), measured.tolist(), strict=True))
        facts |= {f"loss/{task}": value for task, value in zip(tasks, losses.tolist(), strict=True)}
        facts |= {f"samples/{task}": value for task, value in zip(tasks, counts.tolist(), strict=True)}
        facts["gradient_norm"] = norm
        by_part: dict[str, float] = {}
        for group, square in zip(self.groups, squares.tolist(), strict=True):
            by_part[group_part(group)] = by_part.get(group_part(group), 0.0) + square
        facts |= {f"gradient_norm/{part}": math.sqrt(square) for part, square in by_part.items()}
        return {**facts, "skipped": float(not finite), "signal_number": _first_of(signals)}

    def _to_device(self, inputs: dict) -> dict:
        moved = {key: value.to(self.ranks.device) for key, value in inputs.items()}
        if self.cache is not None:
            moved["frames"] = self.cache.render(self.renderer, moved.pop("clips"), self.image_size)
        return moved

    def _skip(self, losses: torch.Tensor, norm: float) -> None:
        """Leave a step out on all ranks, and write down what was in it."""
        self.engine.discard()
        self.skipped_in_row += 1
        ids = [question.id for question in self.examples.questions(self.step)]
        what = f"loss {float(losses.sum())}, gradient norm {norm}"
        logger.warning("step %d left out: %s on %s", self.step, what, ", ".join(ids))
        if self.ranks.is_first:
            with (self.folder / SKIPPED_FILE).open("a") as file:
                file.write(json.dumps(dict(step=self.step, what=what, ids=ids)) + "\n")
        if self.skipped_in_row == MOST_SKIPPED:
            raise FloatingPointError(
                f"step {self.step}: {what}; the third step in a row that is not finite; see {SKIPPED_FILE}"
            )

    def _line(self, window: Window) -> dict:
        summary = window.summary()
        factor = self.span.learning_rate_factor(self.step - 1, self.recipe.optimization.warmup_share)
        rates = {
            f"learning_rate/{group}": rate * factor for group, rate in zip(self.groups, self.engine.rates, strict=True)
        }
        return dict(
            step=self.step,
            stage=self.span.name,
            epoch=self.step / self.examples.steps_per_epoch,
            **summary,
            **rates,
            memory_gib=peak_memory(self.ranks.device),
            eta_seconds=round((self.until - self.step) * summary["seconds_per_step"]),
        )

    def _picture(self, log: Log | None) -> None:
        """Draw a few clips, always the same, with the renderer as it is now."""
        if not self.recipe.pictures_every:
            return
        learning = self.engine.parameters(RENDERER)
        if log is None:
            return
        self.painter.load_state_dict({**self.painter.state_dict(), **_without_prefix(learning)})
        labels = self.examples.labels
        shown = {labels[index * len(labels) // PICTURED_CLIPS] for index in range(PICTURED_CLIPS)}
        recordings = self.examples.recordings
        first = {one.label: index for index, one in reversed([*enumerate(recordings.all_recordings())])}
        clips = {label: self.processor.sample(recordings[first[label]][1]) for label in sorted(shown)}
        log.picture(sheet_of(self.painter, list(clips.values()), list(clips)), self.step)

    def save(self, loss: float | None, must: bool) -> None:
        """Write a checkpoint of everything trained so far; at the end of a stage without the optimiser's state.

        Args:
            loss: mean over the steps since the last one, None if all of them were skipped.
            must: whether the run cannot go on without it.

        Raises:
            OSError: on every rank, if it could not be written and ``must``.
        """
        begin = time.perf_counter()
        self._set_aside_if_damaged()
        learnt = {**self.learnt, **self.engine.parameters()}
        moments = {} if self.step == self.span.last else self.engine.optimizer_state()
        if loss is not None and (self.best is None or loss < self.best[0]):
            self.best = loss, self.step
        error = None
        if self.ranks.is_first:
            state = dict(
                stage=self.span.name,
                recipe=self.recipe.as_dict(),
                labels=self.examples.labels,
                order=self.order,
                skipped_in_row=self.skipped_in_row,
                best=self.best,
                world_size=self.ranks.world_size,
            )
            tensors = dict(model=learnt, optimizer=moments)
            keep = {*self.ends, *([self.best[1]] if self.recipe.keep_best and self.best else [])}
            try:
                path = save_checkpoint(
                    self.folder / CHECKPOINT_FOLDER, self.step, tensors, state, keep, self.recipe.keep_last
                )
                self.verified = path, self.verifier.submit(find_damage, path)
            except OSError as failure:
                error = failure
        failed = bool(self.ranks.sum(torch.tensor([float(error is not None)])))
        self.time_limit.took("save", time.perf_counter() - begin)
        if failed and must:
            raise error or OSError(f"the first rank could not write the checkpoint of step {self.step}")
        if error is not None:
            logger.error("checkpoint of step %d not written, the run goes on: %s", self.step, error)

    def _set_aside_if_damaged(self) -> None:
        """Look at what became of reading the last checkpoint again, which happens in the background."""
        if self.verified is None:
            return
        path, damage = self.verified
        self.verified = None
        if problem := damage.result():
            logger.error("a checkpoint that was just written is damaged and set aside: %s", problem)
            set_aside(path)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of this stage, whose parameters the model has already."""
        self.engine.load_optimizer_state(checkpoint.tensors["optimizer"])
        self.step, self.skipped_in_row = checkpoint.step, checkpoint.state["skipped_in_row"]
        self.best = checkpoint.state["best"]


def _flags_of(signal_number: int | None) -> torch.Tensor:
    """Which of the signals this process was sent; sums over ranks are how many were sent each."""
    return torch.tensor([float(number == signal_number) for number in SIGNALS], dtype=torch.float64)


def _first_of(flags: torch.Tensor) -> int | None:
    return next((number for number, count in zip(SIGNALS, flags.tolist(), strict=True) if count), None)


def _filled(inputs: dict) -> int:
    """Tokens that are not padding."""
    if "sample_ids" in inputs:
        return int((inputs["sample_ids"] >= 0).sum())
    return int(inputs["attention_mask"].sum())


def _without_prefix(parameters: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(RENDERER): value for name, value in parameters.items()}
