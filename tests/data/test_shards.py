"""Packed shards: what goes in comes out, from a folder or a URL; what is damaged or hostile is refused."""

import json
import os
import pickle
import shutil
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

from skeletonllm.data import packing
from skeletonllm.data.annotations import Listed, list_annotations, list_folder
from skeletonllm.data.recordings import Recording
from skeletonllm.data.rows import features, row_to_recording
from skeletonllm.data.shards import PackedShards, sha256_of, verify
from skeletonllm.data.sources import load_source
from skeletonllm.skeleton.formats import SkeletonFormatError, write_npz
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topology import TOPOLOGIES, Topology

pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("datasets")


def made(number: int, topology: str = "kinect_v1", frames: int = 5) -> SkeletonSequence:
    rng = np.random.default_rng(number)
    joints = rng.normal(size=(frames, 1 + number % 2, TOPOLOGIES[topology].num_joints, 3)) + (0, 0, 3)
    valid = rng.random(joints.shape[:3]) > 0.2
    return SkeletonSequence(joints, 20.0 + number, topology, valid, label="in the file", notes=("made up",))


def broken(number: int) -> SkeletonSequence:
    raise SkeletonFormatError(f"clip{number}", "line 1", "noise", "a skeleton")


def listed(count: int, bad: tuple[int, ...] = ()) -> list[Listed]:
    kinds = list(TOPOLOGIES)[:3]
    return [
        Listed(
            Recording(
                f"clip{number}",
                f"action {number % 3}",
                partial(broken, number) if number in bad else partial(made, number, kinds[number % 3]),
                "test" if number % 4 == 0 else "train",
                {"performer": number % 7, "view": number % 3, "take": number},
                partial(str, f"the arm moves {number} times") if number % 2 else None,
            ),
            (f"somebody moves {number} times", "a clip"),
        )
        for number in range(count)
    ]


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
        "from test_shards import listed\n"
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


# Lists and folders


def test_a_folder_gives_labels_by_file_or_by_folder(tmp_path):
    for name in ("clap/a.npz", "test/bow/b.npz", ".hidden/c.npz", "top.npz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_npz(made(1).replace(label="wave" if name == "clap/a.npz" else None), tmp_path / name)
    (tmp_path / "notes.md").write_text("# notes")
    found = list_folder(tmp_path)
    assert [one.recording.id for one in found] == ["clap/a.npz", "notes.md", "test/bow/b.npz", "top.npz"]
    packing.pack(found, tmp_path / "packed", name="folder", workers=0)
    rows = PackedShards(tmp_path / "packed").read_group(0)
    assert [(row.id, row.label, row.split) for row in rows] == [
        ("clap/a.npz", "wave", "train"), ("test/bow/b.npz", "bow", "test"),
    ]  # fmt: skip
    reasons = (tmp_path / "packed" / "rejected.jsonl").read_text()
    assert "notes.md" in reasons and "top.npz" in reasons and "label: found none" in reasons


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


# Hostile and damaged shards


def forge(folder: Path, shard_name: str = "shard-00000.parquet", **manifest) -> None:
    """Make the manifest agree with a changed shard, so that what is wrong in it must be found in itself."""
    content = json.loads((folder / "manifest.json").read_text())
    for shard in content["shards"]:
        if shard["name"] == shard_name:
            shard["bytes"] = (folder / shard_name).stat().st_size
            shard["sha256"] = sha256_of(folder / shard_name)
            shard.update(manifest)
    (folder / "manifest.json").write_text(json.dumps(content))


def refused(folder: Path, message: str) -> None:
    with pytest.raises(SkeletonFormatError, match=message) as caught:
        shards = PackedShards(folder)
        for group in range(len(shards.groups)):
            shards.read_group(group)
    assert str(folder) in str(caught.value) and "expected" in str(caught.value)


def test_a_shard_that_was_cut_off_is_refused_at_any_length(folder):
    path = folder / "shard-00000.parquet"
    whole = path.read_bytes()
    for kept in (0, 3, 11, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        refused(folder, "bytes, expected .*as the manifest says")
        forge(folder)
        refused(folder, "whole Parquet file")
        forge(folder, bytes=len(whole))


def test_a_pickle_in_place_of_a_shard_is_named_and_never_opened(folder, tmp_path):
    class Bomb:
        def __reduce__(self):
            return open, (str(tmp_path / "trace"), "w")

    (folder / "shard-00000.parquet").write_bytes(pickle.dumps(Bomb()))
    forge(folder)
    refused(folder, "a Python pickle")
    assert not (tmp_path / "trace").exists()


def test_a_shard_of_another_schema_is_refused_by_the_column_that_differs(folder):
    import pyarrow as pa

    path = folder / "shard-00000.parquet"
    table = pq.read_table(path)
    position = table.column_names.index("fps")
    wrong = [
        (table.drop_columns(["valid"]), "valid: missing"),
        (table.set_column(position, "fps", table["fps"].cast(pa.string())), "fps: string"),
        (table.append_column("code", pa.array(["x"] * 64)), "code: string.*no such column"),
        (table.replace_schema_metadata({}), "metadata"),
        (
            table.replace_schema_metadata({"skeletonllm": json.dumps({"version": 9, "topologies": {}})}),
            "schema version",
        ),
    ]
    for changed, message in wrong:
        pq.write_table(changed, path)
        forge(folder)
        refused(folder, message)


def test_counts_of_a_hundred_gigabytes_are_refused_before_anything_is_taken(folder, tmp_path):
    import pyarrow as pa

    path = folder / "shard-00000.parquet"
    # A value that repeats takes next to nothing in Parquet, however much it makes in memory.
    table = pq.read_table(path)
    rows = 2**14
    large = pa.Table.from_arrays(
        [
            pa.array([table[name][0].as_py()] * rows, field.type)
            for name, field in zip(table.column_names, table.schema, strict=True)
        ],
        schema=table.schema,
    )
    pq.write_table(large, path, row_group_size=rows)
    forge(folder)
    refused(folder, f"{rows:,} rows in 1 row groups, expected 64 in 1")
    forge(folder, groups=[rows])
    refused(folder, "groups of 1 to 4096 rows")
    whole = bytearray(path.read_bytes())
    whole[-8:-4] = (2**32 - 1).to_bytes(4, "little")
    path.write_bytes(whole)
    forge(folder, groups=[64])
    refused(folder, "a footer of 4,294,967,295 bytes")


def test_a_row_group_that_claims_more_than_a_gigabyte_is_refused(folder, monkeypatch):
    monkeypatch.setattr("skeletonllm.data.shards.MAX_GROUP_BYTES", 10_000)
    refused(folder, "row group 0: found .* values, expected at most 10,000")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(shape=[5, 1, 20, 2]), "shape"),
        (dict(shape=[10**9, 1, 22, 3]), "as many as shape"),
        (dict(shape=[-5, -1, 22, 3]), "shape"),
        (dict(valid=b"\xff"), "bytes of valid bits"),
        (dict(topology="centaur"), "topology: found 'centaur'"),
        (dict(fps=float("nan")), "fps"),
        (dict(attributes="[1]"), "attributes"),
        (dict(id=None), "id: found nothing"),
        (dict(joints=[float("nan")]), "NaN"),
    ],
)
def test_values_of_a_row_that_do_not_fit_one_another_are_refused(folder, change, message):
    import pyarrow as pa

    path = folder / "shard-00001.parquet"
    table = pq.read_table(path)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    if change.get("joints"):
        change = dict(joints=change["joints"] * len(columns["joints"][7]), valid=b"\xff" * len(columns["valid"][7]))
    for name, value in change.items():
        columns[name][7] = value
    pq.write_table(pa.Table.from_pydict(columns, schema=table.schema), path)
    forge(folder, path.name)
    refused(folder, f"shard-00001.parquet: row group 0, row 7: .*{message}")


@pytest.mark.parametrize(
    "change", [dict(name="../shard-00000.parquet"), dict(name="/etc/passwd"), dict(groups=[10**12]), dict(bytes=-1)]
)
def test_a_manifest_that_points_elsewhere_or_claims_too_much_is_refused(folder, change):
    forge(folder, **change)
    refused(folder, "manifest.json: shards: found")


def test_verification_finds_a_single_changed_byte(folder):
    assert [count for _, count in verify(folder)] == [64, 64, 22]
    path = folder / "shard-00002.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(SkeletonFormatError, match="shard-00002.parquet: sha256"):
        list(verify(folder))
    shutil.copy(folder / "shard-00000.parquet", path)
    forge(folder, path.name, groups=[64])
    with pytest.raises(SkeletonFormatError, match="id 'clip0' twice"):
        list(verify(folder))
