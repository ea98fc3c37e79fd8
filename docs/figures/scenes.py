"""Clips that several figures show, and where DrAction puts their Gaussians in the picture."""

from dataclasses import dataclass

import numpy as np
import torch

from skeleton_kernels.splat.reference import project
from skeletonllm.rendering.completion import complete
from skeletonllm.rendering.draction import DrAction
from skeletonllm.rendering.scene import Scene, set_scene
from skeletonllm.skeleton.batch import ClipBatch
from skeletonllm.skeleton.sequence import Clip, sample_clip
from skeletonllm.skeleton.synthesis import synthesize

SAMPLES_PER_BONE = 10


def action(label: str, frames: int, topology: str = "kinect_v2", yaw: float = 0.0) -> Clip:
    """An embedded action, every joint known exactly."""
    return sample_clip(synthesize(label, topology=topology, performer=1, noise=0.0, yaw=yaw), frames)


def moment(clip: Clip, frame: int) -> Clip:
    """One frame of a clip, with the velocities that it has there."""
    cut = slice(frame, frame + 1)
    return Clip(clip.joints[cut], clip.velocities[cut], clip.valid[cut], clip.times[cut], clip.topology)


def untrained(**settings) -> DrAction:
    """A renderer as training finds it, the same every time."""
    torch.manual_seed(0)
    return DrAction(**settings)


def render(renderer: torch.nn.Module, clip: Clip, size: int) -> torch.Tensor:
    """(N, 3, size, size) in [0, 1]."""
    with torch.no_grad():
        return renderer.render(clip, image_size=size, backend="cpu")[0]


def set_up(clip: Clip, size: int) -> Scene:
    """The Gaussians of a clip in front of the camera, as DrAction places them."""
    batch = ClipBatch.from_clips([clip])
    return set_scene(
        batch.joints, batch.velocities, batch.valid, batch.confidence, batch.topologies, size, size, "cpu",
        SAMPLES_PER_BONE, follow=False,
    )  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """The K Gaussians of the first person of a frame, in the picture.

    Args:
        centers: (K, 2) pixels.
        precisions: (K, 2, 2), the inverse of the covariance in square pixels.
        depths: (K,) metres from the camera.
        regions: (K,) of ``REGIONS``.
    """

    centers: np.ndarray
    precisions: np.ndarray
    depths: np.ndarray
    regions: np.ndarray

    @classmethod
    def of(cls, clip: Clip, size: int, frame: int = 0) -> "Seen":
        scene = set_up(clip, size)
        positions = scene.positions[0, frame, 0]
        flat = project(positions, scene.table.scales[0], scene.intrinsics[0])
        xx, xy, yy = flat.precisions.unbind(-1)
        precisions = torch.stack([xx, xy, xy, yy], -1).unflatten(-1, (2, 2))
        return cls(flat.centers.numpy(), precisions.numpy(), positions[:, 2].numpy(), scene.table.region[0].numpy())


def bones_of(clip: Clip) -> list[tuple[int, int]]:
    """Pairs of Gaussians that stand for the joints at the ends of the bones that are drawn."""
    return list(complete(clip.topology).topology.bones)
