"""Formats that a YAML file describes: tables, arrays and JSON, axes and units, layouts that hold for a folder."""

import json
import tarfile

import numpy as np
import pytest
from described_files import EXACT, distances, wave, write_csv

from skeletonllm.skeleton.formats import SkeletonFormatError, detect_format, is_companion, read_skeleton
from skeletonllm.skeleton.formats.custom import LAYOUT_FILE
from skeletonllm.skeleton.topologies import KINECT_V1, MEDIAPIPE_33

# Tables.

MINIMAL = """
kind: csv
topology: {joints: [{name: pelvis, part: torso}, {name: head, parent: pelvis, part: head}]}
columns: "{joint}.{value}"
values: [x, y, z]
unit: m
place: camera
fps: 10
"""
HEADER = [f"{joint}.{axis}" for joint in ("pelvis", "head") for axis in "xyz"]
ROWS = [[0, 0, 3, 0, 0.7, 3], [0.1, 0, 3, 0.1, 0.7, 3]]


def test_columns_are_found_in_any_order_and_others_passed_over(layout, tmp_path):
    order = [4, 2, 0, 5, 1, 3]
    rows = [[row[i] for i in order] + ["words"] for row in ROWS]
    path = write_csv(tmp_path / "a.csv", [HEADER[i] for i in order] + ["remark"], rows)
    read = read_skeleton(path, format=str(layout(MINIMAL)))
    np.testing.assert_allclose(read.joints[:, 0], np.reshape(ROWS, (2, 2, 3)), atol=EXACT)


def test_columns_may_be_numbers_of_a_table_without_names(layout, tmp_path):
    text = MINIMAL.replace('columns: "{joint}.{value}"', "columns: {head: [3, 4, 5], pelvis: [0, 1, 2]}\nheader: 0")
    path = tmp_path / "a.txt"
    path.write_text("\n".join(" ".join(map(str, row)) for row in ROWS))
    read = read_skeleton(path, format=str(layout(text + "separator: space\n")))
    np.testing.assert_allclose(read.joints[:, 0], np.reshape(ROWS, (2, 2, 3)), atol=EXACT)


def test_lines_before_and_below_the_names_are_passed_over(layout, tmp_path):
    path = write_csv(tmp_path / "a.csv", ["export 1.0"], [["subject", "7"], HEADER, ["m"] * 6, *ROWS], ";")
    read = read_skeleton(path, format=str(layout(MINIMAL + "header: 3\nskip: 1\nseparator: semicolon\n")))
    assert read.num_frames == 2 and read.valid.all()


def test_empty_fields_words_and_numbers_mark_missing_joints_and_the_label_is_a_column(layout, tmp_path):
    rows = [["NA", 0, 3, *ROWS[0][3:], "walk"], [*ROWS[1][:3], 0.1, "", 3, "walk"], [*ROWS[1], "run"]]
    path = write_csv(tmp_path / "a.csv", [*HEADER, "action"], rows)
    read = read_skeleton(path, format=str(layout(MINIMAL + "missing: NA\nlabel: action\n")))
    np.testing.assert_array_equal(read.valid[:, 0], [[False, True], [True, False], [True, True]])
    assert read.label == "walk" and any("2 labels" in note for note in read.notes)


def test_several_persons_have_columns_of_their_own(layout, tmp_path):
    header = [f"{person}:{name}" for person in ("A", "B") for name in HEADER]
    path = write_csv(tmp_path / "a.csv", header, [[*row, *(np.array(row) + 0.5)] for row in ROWS])
    text = MINIMAL.replace("{joint}.{value}", "{person}:{joint}.{value}") + "persons: [A, B]\n"
    read = read_skeleton(path, format=str(layout(text)))
    assert read.num_persons == 2
    np.testing.assert_allclose(read.joints[:, 1] - read.joints[:, 0], 0.5, atol=EXACT)


def test_joints_that_are_not_listed_are_unknown_and_counted(layout, tmp_path):
    path = write_csv(tmp_path / "a.csv", HEADER, ROWS)
    text = MINIMAL.replace(MINIMAL.split("\n")[2], "topology: kinect_v1") + "joints: {pelvis: pelvis, head: head}\n"
    read = read_skeleton(path, format=str(layout(text)))
    assert [KINECT_V1.joints[j] for j in np.flatnonzero(read.valid.all((0, 1)))] == ["pelvis", "head"]
    assert any("18 of the 20 joints" in note for note in read.notes)


def test_a_confidence_of_zero_is_an_unknown_joint(layout, tmp_path):
    header = [f"{joint}.{value}" for joint in ("pelvis", "head") for value in ("x", "y", "z", "likelihood")]
    path = write_csv(tmp_path / "a.csv", header, [[0, 0, 3, 0.5, 0, 0.7, 3, 0], [0, 0, 3, 1.5, 0, 0.7, 3, 1]])
    text = MINIMAL.replace("[x, y, z]", "{x: x, y: y, z: z, confidence: likelihood}")
    read = read_skeleton(path, format=str(layout(text)))
    np.testing.assert_array_equal(read.valid[:, 0], [[True, False], [True, True]])
    np.testing.assert_allclose(read.confidence[:, 0], [[0.5, 0], [1, 1]])


# Arrays.


@pytest.mark.parametrize(
    ("shape", "change"),
    [
        ("T J C", lambda a: a[:, 0]),
        ("T P J C", lambda a: a),
        ("P T J C", lambda a: a.transpose(1, 0, 2, 3)),
        ("C T J P", lambda a: a.transpose(3, 0, 2, 1)),
        ("T (P J C)", lambda a: a.reshape(len(a), -1)),
        ("(T J) C", lambda a: a.reshape(-1, 3)),
        ("1 T C J", lambda a: a.transpose(1, 0, 3, 2)),
        ("T (C J)", lambda a: a[:, 0].transpose(0, 2, 1).reshape(len(a), -1)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_axes_of_arrays_may_stand_in_any_order(layout, tmp_path, shape, change):
    truth = wave(topology=KINECT_V1)
    np.save(tmp_path / "a.npy", change(truth.joints.astype(np.float64)))
    text = f"kind: npy\nshape: {shape}\ntopology: kinect-v1\nplace: camera\nunit: m\nfps: 30\n"
    read = read_skeleton(tmp_path / "a.npy", format=str(layout(text)))
    np.testing.assert_allclose(read.joints, truth.joints, atol=EXACT)


def test_joints_and_values_of_arrays_may_be_picked_by_their_places(layout, tmp_path):
    array = np.zeros((4, 5, 4))
    array[:, 3, :3], array[:, 1, :3] = (3, 1, 0.2), (3, 2, 0.3)  # z, y, x
    np.save(tmp_path / "a.npy", array)
    text = """
kind: npy
shape: T J C
topology: {joints: [{name: pelvis, part: torso}, {name: head, parent: pelvis, part: head}]}
joints: {head: 1, pelvis: 3}
values: [z, y, x, "-"]
place: camera
unit: m
fps: 30
"""
    read = read_skeleton(tmp_path / "a.npy", format=str(layout(text)))
    np.testing.assert_allclose(read.joints[0, 0], [[0.2, 1, 3], [0.3, 2, 3]], atol=EXACT)


def test_an_archive_has_keys_for_everything(layout, tmp_path):
    truth = wave(topology=KINECT_V1)
    confidence = np.full(truth.joints.shape[:3], 0.5)
    np.savez(
        tmp_path / "a.npz", kp=truth.joints, score=confidence, stamps=np.arange(truth.num_frames) * 40_000, what="wave"
    )
    text = """
{kind: npz, array: kp, shape: T P J C, confidence: score, time: stamps, time_unit: us, label: what,
 topology: kinect_v1, place: camera, unit: m}
"""
    read = read_skeleton(tmp_path / "a.npz", format=str(layout(text)))
    np.testing.assert_allclose(read.joints, truth.joints, atol=EXACT)
    assert (read.fps, read.label, read.confidence.max()) == (pytest.approx(25.0), "wave", 0.5)


# JSON.


def test_json_may_hold_a_trajectory_per_joint_and_value(layout, tmp_path):
    truth = wave(topology=KINECT_V1)
    content = {
        joint: {axis: truth.joints[:, 0, j, i].tolist() for i, axis in enumerate("xyz")}
        for j, joint in enumerate(KINECT_V1.joints)
    }
    (tmp_path / "a.json").write_text(json.dumps({"data": content}))
    text = "{kind: json, points: 'data{J}{C}[T]', topology: kinect_v1, place: camera, unit: m, fps: 30}"
    read = read_skeleton(tmp_path / "a.json", format=str(layout(text)))
    np.testing.assert_allclose(read.joints, truth.joints, atol=EXACT)


def test_json_may_hold_flat_lists_null_frames_and_times(layout, tmp_path):
    truth = wave(topology=KINECT_V1)
    frames = [
        {"stamp": t / 20, "xyz": None if t == 2 else joints.ravel().tolist()}
        for t, joints in enumerate(truth.joints[:, 0].astype(float))
    ]
    (tmp_path / "a.json").write_text(json.dumps(frames))
    text = "{kind: json, points: '[T].xyz[J C]', time: '[T].stamp', topology: kinect_v1, place: camera, unit: m}"
    read = read_skeleton(tmp_path / "a.json", format=str(layout(text)))
    assert read.fps == pytest.approx(20) and not read.valid[2].any() and read.valid[[0, 1, 3]].all()
    np.testing.assert_allclose(read.joints[3:], truth.joints[3:], atol=EXACT)


# Axes.


@pytest.mark.parametrize(
    ("settings", "from_world"),
    [
        ("place: camera", [1, 1, 1]),
        ("place: camera, up: -y", [-1, -1, 1]),  # computer vision: x to the right of the picture, y down
        ("place: camera, handed: left", [-1, 1, 1]),  # x to the right, y up
    ],
)
def test_cameras_of_all_conventions_see_the_same(layout, tmp_path, settings, from_world):
    truth = wave(topology=KINECT_V1, yaw=30)
    np.save(tmp_path / "a.npy", truth.joints * np.array(from_world) / 0.0254)
    text = f"{{kind: npy, shape: T P J C, topology: kinect_v1, unit: inch, fps: 30, {settings}}}"
    read = read_skeleton(tmp_path / "a.npy", format=str(layout(text)))
    np.testing.assert_allclose(read.joints, truth.joints, atol=EXACT)


@pytest.mark.parametrize("handed", ["right", "left"])
def test_left_stays_left_in_studios_of_either_handedness(layout, tmp_path, handed):
    truth = wave(topology=KINECT_V1)
    np.save(tmp_path / "a.npy", truth.joints * ([1, 1, -1] if handed == "left" else [1, 1, 1]))
    text = f"{{kind: npy, shape: T P J C, topology: kinect_v1, up: y, unit: m, fps: 30, handed: {handed}}}"
    read = read_skeleton(tmp_path / "a.npy", format=str(layout(text)))
    shift = read.joints[0, 0, 0] - truth.joints[0, 0, 0]
    # Synthetic performers turn their hips by a degree or two while they wave.
    np.testing.assert_allclose(read.joints - shift, truth.joints, atol=0.05)
    wrists = [np.ptp(read.joints[:, 0, KINECT_V1.index(f"{side}_wrist"), 1]) for side in ("left", "right")]
    assert wrists[0] > 3 * wrists[1]


def test_a_person_who_is_kept_is_not_turned(layout, tmp_path):
    truth = wave(topology=KINECT_V1)
    np.save(tmp_path / "a.npy", truth.joints)
    text = "{kind: npy, shape: T P J C, topology: kinect_v1, up: y, unit: m, fps: 30, place: kept}"
    read = read_skeleton(tmp_path / "a.npy", format=str(layout(text)))
    # z is towards the camera: who faced -z shows the back, the left side at larger x.
    left, right = (KINECT_V1.index(f"{side}_shoulder") for side in ("left", "right"))
    assert (read.joints[:, 0, left, 0] > read.joints[:, 0, right, 0]).all()


def test_axis_and_unit_are_detected_where_the_layout_leaves_them_open(layout, tmp_path):
    truth = wave(topology=KINECT_V1)
    np.save(tmp_path / "a.npy", truth.joints[..., [2, 0, 1]] * 1000)
    text = "{kind: npy, shape: T P J C, topology: kinect_v1, fps: 30}"
    read = read_skeleton(tmp_path / "a.npy", format=str(layout(text)))
    np.testing.assert_allclose(distances(read.joints), distances(truth.joints), atol=1e-5)
    assert any("millimetres" in note for note in read.notes) and any("up axis z" in note for note in read.notes)


# Layouts in the folder.


def test_a_layout_in_the_folder_holds_for_the_files_that_it_fits(layout, tmp_path):
    path = write_csv(tmp_path / "walk 1.csv", HEADER, ROWS)
    other = write_csv(tmp_path / "notes.csv", ["a"], [["b"]])
    with pytest.raises(SkeletonFormatError):
        read_skeleton(path)
    layout(MINIMAL + "files: '{label} *.csv'\nname: our_lab\n", LAYOUT_FILE)
    assert detect_format(path).name == "our_lab"
    assert read_skeleton(path).label == "walk"
    assert read_skeleton(path, format="our_lab").num_frames == 2  # as a walk through a folder asks for it
    with pytest.raises(SkeletonFormatError, match=r"notes\.csv"):
        read_skeleton(other)
    assert is_companion(tmp_path / LAYOUT_FILE)


def test_a_layout_that_is_written_anew_is_read_anew(layout, tmp_path):
    path = write_csv(tmp_path / "a.csv", HEADER, ROWS)
    lab = layout(MINIMAL)
    assert read_skeleton(path, format=str(lab)).fps == 10
    layout(MINIMAL.replace("fps: 10", "fps: 12.5"))
    assert read_skeleton(path, format=str(lab)).fps == 12.5


def test_a_folder_is_walked_by_its_layout(layout, tmp_path):
    from skeletonllm.data.walk import walk

    for take in range(3):
        write_csv(tmp_path / f"wave {take}.csv", HEADER, ROWS)
    layout(MINIMAL + "files: '{label} *.csv'\n", LAYOUT_FILE)
    found = walk(tmp_path)
    assert [entry.read().label for entry in found.entries] == ["wave"] * 3
    assert [path.name for path in found.companions] == [LAYOUT_FILE]


def test_a_topology_may_stand_beside_the_layout_and_nowhere_else(layout, tmp_path):
    path = write_csv(tmp_path / "a.csv", HEADER, ROWS)
    stick = "name: stick\njoints: [{name: pelvis, part: torso}, {name: head, parent: pelvis, part: head}]\n"
    layout(stick, "stick.yaml")
    (tmp_path / "below").mkdir()
    layout(stick, "below/stick.yaml")
    text = MINIMAL.replace(MINIMAL.split("\n")[2], "topology: TOPOLOGY")
    read = read_skeleton(path, format=str(layout(text.replace("TOPOLOGY", "stick.yaml"))))
    assert read.topology.name == "stick"
    (tmp_path / "link.yaml").symlink_to(tmp_path / "below" / "stick.yaml")
    for name in ("below/stick.yaml", str(tmp_path / "stick.yaml"), "../stick.yaml", "link.yaml", "absent.yaml"):
        with pytest.raises(SkeletonFormatError, match=r"lab\.yaml: line 3, key 'topology'.*folder of the layout"):
            read_skeleton(path, format=str(layout(text.replace("TOPOLOGY", name))))


# Real files, which readers of their own read too.


def test_a_layout_reads_northwestern_ucla_as_its_own_reader_does(layout, shared, tmp_path):
    path = tmp_path / "clip.json"
    with tarfile.open(shared / "data/nw_ucla.tar.xz") as archive:
        member = next(member for member in archive if member.name.endswith(".json"))
        path.write_bytes(archive.extractfile(member).read())
    text = "{kind: json, points: 'skeletons[T][J][C]', topology: kinect_v1, place: camera, unit: m, fps: 30}\n"
    read, own = read_skeleton(path, format=str(layout(text))), read_skeleton(path)
    np.testing.assert_array_equal(read.joints, own.joints)
    np.testing.assert_array_equal(read.valid, own.valid)


def test_a_layout_reads_humanml3d_in_its_shape_and_on_its_side(layout, shared):
    path = shared / "data/humanml3d/new_joints/000000.npy"
    text = "{kind: npy, shape: T J C, topology: smpl_22, up: y, unit: m, fps: 20, place: kept}"
    read, own = read_skeleton(path, format=str(layout(text))), read_skeleton(path)
    np.testing.assert_allclose(distances(read.joints), distances(own.joints), atol=1e-5)
    # Both stand before the camera as recorded; how far away is each reader's own.
    shift = read.joints[0, 0, 0] - own.joints[0, 0, 0]
    np.testing.assert_allclose(read.joints - shift, own.joints, atol=1e-5)


def test_a_layout_reads_the_numbered_columns_of_mediapipe(layout, shared):
    path = next(iter(sorted((shared / "data/mediapipe33_yoga").rglob("*.csv"))))
    columns = {name: [4 * i, 4 * i + 1, 4 * i + 3] for i, name in enumerate(MEDIAPIPE_33.joints)}
    text = f"{{kind: csv, topology: mediapipe_33, columns: {json.dumps(columns)}, values: [x, y, confidence], fps: 30}}"
    read, own = read_skeleton(path, format=str(layout(text))), read_skeleton(path)
    assert read.num_frames == own.num_frames
    known = own.valid[:, 0] & read.valid[:, 0]
    # Columns count in widths and heights, which only the reader brings to one unit: each axis fits but for its scale.
    for axis in (0, 1):
        correlation = np.corrcoef(read.joints[:, 0, :, axis][known], own.joints[:, 0, :, axis][known])[0, 1]
        assert correlation > 0.999
