"""What fuzzing found, each as the smallest file that shows it."""

import pickle
import warnings
import zipfile

import numpy as np
import pytest
from bad_files import npy, refuse

from skeletonllm.skeleton.formats import read_skeleton
from skeletonllm.skeleton.formats.common import short
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
