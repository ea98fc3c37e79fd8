"""Facts measured on noisy joints of any topology are those that the generator of the motion knows."""

from collections import Counter

import numpy as np
import pytest

from skeletonllm.skeleton.body_tracks import BodyTracks
from skeletonllm.skeleton.formats import read_skeleton
from skeletonllm.skeleton.kinematic_facts import ALONE, measure_facts, order_of
from skeletonllm.skeleton.pair_facts import TOGETHER
from skeletonllm.skeleton.segment import Segment
from skeletonllm.skeleton.synthesis import ACTIONS, known_facts, synthesize, synthesize_sequence

TOPOLOGIES = ("kinect_v2", "smpl_22", "coco_17")
PERFORMERS = range(5)


@pytest.fixture(scope="module")
def measured():
    """(label, topology, performer, what was measured, what is known) of every action in every topology."""
    rows = []
    for label in ACTIONS:
        for performer in PERFORMERS:
            known = known_facts(label, performer=performer, take=5)
            for topology in TOPOLOGIES:
                sequence = synthesize(label, performer=performer, take=5, topology=topology)
                rows.append((label, topology, performer, measure_facts(sequence), known))
    return rows


@pytest.mark.parametrize("topic", [*ALONE, *TOGETHER])
def test_what_is_told_is_true(measured, topic):
    told = [(facts[topic], known.get(topic)) for *_, facts, known in measured if topic in facts]
    right = sum(value == true for value, true in told)
    # Where even the exact joints are near a border, noise may carry a recording over it: then nothing is known.
    wrong = sum(true is not None and value != true for value, true in told)
    assert right or topic == "first_hand"
    assert wrong <= 0.05 * len(told)


@pytest.mark.parametrize(
    ("label", "topic"),
    [
        ("wave left hand", "arm"), ("clap", "claps"), ("clap", "hands"), ("kick", "leg"), ("squat", "sinks"),
        ("sit down", "hips"), ("sit down", "posture_last"), ("stand up", "hips_rise"), ("jump", "jumps"),
        ("walk", "travel"), ("turn around", "turn"), ("bow", "head_lowers"), ("punch", "thrusts"),
        ("raise both arms", "raised"), ("shake hands", "touch"), ("push", "touch"), ("walk apart", "parting"),
    ],
)  # fmt: skip
def test_what_makes_an_action_what_it_is_is_told_of_most(measured, label, topic):
    told = [topic in facts for name, *_, facts, _ in measured if name == label]
    assert np.mean(told) > 0.6


def test_a_mirror_exchanges_left_and_right_and_nothing_else():
    swapped = {"left": "right", "right": "left"}
    for label in ACTIONS:
        sequence = synthesize(label, performer=3, topology="kinect_v2")
        partner = list(sequence.topology.mirror)
        mirrored = sequence.replace(
            joints=sequence.joints[:, :, partner] * np.float32([-1, 1, 1]), valid=sequence.valid[:, :, partner]
        )
        facts = measure_facts(sequence)
        assert measure_facts(mirrored) == {topic: swapped.get(value, value) for topic, value in facts.items()}


def test_backwards_the_hips_go_the_other_way_and_the_faster_half_is_the_other_one():
    opposite = {"first": "second", "second": "first"}
    halves = Counter()
    for performer in range(10):
        sequence = synthesize("sit down", performer=performer)
        backwards = sequence.replace(joints=sequence.joints[::-1], valid=sequence.valid[::-1])
        facts, reverse = measure_facts(sequence), measure_facts(backwards)
        assert (facts["hips"], reverse["hips"]) == ("down", "up")
        assert (facts["legs_last"], reverse["legs_first"]) == ("bent", "bent")
        if "faster" in facts:
            halves[facts["faster"], opposite[reverse["faster"]]] += 1
    assert halves and all(first == second for first, second in halves)


@pytest.mark.parametrize("yaw", [-120.0, 0.0, 90.0, 180.0])
def test_from_where_one_looks_does_not_matter(yaw):
    for label, topic, value in (
        ("walk", "travel", "forward"), ("turn around", "turn", None), ("wave right hand", "arm", "right"),
        ("walk apart", "facing", "back"), ("push", "facing", "face"),
    ):  # fmt: skip
        facts = measure_facts(synthesize(label, performer=4, yaw=yaw))
        assert facts[topic] == (value or known_facts(label, performer=4)[topic])


def test_of_a_picture_nothing_is_told_that_needs_depth():
    for label in ACTIONS:
        sequence = synthesize(label, performer=2, topology="coco_17", yaw=0.0)
        flat = sequence.replace(joints=sequence.joints * np.float32([1, 1, 0]) + np.float32([0, 0, 3]))
        facts, known = measure_facts(flat), known_facts(label, performer=2)
        assert not {"travel", "turn", "jumps", "thrusts", "hips_rise", "touch", "facing"} & set(facts)
        for topic in {"arm", "leg", "raised", "hips", "sinks", "legs_last"} & set(facts) & set(known):
            assert facts[topic] == known[topic], (label, topic)
    waving = synthesize("wave left hand", performer=2, topology="coco_17", yaw=0.0)
    flat = waving.replace(joints=waving.joints * np.float32([1, 1, 0]) + np.float32([0, 0, 3]))
    assert BodyTracks(flat, 0).flat and not BodyTracks(waving, 0).flat
    assert measure_facts(flat)["arm"] == "left"


def test_what_is_not_clear_is_not_told():
    sequence = synthesize("raise both arms", performer=1, noise=0.0)
    wrist = [sequence.topology.index(f"right_{name}") for name in ("elbow", "wrist", "hand", "hand_tip", "thumb")]
    told = {}
    for share in (1.0, 0.5, 0.0):
        # The right arm goes only a share of its way.
        joints = sequence.joints.copy()
        joints[:, :, wrist] = joints[:1, :, wrist] + share * (joints[:, :, wrist] - joints[:1, :, wrist])
        told[share] = measure_facts(sequence.replace(joints=joints)).get("arm")
    assert told == {1.0: "both", 0.5: None, 0.0: "left"}


def test_lost_joints_are_bridged_for_a_while_and_missing_ones_tell_nothing():
    sequence = synthesize("squat", performer=6, noise=0.0)
    ankle = sequence.topology.index("left_ankle")
    for lost, told in ((slice(20, 30), True), (slice(0, sequence.num_frames // 2), False)):
        valid = sequence.valid.copy()
        valid[lost, :, ankle] = False
        joints = np.where(valid[..., None], sequence.joints, 99.0)
        facts = measure_facts(sequence.replace(joints=joints, valid=valid))
        assert facts.get("sinks") == (known_facts("squat", performer=6)["sinks"] if told else None)
    assert measure_facts(sequence.slice(0, 5)) == {}
    crowd = sequence.replace(joints=np.repeat(sequence.joints, 3, axis=1), valid=np.repeat(sequence.valid, 3, axis=1))
    assert measure_facts(crowd) == {}


def test_the_first_of_two_actions_is_told_under_both_their_names():
    segments = (Segment("wave", 0.0, 1.0), Segment("bow", 1.2, 2.0), Segment("clap", 1.5, 3.0), Segment("kick", 4, 5))
    assert order_of(segments) == {
        "order/bow/wave": "wave", "order/clap/wave": "wave", "order/bow/kick": "bow", "order/clap/kick": "clap",
        "order/kick/wave": "wave",
    }  # fmt: skip
    assert order_of((*segments, Segment("wave", 6, 7))) == {"order/bow/kick": "bow", "order/clap/kick": "clap"}
    for labels, limbs in ((["clap", "squat"], "arms"), (["kick", "clap"], "legs")):
        facts = measure_facts(*synthesize_sequence(labels, performer=1))
        assert facts["order/" + "/".join(sorted(labels))] == labels[0]
        assert facts["first_limbs"] == limbs


RIGHT_HANDED = (1, 2, 3, 8, 9, 10, 11, 19)  # swipes, wave, drawings, knock on a door


def test_of_real_recordings_the_side_is_told(shared):
    told = Counter()
    for subject in range(1, 8):
        for action in (*RIGHT_HANDED, 4):
            path = shared / "data" / "utd_mhad" / f"a{action}_s{subject}_t1_skeleton.mat"
            facts = measure_facts(read_skeleton(path))
            told["clap" if action == 4 else "right hand", facts.get("arm")] += 1
    assert told["clap", "both"] >= 6 and told["right hand", "right"] >= 50
    assert not told["clap", "left"] + told["clap", "right"] + told["right hand", "left"]
    # A hundredth of the recordings may be seen otherwise than they are named.
    assert told["right hand", "both"] <= 1


def test_of_real_recordings_it_is_told_what_hips_and_hands_do(shared):
    told = Counter()
    for subject in range(1, 8):
        for action, topic in (
            (24, "hips"),
            (25, "hips"),
            (27, "sinks"),
            (4, "hands"),
            (3, "hands"),
            (25, "head_lowers"),
        ):
            path = shared / "data" / "utd_mhad" / f"a{action}_s{subject}_t2_skeleton.mat"
            told[action, measure_facts(read_skeleton(path)).get(topic)] += 1
    assert told[24, "up"] >= 6 and told[25, "down"] >= 6 and told[27, "1"] >= 5
    assert told[4, "meet"] >= 6 and told[3, "apart"] >= 6 and told[25, "knees"] >= 5
    wrong = [(24, "down"), (24, "dip"), (25, "up"), (25, "dip"), (25, "trunk"), (4, "apart"), (3, "meet")]
    assert not [each for each in wrong if told[each]]


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("dataset-2_raise-up-left-hand", {"arm": "left", "raised": "one"}),
        ("dataset-2_raise-up-both-hands", {"arm": "both", "raised": "both"}),
        ("dataset-2_walk-turn-left", {"turn": "left"}),
        ("dataset-2_walk-turn-right", {"turn": "right"}),
        ("dataset-1_kick", {"leg": "right"}),
    ],
)
def test_of_motion_capture_it_is_told_what_its_names_say(shared, name, facts):
    paths = sorted((shared / "data" / "bandai_namco_bvh").rglob(f"{name}_*.bvh"))
    assert paths
    told = measure_facts(read_skeleton(paths[0]))
    assert {topic: told.get(topic) for topic in facts} == facts
