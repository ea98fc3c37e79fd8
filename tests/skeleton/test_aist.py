"""AIST++: dances as poses of SMPL bodies in pickles."""

import pickle

import numpy as np
import pytest
from bad_files import Bomb, refuse

from skeletonllm.skeleton.formats import detect_format, read_skeleton
from skeletonllm.skeleton.formats.smpl_model import VARIABLE
from skeletonllm.skeleton.proportions import bone_lengths
from skeletonllm.skeleton.topologies import SMPL_24

# Joints are float32 and metres from the camera.
ROUNDING = 1e-5
NAME = "gKR_sBM_cAll_d28_mKR0_ch01.pkl"


@pytest.fixture(autouse=True)
def without_body_model(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


def content(frames=10):
    """Someone who faces +z and goes that way by a metre, written in centimetres."""
    trans = np.zeros((frames, 3), np.float32)
    trans[:, 1], trans[:, 2] = 180.0, np.linspace(0, 100, frames)
    poses = np.zeros((frames, 72), np.float32)
    return {"smpl_loss": 0.1, "smpl_poses": poses, "smpl_trans": trans, "smpl_scaling": np.array([100.0], np.float32)}


@pytest.fixture
def write(tmp_path):
    def write(name=NAME, protocol=4, leave_out=(), **changes):
        path = tmp_path / name
        kept = {key: value for key, value in {**content(), **changes}.items() if key not in leave_out}
        path.write_bytes(pickle.dumps(kept, protocol))
        return path

    return write


def at(sequence, name):
    return sequence.joints[:, 0, sequence.topology.index(name)]


def test_the_real_dance_is_an_upright_body_on_the_floor(shared):
    sequence = read_skeleton(shared / "data" / "aistpp_smpl" / "gBR_sBM_cAll_d04_mBR0_ch01.pkl")
    assert (sequence.num_frames, sequence.fps, sequence.label) == (720, 60, "break dance")
    assert sequence.topology is SMPL_24 and sequence.valid.all()
    for (parent, joint), metres in bone_lengths(SMPL_24).items():
        length = np.linalg.norm(sequence.joints[:, 0, joint] - sequence.joints[:, 0, parent], axis=-1)
        assert np.abs(length - metres).max() < ROUNDING
    feet = sequence.joints[:, 0, :, 1].min(1)
    # A foot is on the floor nearly all the time, although the file has the dancer's pelvis at 1.8 m.
    assert np.percentile(feet, 90) < 0.1 and feet.min() > -0.05
    assert 1.4 < np.median(at(sequence, "head")[:, 1]) < 1.65
    assert at(sequence, "left_hip")[0, 0] < at(sequence, "right_hip")[0, 0]
    knees = (
        at(sequence, "left_knee") + at(sequence, "right_knee") - at(sequence, "left_hip") - at(sequence, "right_hip")
    )
    assert knees[:, 2].mean() < 0  # bent to the front, where the camera is


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_every_protocol_are_read(write, protocol):
    path = write(protocol=protocol)
    assert detect_format(path).name == "aist"
    sequence = read_skeleton(path)
    moved = at(sequence, "pelvis")[-1] - at(sequence, "pelvis")[0]
    assert np.abs(moved - [0, 0, -1]).max() < ROUNDING  # faces the camera and comes nearer by a metre
    assert at(sequence, "left_wrist")[0, 0] < -0.5 < 0.5 < at(sequence, "right_wrist")[0, 0]
    assert abs(sequence.joints[..., 1].min()) < ROUNDING


def test_places_are_metres_where_no_scaling_is_given(write):
    metres = write(leave_out=["smpl_scaling"], smpl_trans=content()["smpl_trans"] / 100)
    joints = read_skeleton(metres).joints
    assert np.abs(joints - read_skeleton(write("scaled.pkl")).joints).max() < ROUNDING
    assert any("metres assumed" in note for note in read_skeleton(metres).notes)
    assert any("divided by smpl_scaling = 100" in note for note in read_skeleton(write()).notes)


def test_the_genre_is_read_off_the_name(write):
    assert read_skeleton(write()).label == "krump dance"
    assert read_skeleton(write("gJB_sFM_cAll_d07_mJB3_ch11.pkl")).label == "ballet jazz dance"
    assert read_skeleton(write("gXX_sBM_cAll_d28_mXX0_ch01.pkl")).label is None
    assert read_skeleton(write("dance.pkl")).label is None


def test_a_pickle_that_wants_to_run_something_is_refused(write, tmp_path):
    trace = tmp_path / "trace"
    refuse(write(smpl_loss=Bomb(trace)), r"open")
    assert not trace.exists()


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"smpl_poses": np.zeros((10, 71))}, "key 'smpl_poses'"),
        ({"smpl_poses": np.zeros((0, 72))}, "key 'smpl_poses'"),
        ({"smpl_poses": [[0.0] * 72]}, "key 'smpl_poses'"),
        ({"smpl_poses": None}, "key 'smpl_poses'"),
        ({"smpl_poses": np.zeros((10, 72), np.int64)}, "key 'smpl_poses'"),
        ({"smpl_poses": np.zeros((1_000_000, 66), np.float16)}, "key 'smpl_poses'"),
        ({"smpl_poses": np.full((10, 72), np.inf)}, "all frames"),
        ({"smpl_trans": np.zeros((9, 3))}, "key 'smpl_trans'"),
        ({"smpl_trans": "nowhere"}, "key 'smpl_trans'"),
        ({"smpl_scaling": np.zeros(1)}, "key 'smpl_scaling'"),
        ({"smpl_scaling": np.ones(2)}, "key 'smpl_scaling'"),
        ({"smpl_scaling": np.array([np.nan])}, "key 'smpl_scaling'"),
        ({"smpl_scaling": None}, "key 'smpl_scaling'"),
        ({"smpl_scaling": 1e-300}, "all frames"),
    ],
)
def test_damaged_dances_name_the_key(write, changes, place):
    assert place in refuse(write(**changes)).place


def test_a_pickle_of_something_else_is_no_dance(tmp_path):
    path = tmp_path / "list.pkl"
    path.write_bytes(pickle.dumps(["smpl_poses", "smpl_trans"]))
    assert refuse(path, format="aist").place == "top level"
    path.write_bytes(pickle.dumps({"smpl_trans": np.zeros((3, 3))}))
    assert "smpl_poses" in refuse(path, format="aist").place
