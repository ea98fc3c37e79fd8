"""Retargeting against motions that were synthesised in both topologies, and what it does where it cannot know."""

from itertools import permutations

import numpy as np
import pytest

from skeletonllm.skeleton.formats import read_skeleton
from skeletonllm.skeleton.proportions import rest_positions
from skeletonllm.skeleton.retarget import plan_retargeting, retarget
from skeletonllm.skeleton.retarget_rules import RULES, SEGMENTS
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.skeleton.topologies import COCO_17, KINECT_V2, MEDIAPIPE_33, SMPL_22, TOPOLOGIES
from skeletonllm.skeleton.topology import build_topology

# Metres, mean over a motion. Where nothing but the proportions of the person differs from those of the average body,
# 2 cm; what the source does not tell costs more: how hands are turned about the forearm (thumbs stand off by 6 cm,
# which is 11 cm from the other side), how far the toes point down (the ball is 16 cm before the ankle), and how a back
# is bent between hips and shoulders.
BOUNDS = {
    "thumb": 0.08, "index": 0.06, "pinky": 0.06, "foot": 0.09, "small_toe": 0.09, "heel": 0.04,
    "spine": 0.035, "spine_upper": 0.035,
}  # fmt: skip
BOUND = 0.02
NOT_TURNED = np.eye(3)
ACTIONS = ("wave left hand", "walk", "punch", "sit down", "bow")


def standing(topology, turn=NOT_TURNED, frames=3):
    """A T-pose that faces the camera, 3 m away, turned about its pelvis."""
    rest = np.stack([rest_positions()[joint] for joint in topology.joints]) - rest_positions()["pelvis"]
    joints = rest * [-1.0, 1.0, -1.0] @ turn.T + [0.0, 0.0, 3.0]
    return SkeletonSequence(np.tile(joints, (frames, 1, 1, 1)), 30.0, topology)


def about_y(degrees):
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])


def place(sequence, joint):
    return sequence.joints[:, :, sequence.topology.index(joint)]


def test_every_joint_of_every_topology_is_found_from_every_other():
    for source, target in permutations(TOPOLOGIES.values(), 2):
        plan = plan_retargeting(source, target)
        assert not plan.missing, (source.name, target.name, plan.missing)
        assert set(target.joints) <= {*plan.copied, *plan.derived}


@pytest.mark.parametrize("action", ACTIONS)
def test_the_same_motion_comes_out_as_if_made_in_the_target(action):
    truths = {
        name: synthesize(action, topology=name, performer=3, noise=0.0, fps=8, seconds=2.0) for name in TOPOLOGIES
    }
    for source, target in permutations(TOPOLOGIES, 2):
        found, truth = retarget(truths[source], target), truths[target]
        assert found.valid.all() and found.label == action and found.fps == 8
        errors = np.linalg.norm(found.joints - truth.joints, axis=-1).mean((0, 1))
        for joint, error in zip(truth.topology.joints, errors, strict=True):
            bound = BOUNDS.get(joint.removeprefix("left_").removeprefix("right_"), BOUND)
            assert error < (0.0005 if joint in truths[source].topology.joints else bound), (source, target, joint)


def test_joints_that_both_have_are_copied_to_the_bit():
    sequence = synthesize("wave right hand", topology="kinect_v2", performer=0)
    found = retarget(sequence, "smpl-22")
    for joint in set(KINECT_V2.joints) & set(SMPL_22.joints):
        np.testing.assert_array_equal(place(found, joint), place(sequence, joint))
        valid = found.valid[..., SMPL_22.index(joint)], sequence.valid[..., KINECT_V2.index(joint)]
        np.testing.assert_array_equal(*valid)


def test_its_own_topology_gives_the_sequence_back():
    sequence = synthesize("wave right hand", topology="coco_17", performer=0)
    assert retarget(sequence, "coco-17") is sequence


def test_the_mirrored_motion_gives_the_mirrored_result():
    def mirrored(sequence):
        order = list(sequence.topology.mirror)
        return sequence.replace(joints=sequence.joints[:, :, order] * [-1, 1, 1], valid=sequence.valid[:, :, order])

    sequence = synthesize("wave right hand", topology="coco_17", performer=1, noise=0.0)
    found, expected = retarget(mirrored(sequence), "mediapipe_33"), mirrored(retarget(sequence, "mediapipe_33"))
    np.testing.assert_allclose(found.joints, expected.joints, atol=1e-5)  # float32 at 4 m


def test_a_person_who_is_turned_moved_or_lies_down_gives_the_same_body():
    sequence = synthesize("raise both arms", topology="kinect_v1", performer=2, noise=0.0)
    expected = retarget(sequence, MEDIAPIPE_33)
    for turn in (about_y(110), about_y(30)[[1, 2, 0]], about_y(180)[:, [2, 0, 1]]):
        assert np.linalg.det(turn) == pytest.approx(1)
        moved = sequence.replace(joints=sequence.joints @ turn.T + [0.5, -0.3, 1.0])
        # 1e-5: float32 at some metres.
        np.testing.assert_allclose(
            retarget(moved, MEDIAPIPE_33).joints, expected.joints @ turn.T + [0.5, -0.3, 1.0], atol=1e-5
        )


def test_a_larger_person_has_larger_derived_parts():
    person = standing(COCO_17)
    giant = person.replace(joints=1.5 * person.joints)
    np.testing.assert_allclose(retarget(giant, KINECT_V2).joints, 1.5 * retarget(person, KINECT_V2).joints, atol=1e-5)


def test_each_person_has_a_size_of_their_own():
    person = standing(COCO_17)
    both = person.replace(joints=np.concatenate([person.joints, 0.5 * person.joints], 1), valid=None)
    found = retarget(both, KINECT_V2)
    np.testing.assert_allclose(found.joints[:, 1], 0.5 * found.joints[:, 0], atol=1e-5)


@pytest.mark.parametrize("source", TOPOLOGIES)
def test_noses_and_toes_point_where_the_body_faces(source):
    for degrees in (0, 90, 180):
        forward = about_y(degrees) @ [0, 0, -1]
        found = retarget(standing(TOPOLOGIES[source], about_y(degrees)), MEDIAPIPE_33)
        for front, back in (("nose", "left_ear"), ("left_foot", "left_heel"), ("right_foot", "right_heel")):
            assert ((place(found, front) - place(found, back)) @ forward > 0.05).all(), (degrees, front)


def test_a_turned_head_takes_the_mouth_along():
    person = standing(COCO_17)
    straight = retarget(person, MEDIAPIPE_33)
    face = [COCO_17.index(joint) for joint in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")]
    turn, axis = about_y(50), np.array([0.0, 0.0, 3.0])
    joints = person.joints.copy()
    joints[:, :, face] = (joints[:, :, face] - axis) @ turn.T + axis
    turned = retarget(person.replace(joints=joints), MEDIAPIPE_33)
    expected = (place(straight, "left_mouth") - axis) @ turn.T + axis
    # 5 mm: the thorax, which has not turned, holds the head a little.
    np.testing.assert_allclose(place(turned, "left_mouth"), expected, atol=0.005)
    np.testing.assert_array_equal(place(turned, "left_foot"), place(straight, "left_foot"))


def test_derived_joints_are_lost_and_unsure_with_those_they_come_from():
    person = standing(COCO_17)
    valid = person.valid.copy()
    valid[1, 0, COCO_17.index("left_hip")] = False
    confidence = np.full(valid.shape, 0.9, np.float32)
    confidence[:, :, COCO_17.index("right_ankle")] = 0.2
    found = retarget(person.replace(valid=valid, confidence=confidence), KINECT_V2)
    pelvis, foot, hand = (KINECT_V2.index(joint) for joint in ("pelvis", "right_foot", "right_hand"))
    assert found.valid[:, 0, pelvis].tolist() == [True, False, True]
    assert (found.joints[1, 0, pelvis] == 0).all() and found.valid[:, 0, hand].all()
    np.testing.assert_allclose(found.confidence[:, 0, foot], 0.2)
    np.testing.assert_allclose(found.confidence[:, 0, hand], 0.9)
    assert found.confidence[1, 0, pelvis] == 0


def test_without_depth_derived_joints_stay_in_the_plane():
    person = standing(COCO_17, about_y(40))
    joints = person.joints.copy()
    joints[..., 2] = 3.0
    found = retarget(person.replace(joints=joints), KINECT_V2)
    np.testing.assert_allclose(found.joints[..., 2], 3.0, atol=1e-6)
    assert found.valid.all() and any("no depth" in note for note in found.notes)
    # Seen from the side, left and right fall together; the body is still derived, as if it faced the camera.
    joints[..., 0] = 0.01 * person.joints[..., 2]
    assert retarget(person.replace(joints=joints), KINECT_V2).valid.all()


def test_what_cannot_be_known_is_not_made_up():
    arm = build_topology(
        "an_arm", [("left_shoulder", None, "torso"), ("left_elbow", "left_shoulder", "upper_arm"),
                   ("left_wrist", "left_elbow", "forearm")]
    )  # fmt: skip
    found = retarget(standing(arm), SMPL_22)
    known = {joint for index, joint in enumerate(SMPL_22.joints) if found.valid[..., index].all()}
    assert known == set(arm.joints) and found.valid.sum() == 3 * 3
    assert any("cannot be derived" in note and "left_knee" in note for note in found.notes)
    line = build_topology("a_line", [("neck", None, "torso"), ("pelvis", "neck", "torso"), ("chest", "neck", "torso")])
    nose = retarget(standing(line), COCO_17).valid[..., COCO_17.index("nose")]
    assert not nose.any(), "a trunk that is a line does not tell where it faces"
    with pytest.raises(ValueError, match="no joint of penn_13 can be found"):
        retarget(standing(build_topology("a_bone", [("spine", None, "torso"), ("spine_upper", "spine", "torso")])),
                 "penn_13")  # fmt: skip


def test_notes_say_what_was_copied_derived_and_left_out():
    sequence = standing(KINECT_V2)
    rotations = np.zeros((*sequence.valid.shape, 4))
    found = retarget(sequence.replace(rotations=rotations, notes=("before",)), "coco_17")
    assert found.rotations is None and found.notes[0] == "before"
    told = "; ".join(found.notes)
    for part in ("from kinect_v2 to coco_17: 12 joints copied, 5 derived, 0 missing", "left_ear (from head, nose)",
                 "left_thumb", "rotations left out"):  # fmt: skip
        assert part in told, part


def test_rules_and_segments_name_joints_of_the_average_body():
    rest, seen = rest_positions(), set()
    for topology in TOPOLOGIES.values():
        assert set(topology.joints) <= set(rest)
    for name, segment in SEGMENTS.items():
        assert segment.parent is None or segment.parent in seen
        assert {joint for group in segment.points for joint in group} <= set(rest)
        seen.add(name)
    for joint, rule in RULES.items():
        assert joint in rest and rule.segment in SEGMENTS and rule.reason
        assert all(set(anchors) <= set(rest) - {joint} for anchors in rule.anchors)


def test_real_kinect_bodies_get_faces_towards_the_camera(shared):
    paths = sorted((shared / "data/utd_mhad").glob("a[37]_*.mat"))[::4]
    assert paths
    for path in paths:
        found = retarget(read_skeleton(path), COCO_17)
        # Above the shoulders, and the nose before the ears, although this sensor's "chest" is above the shoulders.
        assert found.valid.all()
        assert (place(found, "nose")[..., 1] > place(found, "left_shoulder")[..., 1]).all()
        assert np.median(place(found, "nose")[..., 2] - place(found, "left_ear")[..., 2]) < -0.05
