"""skeletonllm dance finetune: a trained generator, made plausible by reinforcement learning."""

from pathlib import Path
from typing import Annotated

import typer


def finetune(
    generator: Annotated[Path, typer.Argument(help="Folder of a trained generator, or of its training.")],
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE...]", help="Changes to the recipe: objective.method=ppo")
    ] = None,
    recipe: Annotated[str, typer.Option(help="tiny, paper, or the path of a .yaml file.")] = "tiny",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: runs/finetune_RECIPE.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the newest checkpoint in the output folder.")] = False,
    deepspeed: Annotated[
        Path | None, typer.Option(help="DeepSpeed configuration such as ds_configs/zero2.json; default: plain torch.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(help="Minutes after which to save and stop with exit code 75; SLURM's own is known.")
    ] = None,
    print_config: Annotated[bool, typer.Option(help="Show the whole recipe and stop.")] = False,
) -> None:
    """Fine-tune a generator on rewards, alone or as one of the processes of deepspeed, torchrun or srun."""
    from skeletonllm.dance.finetuning.recipe import load_finetune_recipe

    loaded = load_finetune_recipe(recipe, [f"generator={generator}", *(changes or [])])
    if print_config:
        import yaml

        print(yaml.safe_dump(loaded.as_dict(), sort_keys=False), end="")
        return
    from skeletonllm.dance.finetuning import run
    from skeletonllm.training.distributed import is_first_process, leave_if_launched

    with leave_if_launched():
        model = run.finetune(
            loaded,
            output or Path("runs") / f"finetune_{loaded.name}",
            resume=resume,
            deepspeed=deepspeed,
            time_limit=time_limit,
        )
        if is_first_process():
            print(f"fine-tuned generator: {model}")
