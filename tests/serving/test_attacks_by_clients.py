"""What clients could do: each is refused with a clear answer, and the server stays up."""

import asyncio
import base64
import re
import threading
from types import SimpleNamespace

import pytest
from running_server import WORDS, held, post, receive, refused, serving, until

from skeletonllm.serving.access import check_exposure
from skeletonllm.serving.connections import ImpatientProtocol

TOKEN = "a-token-that-nobody-guesses"
MANY_PARTS = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 100 + b"--x--"


@pytest.fixture(autouse=True)
def stays_up(server):
    yield
    assert server.is_up()


def test_a_claim_of_two_gigabytes_is_refused_before_they_come(server):
    with server.connect() as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: 2147483648\r\n\r\n"
        )
        answer = receive(connection)
    assert answer.startswith(b"HTTP/1.1 413 ") and b"2,147,483,648 bytes, expected at most" in answer


def test_a_body_without_a_length_is_counted(server):
    with server.connect() as connection:
        connection.sendall(
            b"POST /v1/render HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        with pytest.raises(OSError):  # reset, as the rest is not read
            for _ in range(10_000):
                connection.sendall(chunk)
    until(lambda: number_of_refusals(server, "/v1/render", 413) == 1)


def number_of_refusals(server, route, status) -> int:
    """As the endpoint counts them."""
    with server.client() as client:
        found = re.search(rf'requests_total{{route="{route}",status="{status}"}} (\d+)', client.get("/metrics").text)
    return int(found[1]) if found else 0


def test_too_much_at_once_is_told_to_come_again(server, recordings, monkeypatch):
    object.__setattr__(server.engine.limits, "uploading_bytes", 1000)
    try:
        response = post(server, recordings["clap"])
    finally:
        object.__setattr__(server.engine.limits, "uploading_bytes", 2**24)
    assert refused(response, 503, "too much is being uploaded") and response.headers["retry-after"] == "2"
    assert post(server, recordings["clap"]).status_code == 200


def test_a_head_that_never_ends_is_given_up(server, monkeypatch):
    monkeypatch.setattr(ImpatientProtocol, "HEAD_SECONDS", 0.3)
    slow = [server.connect() for _ in range(20)]
    for connection in slow:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
    assert server.is_up()  # others are served meanwhile
    for connection in slow:
        with connection:
            assert receive(connection).startswith(b"HTTP/1.1 408 ")


def test_a_connection_that_says_nothing_is_given_up(server, monkeypatch):
    monkeypatch.setattr(ImpatientProtocol, "HEAD_SECONDS", 0.3)
    with server.connect() as connection:
        assert receive(connection).startswith(b"HTTP/1.1 408 ")


def test_a_second_request_that_never_ends_is_given_up_as_well(server, monkeypatch):
    monkeypatch.setattr(ImpatientProtocol, "HEAD_SECONDS", 0.3)
    with server.connect() as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /hea")
        assert b"HTTP/1.1 408 " in receive(connection)


def test_a_body_that_never_comes_is_given_up(server):
    with server.connect() as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b'Content-Length: 1000\r\n\r\n{"messages": '
        )
        answer = receive(connection)
    assert answer.startswith(b"HTTP/1.1 408 ") and b"did not come within 2 s" in answer


def test_a_client_that_never_reads_is_given_up():
    aborted = []

    async def run():
        protocol = ImpatientProtocol.__new__(ImpatientProtocol)
        protocol.loop = asyncio.get_running_loop()
        protocol.transport = SimpleNamespace(abort=lambda: aborted.append(True))
        protocol.flow = SimpleNamespace(pause_writing=lambda: None, resume_writing=lambda: None)
        protocol.WRITE_SECONDS = 0.01
        protocol.pause_writing()
        protocol.resume_writing()
        await asyncio.sleep(0.05)
        assert not aborted
        protocol.pause_writing()
        await asyncio.sleep(0.2)

    asyncio.run(run())
    assert aborted == [True]


@pytest.mark.parametrize("stream", ["true", "false"])
@pytest.mark.parametrize("when", ["waiting", "running"])
def test_who_leaves_frees_the_place(server, recordings, stream, when):
    queue, answers = server.engine.questions, server.engine.counts["answers"]
    boundary, lines = "xyz", []
    for name, value in (("messages", WORDS), ("stream", stream)):
        lines.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.npz"\r\n\r\n'.encode()
    body = b"".join(lines) + head + recordings["clap"] + f"\r\n--{boundary}--\r\n".encode()
    request = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: multipart/form-data; boundary={boundary}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    first = threading.Thread(target=post, args=(server, recordings["walk"]))
    with held(queue) as entered:
        if when == "waiting":
            first.start()
            assert entered.wait(60)
        with server.connect() as connection:
            connection.sendall(request)
            until(lambda: queue.waiting == 1 if when == "waiting" else entered.is_set())
            if stream == "true":
                assert connection.recv(12) == b"HTTP/1.1 200"  # the stream has begun
        # The folder goes when the request has ended, whatever becomes of the work.
        kept = 1 if when == "waiting" else 0
        until(lambda: queue.waiting == 0 and len(list(server.visitors.root.iterdir())) == kept)
    if when == "waiting":
        first.join()
    until(lambda: queue.running == 0)
    assert server.engine.counts["answers"] == answers + (when == "waiting")


def test_as_many_wait_as_may_and_the_next_is_told_to_come_again(server, recordings, monkeypatch):
    queue = server.engine.questions
    monkeypatch.setattr(queue, "_most", 1)
    threads = [threading.Thread(target=post, args=(server, recordings["walk"])) for _ in range(2)]
    with held(queue) as entered:
        threads[0].start()
        assert entered.wait(60)
        threads[1].start()
        until(lambda: queue.waiting == 1)
        response = post(server, recordings["walk"])
        assert refused(response, 503, "are waiting") and response.headers["retry-after"]
    for thread in threads:
        thread.join()


def test_who_waits_when_the_server_stops_is_told_so(engine, recordings, tmp_path):
    answers = []
    with held(engine.questions) as entered:
        with serving(engine, tmp_path) as stopping:
            threads = [
                threading.Thread(target=lambda: answers.append(post(stopping, recordings["walk"]))) for _ in range(2)
            ]
            for thread in threads:
                thread.start()
            assert entered.wait(60)
            until(lambda: engine.questions.waiting == 1)
        for thread in threads:
            thread.join(60)
    assert len(answers) == 2 and all(refused(answer, 503, "the server stops") for answer in answers)


def test_nothing_is_told_or_done_without_the_token(engine, tmp_path):
    with serving(engine, tmp_path, token=TOKEN) as guarded:
        with guarded.client() as client:
            for wrong in (
                None,
                "Bearer",
                f"Bearer {TOKEN[:-1]}",
                f"Bearer {TOKEN}x",
                TOKEN,
                f"Basic {TOKEN}",
            ):
                headers = {} if wrong is None else {"Authorization": wrong}
                for method, path in (("GET", "/v1/models"), ("GET", "/metrics"), ("POST", "/v1/render"), ("GET", "/")):
                    response = client.request(method, path, headers=headers)
                    assert refused(response, 401, "a wrong token, or none") and TOKEN not in response.text
            basic = base64.b64encode(f"anybody:{TOKEN}".encode()).decode()
            for right in (f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Basic {basic}"):
                assert client.get("/v1/models", headers={"Authorization": right}).status_code == 200
            assert client.get("/health").status_code == 200
            wrong = "Basic " + base64.b64encode(b"anybody:\xff").decode()
            assert client.get("/v1/models", headers={"Authorization": wrong}).status_code == 401


def test_pages_of_others_cannot_ask_in_their_readers_name(server):
    with server.client() as client:
        assert refused(client.get("/v1/models", headers={"Host": "evil.example"}), 403, "this machine alone")
        assert refused(client.get("/v1/models", headers={"Origin": "http://evil.example"}), 403, "another origin")
        assert refused(client.get("/v1/models", headers={"Origin": "null"}), 403, "another origin")
        assert client.get("/v1/models", headers={"Origin": server.url}).status_code == 200
        assert client.get("/v1/models", headers={"Host": f"localhost:{server.port}"}).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_others_are_let_in_with_a_token_alone(host):
    with pytest.raises(ValueError, match="needs --token"):
        check_exposure(host, None)
    with pytest.raises(ValueError, match="at least 16"):
        check_exposure(host, "short")
    check_exposure(host, TOKEN)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_this_machine_alone_needs_none(host):
    check_exposure(host, None)


@pytest.mark.parametrize(
    ("headers", "body", "status", "message"),
    [
        ({"Content-Type": "application/json"}, b"[" * 200_000, 400, "no JSON"),
        ({"Content-Type": "application/json"}, b"\xff\xfe{", 400, "no JSON"),
        ({"Content-Type": "application/json"}, b"[]", 400, "expected an object"),
        ({"Content-Type": "application/json"}, b'{"messages": "x"}', 400, "messages: found 'x'"),
        ({"Content-Type": "text/plain"}, b"hello", 415, "text/plain, expected application/json"),
        ({"Content-Type": "multipart/form-data"}, b"--x\r\n", 400, "form is damaged"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x\r\nnonsense", 400, "damaged|messages"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, MANY_PARTS, 400, "too many"),
    ],
)  # fmt: skip
def test_damaged_requests_are_refused(server, headers, body, status, message):
    with server.client() as client:
        assert refused(client.post("/v1/chat/completions", content=body, headers=headers), status, message)


def test_what_is_no_http_ends_the_connection(server):
    with server.connect() as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n")
        assert receive(connection).startswith(b"HTTP/1.1 400 ")
    with server.connect() as connection:
        connection.sendall(b"GET /" + b"a" * 200_000)
        with_reset = b""
        try:
            with_reset = receive(connection)
        except ConnectionResetError:
            pass
        assert with_reset[:12] in (b"", b"HTTP/1.1 400")
