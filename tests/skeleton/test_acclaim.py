"""Acclaim motion: bones turn about axes of their own, which the skeleton beside the recording gives."""

import numpy as np
import pytest
from bad_files import refuse

from skeletonllm.skeleton.formats import is_companion, read_recordings, read_skeleton
from skeletonllm.skeleton.placement import place_motion

# Name, parent, direction, length, axis in degrees and its order, freedoms.
BONES = (
    ("lhipjoint", "root", (0.8, -0.6, 0), 2.0, (0, 0, 0), "XYZ", ""),
    ("lfemur", "lhipjoint", (0.34, -0.94, 0), 7.5, (0, 0, 20), "XYZ", "rx ry rz"),
    ("ltibia", "lfemur", (0.34, -0.94, 0), 7.2, (0, 0, 20), "XYZ", "rx"),
    ("lfoot", "ltibia", (0.2, -0.6, 0.77), 2.5, (-90, 10, 20), "XYZ", "rx rz"),
    ("rhipjoint", "root", (-0.8, -0.6, 0), 2.0, (0, 0, 0), "XYZ", ""),
    ("rfemur", "rhipjoint", (-0.34, -0.94, 0), 7.5, (0, 0, -20), "ZYX", "rz ry rx"),
    ("rtibia", "rfemur", (-0.34, -0.94, 0), 7.2, (30, 40, -20), "YZX", "rx"),
    ("rfoot", "rtibia", (-0.2, -0.6, 0.77), 2.5, (-90, -10, -20), "XYZ", "rx rz"),
    ("lowerback", "root", (0, 1, 0), 2.5, (0, 0, 0), "XYZ", "rx ry rz"),
    ("upperback", "lowerback", (0, 1, 0), 2.5, (0, 0, 0), "XYZ", "rx ry rz"),
    ("thorax", "upperback", (0, 1, 0), 2.6, (0, 0, 0), "XYZ", "rx ry rz"),
    ("lowerneck", "thorax", (0, 1, 0.1), 1.5, (0, 0, 0), "XYZ", "rx ry rz"),
    ("upperneck", "lowerneck", (0, 1, 0.1), 1.5, (0, 0, 0), "XYZ", "rx ry rz"),
    ("head", "upperneck", (0, 1, 0), 1.6, (0, 0, 0), "XYZ", "rx ry rz"),
    ("lclavicle", "thorax", (1, 0.1, 0), 3.4, (0, 0, 0), "XYZ", "ry rz"),
    ("lhumerus", "lclavicle", (1, 0, 0), 4.9, (180, -30, -90), "XYZ", "rx ry rz"),
    ("lradius", "lhumerus", (1, 0, 0), 3.2, (180, -30, -90), "XYZ", "rx"),
    ("lwrist", "lradius", (1, 0, 0), 1.6, (0, 90, 90), "XYZ", "ry"),
    ("rclavicle", "thorax", (-1, 0.1, 0), 3.4, (0, 0, 0), "XYZ", "ry rz"),
    ("rhumerus", "rclavicle", (-1, 0, 0), 4.9, (180, 30, 90), "XYZ", "rx ry rz"),
    ("rradius", "rhumerus", (-1, 0, 0), 3.2, (180, 30, 90), "XYZ", "rx"),
    ("rwrist", "rradius", (-1, 0, 0), 1.6, (0, -90, -90), "XYZ", "ry"),
)
JOINTS = {
    "root": "pelvis", "lowerback": "spine", "upperback": "spine_upper", "thorax": "chest", "lowerneck": "neck",
    "upperneck": "head", "head": "head_top",
} | {
    f"{side[0]}{bone}": f"{side}_{joint}" for side in ("left", "right")
    for bone, joint in {"hipjoint": "hip", "femur": "knee", "tibia": "ankle", "foot": "foot", "clavicle": "shoulder",
                        "humerus": "elbow", "radius": "radius", "wrist": "wrist"}.items()
}  # fmt: skip
ROOT_ORDER = "TX TY TZ RX RY RZ"


def asf_text(bones=BONES, units="length 0.45\n  angle deg", scale=1.0, order=ROOT_ORDER, orientation="0 0 0"):
    lines = [":version 1.10", ":name TEST", ":units", "  mass 1.0", f"  {units}", ":documentation", "  begin of a text",
             ":root", f"   order {order}", "   axis XYZ", "   position 0 0 0", f"   orientation {orientation}",
             ":bonedata"]  # fmt: skip
    for number, (name, _, direction, length, axis, axes, freedoms) in enumerate(bones, start=1):
        lines += ["  begin", f"     id {number}", f"     name {name}"]
        lines += [f"     direction {' '.join(map(str, direction))}", f"     length {length}"]
        lines += [f"     axis {' '.join(repr(scale * angle) for angle in axis)}  {axes}"]
        if freedoms:
            lines += [f"    dof {freedoms}", "    limits (-160.0 20.0)", "           (-70.0 70.0)"]
        lines.append("  end")
    lines += [":hierarchy", "  begin"]
    for name in ("root", *(bone[0] for bone in bones)):
        below = [bone[0] for bone in bones if bone[1] == name]
        lines += [f"    {name} {' '.join(below)}"] if below else []
    return "\n".join([*lines, "  end"]) + "\n"


def freedoms_of(bone):
    return ROOT_ORDER.lower().split() if bone == "root" else next(row[6] for row in BONES if row[0] == bone).split()


def amc_text(frames, header=":FULLY-SPECIFIED\n:DEGREES"):
    lines = ["#!OML:ASF C:\\für\\Test.ASF", header]
    for number, frame in enumerate(frames, start=1):
        lines.append(str(number))
        lines += [f"{bone} {' '.join(map(str, numbers))}" for bone, numbers in frame.items()]
    return "\n".join(lines) + "\n"


def upright(**changes):
    """A frame of someone who stands; ``changes`` are the numbers of some bones."""
    frame = {"root": [0, 17, 0, 0, 0, 0]}
    frame |= {row[0]: [0] * len(row[6].split()) for row in BONES if row[6]}
    return frame | changes


def walk(count=5, seed=0):
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(count):
        frame = {bone: rng.normal(0, 20, len(numbers)) for bone, numbers in upright().items()}
        frame["root"][1] += 17
        frames.append(frame)
    return frames


def write(folder, frames, asf=None, name="clip.amc", skeleton="clip.asf", header=":FULLY-SPECIFIED\n:DEGREES"):
    (folder / skeleton).write_bytes((asf or asf_text()).encode("latin-1"))
    (folder / name).write_bytes(amc_text(frames, header).encode("latin-1"))
    return folder / name


def posed(frame, orientation=(0, 0, 0)):
    """Where bones end, by our joint names, of one frame, as scipy turns them, bone by bone."""
    from scipy.spatial.transform import Rotation

    def turn(angles, order):
        # Lower case: about fixed axes, in the order in which they are written.
        return Rotation.from_euler(order.lower(), [angles["xyz".index(axis)] for axis in order.lower()], degrees=True)

    def angles_of(bone):
        angles = dict(zip(freedoms_of(bone), frame.get(bone, ()), strict=False))
        return [angles.get(f"r{axis}", 0.0) for axis in "xyz"]

    ends = {"root": np.array(frame["root"][:3], dtype=float)}
    turned = {"root": turn(angles_of("root"), "XYZ") * turn(orientation, "XYZ")}
    for name, parent, direction, length, axis, order, _ in BONES:
        own = turn(axis, order)
        turned[name] = turned[parent] * own * turn(angles_of(name), order) * own.inv()
        ends[name] = ends[parent] + turned[name].apply(length * np.array(direction))
    return {JOINTS[bone]: place for bone, place in ends.items()}


def expected_places(frames, topology, **more):
    places = np.array([[posed(frame, **more)[joint] for joint in topology.joints] for frame in frames])[:, None]
    unit = 0.0254 / 0.45
    return place_motion(places, np.ones(places.shape[:3], bool), topology, 120.0, up="y", unit=unit).joints


def place(sequence, joint):
    return sequence.joints[:, 0, sequence.topology.index(joint)]


# The made-up person


def test_bones_turn_about_their_own_axes_as_scipy_turns_them(tmp_path):
    pytest.importorskip("scipy")
    frames = walk()
    sequence = read_skeleton(write(tmp_path, frames))
    assert set(sequence.topology.joints) == set(JOINTS.values()) and sequence.fps == 120
    # 1e-5 m: joints are float32.
    np.testing.assert_allclose(sequence.joints, expected_places(frames, sequence.topology), atol=1e-5)


def test_the_orientation_of_the_root_turns_the_skeleton_before_the_motion_does(tmp_path):
    pytest.importorskip("scipy")
    frames = walk(seed=1)
    path = write(tmp_path, frames, asf_text(orientation="10 20 30"))
    sequence = read_skeleton(path)
    expected = expected_places(frames, sequence.topology, orientation=(10, 20, 30))
    np.testing.assert_allclose(sequence.joints, expected, atol=1e-5)


def test_radians_orders_of_the_root_and_bones_without_numbers_do_not_matter(tmp_path):
    frames = walk(seed=2)
    for frame in frames:
        frame["ltibia"] = [0.0]
    plain = read_skeleton(write(tmp_path, frames))
    folder = tmp_path / "radians"
    folder.mkdir()
    radians = [{bone: np.radians(numbers) for bone, numbers in frame.items()} for frame in frames]
    for frame, degrees in zip(radians, frames, strict=True):
        frame["root"] = np.concatenate([frame["root"][5:2:-1], degrees["root"][:3]])
        del frame["ltibia"]
        frame["lfoot"] = frame.pop("lfoot")  # last of all
    asf = asf_text(units="length 0.45\n  angle rad", scale=np.pi / 180, order="RZ RY RX TX TY TZ")
    for header in (":FULLY-SPECIFIED\n:RADIANS", ":fully-specified", "# a comment\n\n:RADIANS"):
        sequence = read_skeleton(write(folder, radians, asf, header=header))
        np.testing.assert_allclose(sequence.joints, plain.joints, atol=1e-6)


def test_the_unit_is_the_stated_one_if_a_body_can_have_it(tmp_path):
    for stated, thigh in ((0.45, 7.5 * 0.0254 / 0.45), (0.55, 7.5 * 0.0254 / 0.55), (1.0, 7.5 * 0.0254 / 0.45)):
        sequence = read_skeleton(write(tmp_path, [upright()], asf_text(units=f"length {stated}")))
        found = np.linalg.norm(place(sequence, "left_knee") - place(sequence, "left_hip"), axis=-1)
        # The direction of the thigh is a unit vector but for a part in 1e3.
        np.testing.assert_allclose(found, thigh, rtol=2e-3)
        assert any("not credible" in note for note in sequence.notes) == (stated == 1.0)


def test_the_skeleton_with_the_most_alike_name_is_taken(tmp_path):
    path = write(tmp_path, [upright()], name="HDM_tr_walk_001_120.amc", skeleton="HDM_tr.asf")
    longer = [(*bone[:3], 9.0, *bone[4:]) if bone[0] == "lfemur" else bone for bone in BONES]
    (tmp_path / "HDM_mm.asf").write_text(asf_text(longer))
    sequence = read_skeleton(path)
    assert any("HDM_tr.asf" in note for note in sequence.notes)
    (tmp_path / "HDM_tr.asf").rename(tmp_path / "HDM_dg.asf")
    refuse(path, "HDM_dg.asf, HDM_mm.asf")
    (tmp_path / "HDM_mm.asf").unlink()
    assert read_skeleton(path).num_frames == 1, "the only one is taken, whatever its name"
    (tmp_path / "HDM_dg.asf").unlink()
    refuse(path, "folder: found none")


def test_label_and_rate_come_from_the_names_of_hdm05(tmp_path):
    sequence = read_skeleton(write(tmp_path, [upright()], name="HDM_bk_kick_LFront1Reps_025_60.amc"))
    assert (sequence.label, sequence.fps) == ("kick_LFront1Reps", 60)
    sequence = read_skeleton(write(tmp_path, [upright()], name="01_01.amc"))
    assert (sequence.label, sequence.fps) == (None, 120) and any("assumed" in note for note in sequence.notes)


def test_long_recordings_are_read_across_the_blocks_they_are_parsed_in(tmp_path):
    rng = np.random.default_rng(0)
    heights = 17 + rng.random(5000).cumsum() * 1e-3
    path = write(tmp_path, [upright(root=[0, height, 0, 0, 0, 0]) for height in heights])
    assert path.stat().st_size > 1.2 * 2**20
    pelvis = place(read_skeleton(path), "pelvis")
    np.testing.assert_allclose(pelvis[:, 1], heights * 0.0254 / 0.45, atol=1e-5)


def test_skeletons_are_no_recordings(tmp_path):
    path = write(tmp_path, [upright()])
    assert is_companion(tmp_path / "clip.asf") and not is_companion(path)
    assert list(read_recordings(path)) == [str(path)]


# Damage


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("lfemur 0 0 0", "femur 0 0 0", "frame 1", "'femur'"),
        ("lfemur 0 0 0", "lfemur 0 0", "frame 1", "'ltibia', expected a number"),
        ("lfemur 0 0 0", "lfemur 0 0 0 0", "frame 2", "expected bone 'root'"),
        ("lfemur 0 0 0", "lfemur 0 0 zero", "frame 1", "'zero'"),
        ("rwrist 0\n2\n", "rwrist 0\n2\nroot 1 2\n", "frame 2", "found"),
        ("\n1\nroot", "\nroot", "frame 1", "the number of the first frame"),
        ("\n1\n", "\n", "frame 1", "the number of the first frame"),
        (":FULLY", "FULLY", "line 1", ":FULLY-SPECIFIED"),
    ],
)
def test_damaged_motion_is_refused_with_the_frame(tmp_path, old, new, place, message):
    path = write(tmp_path, [upright()] * 3)
    text = path.read_bytes().decode("latin-1")
    assert old in text
    path.write_bytes(text.replace(old, new, 1).encode("latin-1"))
    error = refuse(path, format="acclaim")
    assert error.place == place and message in str(error)


def test_truncated_motion_is_refused_or_says_what_is_missing(tmp_path):
    path = write(tmp_path, [upright()] * 2)
    lines = path.read_bytes().splitlines(keepends=True)
    first = 3 + (len(lines) - 3) // 2
    for keep in range(len(lines)):
        path.write_bytes(b"".join(lines[:keep]))
        if 5 <= keep <= first:
            # What the first frame does not name is at rest in the whole recording, and a note says so.
            notes = read_skeleton(path).notes
            assert any("left at rest" in note for note in notes) == (keep < first)
        else:
            refuse(path, format="acclaim")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name lfemur", "name lhipjoint", "no other bone"),
        ("name lfemur", "name", "no other bone"),
        ("name lfemur", "name root", "no other bone"),
        ("direction 0.34 -0.94 0", "direction 0.34 -0.94", "direction and 3 numbers"),
        ("direction 0.34 -0.94 0", "direction 0.34 -0.94 nan", "direction and 3 numbers"),
        ("length 7.5", "length seven", "length and 1 numbers"),
        ("     length 7.5\n", "", "no direction or no length"),
        ("dof rx ry rz", "dof rx ry rx", "each once"),
        ("dof rx ry rz", "dof rx ry l", "rx, ry, rz"),
        ("XYZ", "XYW", "order of axes"),
        ("order TX", "order TT", "each once"),
        ("lhipjoint lfemur\n", "lhipjoint lfemur lfemur\n", "twice"),
        ("lhipjoint lfemur\n", "lhipjoint lfemur root\n", "twice"),
        ("lhipjoint lfemur\n", "lhipjoint femur\n", "a bone of :bonedata"),
        ("    root lhipjoint", "    lfemur lhipjoint", "no bone below root"),
        (":hierarchy", ":hierarch", "a section :hierarchy"),
        (":bonedata\n  begin\n     id 1\n     name lhipjoint\n", ":bonedata\n", "the name of the bone before it"),
    ],
)
def test_damaged_skeletons_are_refused_with_the_line(tmp_path, old, new, message):
    text = asf_text()
    assert old in text
    path = write(tmp_path, [upright()], text.replace(old, new, 1))
    with pytest.raises(ValueError, match=message) as caught:
        read_skeleton(path)
    assert caught.value.path == tmp_path / "clip.asf" and caught.value.place


def test_a_skeleton_of_endless_bones_is_refused(tmp_path):
    bones = [(f"bone{number}", "root", (0, 1, 0), 1, (0, 0, 0), "XYZ", "") for number in range(600)]
    path = write(tmp_path, [{"root": [0] * 6}], asf_text(bones))
    with pytest.raises(ValueError, match="at most 512"):
        read_skeleton(path)
    (tmp_path / "clip.asf").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(ValueError, match="expected at most"):
        read_skeleton(path)


def test_comments_without_end_are_refused_in_time(tmp_path):
    path = write(tmp_path, [upright()])
    for content in (b"#\n" * 5_000_000, b":DEGREES\n" + b"#\n" * 5_000_000, b":DEGREES\n" + b"9 " * 5_000_000):
        path.write_bytes(content)
        refuse(path, format="acclaim")


# Real recordings


@pytest.fixture(scope="module")
def hdm05(shared):
    return {
        path.stem.split("_")[2]: read_skeleton(path) for path in sorted((shared / "data/hdm05_asf_amc").glob("*.amc"))
    }


def test_all_recordings_read_into_one_topology_with_their_labels(hdm05):
    assert len(hdm05) >= 9
    assert len({id(sequence.topology) for sequence in hdm05.values()}) == 1
    for name, sequence in hdm05.items():
        assert sequence.label == name and sequence.fps == 120 and sequence.valid.all()
        assert sequence.topology.num_joints == 31


def test_bones_are_constant_and_bodies_are_of_the_stated_height(hdm05):
    for name, sequence in hdm05.items():
        topology = sequence.topology
        for joint, parent in enumerate(topology.parents):
            if parent >= 0:
                lengths = np.linalg.norm(sequence.joints[:, 0, joint] - sequence.joints[:, 0, parent], axis=-1)
                assert np.ptp(lengths) < 1e-5, name
        # The shared notes: 1.55 to 1.77 m standing, root at 0.95 to 1.04 m, feet at 0.00 to 0.04 m; the toes of who
        # goes on tiptoe dip a little lower.
        assert 1.5 < place(sequence, "head_top")[0, 1] < 1.8, name
        assert 0.9 < place(sequence, "pelvis")[0, 1] < 1.06, name
        assert -0.05 < sequence.joints[..., 1].min() < 0.05, name


def test_all_face_the_camera_with_the_left_at_smaller_x(hdm05):
    for name, sequence in hdm05.items():
        for joint in ("hip", "shoulder"):
            assert place(sequence, f"left_{joint}")[0, 0] < place(sequence, f"right_{joint}")[0, 0] - 0.1, name
        assert (place(sequence, "left_foot") - place(sequence, "left_ankle"))[0, 2] < 0, name


def test_the_left_foot_kicks(hdm05):
    kick = hdm05["kickLFront1Reps"]
    assert place(kick, "left_foot")[:, 1].max() > place(kick, "right_foot")[:, 1].max() + 0.5


def test_the_right_hand_grabs_high_and_deposits_on_the_floor(hdm05):
    high = hdm05["grabHighR"]
    assert place(high, "right_wrist")[:, 1].max() > place(high, "left_wrist")[:, 1].max() + 0.3
    low = hdm05["depositFloorR"]
    assert place(low, "right_hand_tip")[:, 1].min() < 0.25


def test_who_squats_sinks_and_who_hops_leaves_the_floor(hdm05):
    assert np.ptp(place(hdm05["squat1Reps"], "pelvis")[:, 1]) > 0.4
    hop = hdm05["hopBothLegs1hops"]
    assert np.minimum(place(hop, "left_toe"), place(hop, "right_toe"))[:, 1].max() > 0.1


def test_who_jogs_a_left_circle_turns_left(hdm05):
    jog = hdm05["jogLeftCircle4StepsRstart"]
    across = place(jog, "right_hip") - place(jog, "left_hip")
    # Of who faces the camera (-z) the left is at smaller x: the angle from -z towards -x grows.
    angle = np.degrees(np.unwrap(np.arctan2(-across[:, 2], across[:, 0])))
    assert angle[-1] - angle[0] > 45
