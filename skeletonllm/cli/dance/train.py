"""skeletonllm dance train: a generator by a recipe."""

from pathlib import Path
from typing import Annotated

import typer

from skeletonllm.cli.run_options import DeepSpeed, PrintConfig, Resume, TimeLimit, print_recipe


def train(
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE...]", help="Changes to the recipe: data.root=FOLDER")
    ] = None,
    recipe: Annotated[str, typer.Option(help="tiny, edge, or the path of a .yaml file.")] = "tiny",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: runs/dance_RECIPE.")] = None,
    resume: Resume = False,
    deepspeed: DeepSpeed = None,
    time_limit: TimeLimit = None,
    print_config: PrintConfig = False,
) -> None:
    """Train a generator of dances, alone or as one of the processes of deepspeed, torchrun or srun."""
    from skeletonllm.dance.training.recipe import load_dance_recipe

    loaded = load_dance_recipe(recipe, changes or [])
    if print_config:
        print_recipe(loaded)
        return
    from skeletonllm.dance.training import run
    from skeletonllm.training.distributed import is_first_process, leave_if_launched

    with leave_if_launched():
        model = run.train(
            loaded,
            output or Path("runs") / f"dance_{loaded.name}",
            resume=resume,
            deepspeed=deepspeed,
            time_limit=time_limit,
        )
        if is_first_process():
            print(f"trained generator: {model}")
