"""skeletonllm dance imitate: train a policy that steers the simulated body of the judge."""

from pathlib import Path
from typing import Annotated

import typer

from skeletonllm.cli.run_options import PrintConfig, Resume, TimeLimit, print_recipe


def imitate(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="IN... [KEY=VALUE...]",
            help="Motions in any format, folders, or `embedded`; then changes to the recipe: optimization.steps=100.",
        ),
    ],
    recipe: Annotated[str, typer.Option(help="small, full, or the path of a .yaml file.")] = "small",
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.")] = Path("runs/imitator"),
    resume: Resume = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Of the processor; default: all.")] = None,
    backend: Annotated[str, typer.Option(help="Simulator: mujoco, or warp on a GPU.")] = "mujoco",
    time_limit: TimeLimit = None,
    print_config: PrintConfig = False,
) -> None:
    """Train a policy that makes a simulated body imitate motions, for `dance judge --policy`."""
    import os

    from skeletonllm.dance.imitation.policy.recipe import load_imitation_recipe

    changes = [each for each in inputs if "=" in each and not Path(each).exists()]
    names = [each for each in inputs if each not in changes]
    loaded = load_imitation_recipe(recipe, names, changes)
    if print_config:
        print_recipe(loaded)
        return
    from skeletonllm.cli.dance.judge import read_motions
    from skeletonllm.dance.imitation.policy.run import train

    policy = train(
        loaded,
        output,
        lambda name: read_motions([Path(name)])[0],
        resume=resume,
        threads=threads or len(os.sched_getaffinity(0)),
        backend=backend,
        time_limit=time_limit,
    )
    print(f"trained policy: {policy}")
