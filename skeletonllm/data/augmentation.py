"""What training varies about a clip, so that a view, a size or a sensor is not learnt as an action."""

from dataclasses import dataclass

import torch

from skeletonllm.skeleton import transforms
from skeletonllm.skeleton.sequence import Clip, SkeletonSequence

# Frames are moved along their velocities. In 0.1 s a wave (2 Hz) goes through 70 degrees of its cycle; beyond, the
# straight line leaves the path altogether.
MOST_JITTER = 0.1

_MOST = dict(
    trim=0.95, yaw=180.0, tilt=90.0, size=0.95, speed=0.95, jitter=MOST_JITTER, noise=1.0, missing=1.0, mirror=1.0
)


@dataclass
class Augmentation:
    """Ranges of random changes; all zero by default.

    Args:
        trim: largest share of a recording cut off, from both ends together.
        yaw: degrees either way about the vertical.
        tilt: degrees either way of pitch and of roll.
        size: share by which a body grows or shrinks.
        speed: share by which a motion is done faster or slower.
        jitter: seconds either way by which each frame comes too early or too late.
        noise: metres, the largest standard deviation of joint noise.
        missing: largest share of joints hidden.
        mirror: share of clips with left and right exchanged, in labels too (see ``Examples``).

    Raises:
        ValueError: a range below zero, or a share above what leaves something.
    """

    trim: float = 0.0
    yaw: float = 0.0
    tilt: float = 0.0
    size: float = 0.0
    speed: float = 0.0
    jitter: float = 0.0
    noise: float = 0.0
    missing: float = 0.0
    mirror: float = 0.0

    def __post_init__(self):
        for name, most in _MOST.items():
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"augmentation: {name} is {getattr(self, name)}, expected 0 to {most}")

    def trimmed(self, sequence: SkeletonSequence, generator: torch.Generator) -> SkeletonSequence:
        """A stretch of the recording."""
        share, place = torch.rand(2, generator=generator).tolist()
        length = max(1, round(sequence.num_frames * (1 - self.trim * share)))
        start = int(place * (sequence.num_frames - length + 1))
        return sequence.slice(start, start + length)

    def mirrors(self, generator: torch.Generator) -> bool:
        """Whether a clip is to be seen in a mirror."""
        return bool(self.mirror) and bool(torch.rand((), generator=generator) < self.mirror)

    def changed(self, clip: Clip, generator: torch.Generator, mirrored: bool = False) -> Clip:
        """The clip seen otherwise, of another size, at another pace, by another sensor; differentiable in its joints.

        Args:
            clip: with velocities in m/s.
            generator: draws all changes but the mirror, which labels depend on.
            mirrored: exchange left and right.
        """
        yaw, pitch, roll, size = (2 * torch.rand(4, generator=generator) - 1).tolist()
        noise, missing = torch.rand(2, generator=generator).tolist()
        degree = torch.pi / 180
        clip = transforms.rotate(clip, yaw * self.yaw * degree, pitch * self.tilt * degree, roll * self.tilt * degree)
        clip = transforms.scale(clip, 1 + size * self.size)
        if mirrored:
            clip = transforms.mirror(clip)
        if self.speed:
            drawn = 2 * torch.rand((), generator=generator).item() - 1
            clip = transforms.change_speed(clip, 1 + drawn * self.speed)
        if self.jitter:
            drawn = 2 * torch.rand(clip.num_frames, generator=generator) - 1
            clip = transforms.shift_frames(clip, drawn * self.jitter)
        if self.noise:
            clip = transforms.add_noise(clip, noise * self.noise, generator)
        if self.missing:
            clip = transforms.drop_joints(clip, missing * self.missing, generator)
        return clip
