"""Files that somebody could make: each is refused with a clear answer, and the server stays up."""

import base64
import gzip
import io
import pickle
import re
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from running_server import WORDS, post, refused, until

from skeletonllm.serving.limits import safe_name
from skeletonllm.serving.reading import save_files
from skeletonllm.skeleton.formats import read_skeleton, write_npz


@pytest.fixture(autouse=True)
def stays_up(server):
    yield
    assert server.is_up()


def resident(field):
    """Bytes of memory of this process, in which the server runs: ``VmRSS`` now, ``VmHWM`` at most."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024


@pytest.mark.parametrize(
    "name",
    ["../../../outside.npz", "..\\..\\outside.npz", "/outside.npz", "..", "%2e%2e%2foutside.npz", "a#../b.npz", ""],
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
    assert refused(post(server, data), 413, "seconds of a recording")
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
