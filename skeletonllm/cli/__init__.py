"""The command line: one small file per command, each with a function of the command's name."""

import sys
from importlib import import_module

import typer

from skeletonllm.cli.errors import USER_ERRORS, describe_error, exit_code, missing_extra

# Heavy libraries are imported inside the commands, so that --help answers at once.
COMMANDS = {
    "render": "skeletonllm.cli.render",
    "inspect": "skeletonllm.cli.inspect",
    "convert": "skeletonllm.cli.convert",
    "pack": "skeletonllm.cli.pack",
    "train": "skeletonllm.cli.train",
    "plan": "skeletonllm.cli.plan",
    "rehearse": "skeletonllm.cli.rehearse",
    "export": "skeletonllm.cli.export",
    "teach": "skeletonllm.cli.teach",
    "evaluate": "skeletonllm.cli.evaluate",
    "baseline": "skeletonllm.cli.baseline",
    "robustness": "skeletonllm.cli.robustness",
    "efficiency": "skeletonllm.cli.efficiency",
    "ask": "skeletonllm.cli.ask",
    "serve": "skeletonllm.cli.serve",
    "study": "skeletonllm.cli.study",
    "report": "skeletonllm.cli.report",
    "demo": "skeletonllm.cli.demo",
    "doctor": "skeletonllm.cli.doctor",
}
# Commands with commands of their own: modules with an ``app``.
GROUPS = {
    "checkpoint": "skeletonllm.cli.checkpoint",
    "formats": "skeletonllm.cli.formats",
    "dance": "skeletonllm.cli.dance",
}

app = typer.Typer(
    help="See skeleton recordings, and train and ask a multimodal LLM about them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_settings = {"debug": False}


@app.callback()
def _options(
    debug: bool = typer.Option(False, "--debug", envvar="SKELETONLLM_DEBUG", help="Show where an error arose."),
) -> None:
    _settings["debug"] = debug


for _name, _module in COMMANDS.items():
    app.command(_name)(getattr(import_module(_module), _name))
for _name, _module in GROUPS.items():
    app.add_typer(import_module(_module).app, name=_name)


def main(arguments: list[str] | None = None) -> None:
    """Run a command. Ends with one line on stderr, and exit code 2, if a file or an argument is wrong, or an extra is
    not installed."""
    try:
        app(arguments)
    except USER_ERRORS as error:
        if _settings["debug"]:
            raise
        print(f"skeletonllm: {describe_error(error)}", file=sys.stderr)
        raise SystemExit(exit_code(error)) from None
    except ModuleNotFoundError as error:
        if _settings["debug"] or (told := missing_extra(error)) is None:
            raise
        print(f"skeletonllm: {told}", file=sys.stderr)
        raise SystemExit(2) from None
