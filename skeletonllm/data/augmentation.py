"""What training varies about a clip, so that a view, a size or a sensor is not learnt as an action."""

from dataclasses import dataclass

import torch

from skeletonllm.skeleton import transforms
from skeletonllm.skeleton.sequence import Clip, SkeletonSequence


@dataclass
class Augmentation:
    """Ranges of random changes; all zero by default.

    Args:
        trim: largest share of a recording cut off, from both ends together.
        yaw: degrees either way about the vertical.
        tilt: degrees either way of pitch and of roll.
        size: share by which a body grows or shrinks.
        noise: metres, the largest standard deviation of joint noise.
        missing: largest share of joints hidden.
        mirror: share of clips with left and right exchanged; only where no label names a side.

    Raises:
        ValueError: a range below zero, or a share above what leaves something.
    """

    trim: float = 0.0
    yaw: float = 0.0
    tilt: float = 0.0
    size: float = 0.0
    noise: float = 0.0
    missing: float = 0.0
    mirror: float = 0.0

    def __post_init__(self):
        for name, most in dict(trim=0.95, size=0.95, missing=1.0, mirror=1.0, yaw=180, tilt=90, noise=1.0).items():
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"augmentation: {name} is {getattr(self, name)}, expected 0 to {most}")

    def trimmed(self, sequence: SkeletonSequence, generator: torch.Generator) -> SkeletonSequence:
        """A stretch of the recording."""
        share, place = torch.rand(2, generator=generator).tolist()
        length = max(1, round(sequence.num_frames * (1 - self.trim * share)))
        start = int(place * (sequence.num_frames - length + 1))
        return sequence.slice(start, start + length)

    def changed(self, clip: Clip, generator: torch.Generator) -> Clip:
        """The clip seen otherwise, of another size, by another sensor."""
        yaw, pitch, roll, size = (2 * torch.rand(4, generator=generator) - 1).tolist()
        noise, missing = torch.rand(2, generator=generator).tolist()
        degree = torch.pi / 180
        clip = transforms.rotate(clip, yaw * self.yaw * degree, pitch * self.tilt * degree, roll * self.tilt * degree)
        clip = transforms.scale(clip, 1 + size * self.size)
        if self.mirror and torch.rand((), generator=generator) < self.mirror:
            clip = transforms.mirror(clip)
        if self.noise:
            clip = transforms.add_noise(clip, noise * self.noise, generator)
        if self.missing:
            clip = transforms.drop_joints(clip, missing * self.missing, generator)
        return clip
