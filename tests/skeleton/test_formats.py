"""Every format reads into one convention: metres, Y up, Z away, left at smaller x for who faces the camera."""

import json
import tarfile

import numpy as np
import pytest

from skeletonllm.skeleton.formats import FORMATS, SkeletonFormatError, detect_format, ntu, read_skeleton, write_npz
from skeletonllm.skeleton.formats.humanml3d import recover_joints
from skeletonllm.skeleton.formats.utd_mhad import FILE_ORDER
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import KINECT_V1, KINECT_V2, SMPL_22


def bone_length(sequence, upper, lower):
    """Median metres over the frames in which both joints of the first person are known."""
    upper, lower = sequence.topology.index(upper), sequence.topology.index(lower)
    known = sequence.valid[:, 0, upper] & sequence.valid[:, 0, lower]
    return float(np.median(np.linalg.norm(sequence.joints[:, 0, upper] - sequence.joints[:, 0, lower], axis=-1)[known]))


def x_from_right_to_left(sequence):
    """Median x of the left shoulder minus that of the right one: negative for who faces the camera."""
    left, right = sequence.topology.index("left_shoulder"), sequence.topology.index("right_shoulder")
    return float(np.median(sequence.joints[:, 0, left, 0] - sequence.joints[:, 0, right, 0]))


def assert_a_person_before_the_camera(sequence, thigh):
    """Upright, in front of the camera, and with legs of human length."""
    head, foot = sequence.topology.index("head"), sequence.topology.index("left_foot")
    assert np.median(sequence.joints[:, 0, head, 1] - sequence.joints[:, 0, foot, 1]) > 0.8
    assert sequence.joints[sequence.valid][:, 2].min() > 0.5
    low, high = thigh
    for side in ("left", "right"):
        assert low < bone_length(sequence, f"{side}_hip", f"{side}_knee") < high
        assert 0.2 < bone_length(sequence, f"{side}_knee", f"{side}_ankle") < 0.55
    assert np.isfinite(sequence.joints).all() and sequence.notes


def test_all_ntu_recordings_parse_in_full(shared):
    paths = sorted((shared / "data/ntu_rgbd_samples").glob("*.skeleton"))
    assert paths
    for path in paths:
        sequence = read_skeleton(path)
        lines = path.read_text().split("\n", 1)
        assert sequence.num_frames == int(lines[0])
        assert sequence.topology == KINECT_V2 and sequence.fps == 30
        assert sequence.num_persons == (2 if int(path.stem[-3:]) >= 50 else 1), path
        # The shared notes give .34 m for the thigh over all clips; children and seated people are shorter.
        assert_a_person_before_the_camera(sequence, thigh=(0.22, 0.5))
        assert x_from_right_to_left(sequence) < 0


def test_persons_of_two_person_actions_never_swap(shared):
    for path in sorted((shared / "data/ntu_rgbd_samples").glob("*A05?.skeleton")):
        sequence = read_skeleton(path)
        pelvis, known = sequence.joints[:, :, 0], sequence.valid[:, :, 0]
        steps = np.linalg.norm(np.diff(pelvis, axis=0), axis=-1)[known[1:] & known[:-1]]
        assert steps.max() < 0.5, path
        # Also across the frames in which a lost skeleton was masked.
        for person in range(2):
            steps = np.linalg.norm(np.diff(pelvis[known[:, person], person], axis=0), axis=-1)
            assert steps.max() < 0.5, path


def test_labels_come_from_names(shared):
    expected = {
        "ntu_rgbd_samples/S001C001P001R001A001.skeleton": "drink water",
        "ntu_rgbd_samples/S001C003P008R002A058.skeleton": "shaking hands",
        "utd_mhad/a3_s1_t1_skeleton.mat": "right hand wave",
    }
    for name, label in expected.items():
        assert read_skeleton(shared / "data" / name).label == label


def test_all_utd_mhad_clips_parse_and_face_the_camera(shared):
    for path in sorted((shared / "data/utd_mhad").glob("*.mat")):
        sequence = read_skeleton(path)
        assert sequence.topology == KINECT_V1 and sequence.num_persons == 1 and sequence.label
        assert x_from_right_to_left(sequence) < 0, path
    assert_a_person_before_the_camera(sequence, thigh=(0.3, 0.6))


def test_the_right_wrist_moves_most_in_a_right_hand_wave(shared):
    for path in sorted((shared / "data/utd_mhad").glob("a3_*.mat")):
        sequence = read_skeleton(path)
        spread = sequence.joints[:, 0].std(0).sum(-1)
        right = spread[[KINECT_V1.index("right_wrist"), KINECT_V1.index("right_hand")]].min()
        others = [spread[j] for j, name in enumerate(KINECT_V1.joints) if name not in ("right_wrist", "right_hand")]
        assert right > max(others), path


def test_utd_mhad_equals_what_scipy_reads(shared):
    loadmat = pytest.importorskip("scipy.io").loadmat
    path = shared / "data/utd_mhad/a1_s1_t1_skeleton.mat"
    expected = loadmat(path)["d_skel"]
    sequence = read_skeleton(path)
    for row, joint in enumerate(FILE_ORDER):
        np.testing.assert_array_equal(sequence.joints[:, 0, KINECT_V1.index(joint)], expected[row].T.astype(np.float32))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_matlab_files_of_any_number_type_are_read(tmp_path, compressed, dtype):
    savemat = pytest.importorskip("scipy.io").savemat
    skeleton = (np.arange(20 * 3 * 4).reshape(20, 3, 4) % 50 + 1).astype(dtype)
    path = tmp_path / "a27_s1_t1_skeleton.mat"
    savemat(path, {"other": np.ones(3), "d_skel": skeleton}, do_compression=compressed)
    sequence = read_skeleton(path)
    assert sequence.label == "squat"
    head = sequence.joints[:, 0, KINECT_V1.index("head")]
    np.testing.assert_array_equal(head, skeleton[0].T)


def test_all_gtu_recordings_parse(shared):
    paths = sorted((shared / "data/gtu_kinect2").glob("*/*.txt"))
    assert paths
    for path in paths:
        sequence = read_skeleton(path)
        assert sequence.topology == KINECT_V2
        assert_a_person_before_the_camera(sequence, thigh=(0.25, 0.55))
        assert x_from_right_to_left(sequence) < 0, path


def test_nw_ucla_clips_parse_with_their_labels(shared, tmp_path):
    labels = {"a01": "pick up with one hand", "a06": "stand up", "a11": "throw", "a12": "carry"}
    with tarfile.open(shared / "data/nw_ucla.tar.xz") as archive:
        found = 0
        for member in archive:
            name = member.name.rsplit("/", 1)[-1]
            if member.isfile() and name[:3] in labels and "_s01_e00_v01" in name:
                path = tmp_path / name
                path.write_bytes(archive.extractfile(member).read())
                sequence = read_skeleton(path)
                assert sequence.label == labels[name[:3]] and sequence.topology == KINECT_V1
                assert_a_person_before_the_camera(sequence, thigh=(0.3, 0.6))
                found += 1
                if found == len(labels):
                    break
    assert found > 1


def test_zero_joints_of_nw_ucla_are_missing(tmp_path):
    frames = np.ones((3, 20, 3))
    frames[1, 4] = 0
    path = tmp_path / "clip.json"
    path.write_text(json.dumps({"file_name": "clip", "skeletons": frames.tolist(), "label": 10}))
    sequence = read_skeleton(path)
    assert sequence.label == "carry"
    assert np.argwhere(~sequence.valid).tolist() == [[1, 0, 4]]
    assert any("1 of 60 joints" in note for note in sequence.notes)


def test_humanml3d_faces_the_camera_at_three_metres(shared):
    sequence = read_skeleton(shared / "data/humanml3d/new_joints/000000.npy")
    assert sequence.topology == SMPL_22 and sequence.fps == 20
    assert_a_person_before_the_camera(sequence, thigh=(0.3, 0.5))
    assert x_from_right_to_left(sequence) < 0
    # 1e-2: the first pelvis stands at the origin of the file to within a centimetre.
    np.testing.assert_allclose(sequence.joints[0, 0, 0, [0, 2]], [0, 3], atol=1e-2)
    toes = sequence.joints[0, 0, SMPL_22.index("left_foot"), 2] - sequence.joints[0, 0, SMPL_22.index("left_ankle"), 2]
    assert toes < -0.05, "the feet point towards the camera"
    assert any("180 degrees" in note for note in sequence.notes)


def test_humanml3d_features_give_the_joints_they_were_made_from(shared):
    joints = read_skeleton(shared / "data/humanml3d/new_joints/000000.npy")
    features = read_skeleton(shared / "data/humanml3d/new_joint_vecs/000000.npy")
    # The joints file was itself made from the features in float32; both are placed by their first pelvis.
    np.testing.assert_allclose(features.joints, joints.joints, atol=1e-4)


def test_a_turning_walk_is_recovered_from_its_features():
    # A person who walks a circle: 0.05 m ahead and 0.1 rad to the left of +Z per frame.
    features = np.zeros((64, 263))
    features[:, 0] = 0.1 / 2
    features[:, 2] = 0.05
    features[:, 3] = 0.9
    features[:, 4] = 0.3  # the left hip, beside the pelvis
    joints = recover_joints(features)
    radius = 0.05 / (2 * np.sin(0.05))
    root = joints[:, 0]
    centre = root[:63].mean(0)  # 63 steps of 0.1 rad are one turn but for 0.3 %
    distance = np.linalg.norm((root - centre)[:, [0, 2]], axis=-1)
    assert np.ptp(distance) < 0.01 and abs(distance.mean() - radius) < 0.01
    hip = joints[:, 1] - joints[:, 0]
    np.testing.assert_allclose(np.linalg.norm(hip[:, [0, 2]], axis=-1), 0.3, atol=1e-9)
    # The hip stays to the left of where the person goes: left x ahead points down in a right-handed frame with Y up.
    assert (np.cross(hip[1:], np.diff(root, axis=0))[:, 1] < 0).all()


def test_a_walk_towards_the_camera_never_passes_it(tmp_path):
    joints = np.zeros((50, 22, 3))
    joints[..., 2] = np.linspace(0, 8, 50)[:, None]
    joints[..., 1] = np.linspace(0, 1.7, 22)
    np.save(tmp_path / "walk.npy", joints)
    assert read_skeleton(tmp_path / "walk.npy").joints[..., 2].min() == pytest.approx(1.0, abs=1e-5)


def test_normalised_features_and_statistics_are_refused(shared, tmp_path):
    folder = shared / "data/humanml3d"
    features = np.load(folder / "new_joint_vecs/000000.npy")
    np.save(tmp_path / "a.npy", (features - np.load(folder / "Mean.npy")) / np.load(folder / "Std.npy"))
    with pytest.raises(SkeletonFormatError, match="bone lengths that vary"):
        read_skeleton(tmp_path / "a.npy")
    with pytest.raises(SkeletonFormatError, match="shape"):
        read_skeleton(folder / "Mean.npy")


def test_ntu_with_windows_line_ends_reads_alike(write_ntu, body):
    frames = [[body(1, (0, 0, 3 + t / 100))] for t in range(5)]
    unix = read_skeleton(write_ntu(frames, "unix.skeleton"))
    windows = read_skeleton(write_ntu(frames, "windows.skeleton", end=" \r\n"))
    np.testing.assert_array_equal(unix.joints, windows.joints)
    assert unix.label is None


def test_ntu_rotations_are_unit_quaternions_and_identity_where_unknown(write_ntu, body):
    known = body(1, (0, 0, 3), quaternion=(0.0, 2.0, 0.0, 0.0))
    unknown = body(1, (0, 0, 3))
    broken = body(1, (0, 0, 3), quaternion=("nan", 0, 0, 0))
    path = write_ntu([[known], [unknown], [broken]])
    rotations = ntu.read(path, rotations=True).rotations
    assert rotations.shape == (3, 1, 25, 4)
    np.testing.assert_array_equal(rotations[:, 0, 0], [[0, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]])
    assert read_skeleton(path).rotations is None


def test_npz_gives_back_what_was_written(tmp_path):
    rng = np.random.default_rng(0)
    valid = rng.random((6, 2, 20)) > 0.2
    rotations = np.zeros((6, 2, 20, 4), dtype=np.float32)
    rotations[..., 0] = 1
    joints = rng.normal(size=(6, 2, 20, 3))
    written = SkeletonSequence(joints, 25.0, KINECT_V1, valid, rotations, "clapping", "somewhere", ("a note",))
    path = tmp_path / "clip.npz"
    write_npz(written, path)
    read = read_skeleton(path)
    np.testing.assert_array_equal(read.joints, written.joints)
    np.testing.assert_array_equal(read.valid, written.valid)
    np.testing.assert_array_equal(read.rotations, rotations)
    assert (read.fps, read.topology, read.label, read.notes) == (25.0, KINECT_V1, "clapping", ("a note",))
    assert read.source == str(path)


def test_npz_of_one_person_needs_only_joints_and_fps(tmp_path):
    path = tmp_path / "plain.npz"
    np.savez(path, joints=np.ones((4, 22, 3)), fps=20)
    sequence = read_skeleton(path)
    assert sequence.joints.shape == (4, 1, 22, 3) and sequence.topology == SMPL_22


def test_content_decides_before_the_suffix(write_ntu, body, tmp_path):
    frames = [[body(1, (0, 0, 3))]] * 2
    assert detect_format(write_ntu(frames, "clip.json")).name == "ntu"
    np.save(tmp_path / "a.npy", np.ones((2, 22, 3)))
    assert detect_format((tmp_path / "a.npy").rename(tmp_path / "a.txt")).name == "humanml3d"


def test_a_format_can_be_named_and_unknown_names_list_the_known(write_ntu, body):
    path = write_ntu([[body(1, (0, 0, 3))]] * 2)
    assert read_skeleton(path, format="ntu").num_frames == 2
    with pytest.raises(SkeletonFormatError, match="line 1"):
        read_skeleton(path, format="gtu")
    with pytest.raises(ValueError, match="ntu"):
        read_skeleton(path, format="nonsense")


def test_every_format_is_described_and_has_a_suffix():
    for name, format in FORMATS.items():
        assert format.name == name and format.description
        assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in format.suffixes)
