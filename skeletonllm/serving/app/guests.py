"""Who has a page of the app open, what they brought, and the work that is done for them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from skeletonllm.serving.limits import Visitors
from skeletonllm.serving.queue import Ticket
from skeletonllm.serving.reading import Recording

# Of one guest; the oldest goes when another comes.
MOST_RECORDINGS = 24
# Names below which a guest's files are served; see ``visits``.
VISITS = "visits"


@dataclass(eq=False)
class Guest:
    """One open page.

    Args:
        folder: of their own, removed when they leave.
        recordings: what they brought, by name, in order.
    """

    folder: Path
    recordings: dict[str, Recording] = field(default_factory=dict)
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
            while len(self.recordings) > MOST_RECORDINGS:
                del self.recordings[next(iter(self.recordings))]
        return name

    def new_file(self, name: str) -> Path:
        """A place for a file or folder called ``NUMBER-name``, which nothing else has."""
        with self._lock:
            self._made += 1
            return self.folder / f"{self._made}-{name}"

    def address(self, path: Path) -> str:
        """Where the browser finds a file of this guest, relative to the app."""
        return f"{VISITS}/{self.folder.name}/{path.name}"

    def write(self, name: str, text: str) -> Path:
        """A new file with a text in it."""
        path = self.new_file(name)
        path.write_text(text, encoding="utf-8", errors="replace")  # names of files need not be UTF-8
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

    def leave(self) -> None:
        """Give back all places."""
        with self._lock:
            self._gone = True
            tickets = [*self._tickets]
        for ticket in tickets:
            ticket.cancel()
        self.recordings.clear()


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
            guest = self._guests.get(session)
            if guest is None:
                guest = self._guests[session] = Guest(self._visitors.open())
        for one in left:
            one.leave()
        self._visitors.touch(guest.folder)
        return guest

    def leave(self, session: str) -> None:
        """The page was closed."""
        with self._lock:
            guest = self._guests.pop(session, None)
        if guest is not None:
            guest.leave()
            self._visitors.close(guest.folder)

    def __len__(self) -> int:
        return len(self._guests)
