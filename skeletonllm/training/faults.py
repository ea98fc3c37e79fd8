"""What can befall a run, and what it ends with: signals, time limits, hangs, full disks."""

import errno
import faulthandler
import json
import logging
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

# Exit codes, beside 0 for done, 1 for failed and 2 for wrong arguments, files or recipes.
POISONED = 65  # losses or gradients that are not finite, again and again: look at the data (EX_DATAERR)
REQUEUE = 75  # stopped in time and saved: start again with --resume (EX_TEMPFAIL)
HUNG = 76  # no step was finished for too long, or another process was lost: start again with --resume
INTERRUPTED = 130  # Ctrl-C, after saving

# Seconds before its time limit that a run stops, beside the time of the longest step and the longest save.
TIME_MARGIN = 30.0
HEARTBEAT_FOLDER = "heartbeats"


def exit_code(signal_number: int) -> int:
    """Of a run that was stopped by a signal."""
    return INTERRUPTED if signal_number == signal.SIGINT else REQUEUE


@contextmanager
def ending_at_once() -> Iterator[None]:
    """While this context is open, a signal ends the process with its exit code: for times in which nothing is lost.

    Outside the main thread it does nothing.
    """

    def end(number: int, _) -> None:
        raise SystemExit(exit_code(number))

    before = {}
    try:
        for number in SIGNALS:
            before[number] = signal.signal(number, end)
    except ValueError:  # not the main thread
        before.clear()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StopRequest:
    """While this context is open, Ctrl-C, SIGTERM and SIGUSR1 set ``signal_number`` instead of ending the process.

    A second Ctrl-C ends it at once. Outside the main thread, where Python delivers no signals, it does nothing.
    """

    def __init__(self):
        self.signal_number: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        try:
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._note)
        except ValueError:  # not the main thread
            self._before.clear()
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _) -> None:
        if self.signal_number is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal_number = number


class TimeLimit:
    """When a run has to stop, so that it can save before it is killed.

    Args:
        minutes: from now, or None; SLURM's own limit counts too, if it tells it (``SLURM_JOB_END_TIME``).
    """

    def __init__(self, minutes: float | None = None):
        ends = [float("inf")]
        if minutes is not None:
            ends.append(time.time() + 60 * minutes)
        if "SLURM_JOB_END_TIME" in os.environ:
            ends.append(float(os.environ["SLURM_JOB_END_TIME"]))
        self.end = min(ends)
        self.longest: dict[str, float] = {}

    def took(self, what: str, seconds: float) -> None:
        """Note how long a step or a save took."""
        self.longest[what] = max(seconds, self.longest.get(what, 0.0))

    def is_near(self) -> bool:
        """Whether another step, and a save, may not fit any more."""
        return time.time() + TIME_MARGIN + 2 * sum(self.longest.values()) > self.end


class Watchdog:
    """Ends a process that has not finished a step for too long, with the stacks of all its threads.

    Its heart beats in ``heartbeats/rank-N.json``: the time, and what was done last. When it stops,
    ``heartbeats/rank-N.stacks`` tells where the process was, and the process ends with ``HUNG``; the launcher then ends
    the others, who wait for it.

    Args:
        folder: of the run.
        rank: of this process.
        patience: seconds; 0: for ever.
    """

    def __init__(self, folder: Path, rank: int, patience: float):
        self.file = folder / HEARTBEAT_FOLDER / f"rank-{rank:05d}.json"
        self.patience = patience
        self._last, self._written = time.monotonic(), 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> "Watchdog":
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if self.patience:
            self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        if self.patience:
            self._thread.join()

    def beat(self, what: str) -> None:
        """Something was finished."""
        self._last = time.monotonic()
        if self._last - self._written > 1.0:  # a shared file system need not hear of every step
            self._written = self._last
            self.file.write_text(json.dumps(dict(time=time.time(), done=what, process=os.getpid())))

    def _watch(self) -> None:
        while not self._stop.wait(min(1.0, self.patience / 4)):
            silent = time.monotonic() - self._last
            if silent > self.patience:
                stacks = self.file.with_suffix(".stacks")
                with stacks.open("w") as file:
                    faulthandler.dump_traceback(file, all_threads=True)
                print(f"nothing was finished for {silent:.0f} s; stacks in {stacks}", file=sys.stderr, flush=True)
                os._exit(HUNG)


def check_room(folder: Path, needed: int) -> None:
    """See that a folder can be written to and that ``needed`` bytes fit in.

    Raises:
        OSError: one of them is not so; the error names the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".probe-{os.getpid()}"
    try:
        probe.write_bytes(b"0" * 4096)
    finally:
        probe.unlink(missing_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed:
        message = f"{free / 1e9:.2f} GB are free, checkpoints and the model need {needed / 1e9:.2f} GB"
        raise OSError(errno.ENOSPC, message, str(folder))
