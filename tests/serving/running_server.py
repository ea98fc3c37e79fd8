"""A server on a port of this machine, in a thread, and what tests do to it."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skeletonllm.serving.limits import Visitors
from skeletonllm.serving.queue import WorkQueue

# What is heavy is imported where it is used: the queue is tested without a model.
if TYPE_CHECKING:
    import httpx2

    from skeletonllm.serving.engine import Engine

WORDS = json.dumps([{"role": "user", "content": "Describe the motion."}])


@dataclass(frozen=True)
class Running:
    """A server that runs."""

    engine: "Engine"
    visitors: Visitors
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **options) -> "httpx2.Client":
        import httpx2

        return httpx2.Client(base_url=self.url, timeout=120.0, trust_env=False, **options)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60.0)

    def is_up(self) -> bool:
        with self.client() as client:
            return client.get("/health").json() == {"status": "ok"}


@contextmanager
def serving(engine: "Engine", below: Path, **options) -> Iterator[Running]:
    """Serve until the block ends, with the visitors' folders below this one."""
    from skeletonllm.serving.server import build_server, listen

    visitors = Visitors(engine.limits, below)
    server, listening = build_server(engine, visitors, **options), listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield Running(engine, visitors, listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(60)
        listening.close()
        visitors.close_all()


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for what must come; how long it takes says nothing on a busy machine."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


@contextmanager
def held(queue: WorkQueue) -> Iterator[threading.Event]:
    """The queue's next work does not begin before the block ends; the event says that it is at the point."""
    work, entered, gate = queue._work, threading.Event(), threading.Event()

    def wait(tickets):
        entered.set()
        gate.wait(60)
        work(tickets)

    queue._work = wait
    try:
        yield entered
    finally:
        queue._work = work
        gate.set()


def post(server, data, name="recording.npz", **fields):
    """Ask about a file, in a form."""
    with server.client() as client:
        return client.post("/v1/chat/completions", data={"messages": WORDS, **fields}, files={"file": (name, data)})


def refused(response, status, message):
    """Whether a response is a refusal that says what is expected."""
    assert response.status_code == status, response.text
    assert re.search(message, response.json()["error"]["message"]), response.text
    return True


def receive(connection: socket.socket) -> bytes:
    """Everything, up to where the server closes or, of a whole response, says nothing more."""
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
    return data
