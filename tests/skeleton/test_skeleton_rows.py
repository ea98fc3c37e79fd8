"""Rows of skeletons with their clips and labels: OpenPose's 18 points, and Human3.6M's 17 joints lifted to 3-D."""

import json

import numpy as np
import pytest
from bad_files import refuse
from estimated_points import assert_same_but_for_size, performance, pixels, place

from skeletonllm.skeleton.formats import detect_format, read_recordings, read_skeleton
from skeletonllm.skeleton.topologies import H36M_17, OPENPOSE_18

FILE = "skeletons_info.txt"


def row(picture, points, clip=1, video="jump_01", label="jump", number=None):
    number = picture if number is None else number
    return [1, clip, number, label, f"{video}/{picture:05d}.png", *np.ravel(points).tolist()]


@pytest.fixture
def write(tmp_path):
    def write(rows, start=b""):
        path = tmp_path / FILE
        path.write_bytes(start + json.dumps(rows).encode())
        return path

    return write


def flat(label="jump"):
    """A recording and its points (T, 18, 2) in widths of a picture."""
    truth = performance(label, OPENPOSE_18)
    return truth, pixels(truth)[:, 0, :, :2] / 1280


def lifted(label="wave left hand"):
    """A recording and its joints (T, 17, 3): millimetres from the pelvis, Z up, y away."""
    truth = performance(label, H36M_17)
    joints = truth.joints[:, 0] - truth.joints[:, :1, H36M_17.index("pelvis")]
    return truth, 1000 * joints[..., [0, 2, 1]] * [-1, 1, 1]


def test_all_rows_of_the_jumps_are_read_clip_by_clip(shared):
    path = shared / "data/openpose18_jump" / FILE
    sequences = {name: read() for name, read in read_recordings(path).items()}
    assert detect_format(path).name == "skeleton_rows"
    assert len(sequences) == 16 and sum(s.num_frames for s in sequences.values()) == 165
    missing = sum((~s.valid).sum() for s in sequences.values()) / sum(s.valid.size for s in sequences.values())
    assert round(missing, 2) == 0.01
    for sequence in sequences.values():
        assert sequence.label == "jump" and sequence.topology == OPENPOSE_18 and sequence.confidence is None
        head, ankle = place(sequence, "nose")[:, 1], place(sequence, "right_ankle")[:, 1]
        # Points lie on a raster of 1.5 to 2 cm, and clips have eight frames to find the size of the body from.
        assert 1.4 < (head - ankle).max() < 1.95
        assert np.median(place(sequence, "left_shoulder")[:, 0] - place(sequence, "right_shoulder")[:, 0]) < -0.2


def test_jumps_leave_the_ground_and_last_as_long_as_their_height_allows(shared):
    recordings = read_recordings(shared / "data/openpose18_jump" / FILE)
    for name in list(recordings)[:2]:
        sequence = next(read for key, read in recordings.items() if key == name)()
        ankles = (place(sequence, "left_ankle") + place(sequence, "right_ankle"))[:, 1] / 2
        height = ankles.max() - np.percentile(ankles, 20)
        assert 0.1 < height < 0.5
        # Falling bodies stay in the air for 2 sqrt(2 h / g). At 30 frames per second that would be a third.
        flight = (ankles > ankles.max() - 0.9 * height).sum() / sequence.fps
        assert flight == pytest.approx(2 * np.sqrt(2 * height / 9.81), abs=0.15)


def test_all_rows_of_the_lifted_skeletons_are_read(shared):
    path = shared / "data/h36m17_lifted" / FILE
    recordings = read_recordings(path)
    assert [name.rpartition("#")[2] for name in recordings] == ["38", "39", "40"]
    first, second, third = (read() for read in recordings.values())
    # 468 rows, of which the file repeats two.
    assert (first.num_frames, second.num_frames, third.num_frames) == (466, 441, 34)
    assert any("2 of 468 rows dropped" in note for note in first.notes)
    assert any("6 of 466 rows have other labels: walk, kick" in note for note in first.notes)
    for sequence in (first, second, third):
        assert sequence.label == "stand" and sequence.topology == H36M_17
        for upper, lower, metres in (("hip", "knee", 0.420), ("knee", "ankle", 0.396), ("elbow", "wrist", 0.231)):
            ends = [place(sequence, f"left_{joint}") for joint in (upper, lower)]
            # Lengths of the three sequences together are known; each person's own differ by some per cent.
            assert np.median(np.linalg.norm(ends[0] - ends[1], axis=-1)) == pytest.approx(metres, rel=0.1)
        assert np.median(place(sequence, "left_shoulder")[:, 0] - place(sequence, "right_shoulder")[:, 0]) < -0.15
        assert np.median(place(sequence, "nose")[:, 2] - place(sequence, "head")[:, 2]) < 0.0  # faces the camera
        assert np.median(place(sequence, "head")[:, 1] - place(sequence, "left_ankle")[:, 1]) > 1.2


def test_points_are_the_same_in_both_directions_of_the_picture(write):
    truth, points = flat("jump")
    sequence = read_skeleton(write([row(picture, frame) for picture, frame in enumerate(points)]))
    assert_same_but_for_size(sequence, truth)
    assert sequence.fps == 10


def test_lifted_joints_keep_their_sides_and_their_depth(write):
    truth, joints = lifted()
    sequence = read_skeleton(write([row(picture, frame) for picture, frame in enumerate(joints)]))
    relative = [s.joints - s.joints[:, :, :1] for s in (sequence, truth)]
    np.testing.assert_allclose(relative[0], relative[1], atol=1e-5)


def test_a_byte_order_mark_is_passed_over(write):
    _, points = flat()
    path = write([row(picture, frame) for picture, frame in enumerate(points)], start=b"\xef\xbb\xbf")
    assert detect_format(path).name == "skeleton_rows" and read_skeleton(path).label == "jump"


def test_clips_have_names_and_the_same_number_of_another_video_too(write):
    _, points = flat()
    rows = [row(p, points[p]) for p in range(5)] + [row(p, points[p], clip=2) for p in range(6)]
    rows += [row(p, points[p], clip=2, video="jump_02") for p in range(7)]
    path = write(rows)
    assert {name.rpartition("#")[2]: read().num_frames for name, read in read_recordings(path).items()} == {
        "1": 5, "2.1": 6, "2.2": 7,
    }  # fmt: skip
    assert read_skeleton(f"{path}#2.1").source == f"{path}#2.1"
    refuse(path, "3 recordings")


def test_time_comes_from_the_pictures_and_gaps_are_left_unknown(write):
    _, points = flat()
    rows = [row(picture, points[index], number=index) for index, picture in enumerate((10, 11, 12, 15, 16))]
    sequence = read_skeleton(write(rows))
    assert sequence.num_frames == 7 and np.flatnonzero(~sequence.valid.any((1, 2))).tolist() == [3, 4]
    assert any("2 of 7 frames" in note for note in sequence.notes)


def test_every_other_picture_is_half_the_frame_rate(write):
    _, points = flat()
    sequence = read_skeleton(write([row(2 * index, points[index]) for index in range(8)]))
    assert sequence.num_frames == 8 and sequence.fps == 5


def test_points_at_the_corner_of_the_picture_are_missing(write):
    _, points = flat()
    points[2, 4] = 0.0
    sequence = read_skeleton(write([row(picture, frame) for picture, frame in enumerate(points)]))
    assert np.argwhere(~sequence.valid[:, 0]).tolist() == [[2, 4]]


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda rows: rows[1].pop(), "40 values"),
        (lambda rows: rows[1].__setitem__(7, "0.5"), "row 1"),
        (lambda rows: rows[1].__setitem__(7, True), "row 1"),
        (lambda rows: rows[1].__setitem__(1, None), "row 1"),
        (lambda rows: rows[1].__setitem__(3, 5), "row 1"),
        (lambda rows: rows.__setitem__(1, {}), "row 1"),
        (lambda rows: rows[1].extend([0.0] * 15), "36 numbers and 51 numbers"),
        (lambda rows: rows[1].__setitem__(4, "jump_01/999999999999.png"), "frames of one video"),
        (lambda rows: [r.__setitem__(slice(5, None), [1e308, -1e308] * 18) for r in rows], "no usable joint"),
        (lambda rows: [r.__setitem__(slice(5, None), [0] * 36) for r in rows], "nobody"),
        (lambda rows: rows.clear(), "an empty list"),
    ],
    ids=range(11),
)
def test_damaged_rows_are_refused(write, change, match):
    _, points = flat()
    rows = [row(picture, points[picture]) for picture in range(4)]
    change(rows)
    refuse(write(rows), match, format="skeleton_rows")


def test_joints_a_kilometre_away_are_masked_and_counted(write):
    _, joints = lifted()
    joints[3, 5] = 1e6
    sequence = read_skeleton(write([row(picture, frame) for picture, frame in enumerate(joints)]))
    assert np.argwhere(~sequence.valid[:, 0]).tolist() == [[3, 5]]
    assert any(note.startswith("1 joints masked") for note in sequence.notes)
