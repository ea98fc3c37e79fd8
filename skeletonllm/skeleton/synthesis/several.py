"""Several actions of one performer, one after the other, in one recording whose parts are known."""

from collections.abc import Sequence

import numpy as np

from skeletonllm.skeleton.kinematics import axis_rotation
from skeletonllm.skeleton.segment import Segment
from skeletonllm.skeleton.synthesis.actions import ACTIONS
from skeletonllm.skeleton.synthesis.body import FACE, JOINTS, TRUNK, TRUNK_PARENTS
from skeletonllm.skeleton.synthesis.performance import act
from skeletonllm.skeleton.synthesis.pose import ease

# Seconds from the end of one performance to the beginning of the next.
PAUSE = (0.3, 0.9)
BEGIN_SEATED, END_SEATED = frozenset({"stand up"}), frozenset({"sit down"})
# These go on from the first frame of their performance to the last.
THROUGHOUT = frozenset({"walk"})
_LIMB_PARENTS = {
    "elbow": "shoulder", "wrist": "elbow", "hand": "wrist", "hand_tip": "wrist", "thumb": "wrist", "index": "wrist",
    "pinky": "wrist", "knee": "hip", "ankle": "knee", "foot": "ankle", "heel": "ankle", "small_toe": "ankle",
}  # fmt: skip


def _parent(joint: str) -> int:
    if joint in TRUNK:
        parent = TRUNK_PARENTS[TRUNK.index(joint)]
        return -1 if parent < 0 else JOINTS.index(TRUNK[parent])
    if joint in FACE:
        return JOINTS.index("head")
    side, _, name = joint.partition("_")
    return JOINTS.index(f"{side}_{_LIMB_PARENTS[name]}")


PARENTS = tuple(map(_parent, JOINTS))


def fits(labels: Sequence[str]) -> bool:
    """Whether one person can do these one after the other: whoever sits down is seated until standing up."""
    alone = all(ACTIONS[label].persons == 1 for label in labels)
    pairs = zip(labels[:-1], labels[1:], strict=True)
    return alone and all((first in END_SEATED) == (second in BEGIN_SEATED) for first, second in pairs)


def draw_labels(count: int, rng: np.random.Generator) -> tuple[str, ...]:
    """So many different actions of one person, in any order in which they can be done.

    Raises:
        ValueError: there are not so many.
    """
    alone = [label for label, action in ACTIONS.items() if action.persons == 1]
    if not 1 <= count <= len(alone):
        raise ValueError(f"{count} different actions, expected 1 to {len(alone)}")
    while True:
        labels = tuple(alone[index] for index in rng.permutation(len(alone))[:count])
        if fits(labels):
            return labels


def act_several(
    labels: Sequence[str], performer: int, take: int, fps: float, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[Segment, ...]]:
    """The motion (T, 1, len(JOINTS), 3) in metres of the scene, and where each action is.

    Each begins where and how the one before ended, looking the same way; in between all bones keep their lengths.

    Raises:
        KeyError: an unknown action.
        ValueError: no labels, or such as cannot be done one after the other.
    """
    if unknown := [label for label in labels if label not in ACTIONS]:
        raise KeyError(f"unknown action {unknown[0]!r}; known: {', '.join(ACTIONS)}")
    if not labels or not fits(labels):
        raise ValueError(f"no one person can do {', '.join(labels) or 'nothing'} one after the other")
    pieces: list[np.ndarray] = []
    segments = []
    for label in labels:
        joints, drawn = act(label, performer, take, fps, None)
        joints = joints[:, 0]
        if pieces:
            joints = _continued(pieces[-1][-1], joints)
            pieces.append(_between(pieces[-1][-1], joints[0], max(1, round(rng.uniform(*PAUSE) * fps))))
        first = sum(map(len, pieces))
        inside = (
            np.flatnonzero((drawn.time >= 0) & (drawn.time <= 1)) if label not in THROUGHOUT else range(len(joints))
        )
        segments.append(Segment(label, float((first + inside[0]) / fps), float((first + inside[-1] + 1) / fps)))
        pieces.append(joints)
    return np.concatenate(pieces)[:, None], tuple(segments)


def _continued(last: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """The motion (T, J, 3) moved on the floor so that it begins where and facing as the pose (J, 3) does."""
    angle = _facing(last) - _facing(joints[0])
    pelvis = JOINTS.index("pelvis")
    turned = joints @ axis_rotation(1, np.array(angle)).T
    return turned + (last[pelvis] - turned[0, pelvis]) * [1.0, 0.0, 1.0]


def _facing(pose: np.ndarray) -> float:
    """Radians about the vertical of the line through the hips."""
    across = pose[JOINTS.index("right_hip")] - pose[JOINTS.index("left_hip")]
    return float(np.arctan2(-across[2], across[0]))


def _between(start: np.ndarray, goal: np.ndarray, frames: int) -> np.ndarray:
    """(frames, J, 3) from one pose to another, both excluded: each bone turns from one direction to the other."""
    weight = ease(np.arange(1, frames + 1) / (frames + 1), 0.0, 1.0)[:, None]
    result = np.empty((frames, *start.shape))
    for joint, parent in sorted(enumerate(PARENTS), key=lambda row: _depth(row[0])):
        if parent < 0:
            result[:, joint] = start[joint] + weight * (goal[joint] - start[joint])
            continue
        one, other = start[joint] - start[parent], goal[joint] - goal[parent]
        bone = one + weight * (other - one)
        length = np.linalg.norm(bone, axis=-1, keepdims=True)
        result[:, joint] = result[:, parent] + bone * (np.linalg.norm(one) / np.maximum(length, 1e-9))
    return result


def _depth(joint: int) -> int:
    return 0 if PARENTS[joint] < 0 else 1 + _depth(PARENTS[joint])
