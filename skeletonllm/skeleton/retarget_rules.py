"""What retargeting knows of the body: which joints turn together, and which known joints say where a missing one is.

A rule speaks of the T-pose of ``proportions.rest_positions``: the missing joint is as far from its anchors, and in the
same direction as seen from its segment, as it is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Segment:
    """A part of the body that turns in one piece.

    Args:
        parent: the segment that it hangs on, from whose turn it differs as little as its own joints allow.
        points: groups of joints; the middle of each group whose joints are all known is one of the points whose
            places tell how the segment is turned.
    """

    parent: str | None
    points: tuple[tuple[str, ...], ...]

    def mirrored(self) -> "Segment":
        return Segment(self.parent and _right(self.parent), _right_groups(self.points))


@dataclass(frozen=True)
class Rule:
    """Where a joint is when nobody says so.

    Args:
        segment: it moves with this one.
        anchors: sets of joints, the best first; the first whose joints are all known says where the joint is.
        reason: why that is so.
    """

    segment: str
    anchors: tuple[tuple[str, ...], ...]
    reason: str

    def mirrored(self) -> "Rule":
        return Rule(_right(self.segment), _right_groups(self.anchors), self.reason)


def _with_right(left: Mapping[str, "Segment | Rule"]) -> dict:
    """A table whose left entries are followed by their mirror images."""
    return {**left, **{_right(name): entry.mirrored() for name, entry in left.items()}}


def _right(name: str) -> str:
    return name.replace("left_", "right_")


def _right_groups(groups: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(_right(joint) for joint in group) for group in groups)


def _single(*joints: str) -> tuple[tuple[str, ...], ...]:
    return tuple((joint,) for joint in joints)


_HIPS, _SHOULDERS = ("left_hip", "right_hip"), ("left_shoulder", "right_shoulder")
_EARS, _EYES = ("left_ear", "right_ear"), ("left_eye", "right_eye")

# Each after its parent. What the joints on the centre line are called differs between data sets by a hand's breadth
# ("chest" is above the shoulders in one and below them in another), so only the whole trunk asks them, in which the
# way from the hips to the shoulders outweighs that.
SEGMENTS: Mapping[str, Segment] = MappingProxyType({
    "trunk": Segment(None, _single(*_HIPS, *_SHOULDERS, "pelvis", "spine", "spine_upper", "chest", "neck")),
    "pelvis": Segment("trunk", (*_single(*_HIPS), _SHOULDERS)),
    "thorax": Segment("trunk", (*_single(*_SHOULDERS), _HIPS)),
    # The middle of the shoulders tells how the head nods and tilts, its own joints how it is turned.
    "head": Segment("thorax", (*_single("head", "nose", *_EYES, *_EARS), _SHOULDERS)),
    **_with_right({
        "left_upper_arm": Segment("thorax", _single("left_shoulder", "left_elbow")),
        "left_forearm": Segment("left_upper_arm", _single("left_elbow", "left_wrist")),
        "left_hand": Segment(
            "left_forearm",
            _single("left_wrist", "left_hand", "left_hand_tip", "left_thumb", "left_index", "left_pinky"),
        ),
        "left_thigh": Segment("pelvis", _single("left_hip", "left_knee")),
        "left_shin": Segment("left_thigh", _single("left_knee", "left_ankle")),
        "left_foot": Segment("left_shin", _single("left_ankle", "left_foot", "left_heel", "left_small_toe")),
    }),
})  # fmt: skip

# In an order in which each joint stands behind those that it may be derived from, where these are derived themselves.
RULES: Mapping[str, Rule] = MappingProxyType({
    "pelvis": Rule("pelvis", (_HIPS,), "the middle of the hips, a little higher"),
    "chest": Rule("thorax", (_SHOULDERS, ("neck",)), "the middle of the shoulders, a little lower"),
    "neck": Rule("thorax", (_SHOULDERS, ("chest",)), "the middle of the shoulders, a little higher"),
    "spine": Rule("trunk", (("pelvis", "spine_upper"), ("pelvis", "chest")), "on the way from the pelvis to the chest"),
    "spine_upper": Rule("trunk", (("spine", "chest"),), "on the way from the spine to the chest"),
    "head": Rule("head", (_EARS, _EYES, ("nose",), ("neck",)), "between the ears; else the nearest that is known"),
    "nose": Rule("head", (_EYES, ("head",)), "in front of the middle of the head"),
    **_with_right({
        "left_collar": Rule("thorax", (("chest", "left_shoulder"),), "on the way from the chest to the shoulder"),
        "left_eye": Rule("head", (("left_eye_inner", "left_eye_outer"), ("nose",)), "above the nose, to its side"),
        "left_ear": Rule("head", (("head", "nose"),), "at the side of the head"),
        "left_eye_inner": Rule("head", (("left_eye",),), "the corner of the eye"),
        "left_eye_outer": Rule("head", (("left_eye",),), "the corner of the eye"),
        "left_mouth": Rule("head", (("nose",),), "below the nose, to its side"),
        "left_hand": Rule(
            "left_hand",
            (("left_wrist", "left_hand_tip"), ("left_wrist", "left_index", "left_pinky"), ("left_wrist",)),
            "the middle of the hand, which goes on as the forearm does if none of its own joints is known",
        ),
        "left_hand_tip": Rule("left_hand", (("left_hand",),), "as far again beyond the middle of the hand"),
        "left_thumb": Rule("left_hand", (("left_hand",),), "at the side of the hand; see retarget for its turn"),
        "left_index": Rule("left_hand", (("left_hand",),), "at the side of the hand, where the finger begins"),
        "left_pinky": Rule("left_hand", (("left_hand",),), "at the other side of the hand, where the finger begins"),
        "left_foot": Rule("left_foot", (("left_ankle",),), "in front of the ankle"),
        "left_heel": Rule("left_foot", (("left_ankle",),), "behind and below the ankle"),
        "left_small_toe": Rule("left_foot", (("left_foot",),), "beside the ball of the foot"),
    }),
})  # fmt: skip
