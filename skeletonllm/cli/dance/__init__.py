"""skeletonllm dance: the commands about dances, one small file each, with a function of the command's name."""

from importlib import import_module

import typer

COMMANDS = {
    "demo": "skeletonllm.cli.dance.demo",
    "train": "skeletonllm.cli.dance.train",
    "finetune": "skeletonllm.cli.dance.finetune",
    "generate": "skeletonllm.cli.dance.generate",
    "evaluate": "skeletonllm.cli.dance.evaluate",
    "judge": "skeletonllm.cli.dance.judge",
    "imitate": "skeletonllm.cli.dance.imitate",
    "report": "skeletonllm.cli.dance.report",
}

app = typer.Typer(help="Dances: learn, make and measure them.", no_args_is_help=True)


for _name, _module in COMMANDS.items():
    app.command(_name)(getattr(import_module(_module), _name))
