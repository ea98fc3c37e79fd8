"""OpenPose: a file per frame makes one recording; people are told apart although their order is arbitrary."""

import json

import numpy as np
import pytest
from bad_files import refuse
from estimated_points import HEIGHT, WIDTH, assert_same_but_for_size, compare, performance, pixels, place

from skeletonllm.data.walk import walk
from skeletonllm.skeleton.formats import SkeletonFormatError, detect_format, read_recordings, read_skeleton
from skeletonllm.skeleton.formats.detections import MAX_PERSONS_PER_FRAME
from skeletonllm.skeleton.topologies import OPENPOSE_18, OPENPOSE_25


def frame(people, **more):
    persons = [{"person_id": [-1], "pose_keypoints_2d": np.ravel(points).tolist(), **more} for points in people]
    return {"version": 1.3, "people": persons}


@pytest.fixture
def write_series(tmp_path):
    """Writes the points (J, 3) of the people of each frame by number, one file per frame."""

    def write(frames, name="clip", folder="."):
        (tmp_path / folder).mkdir(exist_ok=True)
        paths = [tmp_path / folder / f"{name}_{number:012d}_keypoints.json" for number in frames]
        for path, people in zip(paths, frames.values(), strict=True):
            path.write_text(json.dumps(frame(people)))
        return paths

    return write


def series(label="wave right hand", topology=OPENPOSE_25, **options):
    truth = performance(label, topology, **options)
    return truth, dict(enumerate(pixels(truth)))


@pytest.mark.parametrize("topology", [OPENPOSE_25, OPENPOSE_18], ids=lambda topology: topology.name)
def test_any_file_of_a_series_gives_the_whole_recording(write_series, topology):
    truth, frames = series(topology=topology)
    paths = write_series(frames)
    for path in (paths[0], paths[7], paths[-1]):
        assert detect_format(path).name == "openpose"
        sequence = read_skeleton(path)
        assert sequence.num_frames == truth.num_frames and sequence.num_persons == 1
        assert sequence.topology == topology and sequence.fps == 30
        assert any(f"{len(paths)} files" in note for note in sequence.notes)
    assert_same_but_for_size(sequence, truth)
    np.testing.assert_allclose(sequence.confidence, 0.9)


def test_a_folder_of_frames_is_one_recording_and_two_names_are_two(write_series, tmp_path):
    _, frames = series()
    first, second = write_series(frames, "first"), write_series(dict(list(frames.items())[:20]), "second")
    assert [entry.path for entry in walk(tmp_path).entries] == [first[0], second[0]]
    assert list(read_recordings(first[3])) == []
    assert read_skeleton(second[5]).num_frames == 20


def test_the_first_file_is_found_where_numbers_are_missing(write_series, tmp_path):
    _, frames = series()
    paths = write_series({number: people for number, people in frames.items() if number not in (0, 5, 6)})
    assert [entry.path for entry in walk(tmp_path).entries] == [paths[0]]
    sequence = read_skeleton(paths[9])
    assert sequence.num_frames == len(frames) - 1
    assert not sequence.valid[4:6].any() and sequence.valid[3].any() and sequence.valid[6].any()
    assert any("2 of" in note and "not in the file" in note for note in sequence.notes)


def test_the_right_hand_wave_moves_the_right_wrist_most_and_the_person_is_upright(write_series):
    sequence = read_skeleton(write_series(series()[1])[0])
    spread = sequence.joints[:, 0].std(0).sum(-1)
    assert sequence.topology.joints[int(spread.argmax())] == "right_wrist"
    assert np.median(place(sequence, "nose")[:, 1] - place(sequence, "left_ankle")[:, 1]) > 1.2
    assert np.median(place(sequence, "left_shoulder")[:, 0] - place(sequence, "right_shoulder")[:, 0]) < -0.2


def test_people_are_told_apart_although_each_frame_lists_them_in_another_order(write_series):
    truth, frames = series("shake hands")
    generator = np.random.default_rng(0)
    shuffled = {number: people[generator.permutation(2)] for number, people in frames.items()}
    assert any((shuffled[number] != frames[number]).any() for number in frames)
    sequence = read_skeleton(write_series(shuffled)[0])
    assert sequence.num_persons == 2 and sequence.valid.all()
    steps = np.linalg.norm(np.diff(sequence.joints, axis=0), axis=-1)
    assert steps.max() < 0.3  # metres in a thirtieth of a second; they stand farther apart
    orders = [sequence.replace(joints=sequence.joints[:, order]) for order in ([0, 1], [1, 0])]
    assert min(compare(order, truth)[1] for order in orders) < 1e-3


def test_who_is_seen_for_a_moment_is_dropped_and_counted(write_series):
    truth, frames = series()
    ghost = frames[0] + [400.0, 0.0, 0.0]
    sequence = read_skeleton(write_series({n: [*p, *ghost] if 10 <= n < 14 else p for n, p in frames.items()})[0])
    assert sequence.num_persons == 1
    assert any(note.startswith("1 bodies dropped: seen for less") for note in sequence.notes)


def test_who_shows_hardly_a_joint_is_dropped(write_series):
    truth, frames = series()
    ghost = frames[0] + [400.0, 0.0, 0.0]
    ghost[:, 3:] = 0.0
    sequence = read_skeleton(write_series({n: [*p, *ghost] for n, p in frames.items()})[0])
    assert sequence.num_persons == 1 and any("of their joints found" in note for note in sequence.notes)


def test_points_that_were_not_found_are_unknown(write_series):
    _, frames = series()
    wrist = OPENPOSE_25.index("left_wrist")
    frames[3][0, wrist] = [700.0, 300.0, 0.0]
    frames[4][0, wrist] = [0.0, 0.0, 0.3]
    sequence = read_skeleton(write_series(frames)[0])
    assert np.flatnonzero(~sequence.valid[:, 0, wrist]).tolist() == [3, 4]
    assert (sequence.confidence[3:5, 0, wrist] == 0).all()


def test_a_list_of_frames_is_read_and_keeps_frames_without_people(tmp_path):
    truth, frames = series()
    path = tmp_path / "all.json"
    path.write_text(json.dumps([frame([] if number == 2 else people) for number, people in frames.items()]))
    sequence = read_skeleton(path)
    assert sequence.num_frames == truth.num_frames and not sequence.valid[2].any()
    assert list(read_recordings(path)) == [f"{path}#all"]


def test_normalised_points_are_brought_to_one_unit(write_series):
    truth, frames = series()
    scale = np.array([1 / WIDTH, 1 / HEIGHT, 1.0])
    sequence = read_skeleton(write_series({number: people * scale for number, people in frames.items()})[0])
    assert_same_but_for_size(sequence, truth)
    assert any("16:9" in note for note in sequence.notes)


def test_the_estimators_own_ids_are_followed(tmp_path):
    _, frames = series("shake hands")
    path = tmp_path / "tracked.json"
    content = []
    for number, people in frames.items():
        content.append(frame(people[::-1] if number % 2 else people))
        for index, person in enumerate(content[-1]["people"]):
            person["person_id"] = [7 + index ^ number % 2]
    path.write_text(json.dumps(content))
    assert read_skeleton(path).num_persons == 2


def test_hands_without_a_body_are_nobody(tmp_path):
    path = tmp_path / "hands.json"
    hands = {"pose_keypoints_2d": [], "hand_left_keypoints_2d": [1.0] * 63}
    path.write_text(json.dumps({"version": 1.3, "people": [hands]}))
    assert "nobody" in refuse(path).found


def test_of_a_crowd_the_surest_are_kept(write_series):
    _, frames = series()
    crowd = np.repeat(frames[0], MAX_PERSONS_PER_FRAME + 5, axis=0)
    crowd[:, :, 0] += 300.0 * np.arange(len(crowd))[:, None]
    crowd[:5, :, 2] = 0.1
    sequence = read_skeleton(write_series(dict.fromkeys(range(15), crowd))[0])
    assert sequence.num_persons == MAX_PERSONS_PER_FRAME and sequence.confidence.min() > 0.5
    assert any(note.startswith("75 detections dropped") for note in sequence.notes)


@pytest.mark.parametrize(
    "content, match",
    [
        ({"version": 1.3, "people": []}, "nobody"),
        ({"version": 1.3, "people": [{"pose_keypoints_2d": [1.0] * 45}]}, "45 numbers"),
        ({"version": 1.3, "people": [{"pose_keypoints_2d": ["1"] * 75}]}, "pose_keypoints_2d"),
        ({"version": 1.3, "people": [{"pose_keypoints_2d": [True] * 75}]}, "True"),
        ({"version": 1.3, "people": [{"pose_keypoints_2d": [10**400] * 75}]}, "too large"),
        ({"version": 1.3, "people": [{"pose_keypoints_2d": [1e308, -1e308, 1.0] * 25}]}, "no usable joint"),
        ({"version": 1.3, "people": [[1, 2, 3]]}, "JSON object"),
        ({"version": 1.3, "people": {"0": []}}, "people"),
        ([frame([np.ones((25, 3))]), frame([np.ones((18, 3))])], "18 points after 25"),
        ([frame([np.ones((25, 3))]), None], "NoneType"),
    ],
    ids=range(10),
)
def test_damaged_content_is_refused(tmp_path, content, match):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(content))
    refuse(path, match, format="openpose")


def test_a_damaged_frame_is_named(write_series):
    paths = write_series(series()[1])
    paths[4].write_text('{"version": 1.3, "people": [')
    with pytest.raises(SkeletonFormatError) as caught:
        read_skeleton(paths[0])
    assert caught.value.path == paths[4]


def test_frame_numbers_that_are_none_are_refused_before_memory_is_taken(write_series):
    _, frames = series()
    paths = write_series({0: frames[0], 999_999_999_999: frames[1], 5: frames[2]})
    refuse(paths[0], "frames of one video")
