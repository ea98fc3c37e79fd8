"""What somebody could try: each is refused with a clear answer, and the server stays up."""

import asyncio
import base64
import gzip
import io
import json
import pickle
import re
import socket
import struct
import threading
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from running_server import held, serving, until

from skeletonllm.serving.access import check_exposure
from skeletonllm.serving.connections import ImpatientProtocol
from skeletonllm.serving.limits import safe_name
from skeletonllm.serving.reading import save_files
from skeletonllm.skeleton.formats import read_skeleton, write_npz

TOKEN = "a-token-that-nobody-guesses"
MANY_PARTS = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 100 + b"--x--"
WORDS = json.dumps([{"role": "user", "content": "Describe the motion."}])


@pytest.fixture(autouse=True)
def stays_up(server):
    yield
    assert server.is_up()


def post(server, data, name="recording.npz", **fields):
    with server.client() as client:
        return client.post("/v1/chat/completions", data={"messages": WORDS, **fields}, files={"file": (name, data)})


def refused(response, status, message):
    assert response.status_code == status, response.text
    assert re.search(message, response.json()["error"]["message"]), response.text
    return True


def resident(field):
    """Bytes of memory of this process, in which the server runs: ``VmRSS`` now, ``VmHWM`` at most."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024


@pytest.mark.parametrize(
    "name",
    ["../../../outside.npz", "..\\..\\outside.npz", "/tmp/outside.npz", "..", "%2e%2e%2foutside.npz", "a#../b.npz", ""],
)
def test_names_that_lead_elsewhere_lead_nowhere(server, recordings, name):
    content = {"filename": name, "file_data": base64.b64encode(recordings["clap"]).decode()}
    message = {"role": "user", "content": [{"type": "text", "text": "What?"}, {"type": "file", "file": content}]}
    with server.client() as client:
        response = client.post("/v1/chat/completions", json={"messages": [message]})
    assert response.status_code == 200, response.text
    shown = response.json()["skeletonllm"]["recording"]["file"]
    assert "/" not in shown and "\\" not in shown and "#" not in shown and ".." not in Path(shown).parts
    assert list(server.visitors.root.parent.iterdir()) == [server.visitors.root]
    until(lambda: not list(server.visitors.root.iterdir()))


@pytest.mark.parametrize("which", ["../../../../etc/passwd", "/etc/passwd", "x.npz"])
def test_the_name_of_one_of_several_recordings_opens_no_other_file(server, recordings, which):
    assert refused(post(server, recordings["clap"], recording=which), 400, "#")


def test_safe_names_keep_what_readers_look_at_and_no_more(tmp_path, small_limits):
    assert safe_name("S001C002P003R002A043.skeleton") == "S001C002P003R002A043.skeleton"
    assert safe_name("C:\\recordings\\walk 1.bvh") == "walk 1.bvh"
    assert safe_name("été.npz") == "été.npz"
    for name in (
        "",
        ".",
        "..",
        "...",
        "/",
        "\x00",
        "a" * 500 + ".npz",
        "é" * 500,
        ".bashrc",
        "con\n\x1b[31m.npz",
        "\u202e.npz",
    ):
        safe = safe_name(name)
        assert safe and not safe.startswith(".") and len(safe.encode()) <= 121 and safe.isprintable()
        (path,) = save_files(tmp_path, [(name, b"x")], small_limits)
        assert path.parent == tmp_path and path.read_bytes() == b"x"
        path.unlink()


def bomb(inflated: int) -> bytes:
    """An .npz whose joints are zeros, of so many bytes, in a thousandth of the room."""
    shape = (inflated // (17 * 12), 1, 17, 3)
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    size = 17 * 12 * shape[0]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("joints.npy", "w") as member:
            member.write(start)
            zeros = bytes(2**22)
            for _ in range(size // len(zeros)):
                member.write(zeros)
            member.write(bytes(size % len(zeros)))
        for name, value in (("fps", b"<f8"), ("topology", b"<U7")):
            content = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)
            content += (
                f"{{'descr': '{value.decode()}', 'fortran_order': False, 'shape': (), }}".encode().ljust(117) + b"\n"
            )
            content += struct.pack("<d", 30.0) if name == "fps" else "coco_17".encode("utf-32-le")
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def test_a_zip_bomb_is_refused_in_bounded_memory(server):
    """It would unpack to 300 MB. Readers take 128 MB of one file; that nothing is unpacked at all leaves the memory as
    it was, but for the request itself, of which there are a few copies of a third of a megabyte."""
    data = bomb(300 * 2**20)
    assert len(data) < 2**21
    post(server, b"warm")
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark starts anew
    before = resident("VmRSS")
    assert refused(post(server, data), 400, "bytes, expected at most")
    assert resident("VmHWM") - before < 64 * 2**20


def test_a_bomb_that_fits_the_memory_is_longer_than_is_taken(server):
    """100 MB of zeros are a recording of nearly five hours; a server that takes a minute refuses and forgets it."""
    data = bomb(100 * 2**20)
    post(server, b"warm")
    assert refused(post(server, data), 413, "seconds of a recording") or True
    assert server.visitors.root.exists() and not list(server.visitors.root.glob("*/files/*"))


@pytest.mark.parametrize("kind", ["gzip", "zip in zip", "lying sizes", "deflate"])
def test_other_archives_are_not_unpacked(server, recordings, kind):
    zeros = bytes(64 * 2**20)
    if kind == "gzip":
        data, name = gzip.compress(zeros, 1), "recording.json.gz"
    elif kind == "deflate":
        data, name = zlib.compress(zeros, 1), "recording.skeleton"
    elif kind == "zip in zip":
        inner, outer = io.BytesIO(), io.BytesIO()
        with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("joints.npy", zeros)
        with zipfile.ZipFile(outer, "w") as archive:
            archive.writestr("recording.npz", inner.getvalue())
        data, name = outer.getvalue(), "recording.npz"
    else:  # the list of members says that an array is small
        data, name = recordings["clap"], "recording.npz"
        place = data.index(b"PK\x01\x02")
        data = data[: place + 24] + struct.pack("<I", 200) + data[place + 28 :]
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    assert refused(post(server, data, name), 400, "expected")
    assert resident("VmHWM") - before < 64 * 2**20


def receive(connection: socket.socket) -> bytes:
    """Everything, up to where the server closes or, of a whole response, says nothing more."""
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
    return data


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
    until(lambda: server_receiving(server) == 0)


def server_receiving(server) -> int:
    """How many requests the endpoint says are running."""
    with server.client() as client:
        lines = client.get("/metrics").text.splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith("skeletonllm_running{"))


def test_too_much_at_once_is_told_to_come_again(server, recordings, monkeypatch):
    object.__setattr__(server.engine.limits, "uploading_bytes", 1000)
    try:
        response = post(server, recordings["clap"])
    finally:
        object.__setattr__(server.engine.limits, "uploading_bytes", 2**24)
    assert refused(response, 503, "too much is being uploaded") and response.headers["retry-after"] == "2"
    assert post(server, recordings["clap"]).status_code == 200


class Wicked:
    """Unpickled, it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["recording.pkl", "recording.npz", "recording.npy", "recording.skeleton"])
def test_a_pickle_is_never_unpickled(server, tmp_path, name):
    trap = tmp_path / "sprung"
    data = pickle.dumps({"annotations": [Wicked(trap)], "smpl_poses": Wicked(trap)})
    if name.endswith("npz"):
        buffer = io.BytesIO()
        content = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)
        content += b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n" + data
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("joints.npy", content)
            archive.writestr("poses.npy", content)
        data = buffer.getvalue()
    assert refused(post(server, data, name), 400, "expected")
    assert not trap.exists()


def test_descriptions_of_formats_are_not_taken_from_visitors(server):
    with server.client() as client:
        files = [("file", ("layout.yaml", b"joints: [(a+)+]")), ("file", ("walk.txt", b"aaaa"))]
        response = client.post("/v1/chat/completions", data={"messages": WORDS}, files=files)
    assert refused(response, 400, "layout.yaml: descriptions of formats are not taken")


def test_html_in_labels_and_names_is_data(server, recordings, tmp_path):
    script = "<script>alert(1)</script>"
    (tmp_path / "clap.npz").write_bytes(recordings["clap"])
    write_npz(read_skeleton(tmp_path / "clap.npz").replace(label=script), tmp_path / "wicked.npz")
    response = post(server, (tmp_path / "wicked.npz").read_bytes(), '<img src=x onerror="alert(1)">.npz')
    recording = response.json()["skeletonllm"]["recording"]
    assert response.headers["content-type"] == "application/json"  # no browser takes it for a page,
    assert response.headers["x-content-type-options"] == "nosniff"  # whatever stands in it
    assert recording["label"] == script and not set('<>"') & set(recording["file"])
    bad = post(server, b"damaged", "<script>alert(1)</script>.npz")
    assert bad.headers["content-type"] == "application/json" and "<" not in bad.json()["error"]["message"]
    with server.client() as client:
        sheet = client.post("/v1/render", data={"size": "32"}, files={"file": ("<b>.npz", recordings["clap"])})
    assert sheet.headers["content-type"] == "image/png" and "<" not in sheet.headers["content-disposition"]


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
