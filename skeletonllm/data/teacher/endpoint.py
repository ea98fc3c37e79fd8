"""An OpenAI-compatible endpoint: one question, one answer, however often it has to be asked."""

import asyncio
import email.utils
import ipaddress
import json
import logging
import random
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

logger = logging.getLogger(__name__)

# Seconds before another try: the first, the longest without being told, and the longest that a server may tell.
FIRST_PAUSE, LONGEST_PAUSE, LONGEST_TOLD = 1.0, 60.0, 600.0
# Answers are a few kilobytes. Whatever sends more is no such endpoint.
LARGEST_ANSWER = 4 * 2**20
# The server has too much to do, as with 500 and above; the question is at fault. All other failures are for good.
_PASSING = (408, 409, 425, 429)
_WRONG_QUESTION = (400, 413, 422)


class EndpointError(OSError):
    """The endpoint is of no use: a wrong address, model or key, or no answer at all."""


class NoAnswer(EndpointError):
    """No answer to one question after all tries; the next one may fare better."""


class QuestionRefused(Exception):
    """The endpoint will not answer this question, whoever asks again."""


class _TryAgain(Exception):
    def __init__(self, reason: str, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class Reply:
    """An answer.

    Args:
        text: what the model says.
        finish_reason: ``stop`` if it came to its end.
        prompt_tokens, completion_tokens: as the endpoint counts them; None where it does not.
        model: that answered, by its own name.
    """

    text: str
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    model: str


@dataclass(frozen=True)
class RequestPolicy:
    """How often and how long an endpoint is asked.

    Args:
        timeout: seconds for a whole answer.
        tries: of one question, before the endpoint counts as down.
        requests_per_minute: at most; 0: as many as there are.
        first_pause: seconds before the second try, on average; each further pause is twice as long.

    Raises:
        ValueError: a number that makes no sense.
    """

    timeout: float = 120.0
    tries: int = 6
    requests_per_minute: float = 0.0
    first_pause: float = FIRST_PAUSE

    def __post_init__(self):
        if not (self.timeout > 0 and self.tries >= 1 and self.requests_per_minute >= 0 and self.first_pause >= 0):
            raise ValueError(f"{self}: expected a timeout above 0, at least one try, and nothing below 0")


class Endpoint:
    """Asks ``POST URL/chat/completions``, inside ``async with``.

    The key goes to that address alone, and only where nobody on the way can read it. It is in no message and no file.

    Args:
        url: up to and with the version, such as ``http://127.0.0.1:8000/v1``.
        model: by the endpoint's name.
        key: None or empty: none is sent.
        policy: by default ``RequestPolicy()``.

    Raises:
        ValueError: no such address, one with a password, or a key that would travel in clear.
    """

    def __init__(self, url: str, model: str, key: str | None = None, policy: RequestPolicy | None = None):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"endpoint {parts._replace(netloc=parts.hostname or '').geturl()!r} is no http(s) address")
        if parts.username or parts.password:
            raise ValueError("the endpoint's address holds a user or a password; keys come from the environment alone")
        local = _is_local(parts.hostname)
        key = (key or "").strip()
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ValueError("the key holds characters that no key has")
        if key and parts.scheme == "http" and not local:
            raise ValueError(
                f"the key would travel to {parts.hostname} in clear; take https, or leave the key out for a server of "
                "your own"
            )
        self.url = url.rstrip("/") + "/chat/completions"
        self.model = model
        self.policy = policy or RequestPolicy()
        self._key = key
        self._local = local
        self._pace = _Pace(self.policy.requests_per_minute)
        self._client: Any = None

    async def __aenter__(self) -> "Endpoint":
        import httpx2

        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        # How many requests run at once is up to the caller; proxies of the environment are not asked for this machine.
        self._client = httpx2.AsyncClient(
            headers=headers,
            timeout=self.policy.timeout,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
            trust_env=not self._local,
        )
        return self

    async def __aexit__(self, *_) -> None:
        await self._client.aclose()

    async def ask(self, messages: list[dict], *, seed: int, temperature: float, max_tokens: int) -> Reply:
        """The answer to a conversation.

        Raises:
            QuestionRefused: the endpoint says that this question is wrong (too long, filtered, malformed).
            NoAnswer: it gave no answer after all tries.
            EndpointError: it wants another key, or knows no such address or model.
        """
        body = dict(model=self.model, messages=messages, seed=seed, temperature=temperature, max_tokens=max_tokens, n=1)
        reason = ""
        for number in range(self.policy.tries):
            await self._pace.turn()
            try:
                async with asyncio.timeout(self.policy.timeout):
                    return _read(await self._post(body))
            except TimeoutError:
                reason, told = f"no whole answer in {self.policy.timeout:g} s", 0.0
            except _TryAgain as error:
                reason, told = str(error), error.wait
            if told:
                self._pace.rest(told)  # the server has asked everybody to wait
            if number + 1 < self.policy.tries:
                logger.debug("try %d of %d: %s", number + 1, self.policy.tries, reason)
                # Spread at random, so that those who failed together do not come back together.
                pause = random.uniform(0.5, 1.5) * min(self.policy.first_pause * 2**number, LONGEST_PAUSE)
                await asyncio.sleep(max(told, pause))
        raise NoAnswer(f"{self.url}: no answer in {self.policy.tries} tries; the last: {reason}")

    async def _post(self, body: dict) -> bytes:
        """The bytes of a good answer."""
        import httpx2

        try:
            async with self._client.stream("POST", self.url, json=body) as response:
                content = bytearray()
                async for piece in response.aiter_bytes():
                    content += piece
                    if len(content) > LARGEST_ANSWER:
                        raise EndpointError(f"{self.url}: an answer of more than {LARGEST_ANSWER} bytes")
        except httpx2.TransportError as error:
            raise _TryAgain(self._without_key(f"{type(error).__name__}: {error}")) from None
        except httpx2.DecodingError as error:
            raise _TryAgain(f"a damaged answer: {error}") from None
        status = response.status_code
        if status == 200:
            return content.replace(self._key.encode(), b"***") if self._key else bytes(content)
        if status in _PASSING or status >= 500:
            raise _TryAgain(f"status {status}", _told_to_wait(response.headers.get("Retry-After")))
        if status in (401, 403):  # the body may quote parts of the key
            raise EndpointError(f"{self.url}: status {status}: the key is missing or not accepted")
        said = self._without_key(content.decode(errors="replace"))[:300]
        if status in _WRONG_QUESTION:
            raise QuestionRefused(f"status {status}: {said}")
        raise EndpointError(f"{self.url}: status {status} for model {self.model!r}: {said}")

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


@dataclass
class _Pace:
    """When the next request may leave."""

    per_minute: float
    _next: float = field(default=0.0)
    _not_before: float = field(default=0.0)

    async def turn(self) -> None:
        if self.per_minute:
            begin = max(time.monotonic(), self._next)
            self._next = begin + 60 / self.per_minute
            await asyncio.sleep(begin - time.monotonic())
        while (left := self._not_before - time.monotonic()) > 0:
            await asyncio.sleep(left)

    def rest(self, seconds: float) -> None:
        self._not_before = max(self._not_before, time.monotonic() + seconds)


def _read(content: bytes) -> Reply:
    """The reply in a body; what is no such reply may be the half of one."""
    try:
        body = json.loads(content)
        choice, usage = body["choices"][0], body.get("usage") or {}
        text = choice["message"]["content"]
        counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        if not isinstance(text, str | None) or any(type(count) not in (int, type(None)) for count in counts):
            raise TypeError("fields of other types")
        return Reply(text or "", choice.get("finish_reason"), *counts, str(body.get("model", "")))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise _TryAgain(f"an answer that is no chat completion: {type(error).__name__}") from None


def _told_to_wait(header: str | None) -> float:
    """Seconds of a ``Retry-After``, which is a number or a date (RFC 9110, 10.2.3)."""
    if header is None:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return 0.0
    return min(max(seconds, 0.0), LONGEST_TOLD) if seconds == seconds else 0.0


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
