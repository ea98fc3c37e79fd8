"""PYSKL and MMAction2: annotations of many recordings in a pickle."""

import pickle

import numpy as np
import pytest
from bad_files import refuse
from pictures import assert_the_person_of_the_picture, picture

from skeletonllm.skeleton.formats import SkeletonFormatError, detect_format, read_recordings, read_skeleton
from skeletonllm.skeleton.topologies import COCO_17, KINECT_V1, KINECT_V2, OPENPOSE_18

# float16, in which these files have their numbers, rounds pixels below 512 to a quarter of one: 100 are a metre.
HALF = 2 * 0.25 / 100


def points(num_frames=40, topology=COCO_17, middle=(200.0, 240.0)):
    """(1, T, V, 2) pixels."""
    return np.repeat(picture(topology, 100.0, middle)[None, None], num_frames, 1)


def annotation(keypoint, **more):
    values = {"frame_dir": "clip", "label": 7, "img_shape": (480, 640), "original_shape": (480, 640),
              "total_frames": keypoint.shape[1], "keypoint": keypoint.astype(np.float16)}  # fmt: skip
    if keypoint.shape[-1] == 2:
        values["keypoint_score"] = np.ones(keypoint.shape[:3], np.float16)
    return values | more


def write(path, annotations, whole=True, protocol=4):
    content = {"split": {"train": [a.get("frame_dir") for a in annotations]}, "annotations": annotations}
    path.write_bytes(pickle.dumps(content if whole else annotations, protocol))
    return path


@pytest.fixture
def read(tmp_path):
    """Writes annotations and gives the recordings by their names."""

    def write_and_read(*annotations):
        path = write(tmp_path / "set.pkl", list(annotations))
        return {name.split("#", 1)[1]: read() for name, read in read_recordings(path).items()}

    return write_and_read


@pytest.mark.parametrize("topology", [COCO_17, OPENPOSE_18])
@pytest.mark.parametrize("whole", [True, False])
def test_a_person_in_pixels_comes_back_in_metres_and_not_mirrored(tmp_path, topology, whole):
    path = write(tmp_path / "set.pkl", [annotation(points(topology=topology))], whole)
    assert detect_format(path).name == "pyskl"
    clip = read_skeleton(path)
    assert clip.topology == topology and clip.num_frames == 40 and clip.fps == 30
    assert_the_person_of_the_picture(clip, tolerance=HALF)
    assert clip.source == f"{path}#clip"
    assert any("30 frames per second assumed" in note for note in clip.notes)


@pytest.mark.parametrize("topology", [KINECT_V2, KINECT_V1])
def test_kinect_joints_in_metres_are_kept_as_they_are(read, topology):
    rng = np.random.default_rng(0)
    joints = rng.uniform(0.5, 2, (2, 6, topology.num_joints, 3)).astype(np.float16)
    joints[1, 2, 4] = 0
    clip = read(annotation(joints))["clip"]
    assert clip.topology == topology and clip.num_persons == 2
    np.testing.assert_array_equal(clip.joints, np.moveaxis(joints, 0, 1))
    assert np.argwhere(~clip.valid).tolist() == [[2, 1, 4]]


def test_persons_without_coordinates_are_dropped(read):
    joints = np.ones((2, 6, 25, 3))
    joints[1] = 0
    clip = read(annotation(joints))["clip"]
    assert clip.num_persons == 1 and any("1 of 2 persons dropped" in note for note in clip.notes)
    nobody = np.concatenate([points(), 0 * points()])
    scores = np.ones(nobody.shape[:3])
    scores[1] = 0
    clip = read(annotation(nobody, keypoint_score=scores))["clip"]
    assert clip.num_persons == 1
    assert_the_person_of_the_picture(clip, tolerance=HALF)


def test_scores_become_confidence_and_no_score_means_not_seen(read):
    scores = np.full((1, 40, 17), 0.5)
    scores[0, 3, COCO_17.index("left_wrist")] = 0
    scores[0, 4, COCO_17.index("nose")] = 1.05  # the peak of a heat map
    clip = read(annotation(points(), keypoint_score=scores))["clip"]
    assert np.argwhere(~clip.valid[:, 0]).tolist() == [[3, COCO_17.index("left_wrist")]]
    assert clip.confidence[3, 0, COCO_17.index("left_wrist")] == 0
    assert clip.confidence[4, 0, COCO_17.index("nose")] == 1
    assert clip.confidence[5, 0, 0] == 0.5


def test_scores_may_stand_beside_the_coordinates(read):
    keypoint = np.concatenate([points(), np.full((1, 40, 17, 1), 0.75)], -1)
    clip = read(annotation(keypoint))["clip"]
    assert (clip.confidence == 0.75).all()
    assert_the_person_of_the_picture(clip, tolerance=HALF)


def test_points_without_scores_are_equally_sure_and_missing_at_zero(read):
    keypoint = points()
    keypoint[0, 2, 5] = 0
    values = annotation(keypoint)
    del values["keypoint_score"]
    clip = read(values)["clip"]
    assert np.argwhere(~clip.valid[:, 0]).tolist() == [[2, 5]] and any("no scores" in note for note in clip.notes)


def test_persons_who_change_places_in_the_file_are_followed(read):
    keypoint = np.concatenate([points(middle=(150.0, 240.0)), points(middle=(400.0, 240.0))])
    keypoint[:, 20:] = keypoint[::-1, 20:]
    clip = read(annotation(keypoint))["clip"]
    assert clip.num_persons == 2
    # Two metres and a half apart, nobody moves.
    assert np.abs(np.diff(clip.joints[:, :, 0, 0], axis=0)).max() < 0.1


def test_rows_of_found_persons_only_are_put_into_their_frames(read):
    frames = np.array([0, 0, 1, 3, 3])
    people = [points(1, middle=(x, 240.0))[0, 0] for x in (150, 400, 150, 150, 400)]
    keypoint = np.concatenate([np.stack(people), np.full((5, 17, 1), 0.9)], -1)
    clip = read(annotation(keypoint, frame_inds=frames, total_frames=6))["clip"]
    assert clip.num_frames == 6
    assert clip.valid.any(2).sum(1).tolist() == [2, 1, 0, 2, 0, 0]
    assert_the_person_of_the_picture(clip.slice(0, 2), tolerance=HALF)


def test_classes_of_ntu_are_known_by_name_and_others_only_by_number(read):
    clips = read(
        annotation(points(), frame_dir="S001C002P003R001A023", label=22),
        annotation(points(), frame_dir="S001C002P003R001A999", label=998),
        annotation(points(), frame_dir="v_Archery_g01", label=2),
        annotation(points(), frame_dir="named", label="golf swing"),
    )
    assert [clip.label for clip in clips.values()] == ["hand waving", None, None, "golf swing"]
    assert any("class number 2" in note for note in clips["v_Archery_g01"].notes)


def test_every_recording_has_a_name_of_its_own(tmp_path):
    values = annotation(points())
    names = ["a/b", "a_b", "clip", "clip", "", None, "x#y"]
    path = write(tmp_path / "set.pkl", [values | {"frame_dir": name} for name in names])
    found = [name.split("#", 1)[1] for name in read_recordings(path)]
    assert found == ["a_b", "a_b-1", "clip", "clip-3", "4", "5", "x#y"]
    for name in found:
        assert read_skeleton(f"{path}#{name}").source == f"{path}#{name}"
    refuse(path, "7 recordings")


def test_one_bad_annotation_does_not_hide_the_others(tmp_path):
    path = write(tmp_path / "set.pkl", [annotation(points()), {"frame_dir": "bad", "keypoint": "nothing"}])
    assert read_skeleton(f"{path}#clip").num_frames == 40
    with pytest.raises(SkeletonFormatError, match="annotation 'bad', key 'keypoint'"):
        read_skeleton(f"{path}#bad")


def test_a_person_at_a_place_that_is_none_is_masked(read):
    keypoint = points().astype(np.float64)
    keypoint[0, 3, 4] = np.nan
    keypoint[0, 5, 6] = np.inf
    clip = read(annotation(keypoint))["clip"]
    assert np.argwhere(~clip.valid[:, 0]).tolist() == [[3, 4], [5, 6]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"keypoint": None}, "NoneType"),
        ({"keypoint": [[1.0]]}, "a list"),
        ({"keypoint": np.ones((1, 4, 17))}, "shape"),
        ({"keypoint": np.ones((1, 4, 17, 4))}, "shape"),
        ({"keypoint": np.ones((1, 4, 19, 2))}, "shape"),
        ({"keypoint": np.ones((1, 4, 25, 2))}, "shape"),
        ({"keypoint": np.ones((0, 4, 17, 2))}, "shape"),
        ({"keypoint": np.ones((1, 0, 25, 3))}, "shape"),
        ({"keypoint": np.zeros((2, 4, 25, 3))}, "no usable joint"),
        ({"keypoint": np.full((1, 4, 25, 3), np.nan)}, "no usable joint"),
        ({"keypoint": np.full((1, 4, 17, 3), 7.0)}, "other numbers"),
        ({"keypoint": np.full((1, 4, 17, 3), np.nan)}, "other numbers"),
        ({"keypoint": np.ones((1, 4, 17, 2), bool)}, "array of numbers"),
        ({"keypoint": np.zeros((1, 2**15, 1, 2), np.float16)}, "32,768 persons in frames"),
        ({"keypoint_score": np.ones((1, 4, 16))}, "key 'keypoint_score'"),
        ({"keypoint_score": None}, "key 'keypoint_score'"),
        ({"keypoint_score": np.zeros((1, 40, 17))}, "nobody"),
        ({"keypoint_score": np.full((1, 40, 17), np.nan)}, "nobody"),
        ({"keypoint": np.ones((4, 17, 3)), "frame_inds": np.arange(3)}, "frame_inds"),
        ({"keypoint": np.ones((4, 17, 3)), "frame_inds": np.arange(4), "total_frames": 2}, "frame_inds"),
        ({"keypoint": np.ones((4, 17, 3)), "frame_inds": np.arange(4), "total_frames": 2**40}, "frame_inds"),
        ({"keypoint": np.ones((4, 17, 3)), "frame_inds": -np.arange(4)}, "frame_inds"),
        ({"keypoint": np.ones((4, 17, 3)), "frame_inds": np.full(4, np.nan)}, "frame_inds"),
        ({"keypoint": np.ones((4, 17, 2)), "frame_inds": np.arange(4)}, "shape"),
    ],
)
def test_other_content_is_refused(tmp_path, changes, match):
    refuse(write(tmp_path / "set.pkl", [annotation(points()) | changes]), match)


@pytest.mark.parametrize("content", [[], {}, {"annotations": {}}, {"annotations": [1]}, [[]], "frame_dir", 3.0])
def test_other_pickles_are_refused(tmp_path, content):
    (tmp_path / "set.pkl").write_bytes(pickle.dumps(content))
    refuse(tmp_path / "set.pkl", format="pyskl")
