"""Work that waits its turn: a bounded queue, what is alike done together, and places that are freed by who leaves."""

import asyncio
import itertools
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")
# Work looks up between two steps; at the end of the process it is waited for no longer.
_CLOSE_SECONDS = 20.0


class QueueFullError(RuntimeError):
    """As many are waiting as may; try again later."""


class CancelledWork(RuntimeError):
    """The client left, or the server stops."""


class OutOfTime(RuntimeError):
    """The work took longer than it may."""


@dataclass(frozen=True)
class Update:
    """What is told on the way to a result.

    Args:
        text: further words of an answer, to be put behind the earlier ones.
        doing: what is being done, such as ``drawing``; empty: no news.
        share: of it that is done, from 0 to 1.
        place: how many wait before this one; None: its turn has come.
    """

    text: str = ""
    doing: str = ""
    share: float | None = None
    place: int | None = None


class Ticket(Generic[Result]):
    """A place in the queue. Leaving the ``with`` block of a ticket gives the place back, whatever has become of it.

    The work is told with ``check()`` that it is no longer wanted, or takes too long; it tells with ``tell()`` how far
    it is. All methods may be called from any thread.
    """

    def __init__(self, work: Any, alike: Hashable | None, seconds: float, queue: "WorkQueue"):
        self.work, self.alike = work, alike
        self._seconds, self._queue = seconds, queue
        self._updates: deque[Update] = deque()
        self._changed = threading.Condition()
        self._listeners: list[Callable[[], None]] = []
        self._deadline: float | None = None
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._done = self._cancelled = False

    # What the client calls.

    def __enter__(self) -> "Ticket[Result]":
        return self

    def __exit__(self, *_) -> None:
        self.cancel()

    @property
    def done(self) -> bool:
        """Whether there is a result or an error."""
        return self._done

    @property
    def place(self) -> int | None:
        """How many wait before this one; None once its turn has come."""
        return self._queue.place_of(self)

    def cancel(self) -> None:
        """Give the place back; work that has begun stops at its next ``check``. Nothing happens to what is done."""
        with self._changed:
            self._cancelled = True
        self._queue.forget(self)
        self._finish(error=CancelledWork("nobody waits for this any more"))

    def result(self, timeout: float | None = None) -> Result:
        """Wait for the result.

        Raises:
            TimeoutError: there is none after so many seconds.
            CancelledWork, OutOfTime: it will never be there.
            Exception: what the work raised.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._done, timeout):
                raise TimeoutError(f"no result after {timeout:g} s")
        return self._outcome()

    def updates(self, every: float = 0.5) -> Iterator[Update]:
        """What is told, as it comes, to the end; then ``result`` waits no more. While nothing is told, the place in the
        queue is, every so many seconds."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._done or self._updates, every)
                told, done = [*self._updates], self._done
                self._updates.clear()
            yield from told
            if done and not self._updates:
                return
            if not told:
                yield Update(place=self.place)

    async def watch(self, every: float = 0.5) -> AsyncIterator[Update]:
        """``updates`` for asyncio."""
        loop, rang = asyncio.get_running_loop(), asyncio.Event()

        def ring() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(rang.set)

        with self._changed:
            self._listeners.append(ring)
        try:
            while True:
                with self._changed:
                    told, done = [*self._updates], self._done
                    self._updates.clear()
                    rang.clear()
                for update in told:
                    yield update
                if done and not self._updates:
                    return
                if told:
                    continue
                try:
                    await asyncio.wait_for(rang.wait(), every)
                except TimeoutError:
                    yield Update(place=self.place)
        finally:
            with self._changed:
                self._listeners.remove(ring)

    async def wait(self) -> Result:
        """``result`` for asyncio."""
        async for _ in self.watch(every=3600.0):
            pass
        return self._outcome()

    # What the work calls.

    @property
    def wanted(self) -> bool:
        """Whether somebody still waits, and there is time left."""
        return not self._done and not self._cancelled and not self._is_late()

    def check(self) -> None:
        """Raises CancelledWork or OutOfTime where the work is to stop."""
        if self._cancelled or self._done:
            raise CancelledWork("nobody waits for this any more")
        if self._is_late():
            raise OutOfTime(f"took longer than {self._seconds:g} s, which is the limit")

    def tell(self, text: str = "", doing: str = "", share: float | None = None) -> None:
        """Tell how far the work is."""
        with self._changed:
            self._updates.append(Update(text, doing, share))
        self._ring()

    def finish(self, result: Result) -> None:
        """The result is there."""
        self._finish(result)

    def fail(self, error: BaseException) -> None:
        """There will be none."""
        self._finish(error=error)

    def begin(self) -> None:
        """Its turn has come, and its time runs."""
        self._deadline = time.monotonic() + self._seconds

    def _is_late(self) -> bool:
        return self._deadline is not None and time.monotonic() > self._deadline

    def _finish(self, result: Result | None = None, error: BaseException | None = None) -> None:
        with self._changed:
            if self._done:
                return
            self._result, self._error, self._done = result, error, True
        self._ring()

    def _outcome(self) -> Result:
        if self._error is not None:
            raise self._error
        return self._result

    def _ring(self) -> None:
        with self._changed:
            self._changed.notify_all()
            listeners = [*self._listeners]
        for listener in listeners:
            listener()


class WorkQueue:
    """Tickets in the order in which they came, worked on by one thread.

    Args:
        name: of the thread.
        work: is given tickets that are alike, one at least, and finishes or fails each of them. What it raises fails
            all that are not done.
        waiting: tickets that may wait.
        at_once: tickets that are worked on together.
        seconds: that the work on a ticket may take.
    """

    def __init__(self, name: str, work: Callable[[Sequence[Ticket]], None], waiting: int, at_once: int, seconds: float):
        self._work, self._most, self._at_once, self._seconds = work, waiting, at_once, seconds
        self._tickets: deque[Ticket] = deque()
        self._running: list[Ticket] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Tickets whose turn has not come."""
        with self._changed:
            return len(self._tickets)

    @property
    def running(self) -> int:
        """Tickets that are being worked on."""
        with self._changed:
            return len(self._running)

    def submit(self, work: Any, alike: Hashable | None = None) -> Ticket:
        """Take a place at the end.

        Args:
            work: what ``work`` finds on the ticket.
            alike: tickets of one value may be worked on together; None: this one alone.

        Raises:
            QueueFullError: as many are waiting as may.
            CancelledWork: the queue is closed.
        """
        ticket = Ticket(work, alike, self._seconds, self)
        with self._changed:
            if self._closed:
                raise CancelledWork("the server stops")
            if len(self._tickets) >= self._most:
                raise QueueFullError(f"{self._most} requests are waiting, which is all that may; try again later")
            self._tickets.append(ticket)
            self._changed.notify()
        return ticket

    def cancel(self) -> None:
        """Cancel what waits and what runs; who waits for it is told at once."""
        with self._changed:
            tickets = [*self._tickets, *self._running]
        for ticket in tickets:
            ticket.cancel()

    def close(self) -> None:
        """Cancel everything, take nothing more, and wait a while for what runs to notice."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self.cancel()
        self._thread.join(_CLOSE_SECONDS)

    def place_of(self, ticket: Ticket) -> int | None:
        """How many wait before a ticket; None if it does not wait."""
        with self._changed:
            return self._tickets.index(ticket) if ticket in self._tickets else None

    def forget(self, ticket: Ticket) -> None:
        """Free the place of a ticket, if it waits."""
        with self._changed:
            if ticket in self._tickets:
                self._tickets.remove(ticket)

    def _serve(self) -> None:
        while (batch := self._next()) is not None:
            try:
                self._work(batch)
            except Exception as error:  # whatever it is belongs to who asked; the next ones must not suffer
                for ticket in batch:
                    ticket.fail(error)
            for ticket in batch:
                ticket.fail(RuntimeError("the work ended without a result"))
            with self._changed:
                self._running = []

    def _next(self) -> list[Ticket] | None:
        """The first ticket and those like it; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._tickets)
            if self._closed:
                return None
            first = self._tickets[0]
            same = (ticket for ticket in self._tickets if first.alike is not None and ticket.alike == first.alike)
            batch = list(itertools.islice(same, self._at_once)) or [first]
            for ticket in batch:
                self._tickets.remove(ticket)
                ticket.begin()
            self._running = batch
            return batch
