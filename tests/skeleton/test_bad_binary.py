"""Damaged and hostile .npy, .npz and .mat files are refused in time, and allocate nothing."""

import zipfile

import numpy as np
import pytest
from bad_files import NUMBERS, Bomb, compressed, matlab, npy, refuse, variable

from skeletonllm.skeleton.formats import read_skeleton
from skeletonllm.skeleton.formats.common import MAX_BYTES


def test_objects_inside_npy_and_npz_are_never_opened(tmp_path):
    trace = tmp_path / "trace"
    objects = np.array([Bomb(trace)], dtype=object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    refuse(tmp_path / "a.npy", "pickle, never opened")
    np.savez(tmp_path / "a.npz", joints=objects, fps=30)
    refuse(tmp_path / "a.npz", "key 'joints'.*pickle, never opened")
    assert not trace.exists()


# NumPy files


@pytest.mark.parametrize(
    "content",
    [
        npy("(999999999, 22, 3)"),
        npy("(999999999999999999999, 22, 3)"),
        npy("(-1, 22, 3)"),
        npy("(" * 5000),
        npy("(True, 22, 3)"),
        npy("2"),
        npy("()", data=bytes(4)),
        npy("(2, 22, 3)", data=bytes(2 * 22 * 3 * 4 - 1)),
        npy("(2, 22, 3)", data=bytes(2 * 22 * 3 * 4 + 1)),
        npy("(0, 22, 3)"),
        npy("(2, 20, 3)", data=bytes(2 * 20 * 3 * 4)),
        npy("(2, 264)", data=bytes(2 * 264 * 4)),
        npy(descr="'|O'"),
        npy(descr="'<U8'"),
        npy(descr="[('a', '<f4')]"),
        npy(descr="'nonsense'"),
        npy(descr="7"),
        npy(version=b"\x09\x00"),
        b"\x93NUMPY\x01\x00\xff\xff{",
    ],
)
def test_damaged_npy_files_are_refused(tmp_path, content):
    path = tmp_path / "clip.npy"
    path.write_bytes(content)
    refuse(path)


def test_nan_in_humanml3d_is_masked(tmp_path):
    joints = np.random.default_rng(0).normal(size=(5, 22, 3))
    joints[2, 7] = np.nan
    joints[4] = np.inf
    np.save(tmp_path / "clip.npy", joints)
    valid = read_skeleton(tmp_path / "clip.npy").valid[:, 0]
    assert not valid[2, 7] and not valid[4].any() and valid.sum() == 5 * 22 - 1 - 22
    np.save(tmp_path / "clip.npy", np.full((5, 263), np.nan))
    refuse(tmp_path / "clip.npy", "no usable joint")


def test_an_npz_that_inflates_without_end_is_refused(tmp_path):
    path = tmp_path / "clip.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("joints.npy", "w", force_zip64=True) as member:
            member.write(npy("(3000000, 1, 25, 3)"))
            for _ in range(MAX_BYTES // 2**20 + 1):
                member.write(bytes(2**20))
    assert path.stat().st_size < 2**20
    refuse(path, "expected at most")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"joints": np.ones((2, 1, 25, 3))}, "key 'fps'"),
        ({"fps": 30}, "joints"),
        ({"poses": np.ones((2, 156))}, "poses"),
        ({"joints": np.ones((2, 1, 25, 3)), "fps": -1}, "positive"),
        ({"joints": np.ones((2, 1, 25, 3)), "fps": [30, 30]}, "key 'fps'"),
        ({"joints": np.ones((2, 1, 7, 3)), "fps": 30}, "7 joints"),
        ({"joints": np.ones((2, 1, 25, 3)), "fps": 30, "topology": "coco_17"}, "25 joints, expected 17"),
        ({"joints": np.ones((2, 1, 25, 3)), "fps": 30, "topology": "/etc/hostname.yaml"}, "registered topology"),
        ({"joints": np.ones((2, 1, 25, 3)), "fps": 30, "valid": np.ones((2, 1, 20), dtype=bool)}, "key 'valid'"),
        ({"joints": np.ones((2, 25)), "fps": 30}, "persons"),
        ({"joints": np.ones((0, 1, 25, 3)), "fps": 30}, "no frames"),
        ({"joints": np.array(["a"]), "fps": 30}, "dtype"),
    ],
)
def test_npz_files_with_wrong_keys_name_them(tmp_path, arrays, message):
    np.savez(tmp_path / "clip.npz", **arrays)
    refuse(tmp_path / "clip.npz", message)


# MATLAB


def test_the_matlab_files_of_these_tests_are_sound(tmp_path):
    for element in (variable((20, 3, 2), numbers=NUMBERS), compressed(variable((20, 3, 2), numbers=NUMBERS))):
        (tmp_path / "clip.mat").write_bytes(matlab(element))
        assert read_skeleton(tmp_path / "clip.mat").num_frames == 2


@pytest.mark.parametrize(
    "content",
    [
        matlab(b""),
        matlab(b"\xff" * 64),
        matlab(variable((20, 3, 2), numbers=NUMBERS), mark=b"XX"),
        matlab(variable((20, 3, 2), numbers=NUMBERS)[:-8]),
        matlab(compressed(variable((20, 3, 2), numbers=NUMBERS))[:-8]),
        matlab(compressed(variable((20, 3, 2), numbers=NUMBERS)[:-8])),
        matlab(compressed(bytes(10**8))),
        matlab(variable((20, 3, 999_999_999))),
        matlab(variable((20, 3, 999_999_999), declared=2**32 - 1)),
        matlab(compressed(variable((20, 3, 999_999_999), declared=2**32 - 1))),
        matlab(variable((2**31 - 1,) * 30)),
        matlab(variable((-1, 3, 2))),
        matlab(variable((20, 3, 3), numbers=NUMBERS)),
        matlab(variable((20, 3, 0))),
        matlab(variable((25, 3, 2), numbers=np.ones(150).tobytes())),
        matlab(variable((20, 3, 2), name=b"other", numbers=NUMBERS)),
        matlab(variable((20, 3, 2), numbers=NUMBERS, array_class=1)),
        matlab(variable((20, 3, 2), numbers=NUMBERS, kind=14)),
        matlab(variable((20, 3, 2), numbers=np.full(120, np.nan).tobytes())),
    ],
)
def test_damaged_matlab_files_are_refused(tmp_path, content):
    path = tmp_path / "clip.mat"
    path.write_bytes(content)
    refuse(path)
