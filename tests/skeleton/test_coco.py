"""COCO keypoints: annotations, results and per-frame lists are the same recording; what is written is read back."""

import json
import re

import numpy as np
import pytest
from bad_files import refuse
from estimated_points import assert_same_but_for_size, compare, performance, pixels, place

from skeletonllm.skeleton.formats import detect_format, read_recordings, read_skeleton, write_coco
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import COCO_17, SMPL_22

NAMES = {"name": "person", "id": 1, "keypoints": list(COCO_17.joints)}


@pytest.fixture
def write(tmp_path):
    def write(content, name="keypoints.json"):
        path = tmp_path / name
        path.write_text(json.dumps(content))
        return path

    return write


def scene(label="wave right hand"):
    truth = performance(label, COCO_17)
    return truth, pixels(truth)


def results(points, image=lambda frame: frame, **more):
    """COCO's results; every other frame lists the people in reverse."""
    people = [
        {"image_id": image(frame), "category_id": 1, "keypoints": person.ravel().tolist(), "score": 0.9, **more}
        for frame, persons in enumerate(points)
        for person in persons[:: -1 if frame % 2 else 1]
    ]
    return people


def annotations(points, images=True, flag=2):
    flagged = np.concatenate([points[..., :2], np.full((*points.shape[:3], 1), flag)], -1)
    people = [{"id": 100 + index, **person} for index, person in enumerate(results(flagged))]
    pictures = [{"id": frame, "file_name": f"{frame:06d}.jpg"} for frame in range(len(points))] if images else []
    return {"images": pictures, "annotations": people, "categories": [NAMES]}


def mmpose(points):
    frames = []
    for frame, persons in enumerate(points, start=1):
        instances = [{"keypoints": p[:, :2].tolist(), "keypoint_scores": p[:, 2].tolist()} for p in persons]
        frames.append({"frame_id": frame, "instances": instances})
    names = {str(index): name for index, name in enumerate(COCO_17.joints)}
    return {"meta_info": {"dataset_name": "coco", "keypoint_id2name": names}, "instance_info": frames}


def per_frame(points, key="frame", persons="persons"):
    return [{key: frame, persons: [{"keypoints": p.tolist()} for p in people]} for frame, people in enumerate(points)]


FORMS = {
    "results": results,
    "names of pictures": lambda points: results(points, lambda frame: f"{frame}.jpg"),
    "annotations": annotations,
    "mmpose": mmpose,
    "mmpose without meta": lambda points: mmpose(points)["instance_info"],
    "persons per frame": per_frame,
    "people per frame": lambda points: per_frame(points, "frame_index", "people"),
    "one person per frame": lambda points: [
        {"frame": frame, "keypoints": people[0].tolist()} for frame, people in enumerate(points)
    ],
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_gives_the_same_recording(write, form):
    truth, points = scene()
    path = write(form(points))
    assert detect_format(path).name == "coco"
    sequence = read_skeleton(path)
    assert sequence.topology == COCO_17 and sequence.fps == 30 and sequence.num_persons == 1
    assert sequence.num_frames == truth.num_frames and sequence.valid.all()
    assert_same_but_for_size(sequence, truth)
    # Flags say visible, scores say 0.9.
    assert sequence.confidence == pytest.approx(1.0 if form is annotations else 0.9)


def test_the_right_hand_wave_moves_the_right_wrist_most_and_the_person_is_upright(write):
    sequence = read_skeleton(write(results(scene()[1])))
    assert sequence.topology.joints[int(sequence.joints[:, 0].std(0).sum(-1).argmax())] == "right_wrist"
    assert np.median(place(sequence, "nose")[:, 1] - place(sequence, "left_ankle")[:, 1]) > 1.2
    assert np.median(place(sequence, "left_shoulder")[:, 0] - place(sequence, "right_shoulder")[:, 0]) < -0.2


def test_people_are_told_apart_with_ids_and_without(write):
    truth, points = scene("shake hands")
    plain = results(points)
    tracked = [{**person, "idx": [5 if np.ravel(points[person["image_id"], 0]).tolist() == person["keypoints"] else 3]}
               for person in plain]  # fmt: skip
    for content in (plain, tracked):
        sequence = read_skeleton(write(content))
        assert sequence.num_persons == 2
        orders = [sequence.replace(joints=sequence.joints[:, order]) for order in ([0, 1], [1, 0])]
        assert min(compare(order, truth)[1] for order in orders) < 1e-3


def test_flags_tell_unknown_hidden_and_visible_joints(write):
    _, points = scene()
    content = annotations(points)
    content["annotations"][3]["keypoints"][2] = 0
    content["annotations"][4]["keypoints"][2] = 1
    sequence = read_skeleton(write(content))
    assert np.argwhere(~sequence.valid[:, 0]).tolist() == [[3, 0]]
    assert sequence.confidence[4, 0, 0] == 0.5 and sequence.confidence[5, 0, 0] == 1.0
    assert any("flags of visibility" in note for note in sequence.notes)


def test_ones_are_flags_in_annotations_and_scores_in_results(write):
    _, points = scene()
    hidden = read_skeleton(write(annotations(points, flag=1)))
    sure = read_skeleton(write(annotations(points, flag=1)["annotations"]))
    assert hidden.confidence.max() == 0.5 and sure.confidence.min() == 1.0


def test_scores_above_one_are_taken_as_one_and_counted(write):
    _, points = scene()
    points[3, 0, :4, 2] = 5.8
    sequence = read_skeleton(write(results(points)))
    assert sequence.confidence.max() == 1.0 and any(note.startswith("4 scores above 1") for note in sequence.notes)


def test_an_idle_picture_is_a_frame_without_joints(write):
    _, points = scene()
    content = annotations(points)
    content["annotations"] = [person for person in content["annotations"] if person["image_id"] not in (0, 7)]
    sequence = read_skeleton(write(content))
    assert sequence.num_frames == len(points)
    assert np.flatnonzero(~sequence.valid.any((1, 2))).tolist() == [0, 7]


def test_folders_of_pictures_are_recordings_of_their_own(write):
    _, points = scene()
    path = write(
        results(points[:20], lambda frame: f"videos/run/{frame:04d}.png")
        + results(points[:15], lambda frame: f"videos/walk/{frame:04d}.png")
    )
    lengths = {name.rpartition("#")[2]: read().num_frames for name, read in read_recordings(path).items()}
    assert lengths == {"videos.run": 20, "videos.walk": 15}
    assert read_skeleton(f"{path}#videos.walk").num_frames == 15
    refuse(path, "2 recordings")


def test_videos_of_annotations_are_recordings_of_their_own(write):
    _, points = scene()
    content = annotations(points)
    for picture in content["images"]:
        picture |= {"vid_id": "a" if picture["id"] < 20 else "b", "frame_id": picture["id"] % 20}
    lengths = [read().num_frames for read in list(read_recordings(write(content)).values())]
    assert lengths[0] == 20


@pytest.mark.parametrize("count", [26, 133, 136])
def test_of_whole_body_keypoints_the_first_seventeen_are_used(write, count):
    truth, points = scene()
    more = np.concatenate([points, np.full((*points.shape[:2], count - 17, 3), 5.0)], axis=2)
    for content in (results(more), mmpose(more)["instance_info"]):
        sequence = read_skeleton(write(content))
        assert_same_but_for_size(sequence, truth)
        assert any("only COCO's 17 points" in note for note in sequence.notes)


def test_what_is_written_is_read_back(tmp_path):
    truth, _ = scene("shake hands")
    generator = np.random.default_rng(0)
    valid = generator.random(truth.valid.shape) > 0.1
    valid[5, 1] = False
    confidence = np.where(valid, generator.uniform(0.1, 1.0, valid.shape), 0.0)
    truth = truth.replace(valid=valid, confidence=confidence, fps=23.976)
    path = tmp_path / "written.json"
    write_coco(truth, path, pixels_per_metre=180.0)
    sequence = read_skeleton(path)
    assert detect_format(path).name == "coco" and sequence.fps == truth.fps and sequence.label == truth.label
    np.testing.assert_array_equal(sequence.valid, truth.valid)
    # Pixels are rounded to a thousandth, 6 micrometres here; scores to a millionth.
    np.testing.assert_allclose(sequence.joints[..., :2], truth.joints[..., :2], atol=1e-5)
    np.testing.assert_allclose(sequence.confidence, truth.confidence, atol=1e-6)
    assert (sequence.joints[valid][:, 2] == 3.0).all()


def test_what_is_written_is_an_annotation_file_that_others_read(tmp_path):
    truth, _ = scene()
    path = tmp_path / "written.json"
    write_coco(truth, path)
    content = json.loads(path.read_text())
    (category,) = content["categories"]
    assert category["keypoints"] == list(COCO_17.joints)
    assert all(1 <= joint <= 17 for bone in category["skeleton"] for joint in bone)
    assert [picture["id"] for picture in content["images"]] == list(range(truth.num_frames))
    for picture, person in zip(content["images"], content["annotations"], strict=True):
        x, y, flags = np.reshape(person["keypoints"], (17, 3)).T
        assert set(flags) == {2} and person["num_keypoints"] == 17 and person["category_id"] == category["id"]
        assert 0 < x.min() and x.max() < picture["width"] and 0 < y.min() and y.max() < picture["height"]
        np.testing.assert_allclose(person["bbox"], [x.min(), y.min(), np.ptp(x), np.ptp(y)], atol=2e-3)
        assert y[0] < y[-1], "the nose is above the ankle, and y grows downwards"
        assert x[COCO_17.index("left_shoulder")] > x[COCO_17.index("right_shoulder")], "seen from the front"


def test_other_topologies_and_empty_recordings_are_not_written(tmp_path):
    other = SkeletonSequence(np.zeros((2, 1, 22, 3)), 30, SMPL_22)
    with pytest.raises(ValueError, match=re.escape("skeletonllm convert --topology coco-17")):
        write_coco(other, tmp_path / "a.json")
    empty = SkeletonSequence(np.full((2, 1, 17, 3), np.nan), 30, COCO_17)
    with pytest.raises(ValueError, match="no known joint"):
        write_coco(empty, tmp_path / "a.json")
    with pytest.raises(ValueError, match="pixels per metre"):
        write_coco(scene()[0], tmp_path / "a.json", pixels_per_metre=0.0)
    assert not list(tmp_path.iterdir())


def person(**changes):
    return {"image_id": 1, "keypoints": [1.0, 2.0, 0.5] * 17} | changes


@pytest.mark.parametrize(
    "content, match",
    [
        ([], "no pictures"),
        ([5], "entry 0"),
        ([{"image_id": 1}], "entry 0"),
        ([person(keypoints=[1.0] * 50)], "50 numbers"),
        ([person(keypoints=["1"] * 51)], "keypoints"),
        ([person(keypoints=[True] * 51)], "keypoints"),
        ([person(keypoints=[10**400] * 51)], "keypoints"),
        ([person(keypoints=[[1, 2, 3]] * 16 + [[1, 2]])], "keypoints"),
        ([person(keypoints=[[[1], 2]] * 17)], "keypoints"),
        ([person(keypoints=[[1, 2]] * 17, keypoint_scores=[1.0] * 16)], "16 numbers"),
        ([person(keypoints=[0] * 51)], "nobody"),
        ([person(keypoints=[1e308, -1e308, 1] * 17)], "no usable joint"),
        ([person(image_id=id) for id in (139, 285, 632, 397_133)], "frames of one video"),
        ([person(image_id=0), person(image_id=10**300)], "frames of one video"),
        ({"images": [], "annotations": 5}, "top level"),
        ({"instance_info": [{"instances": [1]}]}, "entry 0"),
        ({"images": [], "annotations": [], "categories": [{"keypoints": ["nose", "head_bottom"]}]}, "names"),
        ({"info": {"pixels_per_metre": 0}, "annotations": [person()]}, "info"),
        ({"info": {"pixels_per_metre": 5, "origin": [1, "2"]}, "annotations": [person()]}, "info"),
        ({"info": {"pixels_per_metre": float("nan"), "origin": [1, 2]}, "annotations": [person()]}, "info"),
    ],
    ids=range(20),
)
def test_damaged_content_is_refused(write, content, match):
    refuse(write(content), match, format="coco")


def test_lists_that_would_fill_the_memory_are_refused_unparsed(tmp_path):
    path = tmp_path / "keypoints.json"
    path.write_bytes(b"[" + b"[]," * 9_000_000 + b"[]]")
    refuse(path, "parsed", format="coco")


def test_a_file_of_other_annotations_is_refused_with_a_reason(write):
    boxes = {"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [{"image_id": 1, "bbox": [0, 0, 5, 5]}]}
    assert "keypoints" in refuse(write(boxes)).expected
