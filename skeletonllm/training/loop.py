"""The training loop, whatever learns: steps that every rank agrees on, saved, logged, stopped and gone on with."""

import json
import logging
import math
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from skeletonllm.data.loading import in_advance
from skeletonllm.data.seeds import mixed_seed
from skeletonllm.training.checkpoint import CHECKPOINT_FOLDER, Checkpoint, find_damage, save_checkpoint, set_aside
from skeletonllm.training.distributed import Ranks
from skeletonllm.training.engine import Engine
from skeletonllm.training.faults import SIGNALS, StopRequest, TimeLimit, Watchdog, exit_code
from skeletonllm.training.parts import group_part, learning_parameters
from skeletonllm.training.progress import Ledger, Log, Window, peak_memory, rewind
from skeletonllm.training.stages import Span

logger = logging.getLogger(__name__)

SKIPPED_FILE = "skipped.jsonl"
# Steps in a row whose loss or gradients are not finite; then something is wrong that skipping does not mend.
MOST_SKIPPED = 3


@dataclass(frozen=True)
class LoopSettings:
    """How a loop goes on; see ``skeletonllm.training.arguments.Recipe`` for what each value means."""

    seed: int
    warmup_share: float
    workers: int
    log_every: int
    save_every: int
    pictures_every: int
    keep_last: int
    keep_best: bool
    patience_minutes: float


class HasIds(Protocol):
    """What a rank computes at once, with the ids of the samples in it."""

    ids: list[str]


class Measured(NamedTuple):
    """What a rank found in its share of a step; sums over ranks are the whole.

    ``losses`` (L,) are sums over samples of each of the loop's terms, ``counts`` (L,) the samples of each, ``others``
    (M,) the sums of its ``measures``; all float64 on the CPU.
    """

    losses: Tensor
    counts: Tensor
    others: Tensor


class Loop(ABC):
    """Steps of one stage.

    Writes, from the first rank, ``checkpoints/step-N`` with every parameter that this stage or an earlier one trained,
    ``log.jsonl``, ``tensorboard/`` and pictures. Nothing random is carried from step to step: all that is drawn in a
    step depends on the seed, its number and the rank alone.

    Args:
        engine: with the model.
        settings, span: how, and which steps.
        folder: where everything is written.
        ranks: this process among the others.
        terms: names of the losses.
        measures: names of what else is summed over a step; what ends with ``_seconds`` or ``_tokens`` is logged as a
            share of the time or per second.
        steps_per_epoch: for the log.
        learnt: parameters that earlier stages trained, which the checkpoints carry along.
        ends: steps at which stages end; their checkpoints are kept.
        until: the step at which the run ends, for the time that is left; default: the end of the stage.
        time_limit: when the run has to stop.
    """

    def __init__(
        self,
        engine: Engine,
        settings: LoopSettings,
        span: Span,
        folder: Path,
        ranks: Ranks,
        *,
        terms: Sequence[str],
        measures: Sequence[str] = (),
        steps_per_epoch: float = 1.0,
        learnt: dict[str, Tensor] | None = None,
        ends: Sequence[int] = (),
        until: int | None = None,
        time_limit: TimeLimit | None = None,
    ):
        self.engine, self.settings, self.span, self.folder, self.ranks = engine, settings, span, folder, ranks
        self.terms, self.measures, self.steps_per_epoch = list(terms), list(measures), steps_per_epoch
        self.learnt, self.ends = dict(learnt or {}), ends
        self.until, self.time_limit = until or span.last, time_limit or TimeLimit()
        self.step, self.skipped_in_row = span.first, 0
        self.best: tuple[float, int] | None = None
        self.verifier = ThreadPoolExecutor(1, thread_name_prefix="verification")
        self.verified: tuple[Path, Future] | None = None

    @abstractmethod
    def share_of(self, step: int) -> Sequence[HasIds]:
        """What this rank computes in a step, by microbatches; a function of the step's number alone."""

    @abstractmethod
    def ids_of(self, step: int) -> list[str]:
        """What all ranks together compute in a step."""

    @abstractmethod
    def compute(self, share: Sequence[HasIds]) -> Measured:
        """Forward and backward passes of this rank's share."""

    @abstractmethod
    def facts(self) -> dict:
        """What a checkpoint says of the run, JSON-able."""

    def extra_tensors(self) -> dict[str, dict[str, Tensor]]:
        """Files of tensors that a checkpoint has beside ``model`` and ``optimizer``; every rank asks."""
        return {}

    def updated(self) -> None:
        """Called when a step has changed the weights."""
        return

    def picture(self, log: Log | None) -> None:
        """Called where a picture is due; ``log`` is there on the first rank."""
        return

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
        watchdog = Watchdog(self.folder, self.ranks.rank, 60 * self.settings.patience_minutes)
        window, since_save = Window(), Window()
        if self.settings.pictures_every:
            self.picture(log)
        with bar, watchdog, StopRequest() as stop:
            shares = in_advance(self.share_of, self.step, self.span.last, self.settings.workers)
            while self.step < self.span.last:
                begin = time.perf_counter()
                share = next(shares)
                waited = time.perf_counter() - begin
                if self.time_limit.is_near() and stop.signal_number is None:
                    stop.signal_number = signal.SIGUSR1
                # Before the ranks agree: when one of them saves the step, all of them have it in their ledgers.
                ledger.write(self.step + 1, [microbatch.ids for microbatch in share])
                facts = self._one_step(share, stop.signal_number)
                signal_number = facts.pop("signal_number")
                facts |= {"data_wait_seconds": waited, "seconds": time.perf_counter() - begin}
                self.time_limit.took("step", facts["seconds"])
                window.add(facts)
                since_save.add(facts)
                watchdog.beat(f"step {self.step}")
                bar.update()
                done = self.step == self.span.last
                if done or self.step % self.settings.log_every == 0:
                    if log:
                        log.write(self._line(window))
                    window = Window()
                if self.settings.pictures_every and (done or self.step % self.settings.pictures_every == 0):
                    self.picture(log)
                if done or signal_number or self.step % self.settings.save_every == 0:
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
        kept = self.settings.keep_last + int(self.settings.keep_best) + 1  # and the one being written
        return kept * 4 * (3 * moments + carried)

    def rehearse(self) -> dict[str, float]:
        """Do two steps and say what the second, which has nothing left to warm up, took; nothing is written."""
        for step in (self.span.first, self.span.first + 1):
            begin = time.perf_counter()
            self._one_step(self.share_of(step), None)
            seconds = time.perf_counter() - begin
        self.engine.close()
        return dict(seconds_per_step=seconds, memory_gib=peak_memory(self.ranks.device))

    def _one_step(self, share: Sequence[HasIds], signal_number: int | None) -> dict[str, float]:
        """Change the weights once and tell, the same on every rank, what happened."""
        torch.manual_seed(mixed_seed(self.settings.seed, self.step, self.ranks.rank))
        pieces = [_flags_of(signal_number), *self.compute(share), self.engine.gradient_squares()]
        # One collective for all that the ranks have to agree on, before any weight changes.
        pieces = self.ranks.sum(torch.cat(pieces)).split([len(piece) for piece in pieces])
        signals, losses, counts, others, squares = pieces
        norm = float(squares.sum().sqrt())
        finite = math.isfinite(norm) and bool(losses.isfinite().all())
        if finite:
            factor = self.span.learning_rate_factor(self.step, self.settings.warmup_share)
            self.engine.step(factor, norm)
            self.updated()
            self.skipped_in_row = 0
        else:
            self._skip(losses, norm)
            losses, counts, squares = (torch.zeros_like(piece) for piece in (losses, counts, squares))
            norm = 0.0
        self.step += 1
        facts = dict(zip(self.measures, others.tolist(), strict=True))
        facts |= {f"loss/{term}": value for term, value in zip(self.terms, losses.tolist(), strict=True)}
        facts |= {f"samples/{term}": value for term, value in zip(self.terms, counts.tolist(), strict=True)}
        facts["gradient_norm"] = norm
        by_part: dict[str, float] = {}
        for group, square in zip(self.engine.names, squares.tolist(), strict=True):
            by_part[group_part(group)] = by_part.get(group_part(group), 0.0) + square
        facts |= {f"gradient_norm/{part}": math.sqrt(square) for part, square in by_part.items()}
        return {**facts, "skipped": float(not finite), "signal_number": _first_of(signals)}

    def _skip(self, losses: Tensor, norm: float) -> None:
        """Leave a step out on all ranks, and write down what was in it."""
        self.engine.discard()
        self.skipped_in_row += 1
        ids = self.ids_of(self.step)
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
        factor = self.span.learning_rate_factor(self.step - 1, self.settings.warmup_share)
        rates = {
            f"learning_rate/{group}": rate * factor
            for group, rate in zip(self.engine.names, self.engine.rates, strict=True)
        }
        return dict(
            step=self.step,
            stage=self.span.name,
            epoch=self.step / self.steps_per_epoch,
            **summary,
            **rates,
            memory_gib=peak_memory(self.ranks.device),
            eta_seconds=round((self.until - self.step) * summary["seconds_per_step"]),
        )

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
        tensors = dict(model=learnt, optimizer=moments, **self.extra_tensors())
        if loss is not None and (self.best is None or loss < self.best[0]):
            self.best = loss, self.step
        error = None
        if self.ranks.is_first:
            state = dict(
                stage=self.span.name,
                **self.facts(),
                skipped_in_row=self.skipped_in_row,
                best=self.best,
                world_size=self.ranks.world_size,
            )
            keep = {*self.ends, *([self.best[1]] if self.settings.keep_best and self.best else [])}
            try:
                path = save_checkpoint(
                    self.folder / CHECKPOINT_FOLDER, self.step, tensors, state, keep, self.settings.keep_last
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


def _flags_of(signal_number: int | None) -> Tensor:
    """Which of the signals this process was sent; sums over ranks are how many were sent each."""
    return torch.tensor([float(number == signal_number) for number in SIGNALS], dtype=torch.float64)


def _first_of(flags: Tensor) -> int | None:
    return next((number for number, count in zip(SIGNALS, flags.tolist(), strict=True) if count), None)
