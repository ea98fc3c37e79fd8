"""UTKinect: frame numbers as a clock that steps unevenly, and segments with labels."""

import numpy as np
import pytest
from bad_files import refuse

from skeletonllm.skeleton.formats import is_companion, read_recordings, read_skeleton
from skeletonllm.skeleton.formats.utkinect import FPS
from skeletonllm.skeleton.topologies import KINECT_V1

LABELS = "s01_e01\nwalk: 10 40\nsitDown: 50 90 \ns01_e02\nwalk: 1 2\n"


@pytest.fixture
def write(tmp_path, standing):
    def write(numbers, x=None, name="joints_s01_e01.txt", change=lambda joints: None):
        """A body that is at x metres (default: walks at 1 m/s) when the counter shows these numbers."""
        numbers = np.asarray(numbers)
        x = numbers / 60 if x is None else x
        joints = np.repeat(standing[None, :20] + [0, 0, 3], len(numbers), axis=0)
        joints[..., 0] += np.asarray(x)[:, None]
        change(joints)
        words = [" ".join(f"{value:.6f}" for value in frame.ravel()) for frame in joints]
        rows = [f"{number} {line}" for number, line in zip(numbers, words, strict=True)]
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(rows) + "\n")
        return path

    return write


def head_x(sequence):
    return sequence.joints[:, 0, KINECT_V1.index("head"), 0]


def test_a_minute_of_the_counter_is_a_second(write):
    sequence = read_skeleton(write(range(100, 221, 4)))
    assert sequence.fps == FPS == 30 and sequence.num_frames == 61 and sequence.valid.all()
    # 1e-3 m/s: coordinates are written to a micrometre, velocities taken over 0.13 s.
    np.testing.assert_allclose(sequence.velocities()[0][..., 0], 1.0, atol=1e-3)


def test_an_even_walk_stays_even_although_the_counter_steps_unevenly(write):
    seconds = np.arange(60) * 0.05
    numbers = 2 * np.round(seconds * 30).astype(int)
    assert set(np.diff(numbers)) == {2, 4}
    speed = read_skeleton(write(numbers, x=1.0 * seconds)).velocities()[0][3:-3, 0, 0, 0]
    # 12 %: times taken as they stand give speeds that vary by 20 % and more.
    assert abs(speed - 1.0).max() < 0.12


def test_lines_that_repeat_a_frame_number_are_dropped_and_counted(write):
    numbers = [100, 104, 104, 108, 112]
    sequence = read_skeleton(write(numbers, x=[0, 4 / 60, 9, 8 / 60, 12 / 60]))
    assert head_x(sequence).max() < 0.3
    assert any("1 of 5 lines dropped" in note for note in sequence.notes)


def test_a_long_gap_is_left_unknown_and_a_short_one_is_a_straight_line(write):
    sequence = read_skeleton(write([0, 4, 8, 36, 40, 44, 194, 198, 202]))
    known = sequence.valid.all((1, 2))
    assert known[:23].all() and known[97:].all() and not known[23:97].any()
    assert (np.diff(head_x(sequence)[:23]) > 0).all()
    assert any("1 gaps of more than 0.5 s" in note for note in sequence.notes)


def test_zeros_are_unknown_and_not_drawn_towards(write):
    def lose(joints):
        joints[3, 3] = 0.0

    sequence = read_skeleton(write(range(0, 41, 4), change=lose))
    lost = np.argwhere(~sequence.valid[:, 0])
    assert set(lost[:, 1]) == {3} and lost[:, 0].tolist() == [5, 6, 7]
    assert any("1 of 220 joints masked" in note for note in sequence.notes)


def test_the_labelled_segments_are_recordings_with_their_labels_in_words(write, tmp_path):
    path = write(range(0, 121, 2))
    (tmp_path / "actionLabel.txt").write_text(LABELS)
    recordings = {name: read() for name, read in read_recordings(path).items()}
    assert {name: sequence.label for name, sequence in recordings.items()} == {
        f"{path}#10-40": "walk", f"{path}#50-90": "sit down",
    }  # fmt: skip
    walk = recordings[f"{path}#10-40"]
    assert walk.num_frames == 16 and walk.source == f"{path}#10-40"
    # 1e-5: float32 metres; both ends are included.
    np.testing.assert_allclose(head_x(walk)[[0, -1]], [10 / 60, 40 / 60], atol=1e-5)
    named = read_skeleton(f"{path}#50-90")
    np.testing.assert_array_equal(named.joints, recordings[f"{path}#50-90"].joints)
    whole = read_skeleton(path)
    assert whole.num_frames == 61 and whole.label is None


def test_corrected_labels_are_preferred_and_the_folder_above_is_searched(write, tmp_path):
    path = write(range(0, 121, 2), name="joints/joints_s01_e01.txt")
    (tmp_path / "actionLabel.txt").write_text(LABELS)
    assert list(read_recordings(path)) == [f"{path}#10-40", f"{path}#50-90"]
    (tmp_path / "actionLabel_modified.txt").write_text("s01_e01\nwalk: 10 60\n")
    assert list(read_recordings(path)) == [f"{path}#10-60"]
    assert is_companion(tmp_path / "actionLabel.txt") and is_companion(tmp_path / "actionLabel_modified.txt")
    assert not is_companion(path)


def test_a_recording_without_labels_is_one_whole(write, tmp_path):
    path = write(range(10, 51, 4))
    assert [read().num_frames for read in read_recordings(path).values()] == [21]
    assert list(read_recordings(path)) == [f"{path}#10-50"]
    (tmp_path / "actionLabel.txt").write_text("s07_e01\nwalk: 10 40\n")
    assert list(read_recordings(path)) == [f"{path}#10-50"]


def test_a_label_that_is_nowhere_is_left_out_and_said(write, tmp_path):
    path = write(range(0, 121, 2))
    (tmp_path / "actionLabel.txt").write_text("s01_e01\nwalk: 10 40\ncarry:  NaN NaN\n")
    recordings = read_recordings(path)
    assert list(recordings) == [f"{path}#10-40"]
    assert any("'carry' left out" in note for note in recordings[f"{path}#10-40"]().notes)


@pytest.mark.parametrize(
    "line, found", [("walk: 40 10", "40 10"), ("walk: 1", "walk"), ("walk: a b", "a b"), ("walk: 1 2\nsit: 1 2", "sit"),
                    (f"walk: 1 {10**30}", "walk"), (": 1 2", "1 2")]
)  # fmt: skip
def test_a_spoilt_label_names_its_line(write, tmp_path, line, found):
    path = write(range(0, 121, 2))
    (tmp_path / "actionLabel.txt").write_text(f"s01_e01\n{line}\n")
    with pytest.raises(ValueError, match=found) as caught:
        read_recordings(path)
    assert caught.value.path.name == "actionLabel.txt" and caught.value.place == f"line {2 + line.count(chr(10))}"


def test_a_segment_outside_the_recording_is_refused(write, tmp_path):
    path = write(range(0, 121, 2))
    (tmp_path / "actionLabel.txt").write_text("s01_e01\nwalk: 400 500\n")
    (read,) = read_recordings(path).values()
    with pytest.raises(ValueError, match="no frame of the recording in 400-500"):
        read()


def test_counters_that_go_back_or_claim_hours_are_refused(write):
    assert refuse(write([10, 14, 12])).place == "line 3"
    assert refuse(write([10, 14, 10**8]), "at most 1200 s").place == "frame numbers"
    path = write([10, 14, 18])
    path.write_text(path.read_text().replace("14 ", "14.5 ", 1))
    refuse(path, "14.5", format="utkinect")
    path.write_text(path.read_text().replace("14.5 ", "nan ", 1))
    refuse(path, "nan", format="utkinect")


def test_one_line_is_one_frame(write):
    sequence = read_skeleton(write([10]))
    assert sequence.num_frames == 1 and sequence.valid.all()


def test_all_real_segments_are_read_with_their_labels(shared):
    labels = {"walk", "sit down", "stand up", "pick up", "carry", "throw", "push", "pull", "wave hands", "clap hands"}
    paths = sorted((shared / "data/utkinect").glob("joints_*.txt"))
    assert paths
    for path in paths:
        segments = [read() for read in read_recordings(path).values()]
        assert {segment.label for segment in segments} == labels and len(segments) == 10
        for segment in segments:
            left, right = (KINECT_V1.index(f"{side}_shoulder") for side in ("left", "right"))
            height = segment.joints[:, 0, :, 1]
            assert np.median(height[:, KINECT_V1.index("head")] - height[:, KINECT_V1.index("left_foot")]) > 0.5
            if segment.label in ("wave hands", "clap hands", "push"):
                assert (segment.joints[:, 0, left, 0] < segment.joints[:, 0, right, 0])[segment.valid[:, 0, 0]].all()


def test_people_walk_at_a_walking_pace(shared):
    for path in sorted((shared / "data/utkinect").glob("joints_*.txt")):
        walk = next(s for s in (read() for read in read_recordings(path).values()) if s.label == "walk")
        pelvis = walk.joints[walk.valid[:, 0, 0], 0, 0]
        # From 0.63 to 0.87 m/s in the small room of the data set; numbers taken as 30 in a second would halve it.
        assert 0.55 < np.linalg.norm(pelvis[-1] - pelvis[0]) / walk.duration < 1.2
