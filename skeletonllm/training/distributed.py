"""The processes of a run: who they are, what they agree on, how they part."""

import os
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed

from skeletonllm.training.faults import HUNG

# Collectives of CPU processes that wait longer than this end with an error instead of hanging.
TIMEOUT = timedelta(minutes=30)
_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Ranks:
    """This process among the others: its number, theirs, its number on this machine, the device it computes on."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    device: torch.device = torch.device("cpu")

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of everyone's values, the same to the bit on every rank."""
        if self.world_size > 1:
            values = values.to(self.device)
            torch.distributed.all_reduce(values)
        return values.cpu()

    def barrier(self) -> None:
        if self.world_size > 1:
            torch.distributed.barrier()


def launched() -> bool:
    """Whether torchrun, deepspeed or srun started this process as one of a group."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


@contextmanager
def process_group(always: bool = False) -> Iterator[Ranks]:
    """Join the processes that a launcher started, each on its own GPU if there are GPUs; part from them in the end.

    Args:
        always: make a group also of a single process that no launcher started, as DeepSpeed wants one.

    Raises:
        ValueError: the launcher left out one of the variables that torch.distributed needs.
    """
    name_accelerator()
    if not launched():
        if not always:
            device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
            yield Ranks(device=device)
            return
        os.environ.update(RANK="0", WORLD_SIZE="1", LOCAL_RANK="0", MASTER_ADDR="127.0.0.1", MASTER_PORT=_free_port())
    lacking = [name for name in _VARIABLES if name not in os.environ]
    if lacking:
        raise ValueError(f"this process was launched as one of several, but {', '.join(lacking)} are not set")
    local_rank = int(os.environ["LOCAL_RANK"])
    if torch.cuda.is_available():
        device, backend = torch.device("cuda", local_rank), "nccl"
        torch.cuda.set_device(device)
    else:
        device, backend = torch.device("cpu"), "gloo"
    torch.distributed.init_process_group(backend, timeout=TIMEOUT)
    try:
        yield Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size(), local_rank, device)
        torch.distributed.barrier()
    finally:
        torch.distributed.destroy_process_group()


def name_accelerator() -> None:
    """Tell DeepSpeed that there is no GPU, where there is none, before it finds out and warns. PEFT imports it too."""
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")


def is_first_process() -> bool:
    return os.environ.get("RANK", "0") == "0"


def lost_peer(error: RuntimeError) -> bool:
    """Whether an error says that another process is gone or silent, as when its node died; starting again may help."""
    told = isinstance(error, torch.distributed.DistError) or any(name in str(error) for name in ("gloo", "NCCL"))
    return told and not isinstance(error, torch.OutOfMemoryError)


@contextmanager
def leave_if_launched() -> Iterator[None]:
    """End a process that was one of a group at once when its work is done or it was told to stop.

    The threads of gloo outlive ``destroy_process_group`` while DeepSpeed holds the group; about one in a hundred
    processes that end the usual way is then aborted by them, after all work is done.
    """
    group = launched()
    code = 0
    try:
        yield
    except SystemExit as stop:
        if not group or not isinstance(stop.code, int):
            raise
        code = stop.code
    except RuntimeError as error:
        if not group or not lost_peer(error):
            raise
        traceback.print_exc()
        code = HUNG
    if group:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
