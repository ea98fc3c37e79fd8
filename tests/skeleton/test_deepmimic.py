"""DeepMimic: rotations of a humanoid's joints as JSON."""

import csv
import json
import shutil

import numpy as np
import pytest
from bad_files import refuse

from skeletonllm.skeleton.formats import FORMATS, detect_format, is_companion, read_skeleton
from skeletonllm.skeleton.formats.deepmimic_body import DEEPMIMIC_18, average_offsets
from skeletonllm.skeleton.proportions import bone_lengths

# Joints are float32 and metres from the camera.
ROUNDING = 1e-5
UNIT = [1.0, 0.0, 0.0, 0.0]
# Knees and elbows are hinges.
STANDING = [*UNIT * 4, 0.0, *UNIT * 2, 0.0, *UNIT, 0.0, *UNIT * 2, 0.0]
RIGHT_KNEE, RIGHT_ELBOW, LEFT_KNEE, LEFT_ELBOW = 20, 29, 34, 43
RIGHT_SHOULDER = slice(25, 29)


def rows(frames=10, seconds=0.05):
    """Someone who stands, faces +x and glides that way by a metre."""
    return [[seconds, place, 0.9, 0.0, *STANDING] for place in np.linspace(0, 1, frames).tolist()]


@pytest.fixture
def write(tmp_path):
    def write(frames=None, name="humanoid3d_slow_walk.txt", **more):
        path = tmp_path / name
        path.write_text(json.dumps({"Loop": "none", **more, "Frames": rows() if frames is None else frames}))
        return path

    return write


@pytest.fixture
def motion(shared):
    return lambda name: read_skeleton(shared / "data" / "deepmimic_humanoid3d" / f"humanoid3d_{name}.txt")


def at(sequence, name):
    return sequence.joints[:, 0, sequence.topology.index(name)]


def forwards(sequence):
    """(T, 3) across the hips, seen from above."""
    right = at(sequence, "right_hip") - at(sequence, "left_hip")
    return np.cross([0.0, 1.0, 0.0], right)


# Real motions


def test_all_real_motions_are_read_at_their_rate(shared):
    with (shared / "data" / "INDEX.csv").open() as file:
        listed = {row["file"]: row for row in csv.DictReader(file) if row["folder"] == "deepmimic_humanoid3d"}
    assert len(listed) == 19
    for file, row in listed.items():
        path = shared / "data" / file
        assert detect_format(path).name == "deepmimic", file
        sequence = read_skeleton(path)
        assert sequence.fps == float(row["fps"]), file
        # One frame of the roll lasts twice as long, which makes another one.
        assert sequence.num_frames == int(row["frames"]) + (sequence.label == "roll"), file
        assert sequence.label == row["label"].replace("_", " "), file
        assert sequence.valid.all() and sequence.topology is DEEPMIMIC_18, file
        assert -0.15 < sequence.joints[..., 1].min() < 0.1, file


def test_bones_are_those_of_the_character_file(shared, motion):
    folder = shared / "data" / "deepmimic_humanoid3d"
    character = json.loads((folder / "characters" / "humanoid3d.txt").read_text())["Skeleton"]["Joints"]
    for name in ("backflip", "roll"):
        sequence = motion(name)
        for row, joint, parent in zip(character, range(15), DEEPMIMIC_18.parents, strict=False):
            if parent >= 0:
                length = np.linalg.norm(sequence.joints[:, 0, joint] - sequence.joints[:, 0, parent], axis=-1)
                offset = np.linalg.norm([row["AttachX"], row["AttachY"], row["AttachZ"]])
                assert np.abs(length - offset).max() < ROUNDING, row["Name"]
    assert "bones of humanoid3d.txt" in motion("walk").notes


@pytest.mark.parametrize("name", ["walk", "jog", "run", "zombie_walk", "stealthy_walk"])
def test_walkers_and_runners_move_forwards_with_the_left_foot_on_their_left(motion, name):
    sequence = motion(name)
    moved = at(sequence, "pelvis")[-1] - at(sequence, "pelvis")[0]
    ahead = forwards(sequence).mean(0)
    assert moved @ ahead / np.linalg.norm(moved) / np.linalg.norm(ahead) > 0.8
    assert moved[2] < -1.0  # towards the camera
    to_the_left = np.cross([0.0, 1.0, 0.0], forwards(sequence))
    apart = at(sequence, "left_ankle") - at(sequence, "right_ankle")
    assert np.mean((apart * to_the_left).sum(-1) > 0) > 0.9


def test_walking_legs_swing_in_turn(motion):
    walk = motion("walk")
    ahead = (at(walk, "left_ankle") - at(walk, "right_ankle"))[:, 2]
    assert ahead.min() < -0.3 and ahead.max() > 0.3


def test_the_kick_is_one_of_the_right_foot(motion):
    kick = motion("kick")
    assert (at(kick, "right_ankle") - at(kick, "pelvis"))[:, 1].max() > 0
    assert at(kick, "left_ankle")[:, 1].max() < 0.3


def test_a_backflip_turns_over_backwards_and_ends_upright(motion):
    flip = motion("backflip")
    head = at(flip, "head") - at(flip, "pelvis")
    assert head[:, 1].min() < -0.4 and head[0, 1] > 0.4 and head[-1, 1] > 0.4
    over = int((head[:, 1] < 0).argmax())
    assert head[over - 1] @ forwards(flip)[0] < 0  # the head goes back first


def test_getting_up_starts_on_the_back_or_the_front_and_ends_standing(motion):
    for name, side in (("getup_faceup", 1.0), ("getup_facedown", -1.0)):
        getup = motion(name)
        right = at(getup, "right_shoulder") - at(getup, "left_shoulder")
        normal = np.cross(at(getup, "neck") - at(getup, "pelvis"), right)
        assert side * normal[0, 1] / np.linalg.norm(normal[0]) > 0.8
        head = at(getup, "head")[:, 1]
        assert head[0] < 0.5 and head[-1] > 1.35


# Files made here


def test_someone_who_glides_forwards_comes_towards_the_camera(write):
    sequence = read_skeleton(write())
    assert (sequence.fps, sequence.num_frames, sequence.label) == (20, 10, "slow walk")
    assert np.abs(at(sequence, "pelvis")[-1] - at(sequence, "pelvis")[0] - [0, 0, -1]).max() < ROUNDING
    assert at(sequence, "left_wrist")[0, 0] < at(sequence, "right_wrist")[0, 0] - 0.3
    assert at(sequence, "left_foot")[0, 2] < at(sequence, "left_ankle")[0, 2]
    assert at(sequence, "left_wrist")[0, 1] < at(sequence, "left_elbow")[0, 1]  # arms hang at rest


@pytest.mark.parametrize(
    ("column", "joint", "below"), [
        (RIGHT_KNEE, "right_knee", ("right_ankle", "right_foot")), (RIGHT_ELBOW, "right_elbow", ("right_wrist",)),
        (LEFT_KNEE, "left_knee", ("left_ankle", "left_foot")), (LEFT_ELBOW, "left_elbow", ("left_wrist",)),
    ],
)  # fmt: skip
def test_each_hinge_bends_its_own_limb_the_natural_way(write, column, joint, below):
    frames = rows()
    knee = "knee" in joint
    for frame in frames[5:]:
        frame[column] = -1.0 if knee else 1.0
    for frame in frames:
        frame[1] = 0.0
    sequence = read_skeleton(write(frames))
    moved = np.linalg.norm(sequence.joints[-1, 0] - sequence.joints[0, 0], axis=-1)
    assert {sequence.topology.joints[index] for index in np.flatnonzero(moved > ROUNDING)} == set(below)
    # Knees bend backwards, away from the camera; elbows forwards.
    depth = (at(sequence, below[0]) - at(sequence, joint))[-1, 2]
    assert depth > 0.2 if knee else depth < -0.1


def test_a_right_arm_raised_to_the_side_is_on_the_right(write):
    frames = rows()
    for frame in frames:
        frame[RIGHT_SHOULDER] = [np.sqrt(0.5), -np.sqrt(0.5), 0.0, 0.0]  # a quarter turn about -x carries -y to +z
    sequence = read_skeleton(write(frames))
    arm = (at(sequence, "right_wrist") - at(sequence, "right_shoulder"))[0]
    assert arm[0] > 0.4 and np.abs(arm[1:]).max() < ROUNDING


def test_quaternions_of_any_length_are_made_unit_and_those_of_none_are_unknown(write):
    plain = read_skeleton(write()).joints
    frames = rows()
    for frame in frames:
        frame[4:8] = [0.5, 0.0, 0.0, 0.0]
    assert np.abs(read_skeleton(write(frames)).joints - plain).max() < ROUNDING
    frames[3][RIGHT_SHOULDER] = [0.0, 0.0, 0.0, 0.0]
    sequence = read_skeleton(write(frames))
    unknown = {sequence.topology.joints[joint] for _, _, joint in np.argwhere(~sequence.valid)}
    assert unknown == {"right_elbow", "right_wrist"} and not sequence.valid[3].all()
    assert any("2 of 180 joints masked" in note for note in sequence.notes)


def test_without_the_character_file_the_body_is_an_average_one_on_the_floor(shared, tmp_path):
    name = "humanoid3d_walk.txt"
    shutil.copyfile(shared / "data" / "deepmimic_humanoid3d" / name, tmp_path / name)
    sequence = read_skeleton(tmp_path / name)
    for (parent, joint), metres in bone_lengths(DEEPMIMIC_18).items():
        length = np.linalg.norm(sequence.joints[:, 0, joint] - sequence.joints[:, 0, parent], axis=-1)
        assert np.abs(length - metres).max() < ROUNDING
    assert len(bone_lengths(DEEPMIMIC_18)) == 17
    assert abs(np.percentile(sequence.joints[:, 0, :, 1].min(1), 2)) < ROUNDING
    assert 1.4 < at(sequence, "head")[:, 1].mean() < 1.6
    assert any("average body of 1.70 m" in note for note in sequence.notes)


def character(**changes):
    offsets = 2 * average_offsets()
    names = ["root", "chest", *DEEPMIMIC_18.joints[2:15]]
    joints = [
        {"Name": name, "Parent": parent, **dict(zip(("AttachX", "AttachY", "AttachZ"), offset, strict=True))}
        for name, parent, offset in zip(names, DEEPMIMIC_18.parents, offsets.tolist(), strict=False)
    ]
    bodies = [{"AttachX": 0.01, "AttachY": 0.1, "AttachZ": 0.0, "Param0": 0.2} for _ in names]
    return {"Skeleton": {"Joints": joints}, "BodyDefs": bodies, **changes}


@pytest.mark.parametrize("place", [".", "motions/characters", "characters"])
def test_the_character_file_is_found_near_the_motion(write, tmp_path, place):
    (tmp_path / "motions").mkdir()
    path = write(name="motions/humanoid3d_walk.txt")
    folder = tmp_path / ("motions" if place == "." else place)
    folder.mkdir(exist_ok=True)
    (folder / "humanoid3d.txt").write_text(json.dumps(character()))
    sequence = read_skeleton(path)
    shin = np.linalg.norm(at(sequence, "left_ankle") - at(sequence, "left_knee"), axis=-1)
    knee, ankle = (DEEPMIMIC_18.index(f"left_{name}") for name in ("knee", "ankle"))
    assert np.abs(shin - 2 * bone_lengths(DEEPMIMIC_18)[knee, ankle]).max() < ROUNDING
    foot = np.linalg.norm(at(sequence, "left_foot") - at(sequence, "left_ankle"), axis=-1)
    assert np.abs(foot - np.hypot(0.11, 0.1)).max() < ROUNDING  # the front end of the foot's box


@pytest.mark.parametrize(
    "broken",
    [
        [], {}, character(Skeleton=7), character(BodyDefs=[]), character(Skeleton={"Joints": [{}] * 15}),
        character(Skeleton={"Joints": character()["Skeleton"]["Joints"][::-1]}),
        character(BodyDefs=[{"AttachX": 1e9, "AttachY": 0.0, "AttachZ": 0.0, "Param0": 0.2}] * 15),
        character(BodyDefs=[{"AttachX": "1", "AttachY": 0.0, "AttachZ": 0.0, "Param0": 0.2}] * 15),
    ],
)  # fmt: skip
def test_a_broken_character_file_is_named(write, tmp_path, broken):
    path = write()
    (tmp_path / "humanoid3d.txt").write_text(json.dumps(broken))
    with pytest.raises(ValueError, match=r"humanoid3d\.txt: "):
        read_skeleton(path)


def test_the_character_file_is_no_recording():
    assert is_companion("somewhere/humanoid3d.txt") and not is_companion("humanoid3d_walk.txt")


def test_a_frame_that_lasts_longer_is_filled_on_the_way(write):
    frames = rows(5, 0.1)
    frames[2][0] = 0.2
    frames[3][RIGHT_SHOULDER] = (-np.array([np.cos(0.4), 0.0, 0.0, np.sin(0.4)])).tolist()  # the same turn, negated
    sequence = read_skeleton(write(frames))
    assert (sequence.num_frames, sequence.fps) == (6, 10)
    depth = at(sequence, "pelvis")[:, 2]
    assert np.abs(depth - depth[0] + [0, 0.25, 0.5, 0.625, 0.75, 1.0]).max() < ROUNDING
    between = (at(sequence, "right_elbow") - at(sequence, "right_shoulder"))[3]
    assert np.abs(between / np.linalg.norm(between) - [0.0, -np.cos(0.4), -np.sin(0.4)]).max() < ROUNDING
    assert any("resampled to 6 frames" in note for note in sequence.notes)


def test_a_single_frame_is_read(write):
    assert read_skeleton(write(rows(1, 0.0))).num_frames == 1


@pytest.mark.parametrize(
    ("frames", "place"),
    [
        ([], "key 'Frames'"),
        ([[*row, 0.0] for row in rows()], "frame 0"),
        ([*rows(), rows()[0][:-1]], "frame 10"),
        ([*rows(), None], "frame 10"),
        ([*rows(), ["1"] * 44], "frame 10"),
        ([*rows(), [True] * 44], "frame 10"),
        ([*rows(), [10**400] * 44], "key 'Frames'"),
        (rows(seconds=0.0), "frame 0"),
        (rows(seconds=-1.0), "frame 0"),
        (rows(seconds=float("nan")), "frame 0"),
        (rows(seconds=1e300), "frame 0"),
        ([*rows(seconds=0.001), *rows(9, seconds=10.0)], "durations"),
        ([[row[0], 1e300, *row[2:]] for row in rows()], "all frames"),
    ],
)
def test_damaged_motions_name_the_frame(write, frames, place):
    assert place in refuse(write(frames), format="deepmimic").place


@pytest.mark.parametrize(
    "content",
    [{"Frames": [[1.0] * 43]}, {"Frames": []}, [[1.0] * 44], {"frames": [[1.0] * 44]}, {"Frames": [["1"] * 44]}],
)
def test_other_json_is_not_taken_for_a_motion(tmp_path, content):
    path = tmp_path / "humanoid3d_walk.txt"
    path.write_text(json.dumps(content))
    assert not FORMATS["deepmimic"].sniff(path.read_bytes(), path)
