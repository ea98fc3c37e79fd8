"""BVH: whatever the order of channels, axes and units, joints stand where the file puts them."""

import numpy as np
import pytest
from bvh_files import PERSON, POSITIONS, ROTATIONS, Joint, bvh_text, frame, posed, transformed, walk, write

from skeletonllm.skeleton.formats import detect_format, is_companion, read_skeleton
from skeletonllm.skeleton.placement import place_motion

# Names of the made-up person's joints in our words.
SPINE = {"Hips": "pelvis", "Spine": "spine", "Chest": "chest", "Neck": "neck", "Head": "head", "Head End": "head_top"}
LIMB = {"Shoulder": "collar", "Arm": "shoulder", "ForeArm": "elbow", "Hand": "wrist", "Hand End": "hand_tip",
        "UpLeg": "hip", "Leg": "knee", "Foot": "ankle", "ToeBase": "foot", "ToeBase End": "toe"}  # fmt: skip
OURS = SPINE | {f"{side}{theirs}": f"{side.lower()}_{joint}" for side in ("Left", "Right")
                for theirs, joint in LIMB.items()}  # fmt: skip


def bone(sequence, upper, lower):
    """Metres of a bone in every frame."""
    upper, lower = sequence.topology.index(upper), sequence.topology.index(lower)
    return np.linalg.norm(sequence.joints[:, 0, upper] - sequence.joints[:, 0, lower], axis=-1)


def place(sequence, joint):
    return sequence.joints[:, 0, sequence.topology.index(joint)]


def expected_places(joints, frames, topology, fps=30.0):
    """Our joints as scipy turns them, placed as recordings of motion are."""
    names = {ours: theirs for theirs, ours in OURS.items()}
    places = np.array([[posed(joints, row)[names[joint]] for joint in topology.joints] for row in frames])[:, None]
    return place_motion(places, np.ones(places.shape[:3], bool), topology, fps, up="y", unit=0.01).joints


# The made-up person


@pytest.mark.parametrize("order", ["ZXY", "XYZ", "YXZ", "ZYX", "YZX", "XZY"])
def test_any_order_of_rotations_turns_as_scipy_turns(tmp_path, order):
    pytest.importorskip("scipy")
    turns = tuple(f"{axis}rotation" for axis in order)
    person = [Joint(j.name, j.parent, j.offset, (POSITIONS if j.parent is None else ()) + turns, j.end) for j in PERSON]
    frames = walk(person)
    sequence = read_skeleton(write(tmp_path / "a.bvh", bvh_text(person, frames)))
    assert set(sequence.topology.joints) == set(OURS.values())
    # 1e-5 m: joints are float32.
    np.testing.assert_allclose(sequence.joints, expected_places(person, frames, sequence.topology), atol=1e-5)


def test_each_joint_may_have_channels_of_its_own_in_its_own_order(tmp_path):
    pytest.importorskip("scipy")
    kinds = [
        ("Xrotation",), ("Yrotation", "Zposition"), ROTATIONS + POSITIONS, ("Zposition", "Yrotation", "Xposition"),
        POSITIONS + ROTATIONS,
    ]  # fmt: skip
    root = Joint("Hips", None, (0, 0, 0), POSITIONS[::-1] + ROTATIONS[::-1])
    person = [Joint(j.name, j.parent, j.offset, kinds[i % len(kinds)], j.end) for i, j in enumerate(PERSON[1:])]
    person = [root, *person]
    frames = walk(person, seed=1)
    sequence = read_skeleton(write(tmp_path / "a.bvh", bvh_text(person, frames)))
    np.testing.assert_allclose(sequence.joints, expected_places(person, frames, sequence.topology), atol=1e-5)


def test_position_channels_take_the_place_of_the_offset(tmp_path):
    person = [Joint(j.name, j.parent, (1, 2, 3), POSITIONS + ROTATIONS, j.end) if j.name == "LeftLeg" else j
              for j in PERSON]  # fmt: skip
    row = frame(person, {("LeftLeg", "Xposition"): 0, ("LeftLeg", "Yposition"): -43, ("LeftLeg", "Zposition"): 0})
    sequence = read_skeleton(write(tmp_path / "a.bvh", bvh_text(person, [row])))
    assert bone(sequence, "left_hip", "left_knee") == pytest.approx(0.43, abs=1e-6)


def test_lines_and_spaces_do_not_matter(tmp_path):
    frames = walk(PERSON)
    text = bvh_text(PERSON, frames)
    plain = read_skeleton(write(tmp_path / "a.bvh", text))
    head, motion = text.split("Frame Time: 0.0333333\n")
    variants = {
        "windows": text.replace("\n", "\r\n"),
        "tabs": text.replace("  ", "\t").replace(" ", " \t "),
        "mark": b"\xef\xbb\xbf" + text.encode(),
        "one line": f"{head}Frame Time:\t0.0333333\n{motion.replace(chr(10), ' ')}",
        "a number per line": f"{head}Frame Time: 0.0333333\n{motion.replace(' ', chr(10))}",
        "braces behind names": text.replace("\n{", " {").replace("Frames: ", "Frames:"),
        "lower case": text.replace("rotation", "ROTATION").replace("JOINT", "Joint").replace("OFFSET", "offset"),
    }
    for name, variant in variants.items():
        sequence = read_skeleton(write(tmp_path / f"{name}.txt", variant))
        np.testing.assert_array_equal(sequence.joints, plain.joints, err_msg=name)
        assert sequence.topology is plain.topology and sequence.fps == 30


@pytest.mark.parametrize(
    ("written", "fps"),
    [("0.0333333", 30), (".0083333", 120), ("0.033", 30), ("0.0083", 120), ("0.041667", 24), ("0.02", 50),
     ("1.66667e-2", 60), ("0.0333667", 29.97), ("0.1", 10), ("2", 0.5)],
)  # fmt: skip
def test_the_frame_rate_is_the_whole_one_that_the_digits_allow(tmp_path, written, fps):
    sequence = read_skeleton(write(tmp_path / "a.bvh", bvh_text(PERSON, walk(PERSON), written)))
    # Written with six digits, 29.97 frames per second are known to a part in 1e5.
    assert sequence.fps == (fps if fps == int(fps) else pytest.approx(fps, rel=1e-5))
    assert any(written in note for note in sequence.notes)


@pytest.mark.parametrize(("unit", "metres"), [(1.0, 0.01), (0.01, 1.0), (10.0, 0.001), (1 / 2.54, 0.0254)])
def test_the_unit_is_seen_from_the_size_of_the_body(tmp_path, unit, metres):
    person = transformed(PERSON, unit * np.eye(3))
    row = frame(person, {("Hips", "Yposition"): unit * 95.0})
    sequence = read_skeleton(write(tmp_path / "a.bvh", bvh_text(person, [row])))
    assert bone(sequence, "left_hip", "left_knee") == pytest.approx(43 * unit * metres, rel=1e-5)
    assert place(sequence, "left_toe")[0, 1] == pytest.approx(0.0, abs=1e-4), "the floor stays"


def test_z_up_is_seen(tmp_path):
    matrix = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    person = transformed(PERSON, matrix)
    row = frame(person, {("Hips", "Yposition"): 0, ("Hips", "Zposition"): 95})
    sequence = read_skeleton(write(tmp_path / "a.bvh", bvh_text(person, [row])))
    plain = read_skeleton(write(tmp_path / "b.bvh", bvh_text(PERSON, [frame(PERSON, {})])))
    np.testing.assert_allclose(sequence.joints, plain.joints, atol=1e-6)
    assert any("up axis z" in note for note in sequence.notes)


def test_who_lies_all_the_time_is_not_stood_up(tmp_path):
    lying = frame(PERSON, {("Hips", "Xrotation"): -90, ("Hips", "Yposition"): 10})
    sequence = read_skeleton(write(tmp_path / "a.bvh", bvh_text(PERSON, [lying] * 3)))
    assert np.ptp(sequence.joints[..., 1]) < 0.25, "the feet are the thickest part of who lies"
    assert any("up axis y, as is the custom" in note for note in sequence.notes)


def test_a_rig_that_is_stood_up_by_its_root_stays_up(tmp_path):
    matrix = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    person = transformed(PERSON, matrix)
    upright = frame(person, {("Hips", "Xrotation"): -90})
    sequence = read_skeleton(write(tmp_path / "a.bvh", bvh_text(person, [upright] * 3)))
    assert (place(sequence, "head") - place(sequence, "left_ankle"))[:, 1].min() > 1.3


def test_who_faces_anywhere_faces_the_camera_and_left_is_left(tmp_path):
    for angle in (0, 70, 180, -130):
        row = frame(PERSON, {("Hips", "Yrotation"): angle})
        sequence = read_skeleton(write(tmp_path / "a.bvh", bvh_text(PERSON, [row] * 2)))
        for joint in ("shoulder", "hip", "wrist"):
            across = place(sequence, f"left_{joint}") - place(sequence, f"right_{joint}")
            assert (across[:, 0] < -0.15).all() and np.abs(across[:, 2]).max() < 1e-3
        assert ((place(sequence, "left_foot") - place(sequence, "left_ankle"))[:, 2] < -0.1).all()
        np.testing.assert_allclose(sequence.joints[0, 0, :, 2].mean(), 3.0, atol=1e-4)


def test_nodes_without_extent_are_left_out_but_still_turn_what_hangs_on_them(tmp_path):
    knee = next(joint for joint in PERSON if joint.name == "LeftLeg")
    person = [j for j in PERSON if j is not knee]
    person += [Joint("LeftLegTwist", "LeftUpLeg", knee.offset), Joint("LeftLeg", "LeftLegTwist", (0, 0, 0))]
    row = frame(person, {("LeftLeg", "Xrotation"): 90})
    sequence = read_skeleton(write(tmp_path / "a.bvh", bvh_text(person, [row])))
    assert "left_leg_twist" in sequence.topology.joints and "left_knee" not in sequence.topology.joints
    shin = place(sequence, "left_ankle") - place(sequence, "left_leg_twist")
    # Bent back by a right angle, away from the camera.
    np.testing.assert_allclose(shin[0], [0, 0, 0.42], atol=1e-5)
    assert any("always where their parent is (1): LeftLeg" in note for note in sequence.notes)


def test_a_root_at_the_origin_is_no_joint(tmp_path):
    person = [Joint("joint_Root", None, (0, 0, 0), POSITIONS + ROTATIONS)]
    person += [Joint(j.name, j.parent or "joint_Root", j.offset, j.channels, j.end) for j in PERSON]
    row = frame(person, {("joint_Root", "Yposition"): 0, ("Hips", "Yposition"): 95})
    sequence = read_skeleton(write(tmp_path / "a.bvh", bvh_text(person, [row])))
    plain = read_skeleton(write(tmp_path / "b.bvh", bvh_text(PERSON, [frame(PERSON, {})])))
    assert sequence.topology == plain.topology
    np.testing.assert_allclose(sequence.joints, plain.joints, atol=1e-6)
    assert any("joint_Root" in note for note in sequence.notes)


def test_a_t_pose_before_the_recording_is_left_out_and_one_that_is_moved_out_of_is_not(tmp_path):
    t_pose = frame(PERSON, {("Hips", "Yrotation"): 140})
    down = frame(PERSON, {("LeftArm", "Zrotation"): -75, ("RightArm", "Zrotation"): 75})
    for before in (1, 2):
        text = bvh_text(PERSON, [t_pose] * before + [down] * 5, ".0083333")
        sequence = read_skeleton(write(tmp_path / "a.bvh", text))
        assert sequence.num_frames == 5 and (place(sequence, "left_wrist")[:, 1] < 1.0).all()
        assert any(f"{before} of {before + 5} frames left out: a T-pose" in note for note in sequence.notes)
    slowly = [frame(PERSON, {("LeftArm", "Zrotation"): -angle, ("RightArm", "Zrotation"): angle})
              for angle in range(0, 75, 3)]  # fmt: skip
    assert read_skeleton(write(tmp_path / "b.bvh", bvh_text(PERSON, slowly))).num_frames == len(slowly)
    assert read_skeleton(write(tmp_path / "c.bvh", bvh_text(PERSON, [t_pose]))).num_frames == 1


def test_numbers_that_are_none_mask_what_hangs_on_them(tmp_path):
    row = frame(PERSON, {("LeftArm", "Xrotation"): "nan"})
    far = frame(PERSON, {("Hips", "Xposition"): "1e308"})
    text = bvh_text(PERSON, [frame(PERSON, {}), row, far])
    sequence = read_skeleton(write(tmp_path / "a.bvh", text))
    unknown = {joint for joint, known in zip(sequence.topology.joints, sequence.valid[1, 0], strict=True) if not known}
    assert unknown == {"left_elbow", "left_wrist", "left_hand_tip"} and not sequence.valid[2].any()
    joints = sequence.topology.num_joints
    assert any(f"{3 + joints} of {3 * joints} joints masked" in note for note in sequence.notes)


def test_content_decides_whatever_the_suffix(tmp_path):
    assert detect_format(write(tmp_path / "a.txt", "\n hierarchy\nROOT")).name == "bvh"


# Real recordings


@pytest.fixture(scope="module")
def bandai(shared):
    return {path.stem: read_skeleton(path) for path in sorted((shared / "data/bandai_namco_bvh").glob("*.bvh"))}


@pytest.fixture(scope="module")
def cmu(shared):
    return {path.stem: read_skeleton(path) for path in sorted((shared / "data/cmu_bvh").glob("*.bvh"))}


def facing(sequence):
    """Unit vectors (T, 2) in x and z: where the hips face."""
    across = place(sequence, "right_hip") - place(sequence, "left_hip")
    # Up times right-to-left is ahead: of who faces the camera (right at +x) that is -z.
    ahead = np.stack([across[:, 2], -across[:, 0]], -1)
    return ahead / np.linalg.norm(ahead, axis=-1, keepdims=True)


def test_bandai_bones_have_their_stated_lengths_in_every_frame(bandai):
    for name, sequence in bandai.items():
        for upper, lower, metres in (("hip", "knee", 0.391), ("knee", "ankle", 0.410), ("shoulder", "elbow", 0.243),
                                     ("elbow", "wrist", 0.223)):  # fmt: skip
            for side in ("left", "right"):
                # 1 mm: the shared notes round to that.
                np.testing.assert_allclose(bone(sequence, f"{side}_{upper}", f"{side}_{lower}"), metres, atol=1e-3)
        assert sequence.fps == 30 and sequence.valid.all(), name


def test_bandai_people_stand_on_the_floor(bandai):
    for name, sequence in bandai.items():
        # The lowest joint, the toes', is some centimetres above the sole.
        assert -0.02 < sequence.joints[:, 0, :, 1].min() < 0.05, name
        # The head's joint is at the base of the skull; some walk or dance crouched.
        assert 1.2 < place(sequence, "head")[0, 1] < 1.7, name


def test_all_files_of_a_rig_share_one_topology(bandai, cmu):
    # Some of Bandai's files have end sites with extent, others without.
    assert len({id(sequence.topology) for sequence in bandai.values()}) == 2
    assert {sequence.topology.num_joints for sequence in bandai.values()} == {21, 26}
    assert len({id(sequence.topology) for sequence in cmu.values()}) == 1
    assert next(iter(cmu.values())).topology.num_joints == 28


def test_all_face_the_camera_at_the_start_with_the_left_at_smaller_x(bandai, cmu):
    for name, sequence in (bandai | cmu).items():
        assert place(sequence, "left_hip")[0, 0] < place(sequence, "right_hip")[0, 0] - 0.1, name
        assert facing(sequence)[:5, 1].max() < -0.8, name
        assert sequence.joints[..., 2].min() > 0.99, name


def test_turns_to_the_left_turn_left_and_turns_to_the_right_right(bandai):
    for name, sign in (("dataset-2_walk-turn-left_active_010", -1), ("dataset-2_walk-turn-right_active_040", 1)):
        x, z = facing(bandai[name]).T
        # Of who faces the camera (-z) the left is at smaller x.
        angle = np.degrees(np.unwrap(np.arctan2(x, -z)))
        assert sign * (angle[-1] - angle[0]) > 45, name


@pytest.mark.parametrize(
    ("name", "moves"),
    [("raise-up-left-hand_active_044", ("left",)), ("raise-up-right-hand_active_084", ("right",)),
     ("raise-up-both-hands_active_068", ("left", "right")), ("wave-left-hand_active_008", ("left",)),
     ("wave-right-hand_active_009", ("right",))],
)  # fmt: skip
def test_the_named_hand_is_raised(bandai, name, moves):
    sequence = bandai[f"dataset-2_{name}"]
    for side in ("left", "right"):
        above = place(sequence, f"{side}_wrist")[:, 1] - place(sequence, "neck")[:, 1]
        assert (above.max() > 0.05) == (side in moves), side


def test_labels_are_the_contents_that_names_tell(bandai, cmu):
    assert bandai["dataset-1_dance-short_normal_001"].label == "dance short"
    assert bandai["dataset-2_walk-turn-left_active_010"].label == "walk turn left"
    assert {sequence.label for sequence in cmu.values()} == {None}
    assert bandai["dataset-1_dance-short_normal_001"].num_frames == 1901


def test_cmu_recordings_begin_behind_their_t_pose(cmu, shared):
    for name, sequence in cmu.items():
        text = (shared / f"data/cmu_bvh/{name}.bvh").read_text()
        declared = int(text.split("Frames:")[1].split()[0])
        # 07_12 has a second frame without any motion.
        dropped = 2 if name == "07_12" else 1
        assert sequence.num_frames == declared - dropped, name
        assert sequence.fps == 120
        # Nobody's hands are as fast as 15 m/s at the start; a jump out of the T-pose is 50 m/s and more.
        assert np.linalg.norm(np.diff(sequence.joints[:3, 0], axis=0), axis=-1).max() * 120 < 15, name


def test_cmu_bones_are_constant_and_in_the_unit_of_the_shared_notes(cmu):
    for name, sequence in cmu.items():
        for side in ("left", "right"):
            for upper, lower in (("hip", "knee"), ("knee", "ankle")):
                lengths = bone(sequence, f"{side}_{upper}", f"{side}_{lower}")
                # The notes give 7.1 and 7.7 units of 5.644 cm for one subject; subjects differ by a tenth.
                assert 0.36 < lengths.mean() < 0.48 and np.ptp(lengths) < 1e-5, name
        assert any("5.644 cm" in note for note in sequence.notes)
        assert 0.8 < np.median(place(sequence, "pelvis")[:, 1]) < 1.05, name


def test_walks_and_runs_come_nearer_ahead(cmu):
    for name in ("02_01", "02_03", "07_12", "08_10", "09_02"):
        path = place(cmu[name], "pelvis")[:, [0, 2]]
        assert path[-1, 1] < path[0, 1] - 1.0, f"{name} comes towards the camera"
        assert ((path[-1] - path[0]) @ facing(cmu[name]).mean(0)) > 1.0, name


def test_lists_beside_bandai_recordings_are_no_recordings(shared):
    folder = shared / "data/bandai_namco_bvh"
    assert {path.suffix for path in folder.iterdir() if not is_companion(path)} == {".bvh"}
