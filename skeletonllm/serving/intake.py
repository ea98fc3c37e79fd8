"""How much is received: no request larger, and no client slower, than is taken."""

import asyncio
import time

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skeletonllm.serving.errors import error_response
from skeletonllm.serving.limits import Limits

# base64 makes four bytes of three; the question and what holds the parts together come on top.
_BASE64, _WORDS = 4 / 3, 2**20
# A body that is refused is still read for so long and so far, as a client that is sending hears nothing before its end.
_DRAIN_SECONDS, _DRAIN_TIMES = 5.0, 4
_CLOSE = {"Connection": "close"}


def most_bytes(limits: Limits) -> int:
    """Of the body of a request."""
    return round(limits.upload_bytes * _BASE64) + _WORDS


class Intake:
    """ASGI middleware that bounds the bodies of requests: each, all of them together, and the time they take.

    A length that is claimed is believed before a byte is read; where none is claimed, bytes are counted.

    Args:
        app: what is guarded.
        limits: what is taken.
    """

    def __init__(self, app: ASGIApp, limits: Limits):
        self.app, self.limits = app, limits
        self.most = most_bytes(limits)
        self.receiving = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        claim = int(Headers(scope=scope).get("content-length", "0"))  # the protocol lets no other than digits through
        if claim > self.most:
            await _drain(receive, claim, self.most * _DRAIN_TIMES)
            message = f"a body of {claim:,} bytes, expected at most {self.most:,}"
            await error_response(413, message, code="too_large", headers=_CLOSE)(scope, receive, send)
            return
        body = _Body(self, receive, claim)
        if self.receiving + claim > self.limits.uploading_bytes:
            message = "too much is being uploaded at once; try again later"
            headers = {**_CLOSE, "Retry-After": "2"}
            await error_response(503, message, code="overloaded", headers=headers)(scope, receive, send)
            return
        self.receiving += claim
        try:
            await self.app(scope, body.receive, send)
        finally:
            self.receiving -= body.held


class _Body:
    """The body of one request, while it comes in."""

    def __init__(self, intake: Intake, receive: Receive, claim: int):
        self.intake, self._receive, self.held = intake, receive, claim
        self._got, self._complete = 0, False
        self._deadline = time.monotonic() + intake.limits.upload_seconds

    async def receive(self) -> Message:
        """The next part; raises HTTPException where there is too much of it, or where it does not come."""
        if self._complete:  # what follows is that the client leaves, whenever it does
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._deadline - time.monotonic()))
        except TimeoutError:
            seconds = self.intake.limits.upload_seconds
            raise HTTPException(408, f"the body did not come within {seconds:g} s", _CLOSE) from None
        self._complete = message["type"] != "http.request" or not message.get("more_body", False)
        self._got += len(message.get("body", b""))
        if self._got > self.intake.most:
            raise HTTPException(413, f"a body of more than {self.intake.most:,} bytes", _CLOSE)
        if self._got > self.held:  # nothing was claimed
            self.intake.receiving += self._got - self.held
            self.held = self._got
            if self.intake.receiving > self.intake.limits.uploading_bytes:
                headers = {**_CLOSE, "Retry-After": "2"}
                raise HTTPException(503, "too much is being uploaded at once; try again later", headers)
        return message


async def _drain(receive: Receive, claim: int, most: int) -> None:
    """Receive and forget, if it is not too much."""
    if claim > most:
        return
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while (message := await receive())["type"] == "http.request" and message.get("more_body"):
                pass
    except TimeoutError:
        return
