"""What is written as BVH comes back: the same joints at the same places."""

import numpy as np
import pytest

from skeletonllm.skeleton.formats import read_skeleton
from skeletonllm.skeleton.formats.bvh import write_bvh
from skeletonllm.skeleton.formats.bvh_hierarchy import parse_hierarchy
from skeletonllm.skeleton.placement import place_motion
from skeletonllm.skeleton.proportions import rest_positions
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.skeleton.topologies import KINECT_V2, TOPOLOGIES

# The file has five decimals of a centimetre and of a degree, and sequences are float32.
TOLERANCE = 1e-5


def placed(sequence):
    """Joints (T, J, 3) as a reader of motion capture places them, which is what a round trip may change."""
    joints = sequence.joints.astype(np.float64)
    return place_motion(joints, sequence.valid, sequence.topology, sequence.fps, up="y", unit=1.0).joints[:, 0]


def there_and_back(sequence, path, person=None):
    write_bvh(sequence, path, person)
    return read_skeleton(path)


@pytest.mark.parametrize("name", sorted(TOPOLOGIES))
def test_every_topology_comes_back_with_its_joints_in_place(tmp_path, name):
    # Noise as of a sensor: no bone keeps its length.
    sequence = synthesize("wave left hand", topology=name, performer=3)
    back = there_and_back(sequence, tmp_path / "a.bvh")
    assert back.topology is TOPOLOGIES[name] and back.fps == sequence.fps
    assert back.valid.all() and back.num_frames == sequence.num_frames
    np.testing.assert_allclose(placed(back), placed(sequence), atol=TOLERANCE)


def test_a_rig_of_a_file_comes_back_as_itself(shared, tmp_path):
    for name in ("bandai_namco_bvh/dataset-1_kick_normal_001.bvh", "cmu_bvh/07_12.bvh",
                 "hdm05_asf_amc/HDM_tr_kickLFront1Reps_025_120.amc"):  # fmt: skip
        sequence = read_skeleton(shared / "data" / name)
        back = there_and_back(sequence, tmp_path / "a.bvh")
        assert back.topology == sequence.topology and back.fps == sequence.fps
        np.testing.assert_allclose(placed(back), placed(sequence), atol=TOLERANCE)


def rigid(turns_per_joint=0.5, count=40, seed=0):
    """A body of constant bones whose joints all turn at random, in metres."""
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(seed)
    rest = np.array([rest_positions()[joint] for joint in KINECT_V2.joints])
    joints = np.zeros((count, 1, KINECT_V2.num_joints, 3))
    turned = {}
    for joint in sorted(range(KINECT_V2.num_joints), key=lambda joint: KINECT_V2.depths[joint]):
        parent = KINECT_V2.parents[joint]
        own = Rotation.from_rotvec(rng.normal(0, turns_per_joint, (count, 3)))
        if parent < 0:
            joints[:, 0, joint] = [0, 1, 3]
            turned[joint] = own
        else:
            joints[:, 0, joint] = joints[:, 0, parent] + turned[parent].apply(rest[joint] - rest[parent])
            turned[joint] = turned[parent] * own
    return SkeletonSequence(joints, 30.0, KINECT_V2)


def channels(path):
    """Names, offsets (N, 3), positions (T, J, 3) and angles (T, J, 3) of a file that was written."""
    data = path.read_bytes()
    hierarchy, _ = parse_hierarchy(path, data)
    rows = data.decode().split("Frame Time:")[1].split("\n")[1:-1]
    numbers = np.array([row.split() for row in rows], dtype=float).reshape(len(rows), -1, 6)
    joints = [index for index in range(len(hierarchy.names)) if index not in hierarchy.ends]
    return [hierarchy.names[i] for i in joints], hierarchy.offsets[joints], numbers[..., :3], numbers[..., 3:]


def test_turns_alone_pose_a_body_of_constant_bones(tmp_path):
    pytest.importorskip("scipy")
    sequence = rigid()
    write_bvh(sequence, tmp_path / "a.bvh")
    _, offsets, positions, _ = channels(tmp_path / "a.bvh")
    # What the position channels add to the offsets is what a program loses that ignores them. 0.01 cm: the rest pose
    # of the file has the body's own bones; only the clinging (1e-6) and the digits of the file remain.
    assert np.abs(positions[:, 1:] - offsets[1:]).max() < 0.01


def test_noise_of_bone_lengths_is_all_that_position_channels_make_up_for(tmp_path):
    sequence = synthesize("wave left hand", performer=3, noise=0.0)
    write_bvh(sequence, tmp_path / "a.bvh")
    names, offsets, positions, _ = channels(tmp_path / "a.bvh")
    limbs = [index for index, name in enumerate(names) if name.endswith(("elbow", "wrist", "knee", "ankle"))]
    # Millimetres: chest and hips hold several bones, which rotate as one.
    assert np.abs(positions[:, limbs] - offsets[limbs]).max() < 0.1


def test_the_rest_pose_is_a_t_pose_with_the_left_at_positive_x(tmp_path):
    write_bvh(synthesize("wave left hand", performer=3, noise=0.0), tmp_path / "a.bvh")
    names, offsets, _, _ = channels(tmp_path / "a.bvh")
    along = dict(zip(names, offsets, strict=True))
    for side, sign in (("left", 1), ("right", -1)):
        assert sign * along[f"{side}_elbow"][0] > 20 and np.abs(along[f"{side}_elbow"][1:]).max() < 1e-3
        assert along[f"{side}_knee"][1] < -30 and along[f"{side}_foot"][2] > 5


def test_a_still_body_is_not_turned_and_angles_do_not_jump(tmp_path):
    rest = np.array([rest_positions()[joint] for joint in KINECT_V2.joints]) * [-1, 1, -1]
    still = SkeletonSequence(np.tile(rest, (3, 1, 1, 1)), 30.0, KINECT_V2)
    write_bvh(still, tmp_path / "a.bvh")
    names, _, positions, angles = channels(tmp_path / "a.bvh")
    assert np.abs(angles).max() < 1e-3
    np.testing.assert_allclose(positions[:, 0], np.tile(100 * rest_positions()["pelvis"], (3, 1)), atol=1e-4)
    # A whole turn about the vertical, and then another half: 9 degrees per frame, never 351 back.
    angle = np.radians(np.arange(61) * 9.0)
    turn = np.zeros((61, 3, 3))
    turn[:, 0, 0] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 0, 2], turn[:, 2, 0], turn[:, 1, 1] = np.sin(angle), -np.sin(angle), 1
    turning = SkeletonSequence(np.einsum("tij,kj->tki", turn, rest)[:, None], 30.0, KINECT_V2)
    write_bvh(turning, tmp_path / "b.bvh")
    _, _, _, angles = channels(tmp_path / "b.bvh")
    np.testing.assert_allclose(np.diff(angles[:, 0, 2]), 9.0, atol=1e-2)


def test_one_person_is_written_and_has_to_be_named_among_several(tmp_path):
    one, other = synthesize("wave left hand", performer=3), synthesize("clap", performer=4)
    frames = min(one.num_frames, other.num_frames)
    both = SkeletonSequence(np.concatenate([one.joints[:frames], other.joints[:frames]], 1), 30.0, KINECT_V2)
    with pytest.raises(ValueError, match="one person and the sequence has 2"):
        write_bvh(both, tmp_path / "a.bvh")
    assert not (tmp_path / "a.bvh").exists()
    with pytest.raises(ValueError, match="no person 2"):
        write_bvh(both, tmp_path / "a.bvh", person=2)
    notes = write_bvh(both, tmp_path / "a.bvh", person=1)
    assert notes == ("1 of 2 persons left out",)
    back = read_skeleton(tmp_path / "a.bvh")
    np.testing.assert_allclose(placed(back), placed(other.slice(0, frames)), atol=TOLERANCE)


def test_gaps_are_filled_in_a_straight_line_and_joints_that_are_never_known_are_left_out(tmp_path):
    sequence = synthesize("wave left hand", performer=3, noise=0.0)
    valid = sequence.valid.copy()
    wrist, thumb, chest = (KINECT_V2.index(joint) for joint in ("left_wrist", "left_thumb", "chest"))
    valid[5:8, 0, wrist] = False
    valid[:, 0, [thumb, chest]] = False
    notes = write_bvh(sequence.replace(valid=valid), tmp_path / "a.bvh")
    assert any("2 joints that are never known left out: chest, left_thumb" in note for note in notes)
    assert any(note.startswith("3 unknown joint positions") for note in notes)
    back = read_skeleton(tmp_path / "a.bvh")
    assert set(KINECT_V2.joints) - set(back.topology.joints) == {"chest", "left_thumb"}
    # The chest was the parent of neck and shoulders, the spine takes its place.
    assert back.topology.parents[back.topology.index("neck")] == back.topology.index("spine")
    path = back.joints[:, 0, back.topology.index("left_wrist")]
    steps = np.diff(path[4:9], axis=0)
    np.testing.assert_allclose(steps, np.tile((path[8] - path[4]) / 4, (4, 1)), atol=TOLERANCE)
    with pytest.raises(ValueError, match="no joint of person 0"):
        write_bvh(sequence.replace(valid=np.zeros_like(valid)), tmp_path / "b.bvh")


def test_a_body_whose_root_is_never_known_hangs_on_its_next_joint(tmp_path):
    sequence = synthesize("wave left hand", performer=3, noise=0.0)
    valid = sequence.valid.copy()
    valid[:, 0, KINECT_V2.index("pelvis")] = False
    write_bvh(sequence.replace(valid=valid), tmp_path / "a.bvh")
    back = read_skeleton(tmp_path / "a.bvh")
    assert set(KINECT_V2.joints) - set(back.topology.joints) == {"pelvis"}
    root = back.topology.parents.index(-1)
    assert {back.topology.joints[j] for j, p in enumerate(back.topology.parents) if p == root} >= {"right_hip"}


@pytest.mark.parametrize("fps", [120.0, 29.97, 60.0, 12.5])
def test_frame_rates_come_back(tmp_path, fps):
    sequence = synthesize("wave left hand", performer=3).replace(fps=fps)
    # 29.97: seven decimals of a frame time of 0.033 s.
    assert there_and_back(sequence, tmp_path / "a.bvh").fps == pytest.approx(fps, rel=1e-5)
