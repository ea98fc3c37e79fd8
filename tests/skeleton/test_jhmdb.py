"""JHMDB: many clips in a pickle, 15 points of a picture each."""

import csv
import pickle

import numpy as np
import pytest
from bad_files import refuse
from pictures import assert_the_person_of_the_picture, picture

from skeletonllm.skeleton.formats import SkeletonFormatError, detect_format, read_recordings, read_skeleton
from skeletonllm.skeleton.topologies import JHMDB_15


@pytest.fixture(scope="module")
def clips(shared):
    """All clips by their names."""
    path = shared / "data/jhmdb/GT_test_1.pkl"
    return {name.split("#")[1]: read() for name, read in read_recordings(path).items()}


def of_class(clips, *labels):
    chosen = [clip for clip in clips.values() if clip.label in labels]
    assert len(chosen) > 10
    return chosen


def place(clip, joint):
    """(T, 2) metres, x and y."""
    return clip.joints[:, 0, clip.topology.index(joint), :2]


def length(clip, upper, lower):
    """The longest view of a bone but for a tenth of the frames."""
    return np.percentile(np.linalg.norm(place(clip, upper) - place(clip, lower), axis=-1), 90)


def write(path, poses, labels, protocol=4, **more):
    path.write_bytes(pickle.dumps({"pose": poses, "label": labels, **more}, protocol))
    return path


def person(num_frames=3, size=0.3):
    return np.repeat(picture(JHMDB_15, size, (0.1, -0.2))[None], num_frames, 0)


def test_all_clips_have_the_labels_and_frames_of_the_index(shared, clips):
    with (shared / "data/INDEX.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["folder"] == "jhmdb"]
    assert len(rows) == len(clips) == 176
    for row in rows:
        clip = clips[row["clip"]]
        assert (clip.label, clip.num_frames) == (row["label"], int(row["frames"]))
        assert clip.topology == JHMDB_15 and clip.num_persons == 1 and clip.valid.all()


def test_people_have_the_size_and_the_proportions_of_people(clips):
    ratios = []
    for clip in clips.values():
        for side in ("left", "right"):
            thigh, shin = length(clip, f"{side}_hip", f"{side}_knee"), length(clip, f"{side}_knee", f"{side}_ankle")
            ratios.append(thigh / shin)
    assert 0.85 < np.median(ratios) < 1.15
    thighs = [length(clip, "left_hip", "left_knee") for clip in of_class(clips, "walk", "stand", "jump")]
    assert 0.3 < np.median(thighs) < 0.5


def test_people_stand_upright(clips):
    for clip in of_class(clips, "walk", "clap", "pour", "wave", "run"):
        hips = (place(clip, "left_hip") + place(clip, "right_hip")) / 2
        assert np.median(place(clip, "head")[:, 1] - hips[:, 1]) > 0.3, clip.source
        assert np.median(hips[:, 1] - place(clip, "left_ankle")[:, 1]) > 0.2, clip.source


def test_who_pours_or_claps_is_seen_from_the_front(clips):
    for clip in of_class(clips, "pour", "clap"):
        assert np.median(place(clip, "left_shoulder")[:, 0] - place(clip, "right_shoulder")[:, 0]) < 0, clip.source


def test_most_people_throw_with_the_right_hand(clips):
    right = 0
    throws = of_class(clips, "throw")
    for clip in throws:
        fastest = np.percentile(np.linalg.norm(clip.velocities()[0][:, 0], axis=-1), 95, axis=0)
        right += fastest[JHMDB_15.index("right_wrist")] > fastest[JHMDB_15.index("left_wrist")]
    # Nine of ten people are right-handed; of mirrored clips one would be.
    assert right > 0.7 * len(throws)


def test_hands_hold_the_bar_above_the_head_in_pullups(clips):
    for clip in of_class(clips, "pullup"):
        lowest = place(clip, "head")[:, 1].min()
        assert place(clip, "left_wrist")[:, 1].max() > lowest and place(clip, "right_wrist")[:, 1].max() > lowest


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_person_comes_back_in_metres_and_not_mirrored(tmp_path, protocol):
    path = write(tmp_path / "clips.pkl", [person(), person(5)], ["brush_hair", "wave"], protocol)
    assert detect_format(path).name == "jhmdb"
    first, second = (read() for read in read_recordings(path).values())
    assert_the_person_of_the_picture(first)
    assert_the_person_of_the_picture(second)
    assert (first.label, second.label) == ("brush hair", "wave")
    assert (first.source, second.num_frames, first.fps) == (f"{path}#0", 5, 30)
    assert any("30 frames per second assumed" in note for note in first.notes)


def test_clips_are_named_by_number(tmp_path):
    path = write(tmp_path / "clips.pkl", [person(), person(5)], ["run", "wave"])
    assert read_skeleton(f"{path}#1").num_frames == 5
    refuse(path, "2 recordings.*clips.pkl#0")
    with pytest.raises(SkeletonFormatError, match="#2: found no recording of this name"):
        read_skeleton(f"{path}#2")
    assert read_skeleton(write(path, [person()], ["run"])).label == "run"


def test_points_that_are_none_are_masked_and_counted(tmp_path):
    points = person(4)
    points[1, 3] = np.nan
    points[2, 4, 0] = np.inf
    points[3, 5, 1] = 1e300
    clip = read_skeleton(write(tmp_path / "clips.pkl", [points], ["run"]))
    assert np.argwhere(~clip.valid[:, 0]).tolist() == [[1, 3], [2, 4], [3, 5]]
    assert any("3 of 60 joints masked" in note for note in clip.notes)
    clip.joints[:, 0, [3, 4, 5]] = clip.joints[:1, 0, [3, 4, 5]]
    assert_the_person_of_the_picture(clip)


@pytest.mark.parametrize(
    ("poses", "labels"),
    [
        ([], []),
        ([np.ones((3, 15, 2))], []),
        ([np.ones((3, 14, 2))], ["run"]),
        ([np.ones((3, 15, 3))], ["run"]),
        ([np.ones((0, 15, 2))], ["run"]),
        ([np.ones((15, 2))], ["run"]),
        ([np.ones((3, 15, 2), dtype=bool)], ["run"]),
        ([np.full((3, 15, 2), np.nan)], ["run"]),
        ([[[[1.0, 2.0]] * 15]], ["run"]),
        ([None], ["run"]),
        (np.ones((1, 3, 15, 2)), ["run"]),
        ([np.ones((3, 15, 2))], {"run": 0}),
    ],
)
def test_other_content_is_refused(tmp_path, poses, labels):
    refuse(write(tmp_path / "clips.pkl", poses, labels))


@pytest.mark.parametrize("content", [[], {"pose": []}, {"label": []}, "pose label", 7, {"pose": [], "label": None}])
def test_other_pickles_are_refused(tmp_path, content):
    (tmp_path / "clips.pkl").write_bytes(pickle.dumps(content))
    refuse(tmp_path / "clips.pkl", format="jhmdb")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [0.0, 1e-320, 1e-150, 1e200, 1e308])
def test_people_of_impossible_size_give_an_error_or_a_body(tmp_path, size):
    path = write(tmp_path / "clips.pkl", [person() * size], [None])
    try:
        clip = read_skeleton(path)
    except SkeletonFormatError:
        return
    assert np.isfinite(clip.joints).all() and clip.label is None
