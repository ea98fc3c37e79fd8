"""A chat-completions endpoint on loopback that answers as a test tells it."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """What a server does with one question: wait, then send a status and a body, or part of it.

    Args:
        content: text of the answer; bytes are sent as they are.
        status, headers: of the response.
        finish_reason: in the answer.
        wait: seconds before anything is sent.
        cut: bytes of the body that are sent before the connection is closed; None: all.
        usage: whether tokens are counted: 100 of the question and 20 of the answer.
    """

    content: str | bytes = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    finish_reason: str = "stop"
    wait: float = 0.0
    cut: int | None = None
    usage: bool = True

    def body(self) -> bytes:
        if isinstance(self.content, bytes):
            return self.content
        choice = {"index": 0, "finish_reason": self.finish_reason, "message": {"content": self.content}}
        answer = {"model": "served-teacher", "choices": [choice]}
        if self.usage:
            answer["usage"] = {"prompt_tokens": 100, "completion_tokens": 20}
        return json.dumps(answer).encode()


class TeacherServer:
    """Listens from ``with`` on.

    Args:
        answer: called with the JSON of a question and how many came before it, gives what to do; from threads.

    Attributes:
        questions: the JSON of all questions, in order.
        headers: of all questions.
        most_at_once: the most questions that were under way together.
    """

    def __init__(self, answer: Callable[[dict, int], Served]):
        self.answer = answer
        self.questions: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.most_at_once = 0
        self._under_way = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        teacher = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                teacher.handle(self, json.loads(content))

            def log_message(self, *_) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_) -> None:  # clients that gave up are part of the tests
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> "TeacherServer":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def handle(self, handler: BaseHTTPRequestHandler, question: dict) -> None:
        with self._lock:
            number = len(self.questions)
            self.questions.append(question)
            self.headers.append({"path": handler.path, **handler.headers})
            self.times.append(time.monotonic())
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            served = self.answer(question, number)
            self._stop.wait(served.wait)
        finally:
            with self._lock:
                self._under_way -= 1
        body = served.body()
        handler.send_response(served.status)
        for name, value in {"Content-Type": "application/json", **served.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body if served.cut is None else body[: served.cut])
        handler.wfile.flush()
        if served.cut is not None:
            handler.close_connection = True


def label_of(question: dict) -> str:
    """The true label, which is in the last line of a question."""
    text = question["messages"][-1]["content"][-1]["text"]
    return text.rpartition("Label: ")[2]


def pictures_of(question: dict) -> list[str]:
    """The data URIs of a question's frames."""
    parts = question["messages"][-1]["content"]
    return [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
