"""skeletonllm train: a model by a recipe."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE...]", help="Changes to the recipe: data.root=FOLDER")
    ] = None,
    recipe: Annotated[str, typer.Option(help="A shipped recipe, or the path of a .yaml file.")] = "synthetic",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: runs/RECIPE.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the newest checkpoint in the output folder.")] = False,
    print_recipe: Annotated[bool, typer.Option(help="Show the whole recipe and stop.")] = False,
) -> None:
    """Train a model by a recipe."""
    from skeletonllm.training.arguments import load_recipe

    loaded = load_recipe(recipe, changes or [])
    if print_recipe:
        import yaml

        print(yaml.safe_dump(loaded.as_dict(), sort_keys=False), end="")
        return
    from skeletonllm.training.run import train as run

    folder = output or Path("runs") / loaded.name
    print(f"trained model: {run(loaded, folder, resume)}")
