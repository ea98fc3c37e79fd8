"""Plain arrays of joints: what is told from the numbers alone, and what is refused."""

import numpy as np
import pytest
from bad_files import npy, refuse

from skeletonllm.skeleton.formats import detect_format, read_skeleton
from skeletonllm.skeleton.formats.npy_joints import FPS, MAX_JOINTS, write_npy
from skeletonllm.skeleton.proportions import rest_positions
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.skeleton.topologies import KINECT_V2, SMPL_22, TOPOLOGIES


def t_pose(topology, frames=4):
    """(T, J, 3) metres, Y up, facing +Z, the left at +x, on the floor at the origin."""
    return np.stack([rest_positions()[joint] for joint in topology.joints])[None].repeat(frames, 0)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_what_was_written_is_read_back_with_its_skeleton(tmp_path, topology):
    # Two persons, so that SMPL's 22 joints keep the axes of the others too.
    sequence = synthesize("push", topology=topology, performer=1, seconds=1.0)
    assert sequence.num_persons == 2 and sequence.fps == FPS
    write_npy(sequence, tmp_path / "clip.npy")
    assert detect_format(tmp_path / "clip.npy").name == "npy_joints"
    found = read_skeleton(tmp_path / "clip.npy")
    assert found.topology == TOPOLOGIES[topology]
    np.testing.assert_array_equal(found.joints, sequence.joints)
    np.testing.assert_array_equal(found.valid, sequence.valid)


def test_one_person_has_no_axis_of_persons(tmp_path):
    sequence = synthesize("walk", topology="coco_17", performer=0, seconds=1.0)
    write_npy(sequence, tmp_path / "clip.npy")
    array = np.load(tmp_path / "clip.npy")
    assert array.shape == (30, 17, 3) and array.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(array).any(-1), ~sequence.valid[:, 0])
    np.testing.assert_array_equal(read_skeleton(tmp_path / "clip.npy").joints, sequence.joints)


def test_one_person_of_smpl_22_is_written_as_humanml3d(tmp_path):
    sequence = synthesize("walk", topology="smpl_22", performer=0, fps=20, yaw=0)
    lost = write_npy(sequence, tmp_path / "clip.npy")
    assert any("HumanML3D" in note for note in lost)
    array = np.load(tmp_path / "clip.npy")
    assert array.shape == (sequence.num_frames, 22, 3)
    np.testing.assert_allclose(array[0, 0, [0, 2]], 0, atol=1e-6)
    left, right = array[0, SMPL_22.index("left_hip")], array[0, SMPL_22.index("right_hip")]
    assert left[0] > right[0], "HumanML3D faces +Z, with the left at +x"
    found = read_skeleton(tmp_path / "clip.npy")
    assert detect_format(tmp_path / "clip.npy").name == "humanml3d" and found.fps == 20
    moved = sequence.joints - sequence.joints[:1, :, :1] * [1, 0, 1] + found.joints[:1, :, :1] * [1, 0, 1]
    np.testing.assert_allclose(found.joints, np.where(sequence.valid[..., None], moved, 0), atol=1e-5)


def test_another_rate_is_brought_to_the_one_that_readers_assume(tmp_path):
    sequence = synthesize("walk", topology="kinect_v2", performer=0, fps=60, seconds=2.0, noise=0.0)
    lost = write_npy(sequence, tmp_path / "clip.npy")
    assert any("resampled to 30" in note for note in lost)
    np.testing.assert_array_equal(np.load(tmp_path / "clip.npy"), sequence.joints[::2, 0])


@pytest.mark.parametrize("topology", ["kinect_v2", "openpose_25", "coco_17", "h36m_17", "mediapipe_33", "penn_13"])
@pytest.mark.parametrize("unit", [1.0, 100.0, 1000.0])
@pytest.mark.parametrize("up", ["y", "z", "-y"])
def test_motion_capture_in_other_axes_and_units_stands_before_the_camera(tmp_path, topology, unit, up):
    topology = TOPOLOGIES[topology]
    # Right-handed each: y is up; z is up and -y in front; a camera's frame with y down and z in front.
    axes = {"y": np.eye(3), "z": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]), "-y": np.diag([1, -1, -1])}[up]
    np.save(tmp_path / "clip.npy", unit * t_pose(topology) @ axes.T)
    found = read_skeleton(tmp_path / "clip.npy")
    assert found.topology == topology and found.valid.all()
    assert found.joints[..., 2].min() > 1
    shoulder = (
        found.joints[0, 0, topology.index("left_shoulder")] - found.joints[0, 0, topology.index("right_shoulder")]
    )
    # Shoulders are 0.37 m apart in the T-pose of 1.70 m; who faces the camera has the left at smaller x.
    np.testing.assert_allclose(shoulder, [-0.37, 0, 0], atol=0.005)
    assert found.joints[0, 0, topology.index("left_shoulder"), 1] > found.joints[0, 0, topology.index("left_knee"), 1]


def test_who_lies_before_the_camera_is_not_set_upright(tmp_path):
    sequence = synthesize("wave left hand", topology="kinect_v2", performer=0, seconds=1.0)
    lying = sequence.replace(joints=sequence.joints[..., [1, 0, 2]] * [1, -1, 1] * sequence.valid[..., None])
    write_npy(lying, tmp_path / "clip.npy")
    np.testing.assert_array_equal(read_skeleton(tmp_path / "clip.npy").joints, lying.joints)


def test_unusable_numbers_are_masked_and_counted(tmp_path):
    joints = t_pose(KINECT_V2)
    joints[0, 3], joints[1, 4], joints[2, 5], joints[3, 6] = np.nan, np.inf, 1e300, 0.0
    np.save(tmp_path / "clip.npy", joints)
    found = read_skeleton(tmp_path / "clip.npy")
    assert np.argwhere(~found.valid[:, 0]).tolist()[:3] == [[0, 3], [1, 4], [2, 5]]
    assert any("3 of 100 joints masked" in note for note in found.notes)


def test_a_joint_at_zero_is_missing(tmp_path):
    sequence = synthesize("walk", topology="kinect_v2", performer=0, seconds=1.0, noise=0.0)
    sequence.joints[5, 0, 7] = 0
    np.save(tmp_path / "clip.npy", sequence.joints)
    assert np.argwhere(~read_skeleton(tmp_path / "clip.npy").valid).tolist() == [[5, 0, 7]]


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32])
def test_numbers_of_other_types_are_read(tmp_path, dtype):
    millimetres = np.round(1000 * t_pose(KINECT_V2))
    np.save(tmp_path / "clip.npy", millimetres.astype(dtype))
    assert any("millimetres" in note for note in read_skeleton(tmp_path / "clip.npy").notes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy("(2, 7, 3)", data=bytes(168)), "7 joints, expected as many as a known skeleton"),
        (npy("(2, 25, 2)", data=bytes(400)), "shape"),
        (npy("(2, 25)", data=bytes(200)), "shape"),
        (npy("(1, 1, 1, 25, 3)", data=bytes(300)), "shape"),
        (npy("(0, 25, 3)"), "shape"),
        (npy("(2, 0, 25, 3)"), "shape"),
        (npy("(2, 25, 3)", data=bytes(600)), "no usable joint"),
        (npy("(2, 25, 3)", data=b"\xff" * 600), "no usable joint"),
        (npy("(2, 25, 3)", data=bytes(599)), "bytes of data"),
        (npy("(99999999999, 25, 3)"), "bytes"),
        (npy(f"({MAX_JOINTS // 25 + 1}, 25, 3)", "'|i1'", bytes(3 * MAX_JOINTS + 75)), "cut it first"),
        (npy("(2, 25, 3)", "'<c8'", bytes(1200)), "dtype"),
    ],
)
def test_arrays_that_are_no_bodies_are_refused(tmp_path, content, message):
    path = tmp_path / "clip.npy"
    path.write_bytes(content)
    refuse(path, message)


def test_any_numbers_give_a_body_or_an_error(tmp_path):
    rng = np.random.default_rng(0)
    for trial in range(200):
        joints = rng.normal(size=(3, 2, 25, 3)) * 10.0 ** rng.integers(-300, 300, (3, 2, 25, 1))
        joints[rng.random(joints.shape[:3]) < 0.3] = rng.choice([np.nan, np.inf, 0.0, 1e6])
        np.save(tmp_path / "clip.npy", joints)
        try:
            found = read_skeleton(tmp_path / "clip.npy")
        except ValueError as error:
            assert "no usable joint" in str(error), trial
        else:
            assert np.isfinite(found.joints).all() and isinstance(found, SkeletonSequence)
