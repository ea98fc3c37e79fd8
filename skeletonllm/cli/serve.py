"""skeletonllm serve: the model on a port, for browsers and for programs."""

import importlib.util
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

TOKEN_VARIABLE = "SKELETONLLM_TOKEN"
# What nothing is served without, by the name of the module.
_PACKAGES = {
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "multipart": "python-multipart",
    "prometheus_client": "prometheus_client",
}
# What no dance is made without.
_HEARING = ("librosa", "soundfile")
_NO_DANCES = "No dances: music is heard by librosa and soundfile; pip install 'skeletonllm[dance]'"


def serve(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CHECKPOINT]",
            help="A trained model, or the folder of the run that made it; without, the small model of the package.",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen; beyond this machine only with --token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 7860,
    token: Annotated[
        str | None,
        typer.Option(envvar=TOKEN_VARIABLE, show_envvar=True, help="What every request must know, as its key."),
    ] = None,
    dance: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Dance with this generator, as `dance train` leaves it; without, with the small one of the package.",
        ),
    ] = None,
    runs: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Show the training runs below this folder in the app.")
    ] = None,
    app: Annotated[bool, typer.Option("--app/--api-only", help="Serve the web app beside the API.")] = True,
    upload: Annotated[int, typer.Option(min=1, metavar="MB", help="Largest upload, in megabytes.")] = 32,
    minutes: Annotated[float, typer.Option(min=0.1, help="Longest recording.")] = 60.0,
    patience: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="Longest work on one request.")] = 300.0,
    waiting: Annotated[int, typer.Option(min=1, help="Requests that may wait at once.")] = 64,
) -> None:
    """Serve a web app and an OpenAI-compatible API on one port, until Ctrl-C. Nothing leaves this machine."""
    missing = [package for name, package in _PACKAGES.items() if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"not installed: {', '.join(missing)}; pip install 'skeletonllm[serve]'")

    from skeletonllm.serving.access import check_exposure
    from skeletonllm.serving.engine import Engine
    from skeletonllm.serving.limits import Limits, Visitors
    from skeletonllm.serving.server import address_of, build_server, find_app, listen

    token = token or None
    check_exposure(host, token)  # before anything is loaded
    if dance is None and all(map(importlib.util.find_spec, _HEARING)):
        from skeletonllm.dance.shipped import SHIPPED_FOLDER

        dance = SHIPPED_FOLDER
    limits = Limits(
        upload_bytes=upload * 2**20,
        uploading_bytes=max(8 * upload * 2**20, 2**28),
        motion_seconds=60 * minutes,
        work_seconds=patience,
        waiting=waiting,
    )
    mount = find_app(runs) if app else None
    if app and mount is None:
        print("The API alone: the web app needs gradio; pip install 'skeletonllm[serve]'", file=sys.stderr)
    # As Ctrl-C, so that folders are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with listen(host, port) as listening:
        engine, visitors = Engine(checkpoint, dance, limits), Visitors(limits)
        try:
            server = build_server(engine, visitors, host=host, token=token, mount=mount)
            print(engine.description, engine.dancer or _NO_DANCES, sep="\n", file=sys.stderr)
            print(f"serving on {address_of(listening)}", flush=True)
            server.run(sockets=[listening])
        except KeyboardInterrupt:
            pass  # the way to end it
        finally:
            engine.close()
            visitors.close_all()
