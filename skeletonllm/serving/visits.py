"""A request from its first byte to its last: its folder and its place in the queue, which go when it ends or leaves."""

import asyncio
import logging
import zipfile
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from skeletonllm.serving.errors import error_response, told
from skeletonllm.serving.limits import Visitors
from skeletonllm.serving.queue import Ticket

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
# Whoever shows an answer shall not take it for a page, and nobody shall keep it.
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_MEDIA = {".png": "image/png", ".gif": "image/gif", ".mp4": "video/mp4", ".zip": "application/zip"}
_OTHER_MEDIA = "application/octet-stream"
# nginx's number for a client that did not wait.
_LEFT = 499


class Visit:
    """One request.

    Args:
        request: that came.
        folder: of its own.
        leaving: what is done when it ends.

    Attributes:
        files: the folder for what the visitor brings.
    """

    def __init__(self, request: Request, folder: Path, leaving: ExitStack):
        self.request, self.folder, self._leaving = request, folder, leaving
        self.files = folder / "files"
        self.files.mkdir()

    def take(self, ticket: Ticket[Result]) -> Ticket[Result]:
        """Give the ticket back when the visit ends, however it does."""
        return self._leaving.enter_context(ticket)

    async def outcome(self, ticket: Ticket[Result]) -> Result:
        """The result of a ticket, see ``unless_left``."""
        return await self.unless_left(ticket.wait())

    async def unless_left(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What some work results in; cancelled where the client leaves. Raises ClientDisconnect, or what it raises."""
        left, done = asyncio.create_task(self._left()), asyncio.create_task(work)
        try:
            await asyncio.wait({left, done}, return_when=asyncio.FIRST_COMPLETED)
            if not done.done():
                raise ClientDisconnect
            return done.result()
        finally:
            left.cancel()
            done.cancel()

    async def send(self, paths: list[Path], name: str, packed: bool) -> Response:
        """A file, or several in one archive."""
        path = paths[0]
        if packed:
            path = self.folder / f"{name}.zip"
            await asyncio.to_thread(_pack, path, paths)
        media = _MEDIA.get(path.suffix, _OTHER_MEDIA)
        return FileResponse(path, media_type=media, filename=path.name, headers=HEADERS)

    async def _left(self) -> None:
        while (await self.request.receive())["type"] != "http.disconnect":
            pass


def visited(
    visitors: Visitors, work: Callable[[Request, Visit], Awaitable[Response]]
) -> Callable[[Request], Awaitable[ASGIApp]]:
    """A route whose work is a visit, and whose errors have OpenAI's form."""

    async def route(request: Request) -> ASGIApp:
        leaving = ExitStack()
        folder = visitors.open()
        leaving.callback(visitors.close, folder)
        try:
            return _Closing(await work(request, Visit(request, folder, leaving)), leaving)
        except BaseException as error:
            leaving.close()
            if isinstance(error, ClientDisconnect):
                return Response(status_code=_LEFT)
            if isinstance(error, HTTPException) or not isinstance(error, Exception):
                raise
            refusal = told(error, folder / "files")
            if refusal is None:
                logger.exception("a request failed by a defect")
                return error_response(500, "the server failed at this")
            return error_response(refusal.status, refusal.message, refusal.param, refusal.code, refusal.headers)

    return route


class _Closing:
    """A response at whose end, or abort, something is closed."""

    def __init__(self, response: Response, leaving: ExitStack):
        self.response, self.leaving = response, leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.leaving:
            await self.response(scope, receive, send)


def _pack(path: Path, paths: list[Path]) -> None:
    """Pictures and dances are compressed already, or small."""
    with zipfile.ZipFile(path, "w") as archive:
        for each in paths:
            archive.write(each, each.name)
