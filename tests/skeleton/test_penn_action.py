"""Penn Action: 13 points of a picture in a MATLAB file, with what is visible."""

import csv
from collections import Counter

import numpy as np
import pytest
from bad_files import compressed, matlab, refuse, variable
from pictures import assert_the_person_of_the_picture, picture

from skeletonllm.skeleton.formats import SkeletonFormatError, detect_format, read_skeleton
from skeletonllm.skeleton.formats.matlab import read_variables, variable_names
from skeletonllm.skeleton.topologies import PENN_13

# The files' columns by what they are, which is not what the data set calls them: see the test of left and right.
FILE_ORDER = (
    "head", "right_shoulder", "left_shoulder", "right_elbow", "left_elbow", "right_wrist", "left_wrist",
    "right_hip", "left_hip", "right_knee", "left_knee", "right_ankle", "left_ankle",
)  # fmt: skip


@pytest.fixture(scope="module")
def clips(shared):
    """All clips and the viewpoints that the files give, by their names."""
    return {
        path.stem: (read_skeleton(path), read_variables(path, (), ("pose",))[1]["pose"])
        for path in sorted((shared / "data/penn_action").glob("*.mat"))
    }


def of_class(clips, *labels):
    chosen = [clip for clip, _ in clips.values() if clip.label in labels]
    assert len(chosen) > 10
    return chosen


def place(clip, joint):
    """(T, 2) metres, NaN where the joint is not visible."""
    index = PENN_13.index(joint)
    return np.where(clip.valid[:, 0, index, None], clip.joints[:, 0, index, :2], np.nan)


def across(clip):
    """Median x of the left shoulder and hip minus that of the right ones."""
    lines = [place(clip, f"left_{joint}")[:, 0] - place(clip, f"right_{joint}")[:, 0] for joint in ("shoulder", "hip")]
    return np.nanmedian(lines)


def content(num_frames=3, **changes):
    points = np.repeat(picture(PENN_13)[None, [PENN_13.index(joint) for joint in FILE_ORDER]], num_frames, 0)
    values = {
        "action": "jumping_jacks", "pose": "front", "x": points[..., 0], "y": points[..., 1],
        "visibility": np.ones(points.shape[:2], np.uint8), "train": np.int32(1), "nframes": np.uint8(num_frames % 256),
    }  # fmt: skip
    return values | changes


def write(path, do_compression=True, **values):
    pytest.importorskip("scipy.io").savemat(path, values, do_compression=do_compression)
    return path


def test_all_clips_have_the_labels_and_frames_of_the_index(shared, clips):
    with (shared / "data/INDEX.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["folder"] == "penn_action"]
    assert len(rows) == len(clips) == 320
    for row in rows:
        clip = clips[row["file"].split("/")[1].removesuffix(".mat")][0]
        assert (clip.label, clip.num_frames) == (row["label"].replace("_", " "), int(row["frames"]))
        assert clip.topology == PENN_13 and clip.num_persons == 1
    assert max(clip.num_frames for clip, _ in clips.values()) > 255, "more frames than a byte can count"


def test_nine_of_ten_joints_are_visible(clips):
    # The shared notes give .92 over all clips.
    assert np.mean([clip.valid.mean() for clip, _ in clips.values()]) == pytest.approx(0.92, abs=0.01)


def test_left_is_left_from_the_front_and_from_behind(clips):
    """The files say from where people are seen: so what they call left is found to be right."""
    seen = Counter()
    for clip, viewpoint in clips.values():
        if clip.label in ("jumping jacks", "jump rope", "squat", "clean and jerk", "pullup"):
            seen[viewpoint, bool(across(clip) < 0)] += 1
    assert seen["front", True] > 60 and seen["back", False] > 5
    assert not seen["front", False] and not seen["back", True]


def test_most_people_strum_and_hit_with_the_right_hand(clips):
    right = []
    for clip in of_class(clips, "strum guitar", "tennis forehand"):
        fastest = np.percentile(np.linalg.norm(clip.velocities()[0][:, 0], axis=-1), 95, axis=0)
        right.append(fastest[PENN_13.index("right_wrist")] > fastest[PENN_13.index("left_wrist")])
    # Nine of ten people are right-handed; of mirrored clips one would be.
    assert np.mean(right) > 0.8


def test_people_stand_upright_or_lie_as_their_actions_say(clips):
    for clip in of_class(clips, "jumping jacks", "jump rope", "squat"):
        assert np.nanmedian(place(clip, "head")[:, 1] - place(clip, "left_hip")[:, 1]) > 0.3, clip.source
    flat = 0
    pushups = of_class(clips, "pushup")
    for clip in pushups:
        body = np.nanmedian(place(clip, "head") - np.fmax(place(clip, "left_ankle"), place(clip, "right_ankle")), 0)
        flat += abs(body[0]) > abs(body[1])
    # Some are seen from the front, where nothing of the body but its height can be seen.
    assert flat > 0.7 * len(pushups)


def test_hands_go_up_and_feet_apart_in_jumping_jacks(clips):
    for clip in of_class(clips, "jumping jacks"):
        above = place(clip, "left_wrist")[:, 1] - place(clip, "head")[:, 1]
        apart = np.abs(place(clip, "left_ankle")[:, 0] - place(clip, "right_ankle")[:, 0])
        # Some people clap before the forehead.
        assert np.nanmax(above) > -0.15 and np.nanmin(above) < -0.5, clip.source
        assert np.nanmax(apart) > 0.4, clip.source


def test_thighs_are_as_long_as_shins(clips):
    ratios = []
    for clip, _ in clips.values():
        for side in ("left", "right"):
            hip, knee, ankle = (place(clip, f"{side}_{joint}") for joint in ("hip", "knee", "ankle"))
            thigh, shin = np.linalg.norm(hip - knee, axis=-1), np.linalg.norm(knee - ankle, axis=-1)
            if not np.isnan(thigh).all() and not np.isnan(shin).all():
                ratios.append(np.nanpercentile(thigh, 90) / np.nanpercentile(shin, 90))
    # 46 and 44 pixels in the shared notes.
    assert len(ratios) > 500 and 0.9 < np.median(ratios) < 1.15


def test_files_of_utd_mhad_and_penn_action_are_told_apart(shared):
    assert detect_format(shared / "data/penn_action/0002.mat").name == "penn_action"
    assert detect_format(shared / "data/utd_mhad/a1_s1_t1_skeleton.mat").name == "utd_mhad"


def test_variables_equal_what_scipy_reads(shared):
    loadmat = pytest.importorskip("scipy.io").loadmat
    for path in sorted((shared / "data/penn_action").glob("*.mat"))[::40]:
        expected = loadmat(path)
        numbers = ("x", "y", "visibility", "train", "bbox", "dimensions", "nframes")
        arrays, text = read_variables(path, numbers, ("action", "pose"))
        for name in numbers:
            np.testing.assert_array_equal(arrays[name], expected[name])
        assert text == {name: expected[name][0] for name in ("action", "pose")}
        names = variable_names(path.read_bytes()[:4096], path)
        assert names == [name for name in expected if not name.startswith("_")]


@pytest.mark.parametrize("do_compression", [False, True])
def test_a_person_comes_back_in_metres_and_not_mirrored(tmp_path, do_compression):
    path = write(tmp_path / "clip.mat", do_compression, **content())
    assert detect_format(path).name == "penn_action"
    clip = read_skeleton(path)
    assert_the_person_of_the_picture(clip)
    assert (clip.label, clip.fps, clip.num_frames, clip.valid.all()) == ("jumping jacks", 30, 3, True)
    assert any("30 frames per second assumed" in note for note in clip.notes)


def test_a_clip_of_more_frames_than_a_byte_counts_is_read_in_full(tmp_path):
    assert read_skeleton(write(tmp_path / "clip.mat", **content(299))).num_frames == 299
    assert read_skeleton(write(tmp_path / "clip.mat", **content(1))).num_frames == 1


def test_what_is_not_visible_is_masked_and_counted(tmp_path):
    visibility = np.ones((3, 13), np.uint8)
    visibility[1, FILE_ORDER.index("left_wrist")] = 0
    values = content(visibility=visibility)
    values["x"][1, FILE_ORDER.index("left_wrist")] = 1.0  # the placeholder of the data set
    clip = read_skeleton(write(tmp_path / "clip.mat", **values))
    assert np.argwhere(~clip.valid[:, 0]).tolist() == [[1, PENN_13.index("left_wrist")]]
    assert any("1 of 39 joints masked: not visible" in note for note in clip.notes)


@pytest.mark.filterwarnings("error")
def test_coordinates_that_are_none_are_masked_and_counted(tmp_path):
    values = content()
    values["x"][0, 2], values["y"][1, 3], values["y"][2, 4] = np.nan, -np.inf, 1e300
    clip = read_skeleton(write(tmp_path / "clip.mat", **values))
    assert (~clip.valid).sum() == 3
    assert any("3 of 39 joints masked: coordinates" in note for note in clip.notes)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"y": np.ones((2, 13))}, "y: found shape"),
        ({"visibility": np.ones((13, 3))}, "visibility: found shape"),
        ({name: np.ones((3, 12)) for name in ("x", "y", "visibility")}, "x: found shape"),
        ({name: np.ones((0, 13)) for name in ("x", "y", "visibility")}, "frames"),
        ({name: np.ones((3, 13, 1, 2)) for name in ("x", "y", "visibility")}, "x: found shape"),
        ({"visibility": np.zeros((3, 13))}, "no usable joint"),
        ({"x": np.full((3, 13), np.nan)}, "no usable joint"),
        ({"x": "text"}, "no real numbers"),
        ({"x": np.ones((3, 13)) * 1j}, "no real numbers"),
        ({"action": 7}, "not a line of text"),
        ({"action": np.array(["one", "two"])}, "not a line of text"),
    ],
)
def test_other_content_is_refused(tmp_path, changes, match):
    refuse(write(tmp_path / "clip.mat", **content(**changes)), match)


def test_a_variable_that_is_missing_is_named(tmp_path):
    values = content()
    del values["visibility"]
    refuse(write(tmp_path / "clip.mat", **values), "one named 'visibility'")


@pytest.mark.parametrize("pack", [bytes, compressed])
@pytest.mark.parametrize(
    ("kind", "data"),
    [(16, "Zürich".encode()), (4, "Zürich".encode("utf-16-le")), (17, "Zürich".encode("utf-16-le")),
     (1, "Zürich".encode("latin-1"))],
)  # fmt: skip
def test_text_is_read_in_every_way_that_matlab_writes_it(tmp_path, pack, kind, data):
    element = variable((1, 6), name=b"action", numbers=data, kind=kind, array_class=4)
    (tmp_path / "clip.mat").write_bytes(matlab(pack(element)))
    assert read_variables(tmp_path / "clip.mat", (), ("action",))[1] == {"action": "Zürich"}


@pytest.mark.parametrize(
    "element",
    [
        variable((1, 6), name=b"action", numbers=b"\xff\xfe", kind=16, array_class=4),
        variable((1, 6), name=b"action", numbers=b"\x00\xd8\x00\xd8", kind=4, array_class=4),
        variable((1, 6), name=b"action", numbers=b"abc", declared=2**31, kind=16, array_class=4),
        variable((1, 10_000), name=b"action", numbers=b"a" * 10_000, kind=16, array_class=4),
        variable((1, 3), name=b"action", numbers=b"abc", kind=9, array_class=4),
        variable((1, 3), name=b"action", numbers=b"abc", kind=16, array_class=1),
    ],
)
def test_damaged_text_is_refused(tmp_path, element):
    for pack in (bytes, compressed):
        (tmp_path / "clip.mat").write_bytes(matlab(pack(element)))
        with pytest.raises(SkeletonFormatError):
            read_variables(tmp_path / "clip.mat", (), ("action",))


def test_files_that_are_cut_anywhere_are_refused(tmp_path):
    whole = write(tmp_path / "clip.mat", **content()).read_bytes()
    for length in range(0, whole.index(b"\x0f\x00\x00\x00", 400), 7):
        (tmp_path / "cut.mat").write_bytes(whole[:length])
        refuse(tmp_path / "cut.mat")
        refuse(tmp_path / "cut.mat", format="penn_action")
