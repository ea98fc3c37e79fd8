"""skeletonllm dance finetune: a trained generator, made plausible by reinforcement learning."""

from pathlib import Path
from typing import Annotated

import typer

from skeletonllm.cli.run_options import DeepSpeed, PrintConfig, Resume, TimeLimit, print_recipe


def finetune(
    generator: Annotated[Path, typer.Argument(help="Folder of a trained generator, or of its training.")],
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE...]", help="Changes to the recipe: objective.method=ppo")
    ] = None,
    recipe: Annotated[str, typer.Option(help="tiny, paper, or the path of a .yaml file.")] = "tiny",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: runs/finetune_RECIPE.")] = None,
    resume: Resume = False,
    deepspeed: DeepSpeed = None,
    time_limit: TimeLimit = None,
    print_config: PrintConfig = False,
) -> None:
    """Fine-tune a generator on rewards, alone or as one of the processes of deepspeed, torchrun or srun."""
    from skeletonllm.dance.finetuning.recipe import load_finetune_recipe

    loaded = load_finetune_recipe(recipe, [f"generator={generator}", *(changes or [])])
    if print_config:
        print_recipe(loaded)
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
