"""Packed shards: what goes in comes out, from a folder or a URL; files are found by folder or list."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from made_recordings import listed, made

from skeletonllm.data import packing
from skeletonllm.data.annotations import Listed, list_annotations, list_folder
from skeletonllm.data.recordings import Recording
from skeletonllm.data.rows import features, row_to_recording
from skeletonllm.data.shards import PackedShards, sha256_of, verify
from skeletonllm.data.sources import load_source
from skeletonllm.skeleton.formats import SkeletonFormatError, write_npz
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import TOPOLOGIES
from skeletonllm.skeleton.topology import Topology

pytest.importorskip("datasets")


@pytest.fixture
def folder(tmp_path) -> Path:
    """150 recordings in three shards."""
    packing.pack(listed(150), tmp_path / "packed", name="made up", workers=0, shard_bytes=1)
    return tmp_path / "packed"


@contextmanager
def served(folder: Path, ranged: bool = True):
    """The URL of a folder on a server that, like those of object stores, answers ranges and lists nothing."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(False)

        def do_GET(self):
            self.answer(True)

        def answer(self, body: bool) -> None:
            path = folder / self.path.lstrip("/")
            if not path.is_file():
                self.send_error(404)
                return
            data = path.read_bytes()
            start, stop = 0, len(data)
            if asked := ranged and self.headers.get("Range"):
                first, _, last = asked.removeprefix("bytes=").partition("-")
                start, stop = int(first), min(int(last) + 1 if last else stop, stop)
                asked_for.append(self.path)
            self.send_response(206 if asked else 200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(stop - start))
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
            self.end_headers()
            if body:
                self.wfile.write(data[start:stop])

        def log_message(self, *_):
            pass

    asked_for: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked_for
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_every_recording_comes_back_as_it_was(folder):
    shards = PackedShards(folder)
    assert shards.groups == (64, 64, 22) and len(shards) == 150 and len(shards.shards) == 3
    rows = [row for group in range(3) for row in shards.read_group(group)]
    for row, one in zip(rows, listed(150), strict=True):
        recording, sequence = row_to_recording(row)
        wanted, expected = one.recording, one.recording.read()
        assert (recording.id, recording.label, recording.split) == (wanted.id, wanted.label, wanted.split)
        assert dict(recording.attributes) == wanted.attributes and row.captions == one.captions
        assert (recording.rationale and recording.rationale()) == (wanted.rationale and wanted.rationale())
        assert sequence.joints.tobytes() == expected.joints.tobytes() and (sequence.valid == expected.valid).all()
        assert (sequence.fps, sequence.notes) == (expected.fps, expected.notes)
        assert vars(sequence).keys() == vars(expected).keys()
        assert (sequence.joints.dtype, sequence.valid.dtype) == (expected.joints.dtype, expected.valid.dtype)
        assert sequence.topology is expected.topology and recording.read() is sequence


def test_half_precision_errs_by_two_millimetres_at_most_within_eight_metres(tmp_path):
    for precision in ("float32", "float16"):
        packing.pack(listed(64), tmp_path / precision, name="made up", workers=0, precision=precision)
    exact, half = (PackedShards(tmp_path / name).read_group(0) for name in ("float32", "float16"))
    error = max(np.abs(a.sequence.joints - b.sequence.joints).max() for a, b in zip(exact, half, strict=True))
    # 11 significant bits: half a step of 2^-8 m from 4 m to 8 m.
    assert 2**-11 < error <= 2**-9
    sizes = [
        sum(path.stat().st_size for path in (tmp_path / name).glob("*.parquet")) for name in ("float32", "float16")
    ]
    assert sizes[1] < 0.7 * sizes[0]


def test_recordings_are_read_one_by_one_and_from_other_processes_alike(folder):
    shards = PackedShards(folder)
    again = pickle.loads(pickle.dumps(shards))
    for group, row in ((2, 21), (0, 3), (1, 63)):
        assert again.read(group, row).id == shards.read_group(group)[row].id
    with pytest.raises(IndexError, match="no row group 3"):
        shards.read_group(3)


def test_the_datasets_library_streams_the_same_files(folder):
    from datasets import load_dataset

    wanted = [one.recording.id for one in listed(150)]
    for arguments in (dict(path="parquet", data_files=str(folder / "*.parquet")), dict(path=str(folder))):
        stream = load_dataset(**arguments, split="train", streaming=True)
        rows = list(stream)
        assert [row["id"] for row in rows] == wanted
        assert {name: str(kind) for name, kind in stream.features.items()} == {
            name: str(kind) for name, kind in features().items()
        }
    expected = made(0, "kinect_v2")
    assert (np.float32(rows[0]["joints"]).reshape(rows[0]["shape"]) == expected.joints).all()
    assert rows[0]["performer"] == 0 and rows[1]["rationale"] == "the arm moves 1 times"


def test_a_url_gives_what_the_folder_gives_and_reads_only_what_it_needs(folder):
    local = PackedShards(folder)
    with served(folder) as (url, asked_for):
        remote = PackedShards(url)
        assert remote.groups == local.groups
        found, expected = remote.read(1, 5), local.read(1, 5)
        assert found.id == expected.id and (found.sequence.joints == expected.sequence.joints).all()
        assert set(asked_for) == {"/manifest.json", "/shard-00001.parquet"}
        assert [count for _, count in verify(url)] == [64, 64, 22]
        assert [recording.id for recording in load_source("packed", url)] == [one.recording.id for one in listed(150)]
        with pytest.raises(SkeletonFormatError, match="nowhere/manifest.json: file: found nothing"):
            PackedShards(f"{url}/nowhere")
    with served(folder, ranged=False) as (url, _), pytest.raises(OSError, match="the server sends no parts of files"):
        PackedShards(url)
    with pytest.raises(ValueError, match="protocol 'ftp'"):
        PackedShards("ftp://example.org/shards")


def test_the_source_lists_without_reading_joints_and_reads_by_group(folder, monkeypatch):
    found = load_source("packed", folder)
    wanted = [one.recording for one in listed(150)]
    assert [(r.id, r.label, r.split, r.attributes) for r in found] == [
        (r.id, r.label, r.split, r.attributes) for r in wanted
    ]
    assert [r.group for r in found] == [0] * 64 + [1] * 64 + [2] * 22
    assert found[1].rationale() == wanted[1].rationale() and found[2].rationale is None
    reads = []
    table = PackedShards._table
    monkeypatch.setattr(PackedShards, "_table", lambda self, group, *a: reads.append(group) or table(self, group, *a))
    for recording, expected in zip(found, wanted, strict=True):
        assert (recording.read().joints == expected.read().joints).all()
    assert reads == [0, 1, 2]


def test_processes_pack_what_one_process_packs_and_bad_files_are_named(tmp_path):
    bad = (3, 77)
    for name, workers in (("one", 0), ("three", 3)):
        packed = packing.pack(listed(150, bad), tmp_path / name, name="made up", workers=workers)
        assert (packed.recordings, packed.rejected) == (148, 2)
        reasons = [json.loads(line) for line in (tmp_path / name / "rejected.jsonl").read_text().splitlines()]
        assert [(entry["index"], entry["id"]) for entry in reasons] == [(3, "clip3"), (77, "clip77")]
        assert reasons[0]["reason"] == "clip3: line 1: found noise, expected a skeleton"
    assert sha256_of(tmp_path / "one" / "shard-00000.parquet") == sha256_of(tmp_path / "three" / "shard-00000.parquet")


def test_a_pack_that_was_killed_goes_on_and_ends_as_one_that_was_not(tmp_path):
    bad = (2, 70, 140)
    packing.pack(listed(200, bad), tmp_path / "whole", name="made up", workers=0, shard_bytes=1)
    script = (
        "import os, signal, sys; from pathlib import Path; from skeletonllm.data import packing\n"
        "from made_recordings import listed\n"
        "stop = lambda done: done == int(sys.argv[2]) and os.kill(os.getpid(), signal.SIGKILL)\n"
        "packing.pack(listed(200, (2, 70, 140)), Path(sys.argv[1]), name='made up', workers=0, shard_bytes=1,"
        " progress=stop)"
    )
    paths = [str(Path(__file__).parent), *sys.path]
    for done in (30, 100, 145):  # before the first shard, amid the second, and behind a rejected one
        command = [sys.executable, "-c", script, str(tmp_path / "killed"), str(done)]
        ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, timeout=120)
        assert ended.returncode == -signal.SIGKILL
        # Whatever is there under its final name is whole.
        assert (
            [sound for sound in verify(tmp_path / "killed")] if (tmp_path / "killed" / "manifest.json").exists() else 1
        )
    packed = packing.pack(listed(200, bad), tmp_path / "killed", name="made up", workers=0, shard_bytes=1)
    assert (packed.recordings, packed.rejected, packed.resumed) == (197, 3, 130)
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "killed" / path.name).read_bytes(), path.name
    assert {path.name for path in (tmp_path / "killed").iterdir()} == {p.name for p in (tmp_path / "whole").iterdir()}


def test_shards_of_another_list_are_not_added_to(folder):
    with pytest.raises(ValueError, match="something else .listed, list differ"):
        packing.pack(listed(149), folder, name="made up", workers=0)


def test_a_topology_of_the_user_travels_along(tmp_path, monkeypatch):
    own = Topology("stick", ("pelvis", "head"), (-1, 0), ((0, 1),), ("torso", "head"), ("centre", "centre"))
    monkeypatch.setitem(TOPOLOGIES, "stick", own)
    sequence = SkeletonSequence(np.ones((2, 1, 2, 3)), 10, own)
    one = Listed(Recording("a", "nod", partial(SkeletonSequence.slice, sequence, 0, 2), "train"))
    packing.pack([one], tmp_path, name="sticks", workers=0)
    monkeypatch.delitem(TOPOLOGIES, "stick")
    assert PackedShards(tmp_path).read(0, 0).sequence.topology == own
    other = Topology("stick", ("pelvis", "neck"), (-1, 0), ((0, 1),), ("torso", "head"), ("centre", "centre"))
    monkeypatch.setitem(TOPOLOGIES, "stick", other)
    with pytest.raises(SkeletonFormatError, match="another topology called 'stick'"):
        PackedShards(tmp_path).read(0, 0)


def stick(name: str, end: str) -> SkeletonSequence:
    """A body of two joints, in a topology that nobody registered, as readers of motion capture make them."""
    own = Topology(name, ("pelvis", end), (-1, 0), ((0, 1),), ("torso", "head"), ("centre", "centre"))
    return SkeletonSequence(np.ones((2, 1, 2, 3)), 10, own)


def sticks(count: int) -> list[Listed]:
    """Recordings of which some have topologies of their own, four in all."""
    bodies = [stick(f"stick_{n // 9 % 4}", "head") if n % 9 == 5 else made(n) for n in range(count)]
    return [
        Listed(Recording(str(number), "nod", partial(SkeletonSequence.slice, body, 0, 2), "train"))
        for number, body in enumerate(bodies)
    ]


@pytest.mark.parametrize("workers", [0, 1])
def test_topologies_that_only_the_files_know_are_described_in_the_shards(tmp_path, workers):
    packing.pack(sticks(150), tmp_path, name="sticks", workers=workers)
    assert sum(count for _, count in verify(tmp_path)) == 150
    shards = PackedShards(tmp_path)
    rows = [row for group in range(len(shards.groups)) for row in shards.read_group(group)]
    assert [row.id for row in rows] == [str(number) for number in range(150)]
    expected = [one.recording.read().topology for one in sticks(150)]
    assert [row.sequence.topology for row in rows] == expected and len({t.name for t in expected}) == 5


def test_a_pack_that_was_stopped_still_knows_the_topologies_that_it_described(tmp_path):
    packing.pack(sticks(300), tmp_path / "whole", name="sticks", workers=0, shard_bytes=1)

    def stop(done: int) -> None:
        if done == 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        packing.pack(sticks(300), tmp_path / "stopped", name="sticks", workers=0, shard_bytes=1, progress=stop)
    assert packing.pack(sticks(300), tmp_path / "stopped", name="sticks", workers=0, shard_bytes=1).resumed > 0
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "stopped" / path.name).read_bytes(), path.name


def test_two_topologies_of_one_name_are_not_mixed_up(tmp_path):
    bodies = [stick("stick", "head"), stick("stick", "neck"), stick("kinect_v1", "head"), stick("stick", "head")]
    recordings = [
        Listed(Recording(str(number), "nod", partial(SkeletonSequence.slice, body, 0, 2), "train"))
        for number, body in enumerate(bodies)
    ]
    packed = packing.pack(recordings, tmp_path, name="sticks", workers=0)
    assert (packed.recordings, packed.rejected) == (2, 2)
    assert [row.id for row in PackedShards(tmp_path).read_group(0)] == ["0", "3"]
    reasons = [json.loads(line) for line in (tmp_path / packing.REJECTED).read_text().splitlines()]
    assert [reason["id"] for reason in reasons] == ["1", "2"]
    assert "another one called 'stick'" in reasons[0]["reason"] and "'kinect_v1'" in reasons[1]["reason"]


# Lists and folders


def test_a_folder_gives_labels_by_file_or_by_folder(tmp_path):
    for name in ("clap/a.npz", "test/bow/b.npz", ".hidden/c.npz", "top.npz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_npz(made(1).replace(label="wave" if name == "clap/a.npz" else None), tmp_path / name)
    (tmp_path / "README.md").write_text("# notes")
    (tmp_path / "notes").write_text("nothing that is known")
    found = list_folder(tmp_path)
    assert [one.recording.id for one in found] == ["clap/a.npz", "notes", "test/bow/b.npz", "top.npz"]
    packing.pack(found, tmp_path / "packed", name="folder", workers=0)
    rows = PackedShards(tmp_path / "packed").read_group(0)
    assert [(row.id, row.label, row.split) for row in rows] == [
        ("clap/a.npz", "wave", "train"), ("test/bow/b.npz", "bow", "test"),
    ]  # fmt: skip
    reasons = (tmp_path / "packed" / "rejected.jsonl").read_text()
    assert '"notes"' in reasons and "top.npz" in reasons and "label: found none" in reasons


def test_lists_in_either_form_say_the_same(tmp_path):
    write_npz(made(1), tmp_path / "a.npz")
    (tmp_path / "list.csv").write_text("file,label,performer,view,split,caption\na.npz,wave,4,,test,she waves\n")
    entry = dict(file="a.npz", label="wave", performer=4, view=None, split="test", captions=["she waves"])
    (tmp_path / "list.jsonl").write_text(json.dumps(entry) + "\n\n")
    for name in ("list.csv", "list.jsonl"):
        (one,) = list_annotations(tmp_path / name)
        recording = one.recording
        assert (recording.id, recording.label, recording.split) == ("a.npz", "wave", "test")
        assert recording.attributes == {"performer": 4} and one.captions == ("she waves",)
        assert (recording.read().joints == made(1).joints).all()


@pytest.mark.parametrize("file", ["../secret.npz", "/etc/passwd", "inside/../../secret.npz", "link/secret.npz"])
def test_a_path_that_leaves_the_data_folder_is_refused(tmp_path, file):
    data = tmp_path / "data"
    (data / "inside").mkdir(parents=True)
    write_npz(made(1), tmp_path / "secret.npz")
    (data / "link").symlink_to(tmp_path)
    (data / "list.csv").write_text(f"file,label\n{file},wave\n")
    with pytest.raises(SkeletonFormatError, match="line 2: found file .*expected a file inside"):
        list_annotations(data / "list.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na.npz\n", "another number of fields"),
        ("file,label\na.npz,\n", "label"),
        ("file,label\na.npz,x\na.npz,y\n", "line 3.*again"),
        ("file,label,split\na.npz,x,dev\n", "train or test"),
        ("file,label,view\na.npz,x,left\n", "view.*an integer"),
        ("name\na.npz\n", "file"),
    ],
)
def test_lists_with_mistakes_name_the_line(tmp_path, text, message):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(SkeletonFormatError, match=message):
        list_annotations(tmp_path / "list.csv")
