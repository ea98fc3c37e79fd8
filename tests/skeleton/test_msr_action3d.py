"""MSR Action3D: four columns, twenty lines a frame, an order of joints of its own."""

import numpy as np
import pytest
from bad_files import refuse

from skeletonllm.skeleton.formats import detect_format, read_skeleton
from skeletonllm.skeleton.formats.msr_action3d import FILE_ORDER, LABELS
from skeletonllm.skeleton.topologies import KINECT_V1

# Right-handed classes by the protocol of the data set: one arm moves, and it is the right one.
ONE_ARM = {"high arm wave", "horizontal arm wave", "hammer", "hand catch", "forward punch", "high throw", "draw x",
           "draw tick", "draw circle"}  # fmt: skip


@pytest.fixture
def write(tmp_path):
    def write(frames, name="a03_s01_e02_skeleton3D.txt"):
        """Frames (T, 20, 4) in the order of the file."""
        path = tmp_path / name
        path.write_text("\n".join(" ".join(f"{value:.6f}" for value in row) for frame in frames for row in frame))
        return path

    return write


@pytest.fixture
def frames():
    """Three frames in which every number is another."""
    frames = np.arange(3 * 20 * 4).reshape(3, 20, 4) / 100 + 0.5
    frames[..., 3] = 0.25
    return frames


def test_every_line_becomes_the_joint_of_its_name(write, frames):
    sequence = read_skeleton(write(frames))
    assert sequence.topology == KINECT_V1 and sequence.fps == 15 and sequence.valid.all()
    for row, joint in enumerate(FILE_ORDER):
        found = sequence.joints[:, 0, KINECT_V1.index(joint)]
        np.testing.assert_array_equal(found, frames[:, row, :3].astype(np.float32))


def test_the_label_is_that_of_the_file_name(write, frames):
    assert read_skeleton(write(frames)).label == "hammer"
    assert read_skeleton(write(frames, "a20_s01_e01_skeleton3D.txt")).label == LABELS[-1] == "pick up and throw"
    assert read_skeleton(write(frames, "a21_s01_e01_skeleton3D.txt")).label is None
    assert read_skeleton(write(frames, "clip.txt")).label is None


def test_frames_of_zeros_are_unknown_and_counted(write, frames):
    frames[1] = 0
    sequence = read_skeleton(write(frames))
    assert sequence.valid.all((1, 2)).tolist() == [True, False, True] and not sequence.valid[1].any()
    assert any("20 of 60 joints masked" in note for note in sequence.notes)


def test_joints_without_confidence_are_kept_and_counted(write, frames):
    frames[:, 3:5, 3] = 0
    sequence = read_skeleton(write(frames))
    assert sequence.valid.all() and sequence.confidence is None
    assert any("zero for 6 of 60 joints" in note for note in sequence.notes)


def test_three_columns_or_a_confidence_beyond_one_are_another_format(write, frames):
    assert detect_format(write(frames)).name == "msr_action3d"
    assert detect_format(write(frames[..., :3])).name == "gtu"
    frames[0, 0, 3] = 1.5
    refuse(write(frames))


def test_cut_and_spoilt_files_name_the_line(write, frames):
    path = write(frames)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-3]))
    assert refuse(path, "20 lines per frame").place == "line 57"
    path.write_text("\n".join([*lines[:30], "0.1 0.2 0.3", *lines[31:]]))
    assert refuse(path, "3 values", "msr_action3d").place == "line 31"
    path.write_text("\n".join([*lines[:30], "0.1 0.2 0.3 high", *lines[31:]]))
    assert refuse(path, "high", "msr_action3d").place == "line 31"


def test_all_real_clips_stand_upright_and_face_the_camera(shared):
    paths = sorted((shared / "data/msr_action3d").glob("*.txt"))
    assert paths
    for path in paths:
        sequence = read_skeleton(path)
        place = {joint: np.median(sequence.joints[:, 0, KINECT_V1.index(joint)], axis=0) for joint in KINECT_V1.joints}
        assert sequence.label == LABELS[int(path.name[1:3]) - 1] and sequence.num_persons == 1
        assert place["head"][1] > place["chest"][1] > place["pelvis"][1] > place["left_knee"][1] > place["left_foot"][1]
        for joint in ("shoulder", "hip"):
            assert place[f"left_{joint}"][0] < place[f"right_{joint}"][0], path
        assert (sequence.joints[..., 2] > 1).all()


def test_bones_of_real_clips_keep_their_lengths(shared):
    bones = [("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"), ("ankle", "foot")]
    for path in sorted((shared / "data/msr_action3d").glob("*.txt")):
        joints = read_skeleton(path).joints[:, 0]
        for side in ("left", "right"):
            for upper, lower in bones:
                difference = (
                    joints[:, KINECT_V1.index(f"{side}_{upper}")] - joints[:, KINECT_V1.index(f"{side}_{lower}")]
                )
                lengths = np.linalg.norm(difference, axis=-1)
                # 10 %: this sensor's tracker fits a body of nearly fixed lengths; a thigh varies by 7 % in one clip.
                assert lengths.std() < 0.1 * lengths.mean(), (path, side, upper)


def test_the_right_hand_moves_most_in_one_armed_actions(shared):
    hands = [KINECT_V1.index("left_hand"), KINECT_V1.index("right_hand")]
    seen = set()
    for path in sorted((shared / "data/msr_action3d").glob("*.txt")):
        sequence = read_skeleton(path)
        if sequence.label in ONE_ARM:
            left, right = sequence.joints[:, 0, hands].std(0).sum(-1)
            assert right > 1.5 * left, path
            seen.add(sequence.label)
    assert seen == ONE_ARM
