"""Mistakes in layouts are named by file, line and key; files that are not as their layout says by their own place."""

import io
import json
import time

import numpy as np
import pytest

from skeletonllm.skeleton.formats import SkeletonFormatError, read_skeleton
from skeletonllm.skeleton.formats.custom import load_layout
from skeletonllm.skeleton.topologies import load_topology

STICK = "topology: {joints: [{name: pelvis, part: torso}, {name: head, parent: pelvis, part: head}]}"
TABLE = f"""kind: csv
{STICK}
columns: "{{joint}}_{{value}}"
unit: m
place: camera
fps: 10
"""
ARRAY = f"kind: npy\n{STICK}\nshape: T J C\nplace: camera\nunit: m\nfps: 10\n"
ARCHIVE = ARRAY.replace("npy", "npz") + "array: joints\n"
PATHS = f"kind: json\n{STICK}\npoints: 'frames[T].joints{{J}}[C]'\nplace: camera\nunit: m\nfps: 10\n"
# Each list holds the one before eight times: 8^9 values.
ENDLESS = "a0: &a0 [x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 8)}]\n" for i in range(1, 9)
)
FRAME = {"pelvis": [0, 0, 3], "head": [0, 1, 3]}
# Of this process: other work on the machine does not count.
SECONDS = 1.0


def refused(path, call) -> str:
    """What is said about a file that must be refused in time, in one line."""
    start = time.process_time()
    with pytest.raises(SkeletonFormatError) as caught:
        call()
    assert time.process_time() - start < SECONDS
    assert caught.value.path == path and "\n" not in str(caught.value) and len(str(caught.value)) < 1000
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        (TABLE.replace("kind: csv", "knid: csv"), "line 1, key 'kind'", "nothing"),
        (TABLE.replace("kind: csv", "kind: cvs"), "line 1, key 'kind'", "did you mean 'csv'"),
        (TABLE.replace("unit: m", "unti: m"), "line 4, key 'unti'", "did you mean 'unit'"),
        (TABLE + "shape: T J C\n", "line 7, key 'shape'", "a key of npy and npz layouts"),
        (TABLE + "fps: 20\n", "line 7, key 'fps'", "the same key again"),
        (TABLE + "1: 2\n", "line 7", "the key 1"),
        (TABLE.replace(STICK, "topology: kinect_v3"), "line 2, key 'topology'", "did you mean 'kinect_v2'"),
        (TABLE.replace(STICK, "topology: 25"), "line 2, key 'topology'", "found 25"),
        (TABLE.replace(STICK + "\n", ""), "line 1, key 'topology'", "nothing"),
        (TABLE.replace("part: head", "part: haed"), "line 2, key 'topology.joints[1].part'", "did you mean 'head'"),
        (TABLE.replace("parent: pelvis", "parent: pelivs"), "key 'topology.joints[1].parent'", "did you mean 'pelvis'"),
        (TABLE.replace("name: head", "name: pelvis"), "key 'topology.joints[1].name'", "again"),
        (TABLE.replace("unit: m", "unit: meter"), "line 4, key 'unit'", "metres per unit"),
        (TABLE.replace("unit: m", "unit: -1"), "line 4, key 'unit'", "found -1"),
        (TABLE.replace("unit: m", "unit: px"), "line 4, key 'unit'", "px (of pictures)"),
        (TABLE.replace("unit: m", "unit: [m]"), "line 4, key 'unit'", "found ['m']"),
        (TABLE.replace("place: camera", "place: camra"), "line 5, key 'place'", "did you mean 'camera'"),
        (TABLE + "up: z\n", "line 7, key 'up'", "one of y, -y"),
        (TABLE + "values: [x, y]\n", "line 5, key 'place'", "no z"),
        (TABLE + "values: [x, z]\n", "line 7, key 'values'", "x and y"),
        (TABLE + "values: [x, y, x]\n", "line 7, key 'values[2]'", "again"),
        (TABLE + "values: {x: X, y: X}\n", "line 7, key 'values.y'", "again"),
        (TABLE + "joints: {pelvis: a, hed: b}\n", "line 7, key 'joints.hed'", "did you mean 'head'"),
        (TABLE.replace("{joint}_{value}", "{joint}_{vaule}"), "line 3, key 'columns'", "{value} 0 times"),
        (TABLE.replace("{joint}_", "{person}{joint}_"), "line 3, key 'columns'", "{person} 1 times"),
        (TABLE.replace('"{joint}_{value}"', "{pelvis: [1, 2]}"), "key 'columns.pelvis'", "3 columns, of x, y, z"),
        (TABLE.replace('"{joint}_{value}"', "{pelvis: [1, 2, 2]}"), "key 'columns'", "2 again"),
        (TABLE.replace('"{joint}_{value}"', "{pelvis: [1, 2, -1]}"), "key 'columns.pelvis'", "found -1"),
        (TABLE + "header: 0\n", "line 7, key 'header'", "the line of the column names"),
        (TABLE + "header: yes\n", "line 7, key 'header'", "whole number"),
        (TABLE.replace("fps: 10", "fps: 0"), "line 6, key 'fps'", "found 0"),
        (TABLE.replace("fps: 10", "fps: fast"), "line 6, key 'fps'", "found 'fast'"),
        (TABLE.replace("fps: 10", f"fps: {'9' * 400}"), "line 6, key 'fps'", "found 9"),
        (TABLE.replace("fps: 10\n", ""), "line 1, key 'fps'", "neither fps nor time"),
        (TABLE + "time: t\n", "line 6, key 'fps'", "fps and time"),
        (TABLE + "missing: [0]\n", "line 7, key 'missing'", "a number or a word"),
        (TABLE + f"missing: {'9' * 400}\n", "line 7, key 'missing'", "a number"),
        (TABLE + "tracked: maybe\n", "line 7, key 'tracked'", "yes or no"),
        (TABLE + "name: a/b\n", "line 7, key 'name'", "letters"),
        (TABLE + "name: ntu\n", "line 7, key 'name'", "another format's"),
        (TABLE + "files: '*{label}*-*.csv'\n", "line 7, key 'files'", "at most one *"),
        (TABLE + "label: 2020-13-45\n", "line 7, key 'label'", "month"),
        (ARRAY.replace("T J C", "T J"), "line 3, key 'shape'", "no C (values of a joint)"),
        (ARRAY.replace("T J C", "T J C T"), "line 3, key 'shape'", "'T' twice"),
        (ARRAY.replace("T J C", "T J Q C"), "line 3, key 'shape'", "'Q'"),
        (ARRAY.replace("T J C", "T (J C"), "line 3, key 'shape'", "'(J C'"),
        (ARRAY.replace("T J C", "(T P) J C"), "line 3, key 'shape'", "T and P in one dimension"),
        (ARRAY + "joints: {head: left}\n", "line 7, key 'joints.head'", "counted from 0"),
        (ARRAY + "joints: [pelvis, '-', haed]\n", "line 7, key 'joints[2]'", "did you mean 'head'"),
        (ARRAY + "label: what\n", "line 7, key 'label'", "a key of"),
        (ARRAY.replace("npy", "npz"), "line 1, key 'array'", "nothing"),
        (PATHS.replace("[T]", ""), "line 3, key 'points'", "no axis T"),
        (PATHS.replace("[C]", "[C"), "line 3, key 'points'", "'[C'"),
        (PATHS.replace("[T]", "[T J]"), "line 3, key 'points'", "'J' twice"),
        (PATHS + "confidence: 'frames[T].c[J]'\n", "line 7, key 'confidence'", "joints as in"),
        (PATHS + "confidence: 'frames[T].c{J}'\nvalues: [x, y, z, confidence]\n", "key 'confidence'", "not both"),
        (PATHS + "label: 'a[T]'\n", "line 7, key 'label'", "the axis T"),
        ("", "line 1", "an empty file"),
        ("- kind\n", "line 1", "no mapping"),
        ("kind: [csv\nfps: 1\n", "line 2", "YAML"),
        ("kind: csv\n\tfps: 1\n", "line 2", "YAML"),
        ("kind: !!python/object/apply:os.getcwd []\n", "line 1, key 'kind'", "found []"),
        (ENDLESS, "line 1", "more than 50,000 values"),
        ("a: &a [*a]\n", "line 1", "without end"),
        ("a: " + "[" * 5000, "content", "YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_its_line_and_key(tmp_path, text, place, said):
    path = tmp_path / "lab.yaml"
    path.write_text(text)
    message = refused(path, lambda: load_layout(path, frozenset({"ntu"})))
    assert message.split(": found ")[0].endswith(place) or place in message.split(": found ")[0]
    assert said in message


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x00", b"a: \x07", b"kind: csv\n\xc3("])
def test_bytes_that_are_no_yaml_are_refused(tmp_path, content):
    path = tmp_path / "lab.yaml"
    path.write_bytes(content)
    refused(path, lambda: load_layout(path))


def test_a_topology_file_is_told_its_line_too(tmp_path):
    path = tmp_path / "stick.yaml"
    path.write_text("name: stick\njoints:\n  - {name: pelvis, part: torso}\n  - {name: head, part: head}\n")
    assert "line 2, key 'joints'" in refused(path, lambda: load_topology(path))
    path.write_text(path.read_text().replace("head, part", "head, parent: pelvis, parts"))
    assert "line 4, key 'joints[1].parts'" in refused(path, lambda: load_topology(path))


HEADER, ROW = "pelvis_x,pelvis_y,pelvis_z,head_x,head_y,head_z", "0,0,3,0,1,3"
TIMED = TABLE.replace("fps: 10", "time: t")
PEOPLE = PATHS.replace("[T].joints", "[T][P].joints")


def table(rows, header=HEADER):
    return "\n".join([header, *rows]).encode()


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def frames(*frames):
    return json.dumps({"frames": [{"joints": frame} for frame in frames]}).encode()


JOINTS = np.ones((3, 2, 3))


@pytest.mark.parametrize(
    ("layout", "content", "place", "said"),
    [
        (TABLE, table([ROW, "0,0,3,0,1"]), "line 3", "5 columns, expected 6"),
        (TABLE, table(["0,0,3,0,high,3"]), "line 2, column 4 'head_y'", "'high'"),
        (TABLE, table([]), "line 1", "no rows"),
        (TABLE, table([ROW], HEADER.replace("head_z", "hed_z")), "line 1", "no column 'head_z'"),
        (TABLE, table([ROW], HEADER.replace("pelvis_y", "pelvis_x")), "line 1", "2 columns 'pelvis_x'"),
        (TABLE, table(["nan,0,3,0,inf,3"]), "all frames", "no usable joint"),
        (TABLE, table(["1e308,0,3,0,-1e308,3"]), "all frames", "beyond 100 units"),
        (TABLE, table(['"0,0,3,0,1,3']), "line 2", "1 columns"),
        (TABLE, b"\xff\xfea\x00", "text", "0xff"),
        (TABLE, b"a" * 3_000_000, "line", "characters and more"),
        (TABLE, b"", "line 1", "the end of the file"),
        (TABLE + "header: 5\n", table([ROW]), "line 5", "the end of the file"),
        (TIMED, table([ROW]), "line 1", "no column 't'"),
        (TIMED, table([ROW + ",0", ROW + ",0"], HEADER + ",t"), "column 't'", "[0.0, 0.0]"),
        (TIMED, table([ROW + ",0"], HEADER + ",t"), "column 't'", "fewer than two"),
        (ARRAY, npy(JOINTS[0]), "array", "shape (2, 3)"),
        (ARRAY, npy(JOINTS[:, :1]), "array", "1 in dimension 1, expected 2 (joints)"),
        (ARRAY, npy(JOINTS[:0]), "file", "shape (0, 1, 2, 3)"),
        (ARRAY, npy(JOINTS.astype(complex)), "array, header", "c16"),
        (ARRAY + "joints: {head: 7}\n", npy(JOINTS), "array", "at least 8, as head is number 7"),
        (ARRAY.replace("T J C", "T (J C)"), npy(np.ones((4, 7))), "array", "expected 6 (joints x values of a joint)"),
        (ARRAY, npy(np.zeros((1_500_000, 2, 3), np.uint8)), "array", "3,000,000 joints"),
        (ARCHIVE, npz(other=JOINTS), "archive", "'other'"),
        (ARCHIVE + "confidence: c\n", npz(joints=JOINTS, c=np.ones((2, 2))), "key 'c'", "shape (2, 1, 2)"),
        (ARCHIVE.replace("fps: 10", "fps: rate"), npz(joints=JOINTS, rate=-1), "key 'rate'", "found -1"),
        (ARCHIVE.replace("fps: 10", "fps: rate"), npz(joints=JOINTS, rate=[1, 2]), "key 'rate'", "one value"),
        (ARCHIVE.replace("fps: 10", "time: t"), npz(joints=JOINTS, t=[1, 2]), "key 't'", "2 times, expected 3"),
        (ARCHIVE + "label: what\n", npz(joints=JOINTS, what=3), "key 'what'", "i8"),
        (PATHS, b'{"frame": []}', "frames", "no key 'frames' (did you mean 'frame'?)"),
        (PATHS, b"[]", "frames", "found []"),
        (PATHS, b'{"frames": {}}', "frames", "a list of frames"),
        (PATHS, b'{"frames": []}', "file", "shape (0,"),
        (PATHS, b'{"frames": [null]}', "all frames", "no usable joint"),
        (PATHS, frames({"pelvis": None, "head": None}), "all frames", "no usable joint"),
        (PATHS, frames(FRAME, 5), "frames[1].joints", "an object with joints"),
        (PATHS, frames(FRAME, FRAME | {"head": [0, 1]}), "frames[1].joints.head", "2 elements, expected 3"),
        (PATHS, frames(FRAME, FRAME | {"head": [0, 1, True]}), "frames[1].joints.head", "True"),
        (PATHS, frames(FRAME, FRAME | {"head": [0, 1, 10**400]}), "frames[1].joints.head", "too large"),
        (PATHS, frames({"pelvis": [0, 0, 3], "haed": [0, 1, 3]}), "frames[T].joints{J}[C]", "no key 'head' anywhere"),
        (PATHS, b'{"frames":' + b"[" * 100_000, "content", "JSON"),
        (PATHS.replace("fps: 10", "fps: rate"), frames(FRAME), "rate", "no key 'rate'"),
        (PATHS.replace("fps: 10", "time: 'frames[T].t'"), frames(FRAME), "frames[0]", "no key 't'"),
        (PEOPLE, b'{"frames": %s}' % json.dumps([[{"joints": FRAME}] * 40]).encode(), "frame 0", "40 persons"),
        (PEOPLE, b'{"frames": %s}' % json.dumps([[None] * 3000] * 1000).encode(), "frames[T][P]", "6,000,000 joints"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_as_its_layout_says_is_told_where(tmp_path, layout, content, place, said):
    (tmp_path / "lab.yaml").write_text(layout)
    path = tmp_path / "take"
    path.write_bytes(content)
    message = refused(path, lambda: read_skeleton(path, format=str(tmp_path / "lab.yaml")))
    assert message.startswith(place) and said in message


@pytest.mark.parametrize(
    ("layout", "sound"),
    [(TABLE, table([ROW] * 3)), (ARRAY, npy(JOINTS)), (ARCHIVE, npz(joints=JOINTS)), (PATHS, frames(FRAME, FRAME))],
    ids=["csv", "npy", "npz", "json"],
)
def test_damaged_files_are_read_or_refused_and_nothing_else(tmp_path, layout, sound):
    (tmp_path / "lab.yaml").write_text(layout)
    path, generator = tmp_path / "take", np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(sound)
        for _ in range(generator.integers(1, 4)):
            place = int(generator.integers(len(data)))
            data[place : place + int(generator.integers(0, 3))] = generator.choice(
                [b"", b"\xff", b"9", b",", b"]", b'"']
            )
        path.write_bytes(data)
        try:
            read_skeleton(path, format=str(tmp_path / "lab.yaml"))
        except SkeletonFormatError as error:
            assert error.path == path
