"""skeletonllm study: a named table of variants, trained and tested with several seeds."""

from pathlib import Path
from typing import Annotated

import typer


def study(
    name: Annotated[str, typer.Argument(help="A shipped study, or the path of a .yaml file.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: runs/STUDY.")] = None,
    root: Annotated[
        list[str] | None, typer.Option(help="NAME=FOLDER of a data set that the study needs; may be repeated.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on this machine, each on a cell of its own.")] = 1,
    seeds: Annotated[int, typer.Option(min=0, help="Only so many of the seeds; 0: all.")] = 0,
    only: Annotated[list[str] | None, typer.Option(help="Only this variant; may be repeated.")] = None,
    table: Annotated[bool, typer.Option("--table", help="Only make the table of what is there.")] = False,
    list_cells: Annotated[bool, typer.Option("--list", help="Show what would be trained, and stop.")] = False,
) -> None:
    """Train every variant of a table with every seed, test them, and tell who leads by how much.

    Start it as often as you like, on any number of machines that share the folder, by hand, by torchrun or as an array
    of SLURM jobs: each process takes what nobody has. What was stopped goes on where it was.
    """
    import dataclasses
    import logging

    from skeletonllm.cli.evaluate import print_table
    from skeletonllm.studies.cells import cells_of
    from skeletonllm.studies.spec import load_study
    from skeletonllm.studies.table import TABLE_FILE, rows_of, write_table
    from skeletonllm.studies.work import work

    loaded = load_study(name, _roots(root or []))
    if unknown := set(only or []) - set(loaded.variants):
        raise ValueError(f"{', '.join(sorted(unknown))}: no such variant; there are {', '.join(loaded.variants)}")
    chosen = dataclasses.replace(
        loaded,
        seeds=loaded.seeds[: seeds or None],
        variants={key: value for key, value in loaded.variants.items() if not only or key in only},
    )
    folder = output or Path("runs") / loaded.name
    if list_cells:
        for cell in cells_of(chosen, folder):
            print(f"{cell.folder}  {'done' if not cell.missing else 'missing ' + ', '.join(cell.missing)}")
        return
    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    if not table:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        _leave_the_launcher()
        helpers = _start_helpers(workers - 1)
        try:
            failed = work(chosen, folder)
        finally:
            # Each of them ends by itself when no cell is left, or is stopped by what stopped this process.
            for helper in helpers:
                helper.wait()
    print_table(rows_of(write_table(loaded, folder)))
    print(f"written to {folder / TABLE_FILE}")
    if failed:
        raise ValueError("; ".join(failed))


def _roots(given: list[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in given]
    for name, equals, path in pairs:
        if not equals or not Path(path).is_dir():
            raise ValueError(f"--root {name}{equals}{path}: expected NAME=FOLDER, and a folder that is there")
    return {name: path for name, _, path in pairs}


def _leave_the_launcher() -> None:
    """A process started by torchrun or srun works on its own; it takes the GPU of its number."""
    import os

    from skeletonllm.training.distributed import launched

    if not launched():
        return
    if "CUDA_VISIBLE_DEVICES" not in os.environ:
        os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("LOCAL_RANK", "0")
    for variable in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        os.environ.pop(variable, None)


def _start_helpers(count: int) -> list:
    """Processes that run this very command, with one worker each."""
    import subprocess
    import sys

    arguments = sys.argv[1:]
    for place, argument in reversed(list(enumerate(arguments))):
        if argument == "--workers":
            del arguments[place : place + 2]
        elif argument.startswith("--workers="):
            del arguments[place]
    command = [sys.executable, "-c", "from skeletonllm.cli import main; main()", *arguments]
    return [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(count)]
