"""Connections that do not wait for ever: for a request's head that never ends, or for a client that never reads."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class ImpatientProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with two more clocks; bodies are the business of ``skeletonllm.serving.intake``."""

    HEAD_SECONDS = 10.0
    """From the first byte of a request, or from the connection, to the end of its head."""
    WRITE_SECONDS = 60.0
    """That a client may let its connection be full."""

    _head_clock: asyncio.TimerHandle | None = None
    _write_clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._head_clock = self.loop.call_later(self.HEAD_SECONDS, self._head_is_late)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_clocks(write=False)
        elif self._head_clock is None:
            self._head_clock = self.loop.call_later(self.HEAD_SECONDS, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clocks()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_clock is None:
            self._write_clock = self.loop.call_later(self.WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_clock is not None:
            self._write_clock.cancel()
            self._write_clock = None

    def _head_is_late(self) -> None:
        self._head_clock = None
        if self.transport.is_closing() or self.conn.their_state is not h11.IDLE:
            return
        if self.conn.our_state is h11.IDLE:
            headers = [(b"content-length", b"0"), (b"connection", b"close")]
            for event in (h11.Response(status_code=408, headers=headers), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event))
        self.transport.close()

    def _stop_clocks(self, write: bool = True) -> None:
        if self._head_clock is not None:
            self._head_clock.cancel()
            self._head_clock = None
        if write and self._write_clock is not None:
            self._write_clock.cancel()
            self._write_clock = None
