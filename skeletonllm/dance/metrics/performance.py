"""A dance as the metrics see it: who danced what, and where the body was."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skeletonllm.dance.body import Body, centre_of_mass, lowest_points
from skeletonllm.dance.body.adapters import BodyMesh
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.soles import sole_heights

# Seconds. Beats, flights and smoothed speeds need some time around them.
SHORTEST = 0.5


@dataclass(frozen=True, eq=False)
class Performance:
    """One clip, with everything that several metrics need computed once.

    Args:
        motion: what is danced.
        body: who dances.
        beats: (B,) seconds from the start of the clip, the beats of its music; None without music.
        succeeded: whether a simulated body could dance it to the end; None as long as nobody tried.
        mesh: the skin of the body, if it has one.

    Raises:
        ValueError: a clip shorter than ``SHORTEST``, or beats that are not finite.
    """

    motion: Motion
    body: Body
    beats: np.ndarray | None = None
    succeeded: bool | None = None
    mesh: BodyMesh | None = None

    def __post_init__(self):
        who, found = self.motion.source or "motion", self.motion.num_frames
        if self.motion.duration < SHORTEST:
            raise ValueError(
                f"{who}: {found} frames are {self.motion.duration:.2f} s, expected at least {SHORTEST:g} s to measure"
            )
        if self.beats is not None:
            beats = np.asarray(self.beats, np.float64)
            if beats.ndim != 1 or not np.isfinite(beats).all():
                raise ValueError(f"{who}: beats of shape {beats.shape}, expected (B,) finite seconds")
            object.__setattr__(self, "beats", np.sort(beats))

    @property
    def fps(self) -> float:
        return self.motion.fps

    @cached_property
    def _pose(self) -> tuple[np.ndarray, np.ndarray]:
        joints, frames = self.motion.pose(self.body)
        return joints.astype(np.float64), frames.astype(np.float64)

    @property
    def joints(self) -> np.ndarray:
        """(T, 24, 3) metres."""
        return self._pose[0]

    @property
    def frames(self) -> np.ndarray:
        """(T, 24, 3, 3), the rotation of each joint relative to the world."""
        return self._pose[1]

    def joint(self, name: str) -> np.ndarray:
        """(T, 3) metres."""
        return self.joints[:, self.body.index(name)]

    @cached_property
    def lowest(self) -> np.ndarray:
        """(T,) metres: the height of the lowest point of the body's surface."""
        return lowest_points(self.body, self.joints, self.frames)

    @cached_property
    def soles(self) -> np.ndarray:
        """(T, 2) metres: the height of the lowest point of each foot, left before right."""
        return sole_heights(self.body, self.joints, self.frames)

    @cached_property
    def speeds(self) -> np.ndarray:
        """(T - 1, 24) metres per second, of each joint from each frame to the next."""
        return np.linalg.norm(np.diff(self.joints, axis=0), axis=-1) * self.fps

    @cached_property
    def mass_centre(self) -> np.ndarray:
        """(T, 3) metres, see ``body.centre_of_mass``."""
        return centre_of_mass(self.body, self.joints, self.frames)
