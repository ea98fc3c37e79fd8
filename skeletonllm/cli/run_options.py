"""Options that all commands have which run a recipe."""

from pathlib import Path
from typing import Annotated

import typer

Resume = Annotated[bool, typer.Option(help="Go on from the newest checkpoint in the output folder.")]
DeepSpeed = Annotated[
    Path | None, typer.Option(help="DeepSpeed configuration such as ds_configs/zero2.json; default: plain torch.")
]
TimeLimit = Annotated[
    float | None, typer.Option(help="Minutes after which to save and stop with exit code 75; SLURM's own is known.")
]
PrintConfig = Annotated[bool, typer.Option(help="Show the whole recipe and stop.")]


def print_recipe(recipe) -> None:
    """A recipe as the YAML file that makes it."""
    import yaml

    print(yaml.safe_dump(recipe.as_dict(), sort_keys=False), end="")
