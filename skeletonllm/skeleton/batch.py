"""ClipBatch: clips of any topologies and numbers of persons, padded to one set of tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from skeletonllm.skeleton.sequence import Clip
from skeletonllm.skeleton.topology import Topology


@dataclass
class ClipBatch:
    """B clips of N frames each.

    Args:
        joints: (B, N, P, J, 3) float32 metres; P and J are the largest of the batch, the rest is zero and invalid.
        velocities: (B, N, P, J, 3) float32 m/s.
        valid: (B, N, P, J) bool.
        topologies: B topologies; clip b uses the first ``topologies[b].num_joints`` joints.
        confidence: (B, N, P, J) float32 in [0, 1], ones for clips without; None if no clip has any.
    """

    joints: torch.Tensor
    velocities: torch.Tensor
    valid: torch.Tensor
    topologies: tuple[Topology, ...]
    confidence: torch.Tensor | None = None

    @classmethod
    def from_clips(cls, clips: Sequence[Clip]) -> "ClipBatch":
        """Pad clips to one batch. Raises ValueError if there is none, or their frame counts differ."""
        counts = {clip.num_frames for clip in clips}
        if len(counts) != 1:
            raise ValueError(f"a batch needs clips of one frame count, found {sorted(counts) or 'no clips'}")
        shape = (len(clips), counts.pop(), max(c.joints.shape[1] for c in clips), max(c.joints.shape[2] for c in clips))
        joints, velocities = torch.zeros(*shape, 3), torch.zeros(*shape, 3)
        valid = torch.zeros(shape, dtype=torch.bool)
        confidence = torch.ones(shape) if any(clip.confidence is not None for clip in clips) else None
        for index, clip in enumerate(clips):
            persons, count = clip.joints.shape[1:3]
            joints[index, :, :persons, :count] = clip.joints
            velocities[index, :, :persons, :count] = clip.velocities
            valid[index, :, :persons, :count] = clip.valid
            if clip.confidence is not None:
                confidence[index, :, :persons, :count] = clip.confidence
        return cls(joints, velocities, valid, tuple(clip.topology for clip in clips), confidence)

    def __len__(self) -> int:
        return self.joints.shape[0]

    def to(self, device: torch.device | str) -> "ClipBatch":
        confidence = None if self.confidence is None else self.confidence.to(device)
        joints, velocities, valid = (tensor.to(device) for tensor in (self.joints, self.velocities, self.valid))
        return ClipBatch(joints, velocities, valid, self.topologies, confidence)
