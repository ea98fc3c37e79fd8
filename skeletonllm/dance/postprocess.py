"""What can be mended of a dance without knowing how it was made: the floor, and feet that slide or sink.

The whole clip is moved in height so that standing feet are on the floor. Then each foot that the contacts say stands,
and that is near the floor, is held where it is on the average of that stance: the joint that stands, ankle or ball,
no longer moves, and the sole touches the floor. Legs follow by the inverse kinematics of two bones; the pelvis sinks
where a leg would be too short. In the air corrections fade.
"""

from dataclasses import dataclass

import numpy as np

from skeletonllm.dance.body import Body, lowest_points
from skeletonllm.dance.codecs.inverse import swing, to_local
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.series import runs, smooth
from skeletonllm.dance.soles import SIDES, sole_heights
from skeletonllm.skeleton.kinematics import normalize, two_bone_reach

_STANDS = 0.5
# Metres above the floor up to which a foot that holds still stands; higher, it is held in the air.
_NEAR = 0.08
# Metres. What is lower than the soles by more carries the body instead of them.
_LEVEL = 0.01
# Seconds in which a correction fades before and after a stance, and over which the pelvis sinks.
_FADE, _SINK = 0.2, 0.1
# Shorter stances are slips of the contacts.
_SHORTEST = 0.1
# Metres. Legs that are not quite straight keep their knees from snapping, and know where these bend.
_BENT = 0.003
_FORWARDS = np.array([0.0, -1.0, 0.0])


def postprocess(motion: Motion, body: Body) -> Motion:
    """The dance with its floor at z = 0, and standing feet that hold still on it.

    Nothing is said to stand by a motion without contacts: then only its lowest point is brought to the floor.
    """
    motion = align_floor(motion, body)
    joints, frames = (part.astype(np.float64) for part in motion.pose(body))
    soles = sole_heights(body, joints, frames)
    legs = [_Leg.of(body, side) for side in SIDES]
    targets = np.stack(
        [_held(motion, leg, joints, soles[:, index], index) for index, leg in enumerate(legs)], 1
    )  # (T, 2, 3) of the ankles
    moved = np.abs(targets - joints[:, [leg.ankle for leg in legs]]).max() > 0
    if not moved:
        return motion
    sunk = _sinking(joints, targets, legs, motion.fps)
    joints[..., 2] -= sunk[:, None]
    frames = frames.copy()
    for index, leg in enumerate(legs):
        leg.reach(joints, frames, targets[:, index])
    root = motion.root.astype(np.float64)
    root[:, 2] -= sunk
    return motion.replace(root=root, rotations=to_local(frames))


def align_floor(motion: Motion, body: Body) -> Motion:
    """The dance moved in height so that in the middle (median) of the frames in which the body stands its sole is on
    the floor: the lower foot, by the contacts, and nothing else of the body lower. Where it never stands, its lowest
    point in all frames is on the floor."""
    joints, frames = motion.pose(body)
    soles = sole_heights(body, joints, frames)
    lower = soles.argmin(1)
    lowest = lowest_points(body, joints, frames)
    stands = _standing(motion)[np.arange(len(soles)), lower] & (soles.min(1) < lowest + _LEVEL)
    heights = soles.min(1)[stands] if stands.any() else lowest.min(keepdims=True)
    return motion.lifted(-float(np.median(heights)))


@dataclass(frozen=True)
class _Leg:
    """The joints of a leg, by number, and the lengths of its bones in metres."""

    hip: int
    knee: int
    ankle: int
    ball: int
    thigh: float
    shin: float

    @classmethod
    def of(cls, body: Body, side: str) -> "_Leg":
        hip, knee, ankle, ball = (body.index(f"{side}_{joint}") for joint in ("hip", "knee", "ankle", "foot"))
        thigh, shin = (float(np.linalg.norm(body.offsets[joint])) for joint in (knee, ankle))
        return cls(hip, knee, ankle, ball, thigh, shin)

    def reach(self, joints: np.ndarray, frames: np.ndarray, target: np.ndarray) -> None:
        """Turns thigh and shin, in world rotations (T, 24, 3, 3), so that the ankle is at the target (T, 3)."""
        hip, knee, ankle = (joints[:, joint] for joint in (self.hip, self.knee, self.ankle))
        line = normalize(ankle - hip)
        bend = (knee - hip) - ((knee - hip) * line).sum(-1, keepdims=True) * line
        # As the knee bends now; of a straight leg, forwards.
        pole = bend + 0.1 * _BENT * (frames[:, self.hip] @ _FORWARDS)
        count = len(target)
        middle, end = two_bone_reach(hip, target, pole, np.full(count, self.thigh), np.full(count, self.shin))
        for joint, old, new in ((self.hip, knee - hip, middle - hip), (self.knee, ankle - knee, end - middle)):
            frames[:, joint] = swing(normalize(old), normalize(new)) @ frames[:, joint]


def _standing(motion: Motion) -> np.ndarray:
    """(T, 2): whether the contacts say that ankle or ball of each foot stands."""
    return (motion.contacts > _STANDS).reshape(-1, 2, 2).any(1)


def _held(motion: Motion, leg: _Leg, joints: np.ndarray, soles: np.ndarray, side: int) -> np.ndarray:
    """(T, 3): where the ankle should be so that the foot does not slide while it stands, nor sink at any time."""
    frames = len(soles)
    contacts = motion.contacts[:, [side, 2 + side]] > _STANDS
    ball, ankle = joints[:, leg.ball], joints[:, leg.ankle]
    stances = [
        (start, stop)
        for start, stop in runs(contacts.any(1) & (soles < _NEAR))
        if stop - start >= _SHORTEST * motion.fps
    ]
    change = np.zeros((frames, 3))
    for start, stop in stances:
        # The foot rolls from the heel to the ball: what stands in both of two frames stays where it is.
        stands = contacts[start:stop, 1:]
        steps = np.where(
            stands[1:] & stands[:-1], np.diff(ball[start:stop], axis=0), np.diff(ankle[start:stop], axis=0)
        )
        slid = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, 0)])
        change[start:stop] = slid.mean(0) - slid
        change[start:stop, 2] = -soles[start:stop]
    fade = max(1, round(_FADE * motion.fps))
    edges = [0, *(edge for stance in stances for edge in stance), frames]
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        places, span = np.arange(start, stop), min(fade, stop - start + 1)
        if start > 0:
            change[start:stop] += _eased((places - start + 1) / span)[:, None] * change[start - 1]
        if stop < frames:
            change[start:stop] += _eased((stop - places) / span)[:, None] * change[stop]
    change[:, 2] = np.maximum(change[:, 2], -soles)
    return ankle + change


def _eased(share: np.ndarray) -> np.ndarray:
    """From 1 at 0 to 0 at 1, and flat at both."""
    share = np.clip(share, 0, 1)
    return 1 - share * share * (3 - 2 * share)


def _sinking(joints: np.ndarray, targets: np.ndarray, legs: list[_Leg], fps: float) -> np.ndarray:
    """(T,) metres by which the pelvis must sink so that both legs reach."""
    needed = np.zeros(len(joints))
    for index, leg in enumerate(legs):
        away = targets[:, index] - joints[:, leg.hip]
        reach = leg.thigh + leg.shin - _BENT
        # No leg that was as straight before is asked to bend.
        reach = np.maximum(reach, np.linalg.norm(joints[:, leg.ankle] - joints[:, leg.hip], axis=-1))
        below = np.sqrt(np.maximum(reach**2 - np.square(away[:, :2]).sum(-1), 0))
        needed = np.maximum(needed, -away[:, 2] - below)
    sigma = _SINK * fps
    # The largest of the frames around, before it is smoothed, keeps the smoothed from being too little.
    wide = round(2 * sigma)
    padded = np.pad(needed, wide, mode="edge")
    return smooth(np.lib.stride_tricks.sliding_window_view(padded, 2 * wide + 1).max(1), sigma)
