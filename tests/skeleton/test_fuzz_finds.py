"""What fuzzing found, each as the smallest file that shows it."""

import json
import pickle
import warnings
import zipfile

import numpy as np
import pytest
from bad_files import npy, refuse

from skeletonllm.skeleton.formats import SkeletonFormatError, detections, mediapipe, ntu_text, read_skeleton
from skeletonllm.skeleton.formats.common import short
from skeletonllm.skeleton.formats.custom import json_path, load_layout, table_files
from skeletonllm.skeleton.topologies import SMPL_24

# A NaN of a sensor that signals: casting it makes numpy warn, and computing with it too.
SIGNALLING = np.frombuffer(b"\x01\x00\x80\x7f" * 3, "<f4")


def text_array(code: int) -> bytes:
    """An array of one character, of any number."""
    return npy("()", "'<U1'", np.uint32(code).tobytes())


@pytest.fixture
def write_npz(tmp_path):
    """Writes sound joints of our own format, and other arrays, those of bytes as they are."""

    def write(**arrays):
        path = tmp_path / "clip.npz"
        joints = np.zeros((3, 1, 20, 3)) + [0.0, 1.0, 3.0]
        np.savez(path, **{"joints": joints, "fps": 30} | {k: v for k, v in arrays.items() if type(v) is not bytes})
        with zipfile.ZipFile(path, "a") as archive:
            for name, content in arrays.items():
                if type(content) is bytes:
                    archive.writestr(f"{name}.npy", content)
        return path

    return write


@pytest.mark.parametrize("name", ["label", "topology", "notes"])
@pytest.mark.parametrize("code", [0xD800, 0x110000, 2**32 - 1])
def test_numbers_that_are_no_characters_are_no_text(write_npz, name, code):
    refuse(write_npz(**{name: text_array(code)}), f"key '{name}'.*no characters")


def test_texts_of_any_language_are_read(write_npz):
    assert (
        read_skeleton(write_npz(label="\u624b\u3092\u632f\u308b \U0001f44b")).label
        == "\u624b\u3092\u632f\u308b \U0001f44b"
    )


def test_notes_in_rows_and_columns_are_notes(write_npz):
    assert read_skeleton(write_npz(notes=np.array([["one", "two"], ["three", "four"]]))).notes[2:4] == ("three", "four")


@pytest.mark.parametrize("fps", [1e308, 1e-320, 1e6])
def test_frame_rates_that_no_recording_has_are_refused(write_npz, fps):
    refuse(write_npz(fps=fps), "frame rate.*frames per second")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.0, 1e300, 0.5])
def test_rotations_that_are_none_become_the_identity_and_are_counted(write_npz, wrong):
    rotations = np.tile([0.6, 0.8, 0.0, 0.0], (3, 1, 20, 1))
    rotations[1, 0, 4] = [wrong, 0.0, 0.0, 0.0]
    sequence = read_skeleton(write_npz(rotations=rotations))
    rotations[1, 0, 4] = [1.0, 0.0, 0.0, 0.0]
    np.testing.assert_array_equal(sequence.rotations, rotations)
    assert any("1 of 60 rotations" in note for note in sequence.notes)


@pytest.mark.parametrize("shape", [(3, 22, 3), (3, 20, 3)])
def test_a_nan_that_signals_is_masked_without_a_warning(tmp_path, shape):
    joints = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    joints[1, 4] = SIGNALLING
    np.save(tmp_path / "clip.npy", joints)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.argwhere(~read_skeleton(tmp_path / "clip.npy").valid[:, 0]).tolist() == [[1, 4]]


def test_a_rotation_that_signals_spoils_its_limb_without_a_warning(tmp_path):
    poses = np.zeros((3, 72), np.float32)
    poses[1, 3 * SMPL_24.index("right_elbow") :][:3] = SIGNALLING
    np.savez(tmp_path / "walk.npz", poses=poses, trans=np.zeros((3, 3)), mocap_framerate=30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_skeleton(tmp_path / "walk.npz").valid.sum() == 3 * 24 - 3


def test_arrays_of_a_layout_that_signal_are_masked_without_a_warning(tmp_path):
    joints = np.ones((3, 2, 3), np.float32)
    joints[1, 0] = SIGNALLING
    np.save(tmp_path / "clip.npy", joints)
    layout = tmp_path / "lab.yaml"
    layout.write_text("kind: npy\nshape: T J C\nplace: camera" + TWO_POINTS.replace("[x, y]", "[x, y, z]"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_skeleton(tmp_path / "clip.npy", str(layout)).valid[:, 0].tolist() == [
            [True] * 2,
            [False, True],
            [True] * 2,
        ]


def test_an_array_that_is_out_of_place_is_named_in_one_line(tmp_path):
    content = {"smpl_poses": np.zeros((2, 72)), "smpl_trans": [np.ones((4, 3))]}
    (tmp_path / "clip.pkl").write_bytes(pickle.dumps(content))
    assert "array" in refuse(tmp_path / "clip.pkl", "smpl_trans").found


def test_whatever_is_found_is_told_in_one_short_line():
    nested = []
    for _ in range(5000):
        nested = [nested]
    for value in (
        10**5000,
        nested,
        [nested] * 3,
        {"key": 10**5000},
        np.ones((50, 50)),
        ["long" * 10**6] * 5,
        {1: "\n"},
    ):
        assert 0 < len(short(value)) <= 63 and "\n" not in short(value)
    assert short([1, "two", None]) == "[1, 'two', None]" and short("it's") == '"it\'s"'
    assert short(10**5000) == "an integer of 16,610 bits"


# Files that are sound, or begin so, and too large to be read within two seconds and a gigabyte


@pytest.mark.parametrize(
    ("name", "line", "times"),
    [
        ("clip.txt", b"0 0 3\n", 3_000_000),
        ("clip.txt", b"0 0 3 1\n", 2_200_000),
        ("a_positions.txt", b",".join([b"1"] * 66) + b"\n", 50_000),
        ("clip.skeleton", b"1\n", 26_000_000),
    ],
)
def test_text_that_would_take_gigabytes_is_refused_unread(tmp_path, name, line, times):
    path = tmp_path / name
    path.write_bytes(line * times)
    refuse(path, "bytes, expected at most")


def test_a_large_ntu_file_is_read_in_the_usual_form_only(tmp_path, monkeypatch, write_ntu, body):
    path = write_ntu([[body(1, (0, 0, 3))]])
    monkeypatch.setattr(ntu_text, "MAX_UNUSUAL_BYTES", path.stat().st_size - 1)
    assert read_skeleton(path).num_frames == 1
    path.write_bytes(path.read_bytes().replace(b" ", b"\t"))
    refuse(path, "one space or line end behind each")
    monkeypatch.setattr(ntu_text, "MAX_UNUSUAL_BYTES", path.stat().st_size)
    assert read_skeleton(path).num_frames == 1


def test_an_archive_of_single_bytes_does_not_become_gigabytes_of_floats(tmp_path):
    np.savez_compressed(tmp_path / "clip.npz", joints=np.ones((1_700_000, 1, 25, 3), np.int8), fps=30)
    refuse(tmp_path / "clip.npz", "key 'joints'.*bytes, expected at most")


def test_hours_of_features_are_refused(tmp_path):
    np.save(tmp_path / "clip.npy", np.ones((72_001, 263), np.float16))
    refuse(tmp_path / "clip.npy", "1 to 72,000 frames")


PERSON = {"pose_keypoints_2d": [100.0, 200.0, 0.9] * 25}
KEYPOINTS = [100.0, 200.0, 0.9] * 17


@pytest.mark.parametrize(
    "content",
    [
        [{"version": 1.3, "people": [PERSON] * 4}] * 3,
        [{"image_id": number, "keypoints": KEYPOINTS} for number in range(11)],
        [[1, 1, number, "jump", f"a/{number}.jpg", *([0.5] * 36)] for number in range(11)],
    ],
)
def test_more_persons_over_all_pictures_than_can_be_tracked_are_refused(tmp_path, monkeypatch, content):
    monkeypatch.setattr(detections, "MAX_DETECTIONS", 10)
    (tmp_path / "clip.json").write_text(json.dumps(content))
    refuse(tmp_path / "clip.json", "at most 10; cut it first")
    (tmp_path / "clip.json").write_text(json.dumps(content[:2]))
    assert read_skeleton(tmp_path / "clip.json").num_frames == 2


@pytest.mark.parametrize("frames", [[[[0.5, 0.5, 0.0]] * 33] * 11, [[[[0.5, 0.5, 0.0]] * 33] * 6] * 2, [None] * 11])
def test_more_landmarks_than_can_be_read_are_refused(tmp_path, monkeypatch, frames):
    monkeypatch.setattr(mediapipe, "MAX_FRAMES", 10)
    (tmp_path / "clip.json").write_text(json.dumps({"frames": frames}))
    refuse(tmp_path / "clip.json", "10.*; cut it first", format="mediapipe")


# Layouts


@pytest.mark.parametrize(
    "fps", ["1:" * 240 + "1.5", "!!int ''", "!!float ''", "!!timestamp x", "!!bool x", "2001-99-99"]
)
def test_yaml_that_its_parser_stumbles_over_names_its_line(tmp_path, fps):
    (tmp_path / "lab.yaml").write_text(f"kind: npy\nfps: {fps}\n")
    with pytest.raises(SkeletonFormatError, match="line 2"):
        load_layout(tmp_path / "lab.yaml")


@pytest.mark.parametrize("line", ["fps: {}", "points: '{}'", "{}: 1", "name: {}", "topology: [{}]"])
def test_a_text_that_no_message_could_hold_is_refused(tmp_path, line):
    (tmp_path / "lab.yaml").write_text(f"kind: json\n{line.format('long' * 150)}\n")
    with pytest.raises(SkeletonFormatError, match="line 2.*600 characters, expected at most 500") as caught:
        load_layout(tmp_path / "lab.yaml")
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize("number", ["0x" + "f" * 5000, "0b" + "1" * 5000, "9" * 4400])
def test_a_number_that_python_cannot_write_is_refused(tmp_path, number):
    (tmp_path / "lab.yaml").write_text(f"kind: {number}\n")
    with pytest.raises(SkeletonFormatError, match="line 1, key 'kind'.*characters"):
        load_layout(tmp_path / "lab.yaml")


@pytest.mark.parametrize("length", [1e-320, 1e-309])
def test_points_that_are_nearly_one_point_do_not_overflow(tmp_path, length):
    points = length * np.random.default_rng(0).random((3, 2, 17, 2))
    np.savez(tmp_path / "clip.npz", poses=points)
    layout = tmp_path / "lab.yaml"
    layout.write_text(
        "kind: npz\narray: poses\nshape: T P J C\ntopology: coco_17\nvalues: [x, y]\nfps: 30\ntracked: no\n"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.abs(read_skeleton(tmp_path / "clip.npz", str(layout)).joints).max() <= 3.0


TWO_POINTS = """
topology: {name: stick, joints: [{name: a, part: torso}, {name: b, parent: a, part: torso}]}
values: [x, y]
fps: 30
"""


@pytest.mark.parametrize("line", ["1,2,3,4\n", "\n"])
def test_a_table_of_too_many_lines_is_refused(tmp_path, monkeypatch, line):
    monkeypatch.setattr(table_files, "MAX_TEXT_JOINTS", 10)
    monkeypatch.setattr(table_files, "MAX_LINES", 20)
    (tmp_path / "lab.yaml").write_text("kind: csv\ncolumns: {a: [0, 1], b: [2, 3]}\nheader: 0" + TWO_POINTS)
    (tmp_path / "clip.csv").write_text("1,2,3,4\n" * 5)
    assert read_skeleton(tmp_path / "clip.csv", str(tmp_path / "lab.yaml")).num_frames == 5
    (tmp_path / "clip.csv").write_text("1,2,3,4\n" * 5 + line * 20)
    with pytest.raises(SkeletonFormatError, match="at most"):
        read_skeleton(tmp_path / "clip.csv", str(tmp_path / "lab.yaml"))


def test_json_of_a_layout_with_too_many_joints_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(json_path, "MAX_TEXT_JOINTS", 10)
    (tmp_path / "lab.yaml").write_text('kind: json\npoints: "[T][J C]"' + TWO_POINTS)
    (tmp_path / "clip.json").write_text(json.dumps([[1, 2, 3, 4]] * 5))
    assert read_skeleton(tmp_path / "clip.json", str(tmp_path / "lab.yaml")).num_frames == 5
    (tmp_path / "clip.json").write_text(json.dumps([[1, 2, 3, 4]] * 6))
    with pytest.raises(SkeletonFormatError, match="at most 10"):
        read_skeleton(tmp_path / "clip.json", str(tmp_path / "lab.yaml"))
