"""What is learnt from a teacher: the label is right, the answer whole, and what it says moved did move."""

import numpy as np
import pytest

from skeletonllm.data.teacher.movement import PARTS, movements
from skeletonllm.data.teacher.prompts import PROMPTS, build_messages
from skeletonllm.data.teacher.statements import mentions, root
from skeletonllm.data.teacher.verification import MOST_WORDS, moved_most, objection, take_apart
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.synthesis import ACTIONS, describe, synthesize
from skeletonllm.skeleton.topologies import TOPOLOGIES

# A right hand that waves.
WAVING = {"right arm": 0.55, "left arm": 0.03, "left leg": 0.01, "right leg": 0.01, "torso": 0.02, "head": 0.03}
REASONS = "The right hand rises above the head and swings in and out twice, while the other arm hangs down."


def judge(reasons: str = REASONS, label: str = "hand waving", said: str | None = None, finish="stop", moved=None):
    text = f"{reasons}\nLabel: {label if said is None else said}"
    return objection(take_apart(text), finish, label, WAVING if moved is None else moved)


def test_a_true_rationale_is_accepted():
    assert judge() is None
    assert judge(said="**Hand-waving**") is None


@pytest.mark.parametrize("label", ACTIONS)
@pytest.mark.parametrize("topology", ["kinect_v2", "smpl_22", "coco_17"])
def test_what_the_joints_tell_of_a_motion_is_accepted_in_every_topology(label, topology):
    for performer in range(3):
        movement = movements(synthesize(label, topology=topology, performer=performer))
        assert (
            objection(take_apart(f"{describe(label, performer=performer)}\nLabel: {label}"), "stop", label, movement)
            is None
        )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"said": "clapping"}, "label: the answer ends with 'clapping'"),
        ({"said": "hand waving or clapping"}, "label:"),
        ({"said": ""}, "label:"),
        ({"finish": "length"}, "incomplete: finish reason 'length'"),
        ({"finish": None}, "incomplete"),
        ({"reasons": "The right hand moves."}, "length: 4 words"),
        ({"reasons": "The right hand moves up. " * MOST_WORDS}, "length"),
        ({"reasons": f"Label: hand waving\n{REASONS}"}, "quoted: a label line"),
        ({"reasons": f"The person is waving a hand. This is hand waving. {REASONS}"}, "quoted: the reasons name"),
        ({"reasons": f"Somebody hand-waves. {REASONS}"}, "quoted: the reasons name"),
    ],
)
def test_answers_are_rejected_with_the_reason(change, reason):
    assert judge(**change).startswith(reason)


def test_an_answer_without_a_label_line_is_incomplete():
    assert objection(take_apart(REASONS), "stop", "hand waving", WAVING).startswith("incomplete: the last line")
    assert objection(take_apart(""), "stop", "hand waving", WAVING).startswith("incomplete: the last line")


@pytest.mark.parametrize(
    "reasons",
    [
        "The left hand rises above the head and swings in and out twice, while the other arm hangs down.",
        "Both legs move up and down, the right arm rises and swings, and the head stays where it is.",
        "The right arm goes up. Then the right foot kicks forward and comes back to where it was at first.",
        "The right hand is raised over the head, and the upper body turns around to the other side.",
    ],
)
def test_parts_that_are_said_to_move_and_stood_still_are_noticed(reasons):
    assert "stood still" in judge(reasons) or "none of the parts" in judge(reasons)


@pytest.mark.parametrize(
    "reasons",
    [
        "The person stands upright the whole time and does something that is friendly, many times over.",
        "The right arm stays at the side of the body all the time, and the legs are straight as well.",
        "Somebody moves something up to the right hand and back, several times, while nothing else happens here.",
    ],
)
def test_a_rationale_must_name_what_moved_most(reasons):
    assert judge(reasons).startswith("movement: none of the parts that moved most is named (right arm)")


@pytest.mark.parametrize(
    "reasons",
    [
        "The right forearm goes up beside the head and sways. The legs stay straight and the feet do not move at all.",
        "It raises the right arm over the left shoulder while keeping the left arm still and the torso upright.",
        "One hand goes up to the level of the head and oscillates there, without any movement of the legs.",
        "The right elbow bends so that the hand comes near the face. Neither the trunk nor the feet move much.",
        "The right arm is lifted from the hip to above the head; the left hand might shift slightly, no more.",
        "RIGHT ARM: lifts, then swings from side to side above the head. LEFT ARM: hangs. LEGS: no movement.",
    ],
)
def test_true_rationales_in_other_words_are_accepted(reasons):
    assert judge(reasons) is None


def test_where_hardly_anything_moved_nothing_is_said_about_movement():
    still = dict.fromkeys(PARTS, 0.02)
    assert moved_most(still) == []
    assert (
        judge("The person looks down at something that is held in both hands and moves the head.", moved=still) is None
    )


def test_statements_know_what_moves_what_rests_and_what_is_a_place():
    found = mentions("The left hand rises to the head and the feet do not move; both arms; raises the right knee")
    assert [(mention.parts, mention.state) for mention in found] == [
        (("left arm",), "moving"),
        (("left leg", "right leg"), "still"),
        (("left arm", "right arm"), None),
        (("right leg",), "moving"),
    ]


@pytest.mark.parametrize(
    "words",
    ["wave waves waving waved", "clap claps clapping clapped", "push pushes pushing", "kick kicking", "go goes"],
)
def test_forms_of_a_word_have_one_root(words):
    found = {root(word) for word in words.split()}
    assert len(found) == 1 or words == "go goes"  # which is too short to be cut
    assert root("toe") != root("to") and root("legs") == root("leg")


def test_movement_is_measured_on_the_joints_of_each_part():
    for topology in TOPOLOGIES.values():
        if topology.name not in ("kinect_v2", "kinect_v1", "smpl_22", "smpl_24", "coco_17"):
            continue
        generator = np.random.default_rng(0)
        body = np.stack(
            [
                np.zeros(topology.num_joints),
                np.linspace(0, 1.7, topology.num_joints),
                3 + np.zeros(topology.num_joints),
            ],
            -1,
        )
        joints = np.repeat(body[None, None], 60, 0) + generator.normal(0, 0.01, (60, 1, topology.num_joints, 3))
        wrist = topology.index("left_wrist")
        beyond = [
            i for i, part in enumerate(topology.parts) if part in ("forearm", "hand") and topology.sides[i] == "left"
        ]
        assert wrist in beyond
        joints[:, 0, beyond, 1] += 0.4 * np.sin(np.arange(60) / 5)[:, None]
        movement = movements(SkeletonSequence(joints, 30.0, topology))
        # Up and down by 0.8 m, less the outliers and the smoothing, on a body of 1.7 m.
        assert movement["left arm"] == pytest.approx(0.8 / 1.72, rel=0.1), topology.name
        assert max(way for part, way in movement.items() if part != "left arm") < 0.06
        assert moved_most(movement) == ["left arm"]


def test_the_person_who_moves_counts_and_a_lost_joint_does_not():
    still = synthesize("bow", performer=0, noise=0.0).joints[:1, 0]
    moving = synthesize("wave left hand", performer=0, noise=0.0)
    joints = np.stack([np.repeat(still, moving.num_frames, 0), moving.joints[:, 0]], 1)
    joints[10, 0, :] += 3.0  # a frame in which the sensor was somewhere else
    movement = movements(SkeletonSequence(joints, 30.0, moving.topology))
    assert moved_most(movement) == ["left arm"] and movement["torso"] < 0.06


def test_nobody_moves_in_an_empty_recording():
    sequence = SkeletonSequence(np.full((5, 1, 17, 3), np.nan), 30.0, "coco_17")
    assert movements(sequence) == {} and moved_most({}) == []


def test_a_version_of_the_prompt_never_changes():
    import hashlib

    digests = {
        version: hashlib.sha256(f"{prompt.system}\n{prompt.question}".encode()).hexdigest()[:16]
        for version, prompt in PROMPTS.items()
    }
    assert digests == {"1": "af3e0665965d3d87"}  # another text is another version


def test_an_unknown_version_is_refused_and_the_label_is_told_as_it_is():
    with pytest.raises(ValueError, match="version '0'.*known: 1"):
        build_messages("0", "bow", [])
    # Braces in a label are no places to fill in.
    assert build_messages("1", "a {b}", [])[1]["content"][-1]["text"].endswith("Label: a {b}")
