"""Clips in front of our camera: what a renderer of ours has to place, before it chooses colours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from skeleton_kernels import skin
from skeletonllm.rendering.camera import frame_clips
from skeletonllm.rendering.completion import Means, complete, of_joints
from skeletonllm.rendering.gaussians import GaussianTable, gaussian_table, stack_tables
from skeletonllm.skeleton.topology import Topology

# Metres before and behind the middle of the clip over which the depth colours run from blue to red.
DEPTH_SPAN = 0.8


@dataclass(frozen=True)
class Scene:
    """K points on the joints and bones of each of P persons, in the frame of a camera that has all of them in view.

    Args:
        table: which points these are, each field with a leading B.
        drawn: (B, N, P, K) whether the joints that a point lies between are known.
        positions: (B, N, P, K, 3) metres, Z away from the camera.
        motions: (B, N, P, K, 3), the velocities of the points.
        depths: (B, N, P, K, 3) colours by depth: near is blue, the middle of the clip green, far red.
        confidence: (B, N, P, K) in [0, 1], or None.
        intrinsics: (B, 3, 3), pixels.
        distance: (B,) metres from the camera to the middle of the clip.
    """

    table: GaussianTable
    drawn: torch.Tensor
    positions: torch.Tensor
    motions: torch.Tensor
    depths: torch.Tensor
    confidence: torch.Tensor | None
    intrinsics: torch.Tensor
    distance: torch.Tensor


def set_scene(
    joints: torch.Tensor,
    velocities: torch.Tensor,
    valid: torch.Tensor,
    confidence: torch.Tensor | None,
    topologies: Sequence[Topology],
    height: int,
    width: int,
    backend: str,
    samples_per_bone: int,
    follow: bool,
) -> Scene:
    """The joints of each clip, those inferred where its topology lacks them, and evenly spaced points on its bones.

    Args:
        joints, velocities, valid, confidence: as ``Renderer.forward`` takes them, finite.
        topologies: of each clip.
        height, width: pixels.
        backend: which path moves the points.
        samples_per_bone: how many points each bone has between its ends.
        follow: see ``frame_clips``.
    """
    completions = [complete(t) for t in topologies]
    table, present = stack_tables([gaussian_table(c.topology, samples_per_bone) for c in completions], joints.device)
    ends = Means.of([c.ends for c in completions], joints.device)
    in_view = (valid, joints) if ends is None else ends.append(valid, joints)
    shift, intrinsics, distance = frame_clips(*reversed(in_view), height, width, follow)
    joints = joints + shift[:, :, None, None]
    inferred = Means.of([c.inferred for c in completions], joints.device)
    if inferred is not None:
        # What a topology has itself ends where the padding begins; what was inferred comes behind that.
        own = joints.new_tensor([t.num_joints for t in topologies], dtype=torch.long)[:, None, None]
        index = torch.where(table.skin_index < own, table.skin_index, table.skin_index + joints.shape[3] - own)
        table = replace(table, skin_index=index)
        valid, joints, velocities, confidence = inferred.append(valid, joints, velocities, confidence)
    drawn = of_joints(valid, table.skin_index).all(-1) & present[:, None, None]
    positions, motions, depths = skin(
        joints, velocities, table.skin_index, table.skin_weight, distance, DEPTH_SPAN, backend=backend
    )
    if confidence is not None:
        confidence = _of_points(confidence, table)
    return Scene(table, drawn, positions, motions, depths, confidence, intrinsics, distance)


def _of_points(confidence: torch.Tensor, table: GaussianTable) -> torch.Tensor:
    """(B, N, P, J) of joints to (B, N, P, K) of points."""
    first, second = of_joints(confidence, table.skin_index).unbind(-1)
    # A sum of two weighted ones need not be one.
    return torch.lerp(first, second, table.skin_weight[:, None, None, :, 1])
