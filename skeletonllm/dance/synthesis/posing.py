"""A score as poses of a body: turns of trunk and arms from their channels, legs that reach their feet."""

from collections.abc import Mapping

import numpy as np

from skeletonllm.dance.body import Body
from skeletonllm.dance.synthesis.feet import Foot
from skeletonllm.dance.synthesis.score import SIDES
from skeletonllm.skeleton.kinematics import axis_angle_to_matrix, axis_rotation, normalize, two_bone_reach

# Share of a leg's length that hips and knees never exceed: a straight knee has no direction to bend to.
REACH = 0.985
KICK_REACH = 0.96
# Metres over which the hips begin to sink for a foot that is nearly out of reach.
_SOFT = 0.004
# Degrees that toes hang for each metre that the feet are lifted in a jump: not enough to touch the floor.
_TOES_IN_FLIGHT = 100.0
# Of an arm above the horizontal, what the collar bone raises.
_COLLAR = 0.2
_SPINE, _HEAD = ("spine", "spine_upper", "chest"), ("neck", "head")
_FORWARD = np.array([0.0, -1.0, 0.0])

Channels = Mapping[str, np.ndarray]
"""Values (T,) by name: those of ``score.NEUTRAL``, ``centre_x``, ``centre_y`` and ``heading``."""


def pose(
    body: Body, channels: Channels, feet: Mapping[str, Foot], height: np.ndarray, lifted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Root (T, 3) metres and rotations (T, 24, 3, 3) of a body.

    Args:
        body: who dances.
        channels: see ``Channels``.
        feet: of both sides.
        height: (T,) metres of the hips above rest.
        lifted: (T,) metres that both feet are above where they would be, in a jump.
    """
    frames = len(height)
    local = np.tile(np.eye(3), (frames, len(body.names), 1, 1))
    heading = _turn("z", channels["heading"])
    _trunk(body, channels, heading, local)
    for side in SIDES:
        _arm(body, channels, side, local)
    aside = heading @ np.stack([channels["sway"], channels["surge"], np.zeros(frames)], -1)[..., None]
    root = aside[..., 0] + np.stack([channels["centre_x"], channels["centre_y"], np.zeros(frames)], -1)
    ankle = body.standing_height + sum(body.offsets[body.index(f"left_{name}")][2] for name in ("hip", "knee", "ankle"))
    ground = {
        side: np.concatenate([foot.ground, (ankle + foot.height + lifted)[:, None]], -1) for side, foot in feet.items()
    }
    root[:, 2] = body.standing_height + height
    highest = np.stack([_highest_root(body, side, local[:, 0], root, ground[side]) for side in SIDES])
    excess = (root[:, 2] - highest) / _SOFT
    root[:, 2] -= _SOFT * np.logaddexp(0.0, excess).sum(0)
    for side in SIDES:
        _leg(body, side, heading, root, feet[side], ground[side], lifted, local)
    return root, local


def _turn(axis: str, degrees: np.ndarray) -> np.ndarray:
    return axis_rotation("xyz".index(axis), np.radians(degrees))


def _bend(channels: Channels, part: str, share: float) -> np.ndarray:
    yaw, pitch, roll = (share * channels[f"{part}_{name}"] for name in ("yaw", "pitch", "roll"))
    return _turn("z", yaw) @ _turn("x", pitch) @ _turn("y", roll)


def _trunk(body: Body, channels: Channels, heading: np.ndarray, local: np.ndarray) -> None:
    local[:, body.index("pelvis")] = heading @ _bend(channels, "pelvis", 1.0)
    for part, joints in (("spine", _SPINE), ("head", _HEAD)):
        for name in joints:
            local[:, body.index(name)] = _bend(channels, part, 1 / len(joints))


def _arm(body: Body, channels: Channels, side: str, local: np.ndarray) -> None:
    """Turns about y and z are those of the left arm; of the right one they are mirrored."""
    sign = 1.0 if side == "left" else -1.0
    down, front, twist, elbow, wrist = (
        channels[f"{side}_{name}"] for name in ("down", "front", "twist", "elbow", "wrist")
    )
    collar = _COLLAR * np.minimum(down, 0.0)
    local[:, body.index(f"{side}_collar")] = _turn("y", sign * collar)
    local[:, body.index(f"{side}_shoulder")] = (
        _turn("y", sign * (down - collar)) @ _turn("z", -sign * front) @ _turn("x", twist)
    )
    local[:, body.index(f"{side}_elbow")] = _turn("z", -sign * elbow)
    local[:, body.index(f"{side}_wrist")] = _turn("y", sign * wrist)


def _limbs(body: Body, side: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return tuple(body.offsets[body.index(f"{side}_{name}")] for name in ("hip", "knee", "ankle"))


def _highest_root(body: Body, side: str, pelvis: np.ndarray, root: np.ndarray, ankle: np.ndarray) -> np.ndarray:
    """(T,) the height of the pelvis at which a leg is as long as it may be."""
    hip, thigh, shin = _limbs(body, side)
    offset = pelvis @ hip
    longest = REACH * (np.linalg.norm(thigh) + np.linalg.norm(shin))
    across = ((root + offset - ankle)[:, :2] ** 2).sum(-1)
    return ankle[:, 2] + np.sqrt(np.maximum(longest**2 - across, 0.0)) - offset[:, 2]


def _leg(
    body: Body,
    side: str,
    heading: np.ndarray,
    root: np.ndarray,
    foot: Foot,
    ground: np.ndarray,
    lifted: np.ndarray,
    local: np.ndarray,
) -> None:
    offset, thigh, shin = _limbs(body, side)
    upper, lower = np.linalg.norm(thigh), np.linalg.norm(shin)
    pelvis = local[:, 0]
    hip = root + pelvis @ offset
    away = (heading @ foot.direction[..., None])[..., 0]
    stretched = hip + KICK_REACH * (upper + lower) * away
    target = ground + foot.kick[:, None] * (stretched - ground)
    flat = _turn("z", foot.yaw) @ _turn("x", foot.pitch + _TOES_IN_FLIGHT * lifted)
    # The knee bends to where pelvis and foot point.
    pole = normalize(flat @ _FORWARD + pelvis @ _FORWARD)
    pole[:, 2] = 0.0
    knee, end = two_bone_reach(hip, target, pole, np.full(len(hip), upper), np.full(len(hip), lower))
    hinge = normalize(np.cross(pole, end - hip))
    thigh_frame = _aligned(thigh, knee - hip, hinge)
    shin_frame = _aligned(shin, end - knee, hinge)
    down = np.broadcast_to([0.0, 0.0, -1.0], away.shape)
    axis = np.cross(down, away)
    sine, cosine = np.linalg.norm(axis, axis=-1, keepdims=True), -away[:, 2:]
    tilt = axis / np.maximum(sine, 1e-9) * np.arctan2(sine, cosine) * foot.kick[:, None]
    foot_frame = axis_angle_to_matrix(tilt) @ flat
    above = pelvis
    for name, frame in (("hip", thigh_frame), ("knee", shin_frame), ("ankle", foot_frame)):
        local[:, body.index(f"{side}_{name}")] = np.swapaxes(above, -1, -2) @ frame
        above = frame


def _aligned(rest: np.ndarray, bone: np.ndarray, hinge: np.ndarray) -> np.ndarray:
    """(T, 3, 3): the turn that brings a bone and its hinge, sideways to the left at rest, to where they should be."""

    def frame(along: np.ndarray, hinge: np.ndarray) -> np.ndarray:
        along = normalize(along)
        across = normalize(hinge - (hinge * along).sum(-1, keepdims=True) * along)
        return np.stack([across, along, np.cross(across, along)], -1)

    return frame(bone, hinge) @ frame(rest, np.array([1.0, 0.0, 0.0])).T
