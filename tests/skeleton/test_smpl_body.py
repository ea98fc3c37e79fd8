"""Posing a body of the SMPL family: our own bones, or those of a model that the user has."""

import pickle

import numpy as np
import pytest
import scipy.sparse
from bad_files import Bomb

from skeletonllm.skeleton.formats import SkeletonFormatError
from skeletonllm.skeleton.formats.smpl_model import VARIABLE, user_model
from skeletonllm.skeleton.kinematics import quaternion_to_matrix
from skeletonllm.skeleton.proportions import bone_lengths, rest_positions
from skeletonllm.skeleton.smpl_body import MODELS, average_body, pose_body
from skeletonllm.skeleton.topologies import SMPL_24

# Joints are computed in float64 from lengths below 2 m.
EXACT = 1e-9


def poses(frames=1, joints=24, spread=0.0):
    return (
        np.random.default_rng(7).normal(0.0, spread, (frames, joints, 3)) if spread else np.zeros((frames, joints, 3))
    )


def at(joints, name):
    return joints[..., SMPL_24.index(name), :]


def test_a_body_without_rotations_stands_in_a_t_pose_facing_z_with_its_left_at_x():
    joints, rotations = pose_body(poses(), average_body())
    assert at(joints, "left_wrist")[0, 0] > 0.5 and at(joints, "right_wrist")[0, 0] < -0.5
    assert abs(at(joints, "left_wrist")[0, 1] - at(joints, "left_shoulder")[0, 1]) < EXACT
    assert at(joints, "left_foot")[0, 2] > at(joints, "left_ankle")[0, 2] + 0.1
    for name in ("head", "left_ankle", "right_hand"):
        wanted = rest_positions()[name] - rest_positions()["pelvis"]
        assert np.abs(at(joints, name)[0] - wanted).max() < EXACT
    assert np.abs(rotations - [1.0, 0.0, 0.0, 0.0]).max() == 0


def test_a_quarter_turn_of_the_left_elbow_about_the_vertical_points_the_forearm_backwards():
    bent = poses()
    bent[0, SMPL_24.index("left_elbow"), 1] = np.pi / 2
    rest, posed = pose_body(poses(), average_body())[0][0], pose_body(bent, average_body())[0][0]
    moved = {SMPL_24.joints[joint] for joint in np.flatnonzero(np.abs(posed - rest).max(-1) > EXACT)}
    assert moved == {"left_wrist", "left_hand"}
    forearm = at(posed, "left_wrist") - at(posed, "left_elbow")
    assert forearm[2] < -0.2 and np.abs(forearm[:2]).max() < EXACT


@pytest.mark.parametrize("count", sorted(MODELS))
def test_no_pose_of_any_model_changes_a_bone(count):
    joints, _ = pose_body(poses(50, count, spread=1.0), average_body())
    lengths = bone_lengths(SMPL_24)
    assert len(lengths) == 23
    for (parent, joint), metres in lengths.items():
        assert np.abs(np.linalg.norm(joints[:, joint] - joints[:, parent], axis=-1) - metres).max() < EXACT


def test_rotations_turn_the_bones_at_rest_into_the_pose():
    body = average_body()
    joints, rotations = pose_body(poses(20, spread=1.0), body)
    turned = quaternion_to_matrix(rotations.astype(np.float64))
    for joint, parent in enumerate(SMPL_24.parents[1:], start=1):
        bone = turned[:, parent] @ (body.joints[joint] - body.joints[parent])
        # Quaternions are float32.
        assert np.abs(bone - (joints[:, joint] - joints[:, parent])).max() < 1e-6


def test_fingers_are_left_out_and_hands_follow_the_wrists():
    fingers = poses(5, 52, spread=1.0)
    straight = fingers.copy()
    straight[:, 22:] = 0.0
    for posed in (straight, straight[:, :22]):
        for one, other in zip(pose_body(fingers, average_body()), pose_body(posed, average_body()), strict=True):
            assert np.abs(one - other).max() == 0
    rotations = pose_body(fingers, average_body())[1]
    assert np.abs(at(rotations, "left_hand") - at(rotations, "left_wrist")).max() == 0


def test_smpl_turns_hands_by_rotations_of_their_own():
    turned = poses()
    turned[0, SMPL_24.index("left_hand"), 0] = np.pi
    rotations = pose_body(turned, average_body())[1]
    assert abs(at(rotations, "left_hand")[0, 1]) > 0.99 and at(rotations, "left_wrist")[0, 0] == 1


def test_an_unknown_rotation_spoils_the_limb_below_it_and_nothing_else():
    spoilt = poses(3)
    spoilt[1, SMPL_24.index("right_elbow")] = np.nan
    joints, rotations = pose_body(spoilt, average_body())
    unknown = np.argwhere(np.isnan(joints).any(-1))
    assert {(frame, SMPL_24.joints[joint]) for frame, joint in unknown} == {
        (1, "right_elbow"), (1, "right_wrist"), (1, "right_hand"),
    }  # fmt: skip
    assert np.isfinite(rotations).all()


# Body models of the user


def model_arrays(count):
    """A model of which each joint is a vertex of its own; its one shape parameter makes all of it larger."""
    places = np.random.default_rng(3).normal(size=(count, 3))
    return {"v_template": places, "shapedirs": places[..., None].copy(), "J_regressor": np.eye(count)}


@pytest.fixture
def write_model(tmp_path):
    def write(count=24, **changes):
        path = tmp_path / "model.npz"
        np.savez(path, **{**model_arrays(count), **changes})
        return path

    return write


@pytest.mark.parametrize(("count", "left_hand"), [(24, [22]), (52, [22, 25, 28, 31]), (55, [25, 28, 31, 34])])
def test_a_model_gives_its_own_joints_and_hands_amid_the_knuckles(write_model, count, left_hand):
    joints = user_model(write_model(count)).body(None).joints
    places = model_arrays(count)["v_template"]
    assert np.abs(joints[:22] - places[:22]).max() < EXACT
    assert np.abs(at(joints, "left_hand") - places[left_hand].mean(0)).max() < EXACT


def test_betas_shape_the_model_and_those_that_it_lacks_are_left_out(write_model):
    model = user_model(write_model())
    mean = model.body(None)
    larger = model.body(np.array([0.1, 5.0, 5.0]))
    assert np.abs(larger.joints - 1.1 * mean.joints).max() < EXACT
    assert "1 betas" in larger.note and "mean shape" in mean.note and "model.npz" in mean.note


def test_the_environment_names_a_model_and_an_argument_goes_before_it(write_model, tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert user_model() is None
    monkeypatch.setenv(VARIABLE, str(write_model()))
    assert user_model().name == "model.npz"
    np.savez(tmp_path / "other.npz", **model_arrays(52))
    assert user_model(tmp_path / "other.npz").name == "other.npz"
    monkeypatch.setenv(VARIABLE, str(tmp_path / "absent.npz"))
    with pytest.raises(FileNotFoundError, match="absent"):
        user_model()


def test_a_pickled_model_of_plain_arrays_is_read_and_a_sparse_one_asks_for_npz(tmp_path):
    arrays = model_arrays(24)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({**arrays, "bs_style": "lbs"}))
    assert np.abs(user_model(path).joints - arrays["v_template"]).max() < EXACT
    path = tmp_path / "sparse.pkl"
    path.write_bytes(pickle.dumps({**arrays, "J_regressor": scipy.sparse.csc_matrix(arrays["J_regressor"])}))
    with pytest.raises(SkeletonFormatError, match=r"scipy.*saved as \.npz"):
        user_model(path)


def test_a_pickled_model_is_never_run(tmp_path):
    trace, path = tmp_path / "trace", tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({**model_arrays(24), "more": Bomb(trace)}))
    with pytest.raises(SkeletonFormatError):
        user_model(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"J_regressor": np.eye(23)}, "J_regressor"),
        ({"J_regressor": np.ones(24)}, "J_regressor"),
        ({"v_template": np.ones((25, 3))}, "v_template"),
        ({"v_template": np.ones((24, 2))}, "v_template"),
        ({"shapedirs": np.ones((24, 3))}, "shapedirs"),
        ({"v_template": np.full((24, 3), np.nan)}, "joints"),
        ({"v_template": np.array(["a"])}, "v_template"),
    ],
)
def test_files_that_are_no_model_are_refused_by_key(write_model, changes, place):
    with pytest.raises(SkeletonFormatError) as caught:
        user_model(write_model(**changes))
    assert place in caught.value.place


def test_an_archive_that_lacks_an_array_is_no_model(tmp_path):
    np.savez(tmp_path / "model.npz", v_template=np.ones((24, 3)))
    with pytest.raises(SkeletonFormatError, match="J_regressor"):
        user_model(tmp_path / "model.npz")
