"""The process in which visitors' files are read, as a file may be made to take any memory and any time.

It imports no more than readers need. What it may take is bounded by the system: nothing that a file does to a reader,
in Python or below it, goes beyond.
"""

import math
import pickle
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from skeletonllm.serving.limits import LimitError

try:
    import resource
except ImportError:  # Windows
    resource = None

# The sixth number is what a process has of its own, in pages; see proc(5).
_MEMORY = Path("/proc/self/statm")
# What is not given back to the system stays with the process: beyond this share of the bound a new one begins small.
_STALE = 1 / 4
# An orphan ends by itself, so many seconds after it would have been ended.
_ORPHAN_SECONDS = 5


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Args:
        kind: ``done``, ``limit``, ``value``, ``system``, ``memory`` or ``defect``.
        value: the result where it is done.
        message: else what the error says; of a defect its traceback.
        last: whether the process ends with this.
    """

    kind: str
    value: Any = None
    message: str = ""
    last: bool = False


def can_bound_memory() -> bool:
    """Whether this system holds a process to a bound."""
    return resource is not None and _MEMORY.exists()


def work_until_closed(connection: Connection, memory: int) -> None:
    """Do what comes through a connection: a function, its arguments, and the seconds that it may take.

    Args:
        connection: tells the ``Outcome`` of each; closed at the other end, it ends the process.
        memory: bytes that may be taken beyond those that are taken now.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which closes the connection
    start = _held()
    if can_bound_memory():
        # Of data, not of addresses: libraries reserve many of those for each processor, and never use them.
        resource.setrlimit(resource.RLIMIT_DATA, (start + memory, start + memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    last = False
    while not last:
        try:
            work, arguments, seconds = connection.recv()
        except EOFError:
            return
        _alarm(math.ceil(seconds) + _ORPHAN_SECONDS)
        outcome = _outcome(work, arguments)
        last = _held() - start > _STALE * memory
        connection.send_bytes(_packed(outcome, last))
        del outcome, arguments
        _alarm(0)


def _outcome(work: Callable, arguments: tuple) -> Outcome:
    try:
        return Outcome("done", work(*arguments))
    except MemoryError:
        return Outcome("memory")
    except LimitError as error:
        return Outcome("limit", message=str(error))
    except ValueError as error:
        return Outcome("value", message=str(error))
    except OSError as error:
        return Outcome("system", message=str(error))
    except Exception:  # told to the server, which writes it down
        return Outcome("defect", message=traceback.format_exc())


def _packed(outcome: Outcome, last: bool) -> bytes:
    try:
        return pickle.dumps(Outcome(outcome.kind, outcome.value, outcome.message, last), pickle.HIGHEST_PROTOCOL)
    except MemoryError:
        return pickle.dumps(Outcome("memory", last=True))


def _held() -> int:
    """Bytes of memory that this process has of its own; 0 where the system does not tell."""
    return int(_MEMORY.read_text().split()[5]) * resource.getpagesize() if can_bound_memory() else 0


def _alarm(seconds: int) -> None:
    """End this process after so many seconds, whatever it does then; 0: do not."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)
