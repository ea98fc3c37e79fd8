"""What is true of a synthetic motion: what its parameters say, and for the rest what its exact joints show."""

import numpy as np

from skeletonllm.skeleton.kinematic_facts import Facts, measure_facts
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.synthesis.actions import ACTIONS, Take
from skeletonllm.skeleton.synthesis.body import JOINTS
from skeletonllm.skeleton.synthesis.measures import SIDES
from skeletonllm.skeleton.synthesis.performance import MOTION_STREAM, act, generator
from skeletonllm.skeleton.synthesis.several import act_several
from skeletonllm.skeleton.topologies import KINECT_V2

_CHOSEN = [JOINTS.index(joint) for joint in KINECT_V2.joints]
# Of everyone who acts alone, unless the action says otherwise. The topics and values are those of kinematic facts.
_USUAL = {
    "hips": "level", "travel": "stay", "turn": "none", "hands": "apart",
    "posture_first": "standing", "posture_last": "standing", "legs_first": "straight", "legs_last": "straight",
}  # fmt: skip
_OF_ACTION = {
    "wave left hand": {"arm": "left", "part": "arms"},
    "wave right hand": {"arm": "right", "part": "arms"},
    "clap": {"arm": "both", "part": "arms", "hands": "meet"},
    "kick": {},
    "squat": {"hips": "dip", "head_lowers": "knees", "posture_lowest": "squatting"},
    "sit down": {
        "hips": "down", "posture_last": "sitting", "posture_lowest": "sitting", "legs_last": "bent",
        "head_lowers": "knees",
    },
    "stand up": {
        "hips": "up", "posture_first": "sitting", "posture_lowest": "sitting", "legs_first": "bent",
        "hips_rise": "legs",
    },
    "jump": {"hips_rise": "leap", "hips": None},
    "walk": {"travel": "forward"},
    "turn around": {},
    "bow": {"head_lowers": "trunk", "posture_lowest": "bent"},
    "punch": {"part": "arms"},
    "raise both arms": {"arm": "both", "raised": "both", "part": "arms"},
    "shake hands": {"touch": "touch", "distance": "stay", "facing": "face"},
    "push": {"touch": "touch", "facing": "face"},
    "walk apart": {"distance": "grow", "facing": "back", "touch": "apart", "parting": "walk"},
}  # fmt: skip
# The topic that a side which was drawn for the take decides, and the one that its number of repetitions does.
_SIDE = {"kick": "leg", "turn around": "turn"}
_REPETITIONS = {"squat": "sinks", "jump": "jumps", "punch": "thrusts"}


def known_facts(label: str, *, performer: int, take: int = 0) -> Facts:
    """What is true of the motion that ``synthesize`` shows for the same label, performer and take, by topic.

    Raises:
        KeyError: unknown label.
        ValueError: negative performer or take.
    """
    joints, drawn = act(label, performer, take, 30.0, None)
    facts = measure_facts(_exact(joints)) | _told(label, drawn)
    return {topic: value for topic, value in facts.items() if value is not None}


def known_facts_of_sequence(labels: tuple[str, ...], *, performer: int, take: int = 0) -> Facts:
    """The same for ``synthesize_sequence``: what its exact joints show, and the order of its actions."""
    rng = generator(" ".join(labels), performer, take, MOTION_STREAM)
    joints, segments = act_several(labels, performer, take, 30.0, rng)
    return measure_facts(_exact(joints), segments)


def _told(label: str, drawn: Take) -> dict[str, str | None]:
    usual = _USUAL if ACTIONS[label].persons == 1 else {}
    told: dict[str, str | None] = {**usual, **_OF_ACTION.get(label, {})}
    if label in _SIDE:
        told[_SIDE[label]] = SIDES[drawn.side]
    if label in _REPETITIONS:
        told[_REPETITIONS[label]] = str(drawn.repetitions)
    return told


def _exact(joints: np.ndarray) -> SkeletonSequence:
    """As a camera at the level of the floor would see it that makes no errors."""
    return SkeletonSequence(joints[:, :, _CHOSEN], 30.0, KINECT_V2)
