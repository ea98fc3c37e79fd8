"""Reads visitors' files beside the server, in processes that are ended where a file holds them too long."""

import asyncio
import logging
import multiprocessing
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from skeletonllm.serving.limits import LimitError, Limits
from skeletonllm.serving.queue import CancelledWork, OutOfTime, QueueFullError
from skeletonllm.serving.reading import Recording, read_recording, recordings_inside
from skeletonllm.serving.reading_process import Outcome, can_bound_memory, work_until_closed

logger = logging.getLogger(__name__)

# Each may take the memory that the limits say, and a core.
_AT_ONCE = 2
_ERRORS = {"limit": LimitError, "value": ValueError, "system": OSError}


class ReaderDefect(RuntimeError):
    """A reader failed by a mistake of ours; the message is the traceback from its process."""


class Readers:
    """Reads a few files at once, each in a process of its own that is kept for the next.

    A file that takes too long, and a visitor who leaves, end the process; another one takes its place. Memory is
    bounded where the system can do that (Linux); elsewhere a warning says that it is not.

    Args:
        limits: ``reading_seconds`` and ``reading_bytes`` are what one file may take, ``work_seconds`` how long a
            visitor waits for a turn, ``waiting`` how many may.
    """

    def __init__(self, limits: Limits):
        self.limits = limits
        if not can_bound_memory():
            logger.warning("this system does not bound the memory that reading a file may take")
        # What forks must have no threads, unlike the server. It has imported all that readers need.
        forks = "forkserver" in multiprocessing.get_all_start_methods()
        self._context = multiprocessing.get_context("forkserver" if forks else "spawn")
        if forks:
            self._context.set_forkserver_preload([read_recording.__module__, work_until_closed.__module__])
        self._threads = ThreadPoolExecutor(_AT_ONCE, "readers")
        self._mine = threading.local()  # each thread has a process
        self._processes: set[_Process] = set()
        self._lock = threading.Lock()
        self._waiting, self._closed = 0, False
        for _ in range(_AT_ONCE):
            self._threads.submit(self._process)

    async def read(self, paths: list[Path], which: str | None = None) -> Recording:
        """``read_recording`` of these files.

        Raises:
            ValueError: no such recording, or one beyond the limits (a LimitError), also those of memory.
            OSError: a file is gone.
            OutOfTime: it takes too long to read, or to come to its turn.
            QueueFullError: too many are waiting.
            ReaderDefect: a mistake of ours.
        """
        return await self._do(paths[0].name, read_recording, paths, self.limits, which)

    async def inside(self, path: Path) -> list[str | None]:
        """``recordings_inside`` of a file; raises as ``read`` does."""
        return await self._do(path.name, recordings_inside, path)

    def close(self) -> None:
        """End all processes, whatever they do."""
        with self._lock:
            self._closed = True
            processes = [*self._processes]
        for process in processes:
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in processes:
            process.close()

    async def _do(self, name: str, work: Callable, *arguments: Any) -> Any:
        limits = self.limits
        if self._waiting >= limits.waiting:
            raise QueueFullError(f"{self._waiting} files wait to be read, which is all that may; try again later")
        task = _Task(name, work, arguments)
        self._waiting += 1
        try:
            running = asyncio.get_running_loop().run_in_executor(self._threads, self._run, task)
            return await asyncio.wait_for(running, limits.work_seconds + limits.reading_seconds)
        except TimeoutError:
            raise OutOfTime(
                f"{name}: waited longer than {limits.work_seconds:g} s to be read, which is the limit"
            ) from None
        finally:
            self._waiting -= 1
            task.stop()

    # In one of the threads.

    def _run(self, task: "_Task") -> Any:
        process = self._process()
        if not task.begin(process):
            raise CancelledWork("nobody waits for this any more")
        try:
            outcome = process.do(task, self.limits.reading_seconds)
        finally:
            task.end()
        if outcome.kind == "done":
            return outcome.value
        if outcome.kind == "memory":
            raise LimitError(f"{task.name}: more than fits in memory")
        if outcome.kind == "defect":
            raise ReaderDefect(outcome.message)
        raise _ERRORS[outcome.kind](outcome.message)

    def _process(self) -> "_Process":
        """That of this thread; a new one where it has ended."""
        process = getattr(self._mine, "process", None)
        if process is not None and process.alive:
            return process
        if process is not None:
            process.close()
        with self._lock:
            self._processes.discard(process)
            if self._closed:
                raise CancelledWork("the server stops")
            self._mine.process = _Process(self._context, self.limits.reading_bytes)
            self._processes.add(self._mine.process)
        return self._mine.process


class _Task:
    """What a process is to do, and which one does it."""

    def __init__(self, name: str, work: Callable, arguments: tuple):
        self.name, self.work, self.arguments = name, work, arguments
        self._process: _Process | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def begin(self, process: "_Process") -> bool:
        """Whether it is still wanted."""
        with self._lock:
            self._process = None if self._stopped else process
            return not self._stopped

    def end(self) -> None:
        """The process has done it."""
        with self._lock:
            self._process = None

    def stop(self) -> None:
        """Nobody waits for it any more: what works on it ends."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()


class _Process:
    """A process that reads, and the way to it. It is used by one thread, and may be killed by any."""

    def __init__(self, context: multiprocessing.context.BaseContext, memory: int):
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=work_until_closed, args=(theirs, memory), name="reader", daemon=True)
        self._process.start()
        theirs.close()
        self._killed = False

    @property
    def alive(self) -> bool:
        return not self._killed and self._process.is_alive()

    def do(self, task: _Task, seconds: float) -> Outcome:
        """What becomes of a task. Raises OutOfTime, or ValueError where the process does not survive it."""
        try:
            self._connection.send((task.work, task.arguments, seconds))
            if not self._connection.poll(seconds):
                self.kill()
                raise OutOfTime(f"{task.name}: took longer than {seconds:g} s to read, which is the limit")
            outcome: Outcome = self._connection.recv()
        except (EOFError, ConnectionError):
            self.kill()
            raise ValueError(f"{task.name}: {self._end()}") from None
        if outcome.last:
            self.kill()
        return outcome

    def kill(self) -> None:
        self._killed = True
        self._process.kill()

    def close(self) -> None:
        """Of one that was killed, or has ended."""
        self._process.join()
        self._connection.close()

    def _end(self) -> str:
        self._process.join()
        code = self._process.exitcode
        by = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"reading it ended its process ({by}), expected a recording that can be read to its end"
