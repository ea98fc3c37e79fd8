"""Who may ask: this machine alone, or whoever knows the token; and no page of somebody else's in between."""

import base64
import binascii
import hmac
import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from skeletonllm.serving.errors import error_response

SHORTEST_TOKEN = 16
# Says only that the server is there; who balances loads has no token.
OPEN_PATHS = ("/health",)


def is_loopback(host: str) -> bool:
    """Whether an address, or ``localhost``, is heard by this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_exposure(host: str, token: str | None) -> None:
    """Refuse to be heard by others without a token.

    Raises:
        ValueError: an address beyond this machine and no token, or a token that can be guessed or not be sent.
    """
    if token is None and not is_loopback(host):
        raise ValueError(f"--host {host} lets others in, which needs --token; 127.0.0.1 is for this machine alone")
    if token is None:
        return
    if len(token) < SHORTEST_TOKEN or not (token.isascii() and token.isprintable()) or " " in token:
        raise ValueError(f"--token: expected at least {SHORTEST_TOKEN} printable ASCII characters without spaces")


class Access:
    """ASGI middleware that lets in who may ask, before anything of a request is read.

    With a token every request needs it, as ``Authorization: Bearer TOKEN`` or as the password of HTTP's basic
    authentication, for which browsers ask by themselves. Without one the server must be addressed by a name of this
    machine: else a page from elsewhere, whose name was made to point here, could ask in its reader's name. For the
    same reason no request may come from a page of another origin.

    Args:
        app: what is guarded.
        token: see ``check_exposure``.
    """

    def __init__(self, app: ASGIApp, token: str | None = None):
        self.app, self.token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(Headers(scope=scope), scope["path"])
        if refusal is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, send)

    def _refusal(self, headers: Headers, path: str) -> ASGIApp | None:
        host = headers.get("host", "")
        if self.token is None and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            return error_response(403, "this server is for this machine alone: ask it as 127.0.0.1 or localhost")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return error_response(403, "pages of another origin may not ask this server")
        if self.token is None or path in OPEN_PATHS or self._knows_token(headers.get("authorization", "")):
            return None
        message = "a wrong token, or none; send it as Authorization: Bearer TOKEN"
        refusal = error_response(401, message, code="invalid_api_key")
        # A header for each: Chromium takes the first word of one for all that is offered in it.
        for challenge in ('Basic realm="skeletonllm", charset="UTF-8"', "Bearer"):
            refusal.headers.append("WWW-Authenticate", challenge)
        return refusal

    def _knows_token(self, authorization: str) -> bool:
        """Compares in a time that does not tell how much of a guess is right."""
        scheme, _, given = authorization.partition(" ")
        given = given.strip()
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return False
        elif scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given.encode(), self.token.encode())
