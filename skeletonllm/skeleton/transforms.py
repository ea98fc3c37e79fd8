"""Rigid motions and perturbations of clips: turning a body to the camera, and the augmentations of training."""

import math
from dataclasses import replace

import torch

from skeletonllm.skeleton.sequence import Clip


def rotate(clip: Clip, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Clip:
    """Turn a clip about its middle: yaw about the vertical, then pitch about X, then roll about Z, in radians.

    A positive yaw carries +Z towards +X.
    """
    cos, sin = math.cos(yaw), math.sin(yaw)
    about_y = torch.tensor([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])
    cos, sin = math.cos(pitch), math.sin(pitch)
    about_x = torch.tensor([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])
    cos, sin = math.cos(roll), math.sin(roll)
    about_z = torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    matrix = about_z @ about_x @ about_y
    if not clip.valid.any():
        return clip
    middle = clip.joints[clip.valid].mean(0)
    joints = (clip.joints - middle) @ matrix.T + middle
    return replace(clip, joints=joints * clip.valid[..., None], velocities=clip.velocities @ matrix.T)


def facing_yaw(clip: Clip) -> float:
    """The yaw, in radians, that turns the first person to face the camera, or 0 if hips and shoulders are unknown.

    The body's left-to-right direction is the sum over frames of the hip and shoulder lines in the horizontal plane;
    facing the camera, it points to +X. All frames are weighed alike: a single frame of a Kinect seen from the side
    may be off by 90 degrees.
    """
    direction = torch.zeros(3)
    for name in ("shoulder", "hip"):
        left, right = clip.topology.find(f"left_{name}"), clip.topology.find(f"right_{name}")
        if left is None or right is None:
            continue
        known = clip.valid[:, 0, left] & clip.valid[:, 0, right]
        across = clip.joints[:, 0, right] - clip.joints[:, 0, left]
        direction = direction + across[known].sum(0)
    if direction[[0, 2]].norm() < 1e-6:
        return 0.0
    return math.atan2(float(direction[2]), float(direction[0]))


def face_camera(clip: Clip) -> Clip:
    """A clip turned about the vertical so that its first person faces the camera."""
    return rotate(clip, yaw=facing_yaw(clip))


def scale(clip: Clip, factor: float) -> Clip:
    """A larger or smaller body doing the same, about the clip's middle."""
    if not clip.valid.any():
        return clip
    middle = clip.joints[clip.valid].mean(0)
    joints = ((clip.joints - middle) * factor + middle) * clip.valid[..., None]
    return replace(clip, joints=joints, velocities=clip.velocities * factor)


def change_speed(clip: Clip, factor: float) -> Clip:
    """The same motion done faster (a factor above 1) or slower."""
    return replace(clip, velocities=clip.velocities * factor, times=clip.times / factor)


def shift_frames(clip: Clip, seconds: torch.Tensor) -> Clip:
    """The frames as they are a moment later or earlier, to first order: joints move on with their velocities.

    Args:
        clip: with velocities in m/s.
        seconds: (N,), small against the time in which joints turn round.
    """
    moved = clip.velocities * seconds[:, None, None, None]
    return replace(clip, joints=(clip.joints + moved) * clip.valid[..., None], times=clip.times + seconds)


def mirror(clip: Clip) -> Clip:
    """The clip in a mirror: x changes its sign and left joints become right ones."""
    partner = list(clip.topology.mirror)
    flip = torch.tensor([-1.0, 1.0, 1.0])
    joints, velocities = clip.joints[:, :, partner] * flip, clip.velocities[:, :, partner] * flip
    confidence = None if clip.confidence is None else clip.confidence[:, :, partner]
    return replace(clip, joints=joints, velocities=velocities, valid=clip.valid[:, :, partner], confidence=confidence)


def add_noise(clip: Clip, metres: float, generator: torch.Generator) -> Clip:
    """Gaussian sensor noise on every valid joint."""
    noise = torch.randn(clip.joints.shape, generator=generator) * metres
    return replace(clip, joints=clip.joints + noise * clip.valid[..., None])


def drop_joints(clip: Clip, share: float, generator: torch.Generator) -> Clip:
    """Hide a share of the joints, each for the whole clip."""
    kept = torch.rand(clip.valid.shape[1:], generator=generator) >= share
    valid = clip.valid & kept
    return replace(
        clip, joints=clip.joints * valid[..., None], velocities=clip.velocities * valid[..., None], valid=valid
    )
