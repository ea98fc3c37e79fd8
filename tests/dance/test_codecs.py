"""Files and recordings as dances: upright, not mirrored, on the floor, and the same places of joints."""

import numpy as np
import pytest

from skeletonllm.dance.body import default_body, forward_kinematics
from skeletonllm.dance.codecs import bvh, from_sequence, read_motion, to_sequence
from skeletonllm.dance.codecs.edge import from_edge, to_edge
from skeletonllm.dance.codecs.feet import level_feet
from skeletonllm.dance.codecs.inverse import fit_rotations, to_local
from skeletonllm.dance.motion import Motion
from skeletonllm.skeleton.formats import read_skeleton
from skeletonllm.skeleton.kinematics import axis_angle_to_matrix, axis_rotation
from skeletonllm.skeleton.retarget import retarget
from skeletonllm.skeleton.topologies import SMPL_24

BODY = default_body()
INDEX = {name: index for index, name in enumerate(SMPL_24.joints)}
FEET = [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("ankle", "foot")]


def dance(frames=40, fps=30.0):
    """Someone who stands, turns, waves the left arm, bends knees and elbows and twists the trunk."""
    time = np.linspace(0, 2 * np.pi, frames)
    rotations = np.broadcast_to(np.eye(3), (frames, 24, 3, 3)).copy()
    rotations[:, INDEX["pelvis"]] = axis_rotation(2, 0.5 * np.sin(time))
    rotations[:, INDEX["spine"]] = axis_rotation(2, 0.2 * np.sin(2 * time)) @ axis_rotation(0, np.full(frames, 0.1))
    rotations[:, INDEX["left_shoulder"]] = axis_rotation(1, -0.5 + 0.3 * np.sin(time)) @ axis_rotation(
        0, 0.4 + 0 * time
    )
    rotations[:, INDEX["left_elbow"]] = axis_rotation(2, -1.2 + 0.4 * np.sin(time))
    rotations[:, INDEX["right_shoulder"]] = axis_rotation(1, np.full(frames, -1.2))
    rotations[:, INDEX["right_elbow"]] = axis_rotation(2, 0.8 + 0.2 * np.cos(time))
    for side in ("left", "right"):
        rotations[:, INDEX[f"{side}_hip"]] = axis_rotation(0, -0.4 - 0.2 * np.cos(time))
        rotations[:, INDEX[f"{side}_knee"]] = axis_rotation(0, 0.8 + 0.4 * np.cos(time))
        rotations[:, INDEX[f"{side}_ankle"]] = axis_rotation(0, -0.4 - 0.2 * np.cos(time))
    rotations[:, INDEX["head"]] = axis_rotation(2, 0.6 * np.sin(time))
    root = np.stack([0.3 * np.sin(time), 0.2 * np.sin(time), 0.9 + 0 * time], -1)
    motion = Motion(root, rotations, fps=fps, source="made up")
    motion = motion.lifted(-float(np.percentile(motion.lowest(BODY), 2)))
    return motion


def limbs_apart(joints):
    """Distances of all joints (T, 24, 24): the pose without its place."""
    return np.linalg.norm(joints[:, :, None] - joints[:, None], axis=-1)


def test_a_recording_with_rotations_gives_the_dance_back():
    motion = dance()
    back = from_sequence(to_sequence(motion, BODY), BODY)
    # Quaternions of float32.
    np.testing.assert_allclose(back.rotations, motion.rotations, atol=1e-5)
    np.testing.assert_allclose(back.root - back.root[0], motion.root - motion.root[0], atol=1e-5)
    # On the floor, wherever the floor of the recording was.
    sunk = from_sequence(to_sequence(motion.lifted(-0.3), BODY), BODY)
    np.testing.assert_allclose(sunk.root, back.root, atol=1e-5)
    slow = from_sequence(to_sequence(dance(400).lifted(0.2), BODY), BODY)
    assert np.median(slow.lowest(BODY)[slow.contacts.any(1)]) == pytest.approx(0, abs=1e-6)


def test_a_dancer_who_faces_minus_y_faces_the_camera_upright_with_feet_on_the_floor():
    sequence = to_sequence(dance(), BODY)
    joints = sequence.joints[0, 0]
    assert joints[INDEX["left_shoulder"], 0] < joints[INDEX["right_shoulder"], 0] - 0.2
    assert joints[INDEX["head"], 1] > 1.3
    # The ball of the foot is before the ankle: nearer to the camera.
    assert joints[INDEX["left_foot"], 2] < joints[INDEX["left_ankle"], 2] - 0.1
    assert 0 < sequence.joints[:, 0, INDEX["left_foot"], 1].min() < 0.1
    assert sequence.joints[..., 2].min() >= 1.0 - 1e-6


def test_places_alone_tell_the_pose_and_the_twist_of_bent_limbs():
    motion = dance()
    joints, frames = forward_kinematics(BODY, motion.root.astype(float), motion.rotations.astype(float))
    fitted = fit_rotations(BODY, joints)
    found = forward_kinematics(BODY, motion.root.astype(float), to_local(fitted))[0]
    # Swings are exact; float32 rotations of the motion are orthogonal to 1e-7.
    np.testing.assert_allclose(found, joints, atol=1e-5)
    # The wave has the upper arm twisted by 0.4 rad; the hold against jitter of straight limbs takes a tenth of it.
    twist = np.swapaxes(fitted[:, INDEX["left_shoulder"]], -1, -2) @ frames[:, INDEX["left_shoulder"]]
    angle = np.arccos(np.clip((np.trace(twist, axis1=-2, axis2=-1) - 1) / 2, -1, 1))
    assert angle.max() < 0.08
    # How the head is turned is not known.
    assert np.abs(fitted[:, INDEX["head"]] - frames[:, INDEX["head"]]).max() > 0.1


@pytest.mark.parametrize("topology", ["kinect_v2", "kinect_v1", "coco_17", "smpl_22"])
def test_recordings_of_other_topologies_keep_arms_and_legs(topology):
    motion = dance()
    sequence = retarget(to_sequence(motion, BODY), topology)
    back = from_sequence(sequence, BODY)
    wanted, found = motion.joints(BODY), back.joints(BODY)
    assert "rotations found from the places of the joints, which do not tell all twists" in back.notes
    for side in ("left", "right"):
        for upper, lower in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist")):
            a, b = INDEX[f"{side}_{upper}"], INDEX[f"{side}_{lower}"]
            # The joints of limbs are copied, so their bones point where they did; float32 metres.
            np.testing.assert_allclose(found[:, b] - found[:, a], wanted[:, b] - wanted[:, a], atol=1e-3)


def test_bvh_that_is_written_is_read_by_our_reader_with_the_same_joints(tmp_path):
    motion = dance()
    bvh.write(motion, BODY, tmp_path / "dance.bvh")
    sequence = read_skeleton(tmp_path / "dance.bvh")
    order = [sequence.topology.index(name) for name in SMPL_24.joints]
    # Five decimals of degrees and centimetres.
    np.testing.assert_allclose(limbs_apart(sequence.joints[:, 0, order]), limbs_apart(motion.joints(BODY)), atol=1e-3)
    back = read_motion(tmp_path / "dance.bvh", BODY)
    np.testing.assert_allclose(limbs_apart(back.joints(BODY)), limbs_apart(motion.joints(BODY)), atol=1e-3)
    # Also what places do not tell, such as the turn of the head; the world is turned so that the dance begins ahead.
    np.testing.assert_allclose(back.rotations[:, 1:], motion.rotations[:, 1:], atol=1e-3)
    heads = (tmp_path / "dance.bvh").read_text().split("MOTION")[0]
    assert heads.count("CHANNELS 3 Zrotation Xrotation Yrotation") == 23
    assert heads.count("CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation") == 1


def test_a_rig_whose_rest_pose_is_no_t_pose_gives_the_same_dance(tmp_path):
    motion = dance()
    # Each joint of the rig has axes of its own: at rest, when no joint is turned, it is a heap.
    turns = axis_angle_to_matrix(np.random.default_rng(0).normal(size=(24, 3)) * 1.5)
    parents = np.array(BODY.parents)
    above = np.where((parents < 0)[:, None, None], np.eye(3), turns[parents])
    heap = np.einsum("jab,jb->ja", np.swapaxes(above, -1, -2), BODY.offsets)
    rig = type(BODY)(heap, BODY.masses, BODY.capsules, BODY.boxes)
    local = np.swapaxes(above, -1, -2) @ motion.rotations @ turns
    bvh.write(motion.replace(rotations=local), rig, tmp_path / "heap.bvh")
    np.testing.assert_allclose(motion.replace(rotations=local).joints(rig), motion.joints(BODY), atol=1e-5)
    back = read_motion(tmp_path / "heap.bvh", BODY)
    assert any("no T-pose" in note for note in back.notes)
    np.testing.assert_allclose(limbs_apart(back.joints(BODY)), limbs_apart(motion.joints(BODY)), atol=0.01)
    # The turning of the head is in the file's rotations, and only its mean is not.
    swing = [
        np.swapaxes(m.rotations[:1, INDEX["head"]], -1, -2) @ m.rotations[:, INDEX["head"]] for m in (back, motion)
    ]
    angles = [np.arccos(np.clip((np.trace(s, axis1=-2, axis2=-1) - 1) / 2, -1, 1)) for s in swing]
    np.testing.assert_allclose(angles[0], angles[1], atol=0.02)


def test_feet_of_another_slope_stand_level(tmp_path):
    # So slow that its feet stand.
    motion = dance(400)
    # The rig's ankles are 8 cm higher above its soles, and its joints have axes of their own.
    offsets = np.array(BODY.offsets)
    offsets[[INDEX["left_foot"], INDEX["right_foot"]], 2] -= 0.08
    turns = axis_angle_to_matrix(np.random.default_rng(1).normal(size=(24, 3)))
    parents = np.array(BODY.parents)
    above = np.where((parents < 0)[:, None, None], np.eye(3), turns[parents])
    rig = type(BODY)(
        np.einsum("jab,jb->ja", np.swapaxes(above, -1, -2), offsets), BODY.masses, BODY.capsules, BODY.boxes
    )
    local = np.swapaxes(above, -1, -2) @ motion.rotations @ turns
    bvh.write(motion.replace(rotations=local), rig, tmp_path / "steep.bvh")
    files = {"steep.bvh": read_motion(tmp_path / "steep.bvh", BODY)}
    # The same from places alone.
    joints = to_sequence(motion, type(BODY)(offsets, BODY.masses, BODY.capsules, BODY.boxes))
    files["places"] = from_sequence(joints.replace(rotations=None), BODY)
    for back in files.values():
        assert any("feet turned by" in note for note in back.notes)
        soles = back.pose(BODY)[1][:, [INDEX["left_ankle"], INDEX["right_ankle"]], 2, 2]
        # Their feet are level in all frames; unlevelled they would slope by 22 degrees.
        assert np.degrees(np.arccos(soles.min())) < 2


def test_feet_that_never_stand_stay_as_they_are():
    frames = np.broadcast_to(axis_rotation(0, np.array(0.3)), (40, 24, 3, 3))
    places = np.zeros((40, 24, 3))
    places[..., 0] = 2.0 * np.arange(40)[:, None] / 30
    same, notes = level_feet(BODY, frames, places, 30.0)
    np.testing.assert_array_equal(same, frames)
    assert notes == ()
    # Standing, they are turned, unless they are steeper than any foot that stands.
    level, notes = level_feet(BODY, frames, np.zeros((40, 24, 3)), 30.0)
    np.testing.assert_allclose(level[:, FEET, 2, 2], 1, atol=1e-9)
    np.testing.assert_array_equal(np.delete(level, FEET, 1), np.delete(frames, FEET, 1))
    assert notes == ("feet turned by 17, 17, 17, 17 degrees so that they stand level (ankle, toes; left, right)",)
    steep = np.broadcast_to(axis_rotation(0, np.array(1.2)), (40, 24, 3, 3))
    np.testing.assert_array_equal(level_feet(BODY, steep, np.zeros((40, 24, 3)), 30.0)[0], steep)


def test_a_file_without_legs_is_refused_by_what_it_lacks(tmp_path):
    text = ["HIERARCHY", "ROOT Hips", "{", "OFFSET 0 0 0", "CHANNELS 3 Zrotation Xrotation Yrotation"]
    chain = [("Spine", "0 20 0"), ("Chest", "0 20 0"), ("Neck", "0 15 0"), ("Head", "0 10 0")]
    for name, offset in chain:
        text += [f"JOINT {name}", "{", f"OFFSET {offset}", "CHANNELS 3 Zrotation Xrotation Yrotation"]
    text += ["End Site", "{", "OFFSET 0 10 0", "}"] + ["}"] * (len(chain) + 1)
    text += ["MOTION", "Frames: 1", "Frame Time: 0.033", " ".join(["0"] * 15)]
    path = tmp_path / "bust.bvh"
    path.write_text("\n".join(text) + "\n")
    with pytest.raises(ValueError, match=r"bust.bvh: no .*left_hip.*right_knee.*expected arms, legs and a trunk"):
        read_motion(path)


def test_a_recording_without_depth_is_refused():
    sequence = to_sequence(dance(), BODY)
    flat = sequence.joints.copy()
    flat[..., 2] = 3.0
    with pytest.raises(ValueError, match="no depth"):
        from_sequence(sequence.replace(joints=flat, rotations=None), BODY)


def test_gaps_are_bridged_and_counted():
    sequence = to_sequence(dance(), BODY).replace(rotations=None)
    valid = sequence.valid.copy()
    valid[10:13, 0, INDEX["left_elbow"]] = False
    back = from_sequence(sequence.replace(valid=valid), BODY)
    whole = from_sequence(sequence, BODY)
    assert "3 unknown places of joints bridged" in back.notes
    # Three frames of a slow wave.
    assert np.abs(back.joints(BODY) - whole.joints(BODY)).max() < 0.05


def test_vectors_of_edge_have_their_own_axes():
    motion = dance()
    theirs = to_edge(motion)
    back = from_edge(theirs)
    np.testing.assert_allclose(back.rotations, motion.rotations, atol=1e-6)
    # Someone at rest, with Y up, is turned upright by a quarter turn about x; the rows of that matrix.
    standing = Motion(np.zeros((1, 3)), np.eye(3) * np.ones((1, 24, 1, 1)))
    np.testing.assert_allclose(to_edge(standing)[0, 7:13], [1, 0, 0, 0, 0, -1], atol=1e-7)
    np.testing.assert_allclose(to_edge(standing)[0, 13:19], [1, 0, 0, 0, 1, 0], atol=1e-7)
    # Their elbow bends about y, which is up at rest, where ours bends about z.
    bent = standing.rotations.copy()
    bent[0, INDEX["left_elbow"]] = axis_rotation(2, np.array(-0.5))
    elbow = to_edge(standing.replace(rotations=bent))[0, 7 + 6 * 18 : 13 + 6 * 18]
    np.testing.assert_allclose(elbow, axis_rotation(1, np.array(-0.5))[:2].reshape(-1), atol=1e-6)
    with pytest.raises(ValueError, match="60 frames per second, expected 30"):
        to_edge(motion.replace(fps=60))
