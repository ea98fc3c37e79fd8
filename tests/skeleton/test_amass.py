"""AMASS: poses of SMPL bodies, Z up, in .npz files."""

import numpy as np
import pytest
from bad_files import Bomb, refuse

from skeletonllm.skeleton.formats import SkeletonFormatError, amass, detect_format, read_skeleton, write_npz
from skeletonllm.skeleton.formats.smpl_model import VARIABLE
from skeletonllm.skeleton.kinematics import quaternion_to_matrix
from skeletonllm.skeleton.proportions import bone_lengths
from skeletonllm.skeleton.topologies import SMPL_24

# Joints are float32 and metres from the camera.
ROUNDING = 1e-5


@pytest.fixture(autouse=True)
def without_body_model(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


def arrays(frames=10, width=156):
    """Someone who stands, faces -y (the root's turn from Y up to Z up) and glides that way by a metre."""
    poses = np.zeros((frames, width))
    poses[:, 0] = np.pi / 2
    trans = np.zeros((frames, 3))
    trans[:, 1], trans[:, 2] = -np.linspace(0, 1, frames), 0.9
    return {"poses": poses, "trans": trans, "mocap_framerate": 60.0, "betas": np.zeros(16), "gender": "female"}


@pytest.fixture
def write(tmp_path):
    def write(leave_out=(), **changes):
        path = tmp_path / "motion_poses.npz"
        content = {**arrays(), **changes}
        np.savez(path, **{key: value for key, value in content.items() if key not in leave_out})
        return path

    return write


def at(sequence, name):
    return sequence.joints[:, 0, sequence.topology.index(name)]


def bones_are_those_of_an_average_body(sequence):
    for (parent, joint), metres in bone_lengths(SMPL_24).items():
        length = np.linalg.norm(sequence.joints[:, 0, joint] - sequence.joints[:, 0, parent], axis=-1)
        assert np.abs(length - metres).max() < ROUNDING


def test_the_real_recording_is_an_upright_body_on_the_floor(shared):
    sequence = read_skeleton(shared / "data" / "amass_smplh" / "dmpl_sample.npz")
    assert (sequence.num_frames, sequence.fps, sequence.topology.name) == (235, 120, "smpl_24")
    assert sequence.valid.all() and sequence.label is None
    bones_are_those_of_an_average_body(sequence)
    head, feet = at(sequence, "head")[:, 1], sequence.joints[:, 0, :, 1].min(1)
    assert 1.45 < np.median(head - feet) < 1.70  # of a body of 1.70 m whose knees give
    assert abs(np.percentile(feet, 2)) < ROUNDING and feet.min() > -0.05
    # Faces the camera at the start: left at smaller x, feet pointing to the camera.
    assert at(sequence, "left_shoulder")[0, 0] < at(sequence, "right_shoulder")[0, 0] - 0.25
    for side in ("left", "right"):
        assert at(sequence, f"{side}_foot")[0, 2] < at(sequence, f"{side}_ankle")[0, 2]


def test_wrists_of_the_real_recording_are_as_far_apart_as_its_markers_say(shared):
    path = shared / "data" / "amass_smplh" / "dmpl_sample.npz"
    sequence = read_skeleton(path)
    with np.load(path) as archive:
        markers, names = archive["marker_data"], [name.decode() for name in archive["marker_labels"]]
    between = {
        side: np.nanmean(markers[:, [i for i, name in enumerate(names) if name in labels]], 1)
        for side, labels in (("left", ("LIWR", "LOWR")), ("right", ("RIWR", "ROWR")))
    }
    seen = np.linalg.norm(between["left"] - between["right"], axis=-1)
    ours = np.linalg.norm(at(sequence, "left_wrist") - at(sequence, "right_wrist"), axis=-1)
    assert np.corrcoef(seen, ours)[0, 1] > 0.98


def test_someone_who_glides_forwards_comes_towards_the_camera(write):
    sequence = read_skeleton(write())
    assert sequence.fps == 60 and sequence.num_frames == 10
    moved = at(sequence, "pelvis")[-1] - at(sequence, "pelvis")[0]
    assert np.abs(moved - [0, 0, -1]).max() < ROUNDING
    assert at(sequence, "left_wrist")[0, 0] < -0.5 and at(sequence, "right_wrist")[0, 0] > 0.5
    assert at(sequence, "head")[0, 1] > 1.4 and abs(sequence.joints[..., 1].min()) < ROUNDING
    assert sequence.joints[..., 2].min() > 0.99


def test_the_right_elbow_moves_the_right_wrist(write):
    poses = arrays()["poses"]
    poses[:, 3 * SMPL_24.index("right_elbow") + 1] = np.linspace(0, 1, 10)
    sequence = read_skeleton(write(poses=poses, trans=np.zeros((10, 3))))
    moved = np.linalg.norm(sequence.joints[-1, 0] - sequence.joints[0, 0], axis=-1)
    assert {SMPL_24.joints[joint] for joint in np.flatnonzero(moved > ROUNDING)} == {"right_wrist", "right_hand"}


def test_rotations_turn_the_body_at_rest_into_the_world(write):
    sequence = read_skeleton(write())
    assert sequence.rotations.dtype == np.float32
    pelvis = quaternion_to_matrix(sequence.rotations[0, 0, 0])
    assert np.abs(pelvis @ [0, 0, 1] - [0, 0, -1]).max() < ROUNDING  # forwards is towards the camera
    assert np.abs(pelvis @ [1, 0, 0] - [-1, 0, 0]).max() < ROUNDING  # the left side is at smaller x


@pytest.mark.parametrize(("width", "model"), [(66, "without hands"), (72, "SMPL"), (156, "SMPL-H"), (165, "SMPL-X")])
def test_poses_of_every_model_of_the_family_give_the_same_body(write, width, model):
    expected = read_skeleton(write())
    sequence = read_skeleton(write(poses=arrays(width=width)["poses"].astype(np.float32)))
    assert np.abs(sequence.joints - expected.joints).max() < ROUNDING
    assert model in sequence.notes[0]


def test_the_later_name_of_the_frame_rate_is_known_and_times_are_not_taken_for_exact(write):
    assert read_skeleton(write(["mocap_framerate"], mocap_frame_rate=100)).fps == 100
    assert read_skeleton(write(mocap_framerate=120.00004577636719)).fps == 120
    assert read_skeleton(write(mocap_framerate=59.94)).fps == 59.94


def test_what_was_assumed_is_said(write):
    notes = "; ".join(read_skeleton(write()).notes)
    for said in ("SMPL-H", "60 frames per second", "Z up", "average body of 1.70 m", "fingers are left out", "floor"):
        assert said in notes


def test_motions_and_our_own_files_are_told_apart(write, tmp_path):
    path = write()
    assert detect_format(path).name == "amass"
    write_npz(read_skeleton(path), tmp_path / "ours.npz")
    assert detect_format(tmp_path / "ours.npz").name == "npz"
    again = read_skeleton(tmp_path / "ours.npz")
    assert np.array_equal(again.rotations, read_skeleton(path).rotations)


def test_bones_come_from_the_body_model_of_the_user_and_heights_stay(write, tmp_path, monkeypatch):
    places = np.random.default_rng(5).normal(0, 0.3, (52, 3))
    model = tmp_path / "model.npz"
    np.savez(model, v_template=places, shapedirs=places[..., None], J_regressor=np.eye(52))
    path = write(betas=np.array([1.0]))
    monkeypatch.setenv(VARIABLE, str(model))
    by_environment, by_argument = read_skeleton(path), amass.read(path, model)
    assert np.array_equal(by_environment.joints, by_argument.joints)
    shin = np.linalg.norm(at(by_argument, "left_ankle") - at(by_argument, "left_knee"), axis=-1)
    assert np.abs(shin - 2 * np.linalg.norm(places[7] - places[4])).max() < ROUNDING
    # The pelvis is moved by the translation from its place in the model, which Z up does not turn.
    assert abs(at(by_argument, "pelvis")[0, 1] - (0.9 + 2 * places[0, 2])) < ROUNDING
    assert any("model.npz" in note and "1 betas" in note for note in by_argument.notes)
    with pytest.raises(SkeletonFormatError, match="no usable joint"):
        amass.read(write(betas=np.array([1e308])), model)


def test_frames_that_are_not_finite_are_masked_and_counted(write):
    content = arrays()
    content["poses"][3, :3] = np.nan
    content["trans"][5] = np.inf
    content["trans"][6] = 1e30
    sequence = read_skeleton(write(**content))
    assert np.array_equal(np.flatnonzero(~sequence.valid[:, 0].any(1)), [3, 5, 6])
    assert sequence.valid.sum() == 7 * 24
    assert np.abs(np.linalg.norm(sequence.rotations, axis=-1) - 1).max() < ROUNDING
    assert any("48 of 240 joints masked: NaN" in note for note in sequence.notes)
    assert any("24 of 240 joints masked: coordinates beyond" in note for note in sequence.notes)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"poses": np.zeros((10, 155))}, "key 'poses'"),
        ({"poses": np.zeros((10, 63))}, "key 'poses'"),
        ({"poses": np.zeros(156)}, "key 'poses'"),
        ({"poses": np.zeros((0, 156)), "trans": np.zeros((0, 3))}, "key 'poses'"),
        ({"poses": np.zeros((200_000, 66), np.float16)}, "key 'poses'"),
        ({"poses": np.array([["a"] * 156])}, "key 'poses'"),
        ({"trans": np.zeros((9, 3))}, "key 'trans'"),
        ({"trans": np.zeros((10, 2))}, "key 'trans'"),
        ({"mocap_framerate": 0.0}, "key 'mocap_framerate'"),
        ({"mocap_framerate": np.nan}, "key 'mocap_framerate'"),
        ({"mocap_framerate": 1e300}, "key 'mocap_framerate'"),
        ({"mocap_framerate": np.array([30.0, 60.0])}, "key 'mocap_framerate'"),
        ({"leave_out": ["mocap_framerate"]}, "archive"),
        ({"poses": np.full((10, 156), np.nan)}, "all frames"),
    ],
)
def test_damaged_motions_name_the_key(write, changes, place):
    assert place in refuse(write(**changes)).place


def test_objects_in_a_motion_are_never_opened(write, tmp_path):
    trace = tmp_path / "trace"
    objects = np.array(Bomb(trace), dtype=object)
    assert read_skeleton(write(gender=objects)).valid.all()
    refuse(write(betas=objects), "key 'betas'.*pickle, never opened")
    assert not trace.exists()
