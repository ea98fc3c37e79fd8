"""skeletonllm dance: the commands about dances, one small file each, with a function of the command's name."""

from importlib import import_module

import typer

COMMANDS = {
    "evaluate": "skeletonllm.cli.dance.evaluate",
}

app = typer.Typer(help="Dances: make them, and measure them.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps a command a command of the group while it is the only one."""


for _name, _module in COMMANDS.items():
    app.command(_name)(getattr(import_module(_module), _name))
