"""Who has a page of the app open, what they brought, and the work that is done for them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skeletonllm.serving.app.theme import in_scheme
from skeletonllm.serving.limits import Visitors
from skeletonllm.serving.queue import Ticket
from skeletonllm.serving.reading import Recording

# Of one guest, recordings and the numbers in them, frames x persons x joints x 3; the oldest go when another comes.
MOST_RECORDINGS, MOST_VALUES = 24, 40_000_000
# Pages that are open at once; of more, the one that was silent longest is forgotten.
MOST_GUESTS = 64
# Names below which a guest's files are served; see ``visits``.
VISITS = "visits"


@dataclass(eq=False)
class Guest:
    """One open page.

    Args:
        folder: of their own, removed when they leave.
        recordings: what they brought, by name, in order.
        chat: what was asked and answered, as ``gr.Chatbot`` takes it.
        asked: the last question with its answer, an ``ask.Asked``; None before the first.
        scheme: ``light`` or ``dark`` where the page was asked for so; None: as their system has it.
    """

    folder: Path
    recordings: dict[str, Recording] = field(default_factory=dict)
    chat: list[dict] = field(default_factory=list)
    asked: Any = None
    scheme: str | None = None
    _tickets: set[Ticket] = field(default_factory=set)
    _made: int = 0
    _gone: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def bring(self, recording: Recording) -> str:
        """Keep a recording; the name under which it is found, another one if there is one of its own already."""
        with self._lock:
            name, number = recording.name, 2
            while name in self.recordings:
                name, number = f"{recording.name} ({number})", number + 1
            self.recordings[name] = recording
            while len(self.recordings) > 1 and self._is_too_much():
                del self.recordings[next(iter(self.recordings))]
        return name

    def _is_too_much(self) -> bool:
        values = sum(recording.sequence.joints.size for recording in self.recordings.values())
        return len(self.recordings) > MOST_RECORDINGS or values > MOST_VALUES

    def new_file(self, name: str) -> Path:
        """A place for a file or folder called ``NUMBER-name``, which nothing else has."""
        with self._lock:
            self._made += 1
            return self.folder / f"{self._made}-{name}"

    def address(self, path: Path) -> str:
        """Where the browser finds a file of this guest, relative to the app."""
        return f"{VISITS}/{self.folder.name}/{path.name}"

    def write_page(self, name: str, html: str) -> Path:
        """A new file with a page in it, light or dark as the app around it."""
        path = self.new_file(name)
        # Names of files need not be UTF-8.
        path.write_text(in_scheme(html, self.scheme), encoding="utf-8", errors="replace")
        return path

    @contextmanager
    def waiting(self, ticket: Ticket) -> Iterator[Ticket]:
        """A ticket that gives its place back at the end of the block, and when the guest leaves before that."""
        with self._lock:
            self._tickets.add(ticket)
            gone = self._gone
        try:
            with ticket:
                if gone:
                    ticket.cancel()
                yield ticket
        finally:
            with self._lock:
                self._tickets.discard(ticket)

    def stop(self) -> None:
        """Give back all places."""
        with self._lock:
            tickets = [*self._tickets]
        for ticket in tickets:
            ticket.cancel()

    def leave(self) -> None:
        """Give back all places, now and from now on."""
        with self._lock:
            self._gone = True
        self.stop()
        self.recordings.clear()
        self.asked = None


class Guests:
    """All open pages, by the name that each page has chosen for its session.

    Args:
        visitors: who gives folders and takes them away.
    """

    def __init__(self, visitors: Visitors):
        self._visitors = visitors
        self._guests: dict[str, Guest] = {}
        self._lock = threading.Lock()

    def of(self, session: str) -> Guest:
        """The guest of a session, who comes in if this is the first that is heard of it, or if nothing was heard for so
        long that the folder was taken away."""
        with self._lock:
            forgotten = [name for name, guest in self._guests.items() if not guest.folder.is_dir()]
            left = [self._guests.pop(name) for name in forgotten]
            guest = self._guests.pop(session, None) or Guest(self._visitors.open())
            self._guests[session] = guest  # the last one in order is the last that was heard of
            while len(self._guests) > MOST_GUESTS:
                left.append(self._guests.pop(next(iter(self._guests))))
        for one in left:
            self._see_out(one)
        self._visitors.touch(guest.folder)
        return guest

    def leave(self, session: str) -> None:
        """The page was closed."""
        with self._lock:
            guest = self._guests.pop(session, None)
        if guest is not None:
            self._see_out(guest)

    def _see_out(self, guest: Guest) -> None:
        guest.leave()
        self._visitors.close(guest.folder)

    def __len__(self) -> int:
        return len(self._guests)
