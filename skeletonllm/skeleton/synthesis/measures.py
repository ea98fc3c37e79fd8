"""What a body does in a motion, measured on its joints and on nothing else.

Lengths that a judgement depends on are parts of the body's own leg or arm, so that tall and short people are judged
alike. The thresholds are where a person who watches would begin to say so.
"""

from functools import cached_property

import numpy as np

from skeletonllm.skeleton.body_tracks import extremes
from skeletonllm.skeleton.kinematics import normalize
from skeletonllm.skeleton.synthesis.body import JOINTS

SIDES = ("left", "right")
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
# Degrees from the trunk up to which an arm hangs.
HANGING = 40
UP = np.array([0.0, 1.0, 0.0])


def onset(signal: np.ndarray) -> int:
    """The frame by which a signal (T,) has left its first value by a fifth of its largest change."""
    change = np.abs(signal - signal[0])
    return int(np.argmax(change >= 0.2 * change.max()))


def times(count: int) -> str:
    """How often, in words; nothing for never."""
    return ("", "once", "twice")[count] if count < 3 else f"{_number(count)} times"


def steps(count: int) -> str:
    """So many steps, in words."""
    return f"{_number(count)} step" + "s" * (count != 1)


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


class Body:
    """The motion of one person.

    Args:
        joints: (T, len(JOINTS), 3) metres, one person of what ``perform`` gives: y above the floor, axes right-handed.
    """

    def __init__(self, joints: np.ndarray):
        self.joints = joints
        self.left = normalize((self["left_hip"] - self["right_hip"]) * [1.0, 0.0, 1.0])
        self.forward = np.cross(self.left, UP)
        self.leg = self._length("left_hip", "left_knee") + self._length("left_knee", "left_ankle")
        self.arm = self._length("left_shoulder", "left_elbow") + self._length("left_elbow", "left_wrist")
        self.trunk = normalize(self["neck"] - self["pelvis"])

    def __getitem__(self, joint: str) -> np.ndarray:
        """(T, 3) metres."""
        return self.joints[:, JOINTS.index(joint)]

    def _length(self, first: str, second: str) -> float:
        return float(np.linalg.norm(self[first][0] - self[second][0]))

    def pair(self, joint: str) -> np.ndarray:
        """(2, T, 3) metres, a joint of the left and of the right side."""
        return np.stack([self[f"{side}_{joint}"] for side in SIDES])

    @cached_property
    def hips(self) -> np.ndarray:
        """(T,) height of the pelvis above the floor, in legs."""
        return self["pelvis"][:, 1] / self.leg

    @cached_property
    def lean(self) -> np.ndarray:
        """(T,) degrees by which the trunk is tipped forwards."""
        return np.degrees(np.arctan2((self.trunk * self.forward).sum(-1), self.trunk[:, 1]))

    @cached_property
    def heading(self) -> np.ndarray:
        """(T,) degrees by which the body has rotated to its left since the start."""
        angle = np.unwrap(np.arctan2(self.forward[:, 0], self.forward[:, 2]))
        return np.degrees(angle - angle[0])

    @cached_property
    def knees(self) -> np.ndarray:
        """(2, T) degrees between thigh and shin, 180 when straight."""
        thigh, shin = self.pair("hip") - self.pair("knee"), self.pair("ankle") - self.pair("knee")
        return np.degrees(np.arccos(np.clip((normalize(thigh) * normalize(shin)).sum(-1), -1, 1)))

    @cached_property
    def ankles(self) -> np.ndarray:
        """(2, T, 2) how far the ankles are ahead and above of where they were when lowest and first, in legs."""
        ankles = self.pair("ankle")
        ahead = ((ankles - ankles[:, :1]) @ self.forward[0]) / self.leg
        return np.stack([ahead, (ankles[..., 1] - ankles[..., 1].min(1, keepdims=True)) / self.leg], -1)

    @cached_property
    def lower_foot(self) -> np.ndarray:
        """(T,) height of the lower foot above the floor, in legs."""
        return self.pair("foot")[..., 1].min(0) / self.leg

    @property
    def steps(self) -> int:
        """How often a foot is lifted and set down."""
        return sum(len(extremes(height, 0.03)[0]) for height in self.ankles[..., 1])

    @property
    def feet_still(self) -> bool:
        """Whether both feet stay where they are, up to what nobody sees."""
        return bool(np.ptp(self.pair("ankle"), axis=1).max() < 0.05 * self.leg)

    @property
    def advance(self) -> float:
        """How far the feet have come forwards in the end, in legs."""
        return float(self.ankles[:, -1, 0].mean())

    @cached_property
    def reach(self) -> np.ndarray:
        """(2, T, 3) from shoulder to hand in arms, seen from the trunk: outwards, along the trunk upwards, forwards."""
        reach = (self.pair("hand") - self.pair("shoulder")) / self.arm
        forward = normalize(np.cross(self.left, self.trunk))
        across = (reach * self.left).sum(-1) * np.array([[1.0], [-1.0]])
        return np.stack([across, (reach * self.trunk).sum(-1), (reach * forward).sum(-1)], -1)

    @cached_property
    def lifted(self) -> np.ndarray:
        """(2, T) degrees between an arm, from shoulder to hand, and the trunk downwards."""
        return np.degrees(np.arccos(np.clip(-normalize(self.reach)[..., 1], -1, 1)))

    @cached_property
    def hanging(self) -> np.ndarray:
        """(2,) whether an arm stays near the trunk all the time."""
        return self.lifted.max(1) < HANGING

    def arm_onset(self, side: int) -> int:
        """The frame by which an arm has begun to move."""
        return onset(np.linalg.norm(self.reach[side] - self.reach[side, :1], axis=-1))

    @property
    def arms_alternate(self) -> bool:
        """Whether two hanging arms swing against each other."""
        lead = self.reach[0, :, 2] - self.reach[1, :, 2]
        return bool(self.hanging.all() and np.ptp(lead) > 0.5)

    def level(self, side: int, frame: int) -> str:
        """How high a hand is, in terms of the body's own landmarks in that frame."""
        hand = self.pair("hand")[side, frame, 1]
        head, shoulder = self["head"][frame, 1], self.pair("shoulder")[side, frame, 1]
        hip = self.pair("hip")[side, frame, 1]
        # The top of the head is about as far above its joint as the chin is below.
        between = (head - shoulder) / 2
        for name, least in (
            ("above the head", head + between),
            ("to the head", shoulder + between),
            ("to the shoulder", shoulder - between),
            ("to the chest", (shoulder + hip) / 2),
            ("to the waist", hip - between),
        ):
            if hand > least:
                return name
        return "below the waist"
