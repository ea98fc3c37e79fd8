"""skeletonllm train: a model by a recipe, stage by stage. ``train.py`` is the same program for launchers."""

from pathlib import Path
from typing import Annotated

import typer

from skeletonllm.cli.run_options import DeepSpeed, PrintConfig, Resume, TimeLimit, print_recipe


def train(
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE...]", help="Changes to the recipe: data.root=FOLDER")
    ] = None,
    recipe: Annotated[str, typer.Option(help="A shipped recipe, or the path of a .yaml file.")] = "synthetic",
    stage: Annotated[
        str, typer.Option(help="warmup, discriminate, distill, refine or another stage of the recipe; all: in order.")
    ] = "all",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: runs/RECIPE.")] = None,
    resume: Resume = False,
    start: Annotated[
        Path | None, typer.Option("--from", help="A checkpoint, or a run, whose trained parameters to begin with.")
    ] = None,
    deepspeed: DeepSpeed = None,
    time_limit: TimeLimit = None,
    dry_run: Annotated[
        bool, typer.Option(help="Build everything, do two steps of each stage, say what memory and time it takes.")
    ] = False,
    print_config: PrintConfig = False,
    local_rank: Annotated[int, typer.Option("--local_rank", hidden=True, help="Given by DeepSpeed's launcher.")] = 0,
) -> None:
    """Train a model by a recipe, alone or as one of the processes of deepspeed, torchrun or srun."""
    from skeletonllm.training.arguments import load_recipe

    loaded = load_recipe(recipe, changes or [])
    if print_config:
        print_recipe(loaded)
        return
    from skeletonllm.training import run
    from skeletonllm.training.distributed import is_first_process, leave_if_launched

    folder = output or Path("runs") / loaded.name
    with leave_if_launched():
        if dry_run:
            reports = run.rehearse(loaded, stage=stage, deepspeed=deepspeed)
            if is_first_process():
                print_rehearsal(reports)
            return
        model = run.train(
            loaded, folder, stage=stage, resume=resume, start=start, deepspeed=deepspeed, time_limit=time_limit
        )
        if is_first_process():
            print(f"trained model: {model}")


def print_rehearsal(reports: list[dict]) -> None:
    """What two steps of each stage took, and what all of them are expected to take."""
    from skeletonllm.cli.evaluate import print_table

    rows = [["stage", "steps", "seconds per step (measured)", "expected hours", "peak memory so far, GiB (measured)"]]
    for report in reports:
        rows.append(
            [
                report["stage"],
                str(report["steps"]),
                f"{report['seconds_per_step']:.3f}",
                f"{report['seconds'] / 3600:.2f}",
                f"{report['memory_gib']:.2f}",
            ]
        )
    print_table(rows)
    print(f"expected in all: {sum(report['seconds'] for report in reports) / 3600:.2f} hours")
