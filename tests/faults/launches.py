"""Training runs of one or several real processes, forked from one that has imported everything already.

Each process is one of ``train.py``, joined to the others by gloo as a launcher would join it; only the import, five
seconds of every start, is saved.
"""

import json
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
ZERO_2 = ROOT / "ds_configs" / "zero2.json"
# Collectives give up after half an hour. What ends within this many seconds has noticed by itself.
PROMPTLY = 120.0


@dataclass
class Ended:
    """How a launch ended: exit codes of its processes, -9 for SIGKILL, and what each printed."""

    codes: list[int]
    output: list[str]

    def tail(self) -> str:
        return "\n".join(f"rank {rank}: {text[-3000:]}" for rank, text in enumerate(self.output))


def context():
    """Of processes that are forked from one that has imported everything."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "kernels"), str(Path(__file__).parent)])
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["warmed"])
    return made


def start(
    arguments: Sequence[str],
    world_size: int,
    faults: Mapping[int, str],
    environment: Mapping[str, str] | None = None,
) -> list:
    """The processes of a launch, running; ``wait`` tells what they print."""
    port = free_port()
    processes = []
    for rank in range(world_size):
        group = dict(RANK=rank, WORLD_SIZE=world_size, LOCAL_RANK=rank, MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
        group = {key: str(value) for key, value in group.items()} if world_size > 1 else {}
        log = Path(tempfile.mkstemp(suffix=f"-rank-{rank}.txt")[1])  # not beside the run, whose disk may be full
        process = context().Process(
            target=_be_rank,
            args=(list(arguments), {**group, **(environment or {})}, log, faults.get(rank)),
            daemon=True,  # ended with the tests, if those are
        )
        process.log = log
        process.start()
        processes.append(process)
    return processes


def wait(processes: Sequence, limit: float = PROMPTLY) -> Ended:
    """Until all have ended.

    Raises:
        TimeoutError: some have not; they are killed. The message has what they printed.
    """
    begin = time.monotonic()
    try:
        for process in processes:
            process.join(max(0.0, begin + limit - time.monotonic()))
    finally:
        late = [process for process in processes if process.exitcode is None]
        for process in late:  # stopped ones too
            process.kill()
            process.join()
    codes = [process.exitcode for process in processes]
    ended = Ended(codes, [process.log.read_text() for process in processes])
    for process in processes:
        process.log.unlink()
    if late:
        raise TimeoutError(f"after {limit} s {len(late)} of {len(processes)} had not ended\n{ended.tail()}")
    return ended


def training(folder: Path, recipe: Path, *options: str, resume: bool = False, zero: bool = False) -> list[str]:
    """Arguments of the command line."""
    arguments = ["train", "--recipe", str(recipe), "-o", str(folder), *options]
    return arguments + ["--resume"] * resume + ["--deepspeed", str(ZERO_2)] * zero


def launch(
    folder: Path,
    recipe: Path,
    *options: str,
    world_size: int = 2,
    faults: Mapping[int, str] | None = None,
    resume: bool = False,
    zero: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Train, with faults by rank, and wait for the end."""
    arguments = training(folder, recipe, *options, resume=resume, zero=zero)
    return wait(start(arguments, world_size, faults or {}, environment))


def _be_rank(arguments: list[str], environment: dict[str, str], log: Path, fault: str | None) -> None:
    os.setsid()  # a process group of its own, as under a launcher
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    os.environ.update(environment, GLOO_SOCKET_IFNAME="lo", DS_ACCELERATOR="cpu", OMP_NUM_THREADS="1")
    torch.set_num_threads(1)
    if fault:
        import injection

        injection.inject(fault)
    from skeletonllm.cli import main

    main(arguments)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def checkpoints_of(folder: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in (folder / "checkpoints").glob("step-*[0-9]"))


def tensors_at(folder: Path, step: int) -> dict[str, torch.Tensor]:
    """Parameters and moments in a checkpoint, by file and name."""
    path = folder / "checkpoints" / f"step-{step:06d}"
    return {f"{file.stem}: {key}": v for file in path.glob("*.safetensors") for key, v in load_file(file).items()}


def ledger_of(folder: Path) -> dict[str, list[dict]]:
    """What each rank has learnt from, by step."""
    files = sorted((folder / "ledger").glob("rank-*.jsonl"))
    return {file.stem: [json.loads(line) for line in file.read_text().splitlines()] for file in files}


def samples_of(folder: Path) -> dict[int, list[str]]:
    """The samples of each step over all ranks, sorted; a step that two lines tell of has them twice."""
    samples: dict[int, list[str]] = {}
    for lines in ledger_of(folder).values():
        for line in lines:
            samples.setdefault(line["step"], []).extend(id for ids in line["ids"] for id in ids)
    return {step: sorted(ids) for step, ids in sorted(samples.items())}


def differences(folder: Path, other: Path) -> list[str]:
    """What two finished runs differ in, of everything that must be equal to the bit."""
    found = []
    common = set(checkpoints_of(folder)) & set(checkpoints_of(other))
    if not common or checkpoints_of(folder)[-2:] != checkpoints_of(other)[-2:]:
        found.append(f"checkpoints {checkpoints_of(folder)} and {checkpoints_of(other)}")
    for step in sorted(common):
        first, second = tensors_at(folder, step), tensors_at(other, step)
        found += [f"step {step}: names of {n}" for n in first.keys() ^ second.keys()]
        found += [f"step {step}: {n}" for n in first.keys() & second.keys() if not torch.equal(first[n], second[n])]
    first, second = ledger_of(folder), ledger_of(other)
    for rank in first.keys() | second.keys():
        mine, theirs = first.get(rank, []), second.get(rank, [])
        found += [f"ledger of {rank}: {line}, only here" for line in mine if line not in theirs]
        found += [f"ledger of {rank}: {line}, only there" for line in theirs if line not in mine]
        if not found and mine != theirs:
            found.append(f"ledger of {rank}: order or number of lines")
    return found
