"""Files that are not what they claim: a clear error or a masked joint within a second, never a hang or a crash."""

import io
import json
import os
import pickle

import numpy as np
import pytest
from bad_files import NUMBERS, Bomb, compressed, matlab, refuse, variable

from skeletonllm.skeleton.formats import FORMATS, SkeletonFormatError, read_skeleton
from skeletonllm.skeleton.formats.common import MAX_BYTES

SUFFIXES = sorted({suffix for format in FORMATS.values() for suffix in format.suffixes} | {"", ".bin"})


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"\n", b" ", b"\x00", b"{", b"PK\x03\x04", b"\x93NUMPY", b"5\n", b"1 2 3\n"])
def test_a_file_of_a_few_bytes_is_refused(tmp_path, suffix, content):
    path = tmp_path / f"clip{suffix}"
    path.write_bytes(content)
    refuse(path)
    for name in FORMATS:
        refuse(path, format=name)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_ten_megabytes_of_random_bytes_are_refused_in_time(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    path.write_bytes(np.random.default_rng(0).bytes(10_000_000))
    refuse(path)
    for name in FORMATS:
        refuse(path, format=name)


@pytest.mark.parametrize(
    "start",
    [b"3\n1\n", b"0.1 0.2 0.3\n", b'{"skeletons": [', b"MATLAB 5.0 MAT-file", b"\x93NUMPY\x01\x00", b"PK\x03\x04"],
)
def test_random_bytes_behind_a_true_beginning_are_refused_in_time(tmp_path, start):
    path = tmp_path / "clip"
    path.write_bytes(start + np.random.default_rng(0).bytes(10_000_000))
    refuse(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_is_never_opened(tmp_path, suffix, protocol):
    path, trace = tmp_path / f"clip{suffix}", tmp_path / "trace"
    path.write_bytes(pickle.dumps(Bomb(trace), protocol=protocol))
    refuse(path)
    for name in FORMATS:
        refuse(path, format=name)
    assert not trace.exists()


def test_a_pickle_is_named_as_one(tmp_path):
    path = tmp_path / "clip.npy"
    path.write_bytes(pickle.dumps({"joints": 1}))
    assert "pickle" in refuse(path).found


def test_a_missing_file_and_a_folder_say_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_skeleton(tmp_path / "none.skeleton")
    refuse(tmp_path, "folder")
    refuse(tmp_path, "folder", format="ntu")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.skeleton")
    refuse(tmp_path / "pipe.skeleton", "no regular file")


def test_an_enormous_file_is_refused_unread(tmp_path):
    path = tmp_path / "clip.skeleton"
    with path.open("wb") as file:
        file.write(b"3\n1\n")
        file.truncate(MAX_BYTES + 1)
    refuse(path, "bytes, expected at most", format="ntu")


# NTU


def test_every_truncation_of_an_ntu_file_names_its_line(write_ntu, body):
    path = write_ntu([[body(1, (0, 0, 3))]] * 3)
    lines = path.read_text().splitlines()
    for keep in range(1, len(lines)):
        path.write_text("\n".join(lines[:keep]) + "\n")
        error = refuse(path)
        assert error.place == f"line {keep + 1}" and error.found == "the end of the file"
    path.write_text("\n".join(lines)[:-30])
    assert refuse(path).place == f"line {len(lines)}"


def test_ntu_with_another_joint_count_names_line_and_count(write_ntu, body, standing):
    path = write_ntu([[body(1, (0, 0, 3))], [body(1, standing[:20])]])
    error = refuse(path, "20.*expected 25 joints")
    assert error.place == "line 32"  # 1 + (1 + 2 + 25) of the first frame + body count + header, then the joint count


@pytest.mark.parametrize("count", ["999999999", "99999999999999999999999", "-1", "3.5", "nan"])
def test_absurd_ntu_counts_allocate_nothing(write_ntu, body, count):
    path = write_ntu([[body(1, (0, 0, 3))]])
    lines = path.read_text().splitlines()
    for index in (0, 1, 3):
        changed = [count if number == index else line for number, line in enumerate(lines)]
        path.write_text("\n".join(changed) + "\n")
        assert refuse(path, format="ntu").place == f"line {index + 1}"


def test_many_strangers_in_a_long_recording_allocate_nothing(write_ntu, body):
    strangers = [[body(12 * index, (0, 0, 3))] * (t < 12) for index in range(40) for t in range(60)]
    path = write_ntu(strangers)
    text = path.read_text()
    path.write_text(text.replace("2400", "54000", 1) + "0\n" * 51600)
    refuse(path, "40 persons in 54000 frames")


def test_words_among_ntu_numbers_and_lines_after_the_end_are_found(write_ntu, body):
    path = write_ntu([[body(1, (0, 0, 3))]])
    text = path.read_text()
    path.write_text(text + "\n7\n")
    assert refuse(path, "the end of the file").place == "line 31"
    path.write_text(text.replace("0.75", "high"))
    assert "high" in refuse(path).found


def test_ntu_without_bodies_is_refused(write_ntu):
    refuse(write_ntu([[]] * 5), "no body in any of 5 frames")
    refuse(write_ntu([]), "no body")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e30, 500.0])
def test_unusable_coordinates_are_masked_joint_by_joint(write_ntu, body, standing, bad):
    joints = standing + [0, 0, 3]
    joints[3, 1] = bad
    sequence = read_skeleton(write_ntu([[body(1, joints)]] * 4))
    assert np.flatnonzero(~sequence.valid[0, 0]).tolist() == [3]
    assert np.isfinite(sequence.joints).all() and (sequence.joints[:, 0, 3] == 0).all()
    assert any("4 of 100 joints masked" in note for note in sequence.notes)
    refuse(write_ntu([[body(1, np.full((25, 3), bad))]] * 4), "no usable joint")


def test_millimetres_are_refused(write_ntu, body, standing):
    refuse(write_ntu([[body(1, 1000 * (standing + [0.3, 0.4, 3]))]] * 2), "no usable joint")


# JSON


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"skeletons": ' + "[" * 5_000_000,
        '{"skeletons": [[[' + "9" * 10_000 + "]]]}",
        '{"skeletons": 3}',
        '{"skeletons": []}',
        '{"skeletons": [[]]}',
        '{"skeletons": {"0": 1}}',
        '{"other": []}',
        "[]",
        '{"skeletons": [[[1, 2, 3]',
        json.dumps({"skeletons": [[[1, 2, 3]] * 19]}),
        json.dumps({"skeletons": [[[1, 2]] * 20]}),
        json.dumps({"skeletons": [[["1", "2", "3"]] * 20]}),
        json.dumps({"skeletons": [[[True, False, True]] * 20]}),
        json.dumps({"skeletons": [[[10**400, 2, 3]] * 20]}),
        json.dumps({"skeletons": [[[0, 0, 0]] * 20]}),
        json.dumps({"skeletons": [[[1, 2, 3]] * 20, None]}),
    ],
)
def test_damaged_json_is_refused(tmp_path, text):
    path = tmp_path / "clip.json"
    path.write_text(text)
    refuse(path)
    refuse(path, format="nw_ucla")


def test_json_names_the_frame_and_joint_that_are_wrong(tmp_path):
    frames = np.ones((5, 20, 3)).tolist()
    frames[3][7] = [1, 2]
    (tmp_path / "clip.json").write_text(json.dumps({"skeletons": frames}))
    assert refuse(tmp_path / "clip.json").place == "key 'skeletons', frame 3, joint 7"


def test_null_and_nan_in_json_are_masked(tmp_path):
    frames = np.ones((2, 20, 3)).tolist()
    frames[0][1][2], frames[1][5][0] = None, float("nan")
    (tmp_path / "clip.json").write_text(json.dumps({"skeletons": frames, "label": 99}))
    sequence = read_skeleton(tmp_path / "clip.json")
    assert np.argwhere(~sequence.valid[:, 0]).tolist() == [[0, 1], [1, 5]] and sequence.label is None


# Text


def test_text_with_a_part_of_a_frame_or_a_bad_line_names_the_line(tmp_path, standing):
    path = tmp_path / "movement1.txt"
    rows = [" ".join(map(str, row)) for row in standing + [0, 0, 3]] * 2
    path.write_text("\r\n".join(rows) + "\r\n\r\n")
    assert read_skeleton(path).num_frames == 2
    path.write_text("\n".join(rows[:-3]))
    assert refuse(path, "25 lines per frame").place == "line 47"
    rows[30] = "1.0 2.0"
    path.write_text("\n".join(rows))
    assert refuse(path).place == "line 31"
    rows[30] = "1.0 2.0 three"
    path.write_text("\n".join(rows))
    assert "three" in refuse(path).found


# Everything


def test_one_frame_is_enough_for_every_format(tmp_path, write_ntu, body, standing):
    here = standing + [0, 0, 3]
    paths = [
        write_ntu([[body(1, here)]]),
        tmp_path / "a.npy",
        tmp_path / "a.json",
        tmp_path / "a.mat",
        tmp_path / "a.txt",
    ]
    np.save(paths[1], np.random.default_rng(0).normal(size=(1, 22, 3)))
    paths[2].write_text(json.dumps({"skeletons": np.ones((1, 20, 3)).tolist()}))
    paths[3].write_bytes(matlab(variable((20, 3), numbers=NUMBERS[: 20 * 3 * 8])))
    paths[4].write_text("\n".join(" ".join(map(str, row)) for row in here))
    np.savez(tmp_path / "a.npz", joints=here[None, None], fps=30)
    for path in [*paths, tmp_path / "a.npz"]:
        sequence = read_skeleton(path)
        assert sequence.num_frames == 1 and sequence.valid.any() and np.isfinite(sequence.joints).all()
        assert (sequence.velocities()[0] == 0).all()


def test_flipped_bytes_never_crash_a_reader(tmp_path, write_ntu, body, standing):
    here = standing + [0, 0, 3]
    buffer, archive = io.BytesIO(), io.BytesIO()
    np.save(buffer, np.random.default_rng(1).normal(size=(3, 22, 3)))
    np.savez_compressed(archive, joints=here[None, None], fps=30, topology="kinect_v2")
    sound = {
        "ntu": write_ntu([[body(1, here)]] * 2).read_bytes(),
        "humanml3d": buffer.getvalue(),
        "nw_ucla": json.dumps({"skeletons": np.ones((2, 20, 3)).tolist(), "label": 1}).encode(),
        "utd_mhad": matlab(compressed(variable((20, 3, 2), numbers=NUMBERS))),
        "gtu": "\n".join(" ".join(map(str, row)) for row in here).encode(),
        "npz": archive.getvalue(),
    }
    assert set(sound) <= set(FORMATS)
    rng = np.random.default_rng(2)
    path = tmp_path / "clip"
    for name, content in sound.items():
        for _ in range(150):
            damaged = bytearray(content)
            # Half of the damage goes to the first bytes, where headers are.
            for place in rng.integers(0, len(damaged) if rng.random() < 0.5 else 200, size=rng.integers(1, 6)):
                damaged[min(place, len(damaged) - 1)] = rng.integers(0, 256)
            path.write_bytes(damaged)
            try:
                sequence = read_skeleton(path, name)
            except SkeletonFormatError:
                continue
            assert np.isfinite(sequence.joints).all()


def test_the_error_survives_the_way_between_processes(tmp_path):
    error = pickle.loads(pickle.dumps(SkeletonFormatError(tmp_path, "line 3", "'a'", "a number")))
    assert str(error).endswith("line 3: found 'a', expected a number") and error.place == "line 3"
