"""MediaPipe: landmarks in widths and heights of a picture whose shape is not told, with a depth that is exaggerated."""

import json

import numpy as np
import pytest
from bad_files import refuse
from estimated_points import HEIGHT, WIDTH, assert_same_but_for_size, compare, performance, pixels, place

from skeletonllm.skeleton.formats import detect_format, mediapipe, read_skeleton
from skeletonllm.skeleton.formats.picture_shape import SHAPES, fit_shape
from skeletonllm.skeleton.topologies import MEDIAPIPE_33

NUMBERED = [str(number) for number in range(132)]
NAMED = [f"{axis}{number}" for number in range(1, 34) for axis in "xyzv"]
ANY_VISIBILITY = 0.75
YOGA = {"chair": 65, "cobra": 113, "downdog": 83, "goddess": 63, "tree": 66}


def landmarks(label="raise both arms", shape=WIDTH / HEIGHT, exaggerated=3.0):
    """A recording, and what MediaPipe would write of it: (T, 33, 4) in widths and heights of a picture of a shape."""
    truth = performance(label, MEDIAPIPE_33)
    points = np.full((truth.num_frames, 33, 4), ANY_VISIBILITY)
    seen = pixels(truth)[:, 0]
    points[..., 0] = 0.5 + (seen[..., 0] - WIDTH / 2) / (HEIGHT * shape)
    points[..., 1] = seen[..., 1] / HEIGHT
    depth = truth.joints[:, 0, :, 2] - truth.joints[:, 0, 23:25, 2].mean()
    points[..., 2] = exaggerated * 300 * depth / (HEIGHT * shape)
    return truth, points


def as_objects(points):
    keys = ("x", "y", "z", "visibility")
    return [[dict(zip(keys, landmark, strict=True)) for landmark in frame] for frame in points.tolist()]


@pytest.fixture
def write_csv(tmp_path):
    def write(points, names=NUMBERED, label=("asana", "tree"), end="\n", start=""):
        rows = [[*names, label[0]]] + [[*map(repr, frame.ravel().tolist()), label[1]] for frame in points]
        path = tmp_path / "clip.csv"
        path.write_bytes((start + end.join(",".join(row) for row in rows) + end).encode())
        return path

    return write


@pytest.fixture
def write_json(tmp_path):
    def write(content):
        path = tmp_path / "clip.json"
        path.write_text(json.dumps(content))
        return path

    return write


def yoga(shared, pose):
    return read_skeleton(next((shared / "data/mediapipe33_yoga" / pose).glob("*.csv")))


@pytest.mark.parametrize(
    "pose, frames", [("chair", 65), ("cobra", 113), ("downdog", 83), ("goddess", 63), ("tree", 66)]
)
def test_every_yoga_clip_is_read_with_its_label(shared, pose, frames):
    path = next((shared / "data/mediapipe33_yoga" / pose).glob("*.csv"))
    assert detect_format(path).name == "mediapipe"
    sequence = read_skeleton(path)
    assert sequence.label == pose and sequence.num_frames == frames and sequence.topology == MEDIAPIPE_33
    assert 0 < sequence.confidence.min() and 0.8 < sequence.confidence.mean() and sequence.confidence.max() <= 1
    # Nobody is told, but people who lie are as long as they are tall when they stand: the pictures are landscape.
    assert any(note.startswith(("pictures of 16:9", "pictures of 3:2")) for note in sequence.notes)


def test_people_begin_upright_facing_the_camera(shared):
    for pose in YOGA:
        start = yoga(shared, pose).slice(0, 5)
        assert (place(start, "nose")[:, 1] - place(start, "left_ankle")[:, 1] > 1.1).all(), pose
        assert (place(start, "left_shoulder")[:, 0] - place(start, "right_shoulder")[:, 0] < -0.2).all(), pose
        # Depth keeps its sign: the nose is nearer to the camera than the ears.
        assert (place(start, "nose")[:, 2] < place(start, "left_ear")[:, 2]).all(), pose


def test_yoga_poses_look_like_their_names(shared):
    end = {pose: yoga(shared, pose).joints[-5:, 0].mean(0) for pose in YOGA}

    def height(pose, *joints):
        return end[pose][[MEDIAPIPE_33.index(joint) for joint in joints], 1].mean()

    hips, knees, wrists = ("left_hip", "right_hip"), ("left_knee", "right_knee"), ("left_wrist", "right_wrist")
    assert height("downdog", *hips) == pytest.approx(end["downdog"][:, 1].max(), abs=0.05)
    assert height("cobra", *hips) < height("cobra", "left_shoulder") - 0.3
    assert abs(height("cobra", *hips) - height("cobra", "left_ankle")) < 0.3
    assert height("goddess", *hips) - height("goddess", *knees) < 0.2 < height("goddess", *knees, *hips) + 1.0
    assert height("chair", *hips) - height("chair", *knees) < 0.35
    assert height("tree", *wrists) > height("tree", "nose")
    assert abs(height("tree", "left_ankle") - height("tree", "right_ankle")) > 0.3


def test_limbs_keep_their_lengths_in_three_dimensions(shared):
    for pose in ("goddess", "tree", "cobra"):
        sequence = yoga(shared, pose)
        for joints in (("left_hip", "left_knee"), ("right_shoulder", "right_elbow")):
            lengths = np.linalg.norm(place(sequence, joints[0]) - place(sequence, joints[1]), axis=-1)
            # As the file has it, with depth on the scale of x, they vary by a fifth to a third.
            assert lengths.std() / lengths.mean() < 0.18, (pose, joints)


@pytest.mark.parametrize("names", [NUMBERED, NAMED], ids=["numbered", "named"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_a_table_gives_back_the_motion(write_csv, names, end):
    truth, points = landmarks()
    path = write_csv(points, names, end=end)
    sequence = read_skeleton(path)
    assert detect_format(path).name == "mediapipe" and sequence.label == "tree"
    assert_same_but_for_size(sequence, truth)
    np.testing.assert_allclose(sequence.confidence, ANY_VISIBILITY)
    depth = [s.joints[:, 0, :, 2] - s.joints[:, 0, :, 2].mean() for s in (sequence, truth)]
    assert np.corrcoef(depth[0].ravel(), depth[1].ravel())[0, 1] > 0.99


def test_labels_may_be_in_any_script_and_columns_in_any_order(write_csv):
    _, points = landmarks()
    path = write_csv(points, label=("class", "木 のポーズ"), start="\ufeff")
    assert read_skeleton(path).label == "木 のポーズ"
    rows = [line.split(",") for line in path.read_text(encoding="utf-8-sig").splitlines()]
    before = read_skeleton(path)
    path.write_text("\n".join(",".join(row[::-1]) for row in rows), encoding="utf-8")
    np.testing.assert_array_equal(read_skeleton(path).joints, before.joints)


@pytest.mark.parametrize("shape", ["16:9", "9:16", "3:4"])
def test_the_shape_of_the_picture_is_found_from_lifted_arms(write_csv, shape):
    truth, points = landmarks(shape=SHAPES[shape])
    sequence = read_skeleton(write_csv(points))
    assert any(note.startswith(f"pictures of {shape} assumed") for note in sequence.notes)
    assert compare(sequence, truth)[1] < 1e-3


def test_the_exaggeration_of_depth_is_found():
    _, points = landmarks(exaggerated=4.0)
    name, depth = fit_shape(points[..., :3], np.ones(points.shape[:2], bool), MEDIAPIPE_33)
    # The factors that are tried are a quarter apart.
    assert name == "16:9" and depth == pytest.approx(1 / 4, rel=0.3)


def test_without_a_limb_the_usual_shape_is_assumed():
    points = np.zeros((5, 33, 3))
    assert fit_shape(points, np.ones((5, 33), bool), MEDIAPIPE_33) == ("16:9", 1.0)
    assert fit_shape(points, np.zeros((5, 33), bool), MEDIAPIPE_33) == ("16:9", 1.0)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda frames: frames,
        lambda frames: [{"poseLandmarks": frame} for frame in frames],
        lambda frames: [{"pose_landmarks": {"landmark": frame}} for frame in frames],
        lambda frames: [{"landmarks": [frame], "worldLandmarks": []} for frame in frames],
        lambda frames: {"frames": [{"landmarks": frame} for frame in frames]},
    ],
    ids=["bare", "javascript", "protobuf", "tasks", "frames"],
)
def test_json_is_read_whichever_way_it_is_wrapped(write_json, wrap):
    truth, points = landmarks()
    path = write_json(wrap(as_objects(points)))
    assert detect_format(path).name == "mediapipe"
    sequence = read_skeleton(path)
    assert sequence.num_persons == 1
    assert_same_but_for_size(sequence, truth)


def test_what_json_says_of_time_and_picture_is_taken(write_json):
    truth, points = landmarks(shape=0.6)
    content = {"fps": 25, "width": 600, "height": 1000, "label": "arms", "frames": as_objects(points)}
    sequence = read_skeleton(write_json(content))
    assert sequence.fps == 25 and sequence.label == "arms" and not any("assumed" in note for note in sequence.notes)
    assert compare(sequence, truth)[1] < 1e-3


def test_frames_without_a_person_stay_empty(write_json):
    _, points = landmarks()
    frames = as_objects(points)
    frames[4] = None
    sequence = read_skeleton(write_json([{"poseLandmarks": frame} for frame in frames]))
    assert sequence.num_frames == len(points) and np.flatnonzero(~sequence.valid.any((1, 2))).tolist() == [4]


def test_two_people_are_two_persons(write_json):
    _, points = landmarks()
    frames = [
        [first, second] for first, second in zip(as_objects(points), as_objects(points + [0.4, 0, 0, 0]), strict=True)
    ]
    assert read_skeleton(write_json([{"landmarks": frame} for frame in frames])).num_persons == 2


@pytest.mark.parametrize("key", ["poseWorldLandmarks", "pose_world_landmarks", "worldLandmarks"])
def test_world_landmarks_are_metres_and_are_preferred(write_json, key):
    truth, points = landmarks()
    relative = truth.joints[:, 0] - truth.joints[:, 0, 23:25].mean(1, keepdims=True)
    world = as_objects(np.concatenate([relative * [-1, -1, 1], points[..., 3:]], axis=-1))
    frames = [{"poseLandmarks": a, key: b} for a, b in zip(as_objects(points), world, strict=True)]
    sequence = read_skeleton(write_json(frames))
    found = sequence.joints[:, 0] - sequence.joints[:, 0, 23:25].mean(1, keepdims=True)
    np.testing.assert_allclose(found, relative, atol=1e-5)


def test_a_landmark_that_is_no_number_is_unknown(write_csv):
    _, points = landmarks()
    points[3, 5, 0], points[4, 6, 1], points[5, 7, 3] = np.nan, np.inf, 0.0
    sequence = read_skeleton(write_csv(points))
    assert np.argwhere(~sequence.valid[:, 0]).tolist() == [[3, 5], [4, 6], [5, 7]]


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda lines: lines.__setitem__(0, lines[0].replace("131", "x")), "line 1"),
        (lambda lines: lines.__setitem__(0, lines[0].replace("131", "130")), "line 1"),
        (lambda lines: lines.__setitem__(2, lines[2].replace(",", ";", 1)), "132 values"),
        (lambda lines: lines.__setitem__(2, "x" + lines[2]), "line 3"),
        (lambda lines: lines.__setitem__(2, lines[2] + ",1" * 40_000), "characters and more"),
        (lambda lines: lines.__delitem__(slice(1, None)), "nobody"),
        (
            lambda lines: lines.__setitem__(slice(1, None), ["1e308," * 132 + "tree"] * 3),
            "no usable joint",
        ),
        (lambda lines: lines.__setitem__(slice(1, None), ["0," * 132 + "tree"] * 3), "nobody"),
    ],
    ids=range(8),
)
def test_damaged_tables_are_refused(write_csv, change, match):
    path = write_csv(landmarks()[1])
    lines = path.read_text().splitlines()
    change(lines)
    path.write_text("\n".join(lines))
    refuse(path, match, format="mediapipe")


def test_bytes_that_are_no_text_are_refused(write_csv):
    path = write_csv(landmarks()[1])
    path.write_bytes(path.read_bytes() + b"\xff\xfe")
    refuse(path, "byte 0xff", format="mediapipe")


def test_a_table_of_too_many_frames_is_refused(write_csv, monkeypatch):
    path = write_csv(landmarks()[1][:11])
    monkeypatch.setattr(mediapipe, "MAX_FRAMES", 11)
    assert read_skeleton(path).num_frames == 11
    monkeypatch.setattr(mediapipe, "MAX_FRAMES", 10)
    refuse(path, "10 frames")


@pytest.mark.parametrize(
    "content, match",
    [
        ([], "nobody"),
        ({}, "nobody"),
        ({"frames": 5}, "list of frames"),
        ([{"poseLandmarks": [{"x": 1, "y": 2, "z": 3}] * 32}], "32 landmarks"),
        ([{"poseLandmarks": [{"x": "1", "y": 2, "z": 3}] * 33}], "landmark 0"),
        ([{"poseLandmarks": [{"x": 10**400, "y": 2, "z": 3}] * 33}], "landmark 0"),
        ([{"poseLandmarks": [None] * 33}], "landmark 0"),
        ([{"poseLandmarks": [[1]] * 33}], "landmark 0"),
        ([{"poseLandmarks": 5}], "frame 0"),
        ([{"poseLandmarks": [{"x": 1}] * 33}], "no usable joint"),
    ],
    ids=range(10),
)
def test_damaged_json_is_refused(write_json, content, match):
    refuse(write_json(content), match, format="mediapipe")
