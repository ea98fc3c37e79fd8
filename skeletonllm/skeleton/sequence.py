"""SkeletonSequence, a recording as a reader gives it, and Clip, the frames of it that are looked at."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from skeletonllm.skeleton.topologies import get_topology
from skeletonllm.skeleton.topology import Topology

# Half the span of the central difference that gives velocities. Kinect jitter (about 1 cm per frame at 30 fps) would
# dominate a one-frame difference; over 2 x 0.067 s it falls below 0.1 m/s, while a wave (2 Hz) still shows.
VELOCITY_HALF_SPAN = 0.067

# The published sampler draws from torch's never-seeded CPU generator: MT19937 with the low word of its default seed.
PUBLISHED_SAMPLER_SEED = 67280421310721 & 0xFFFFFFFF
PUBLISHED_VELOCITY_FRAMES = 4


@dataclass
class SkeletonSequence:
    """A skeleton recording in one convention, whatever file it came from.

    Args:
        joints: (T, P, J, 3) metres, Y up, Z away from the camera, right-handed: a person who faces the camera has the
            left side at smaller x (the Kinect camera frame). Unknown joints are zero.
        valid: (T, P, J) bool, False where a joint is unknown. Default: wherever the coordinates are finite.
        fps: frames per second.
        topology: the J joints, or a registered name.
        rotations: optional (T, P, J, 4) unit quaternions wxyz.
        label: what the person does, if the file or its name says so.
        source: where it came from, for messages.
        notes: what the reader assumed (unit, axes, frame rate), a sentence each.
        confidence: optional (T, P, J) float32 in [0, 1], how sure a pose estimator was of each joint.

    Raises:
        ValueError: on shapes that do not fit or a frame rate that is not positive.
    """

    joints: np.ndarray
    fps: float
    topology: Topology
    valid: np.ndarray | None = None
    rotations: np.ndarray | None = None
    label: str | None = None
    source: str = ""
    notes: tuple[str, ...] = ()
    confidence: np.ndarray | None = None

    def __post_init__(self):
        self.topology = get_topology(self.topology)
        joints = np.array(self.joints, dtype=np.float32)
        if joints.ndim != 4 or joints.shape[2:] != (self.topology.num_joints, 3):
            wanted = f"(T, P, {self.topology.num_joints}, 3) of {self.topology.name}"
            raise ValueError(f"{self.source or 'sequence'}: joints have shape {joints.shape}, expected {wanted}")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"{self.source or 'sequence'}: fps is {self.fps}, expected a positive number")
        finite = np.isfinite(joints)
        # Each is several times as fast as all() over an axis of three.
        finite = np.ones(joints.shape[:3], bool) if finite.all() else finite[..., 0] & finite[..., 1] & finite[..., 2]
        if self.valid is None:
            self.valid = finite
        elif np.shape(self.valid) != joints.shape[:3]:
            raise ValueError(f"valid has shape {np.shape(self.valid)}, expected {joints.shape[:3]}")
        self.valid = np.asarray(self.valid, dtype=bool) & finite
        joints[~self.valid] = 0.0
        self.joints = joints
        self.fps = float(self.fps)
        if self.rotations is not None and np.shape(self.rotations) != (*joints.shape[:3], 4):
            raise ValueError(f"rotations have shape {np.shape(self.rotations)}, expected {(*joints.shape[:3], 4)}")
        if self.confidence is not None:
            self.confidence = np.asarray(self.confidence, dtype=np.float32)
            if self.confidence.shape != joints.shape[:3]:
                raise ValueError(f"confidence has shape {self.confidence.shape}, expected {joints.shape[:3]}")

    @property
    def num_frames(self) -> int:
        return self.joints.shape[0]

    @property
    def num_persons(self) -> int:
        return self.joints.shape[1]

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.num_frames / self.fps

    def replace(self, **changes) -> "SkeletonSequence":
        """A copy with some fields changed."""
        return replace(self, **changes)

    def slice(self, start: int, stop: int) -> "SkeletonSequence":
        """Frames start to stop, the end excluded."""
        return self._taken((slice(start, stop),))

    def first_persons(self, count: int) -> "SkeletonSequence":
        """The first ``count`` persons."""
        return self._taken((slice(None), slice(count)))

    def only_person(self, person: int) -> "SkeletonSequence":
        """One person, counted from 0."""
        return self._taken((slice(None), slice(person, person + 1)))

    def _taken(self, index: tuple[slice, ...]) -> "SkeletonSequence":
        arrays = {name: getattr(self, name) for name in ("joints", "valid", "rotations", "confidence")}
        return self.replace(**{name: None if array is None else array[index] for name, array in arrays.items()})

    def velocities(self) -> tuple[np.ndarray, np.ndarray]:
        """Velocities (T, P, J, 3) in m/s by central differences, one-sided at the ends; zero where an end is unknown.

        Returns also the (T, P, J) bool mask of where both ends are known.
        """
        step = max(1, round(VELOCITY_HALF_SPAN * self.fps))
        frames = np.arange(self.num_frames)
        after, before = np.minimum(frames + step, self.num_frames - 1), np.maximum(frames - step, 0)
        seconds = np.maximum(after - before, 1) / self.fps
        known = self.valid[after] & self.valid[before]
        difference = self.joints[after] - self.joints[before]
        return np.where(known[..., None], difference / seconds[:, None, None, None], 0.0).astype(np.float32), known


@dataclass
class Clip:
    """N frames of a sequence, ready to be drawn.

    Args:
        joints: (N, P, J, 3) float32 metres.
        velocities: (N, P, J, 3) float32 m/s (metres per four source frames in the published sampling).
        valid: (N, P, J) bool.
        times: (N,) float32, seconds from the start of the sequence.
        topology: the J joints.
        label, source: of the sequence.
        confidence: (N, P, J) float32 in [0, 1], or None where nobody doubted any joint.
    """

    joints: torch.Tensor
    velocities: torch.Tensor
    valid: torch.Tensor
    times: torch.Tensor
    topology: Topology
    label: str | None = None
    source: str = ""
    confidence: torch.Tensor | None = None

    @property
    def num_frames(self) -> int:
        return self.joints.shape[0]


def frame_indices(num_frames: int, count: int, generator: torch.Generator | None = None) -> np.ndarray:
    """``count`` ascending frames spread over ``num_frames``: the middle of equal segments, or a draw from each.

    Shorter recordings repeat frames.
    """
    edges = np.arange(count + 1) * num_frames / count
    offset = np.full(count, 0.5) if generator is None else torch.rand(count, generator=generator).double().numpy()
    return np.minimum(np.floor(edges[:-1] + offset * num_frames / count), num_frames - 1).astype(np.int64)


def published_frame_indices(num_frames: int, count: int) -> np.ndarray:
    """The frames that the published code looks at: a draw per segment from a generator that always starts alike.

    Segment i reaches from floor(iT/n) to ceil((i+1)T/n) - 1, both included; recordings shorter than n are drawn from
    with replacement. The published code draws with torch; its generator is the standard MT19937 and its bounded
    integers are the raw words modulo the range, which numpy's legacy generator reproduces for good.
    """
    if count == 1:
        return np.array([min(num_frames // 2, num_frames - 1)])
    if num_frames == count:
        return np.arange(count)
    words = (
        np.random.RandomState(PUBLISHED_SAMPLER_SEED).randint(0, 2**32, size=count, dtype=np.uint32).astype(np.int64)
    )
    if num_frames < count:
        return np.sort(words % num_frames)
    segment = np.arange(count)
    start = segment * num_frames // count
    end = -(-(segment + 1) * num_frames // count) - 1
    return start + words % (end - start + 1)


def sample_clip(
    sequence: SkeletonSequence,
    num_frames: int = 12,
    *,
    generator: torch.Generator | None = None,
    sampling: str = "uniform",
) -> Clip:
    """Cut a sequence to the frames that are drawn.

    Args:
        sequence: at least one frame.
        num_frames: N.
        generator: if given, frames are drawn at random within their segments (``uniform`` sampling only).
        sampling: ``uniform`` (velocities in m/s), or ``published``: the frames and the velocities, in metres per four
            source frames, of the published code, for use with ``DrAction.from_published``.

    Raises:
        ValueError: empty sequence, num_frames < 1, or an unknown sampling.
    """
    if sequence.num_frames < 1 or num_frames < 1:
        raise ValueError(f"{sequence.source or 'sequence'}: {sequence.num_frames} frames cannot give {num_frames}")
    if sampling == "uniform":
        frames = frame_indices(sequence.num_frames, num_frames, generator)
        velocities = sequence.velocities()[0][frames]
    elif sampling == "published":
        frames = published_frame_indices(sequence.num_frames, num_frames)
        later = np.minimum(frames + PUBLISHED_VELOCITY_FRAMES, sequence.num_frames - 1)
        velocities = sequence.joints[later] - sequence.joints[frames]
    else:
        raise ValueError(f"unknown sampling {sampling!r}, expected 'uniform' or 'published'")
    return Clip(
        joints=torch.from_numpy(sequence.joints[frames]),
        velocities=torch.from_numpy(velocities),
        valid=torch.from_numpy(sequence.valid[frames]),
        times=torch.from_numpy(frames.astype(np.float32) / np.float32(sequence.fps)),
        topology=sequence.topology,
        label=sequence.label,
        source=sequence.source,
        confidence=None if sequence.confidence is None else torch.from_numpy(sequence.confidence[frames]),
    )
