"""One process, one port: the API, the app beside it where it is installed, and what stands before both."""

import errno
import importlib.util
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from skeletonllm.serving.access import Access, check_exposure
from skeletonllm.serving.api import ROUTES, build_api
from skeletonllm.serving.connections import ImpatientProtocol
from skeletonllm.serving.engine import Engine
from skeletonllm.serving.intake import Intake
from skeletonllm.serving.limits import Visitors
from skeletonllm.serving.metrics import Counting, Metrics

# Connections at once; those beyond are told to come again.
MOST_CONNECTIONS = 512
_STOP_SECONDS = 5
Mount = Callable[[FastAPI, Engine, Visitors], FastAPI]
"""Adds pages to an API, as ``skeletonllm.serving.app.mount_app`` does."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens, on any free port if it is 0.

    Raises:
        OSError: the address is not one of this machine, or somebody else has the port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = "somebody else listens there" if error.errno == errno.EADDRINUSE else error.strerror
        raise OSError(f"cannot listen at {host}, port {port}: {reason}") from error


def address_of(listening: socket.socket) -> str:
    """Of a server that listens, for browsers."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def build_server(
    engine: Engine,
    visitors: Visitors,
    *,
    host: str = "127.0.0.1",
    token: str | None = None,
    mount: Mount | None = None,
) -> uvicorn.Server:
    """A server that is not started yet: ``run(sockets=[listen(...)])`` serves until it is told to stop.

    Args:
        engine: who answers; closed by the caller, as are the visitors.
        visitors: of the server.
        host: where it will listen; another than this machine's own needs a token.
        token: that every request needs, see ``Access``.
        mount: adds the app.

    Raises:
        ValueError: others are let in without a token, or with one that is too short.
    """
    check_exposure(host, token)
    config = uvicorn.Config(
        build_app(engine, visitors, token, mount),
        http=ImpatientProtocol,
        ws="none",
        lifespan="on",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        server_header=False,
        access_log=False,  # what visitors ask for is theirs
        log_level="warning",
    )
    return _Server(config, engine)


class _Server(uvicorn.Server):
    """uvicorn's, but at its end those who still wait for an answer are told that there will be none."""

    def __init__(self, config: uvicorn.Config, engine: Engine):
        super().__init__(config)
        self._engine = engine

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._engine.cancel()
        await super().shutdown(sockets)


def build_app(engine: Engine, visitors: Visitors, token: str | None = None, mount: Mount | None = None) -> ASGIApp:
    """What ``build_server`` serves: access first, then what is counted, then what may come in."""
    metrics = Metrics(engine)
    api = build_api(engine, visitors, metrics)
    if mount is not None:
        api = mount(api, engine, visitors)
    return Access(Counting(Intake(api, engine.limits), metrics, ROUTES), token)


def find_app(runs: Path | None = None) -> Mount | None:
    """The web app, where Gradio is installed.

    Args:
        runs: below which training runs may be looked at; None: none.
    """
    if importlib.util.find_spec("gradio") is None:
        return None
    from skeletonllm.serving.app import mount_app

    return partial(mount_app, runs_folder=runs)
