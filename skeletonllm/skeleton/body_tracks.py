"""BodyTracks: where the landmarks of one person are over time, in any topology, smoothed and measured in trunk lengths.

It is what facts about a motion are measured on. Joints that are lost for a while are put on a straight line between
where they were seen; a joint that is lost for most of the time is not there.
"""

from functools import cached_property

import numpy as np

from skeletonllm.skeleton.kinematics import normalize
from skeletonllm.skeleton.sequence import SkeletonSequence

SIDES = ("left", "right")
UP = np.array([0.0, 1.0, 0.0])
# The median over this time takes most of a depth sensor's jitter away and leaves a wave of 2 Hz.
SMOOTHING_SECONDS = 0.17
# A landmark counts only if it is known for this share of the time.
LEAST_KNOWN = 0.7
# Metres: what a body is deep at least if its depth is known at all.
LEAST_DEPTH = 0.02
# Share of a recording, at either end, over which its first and last pose are averaged, and the seconds it is at most.
END_SHARE, END_SECONDS = 0.08, 0.25


class BodyTracks:
    """One person of a recording.

    Args:
        sequence: of at least one frame.
        person: which, counted from 0.
    """

    def __init__(self, sequence: SkeletonSequence, person: int):
        self.topology, self.fps = sequence.topology, sequence.fps
        self.joints = sequence.joints[:, person].astype(np.float64)
        self.valid = sequence.valid[:, person]
        self.frames = len(self.joints)
        self._points: dict[str, np.ndarray | None] = {}

    def point(self, *names: str) -> np.ndarray | None:
        """(T, 3) metres of the first of these joints that the topology has; None if none is there, or is known."""
        index = self.topology.find(*names)
        if index is None:
            return None
        if names[0] not in self._points:
            known = self.valid[:, index]
            enough = known.mean() >= LEAST_KNOWN
            self._points[names[0]] = _smooth(_filled(self.joints[:, index], known), self.fps) if enough else None
        return self._points[names[0]]

    def pair(self, name: str) -> np.ndarray | None:
        """(2, T, 3) metres of a joint of the left and of the right side."""
        both = [self.point(f"{side}_{name}") for side in SIDES]
        return None if any(track is None for track in both) else np.stack(both)

    def middle(self, name: str) -> np.ndarray | None:
        """(T, 3) metres between a joint of the left side and that of the right."""
        both = self.pair(name)
        return None if both is None else both.mean(0)

    @cached_property
    def complete(self) -> bool:
        """Whether shoulders, wrists, hips, knees and ankles of both sides are there, and the trunk has a length."""
        known = all(self.pair(name) is not None for name in ("shoulder", "wrist", "hip", "knee", "ankle"))
        return known and self.trunk > 1e-3

    @cached_property
    def trunk(self) -> float:
        """Metres from between the hips to between the shoulders, the unit of what follows."""
        return float(np.percentile(np.linalg.norm(self.middle("shoulder") - self.middle("hip"), axis=-1), 75))

    @cached_property
    def thigh(self) -> float:
        """Metres. Seen in a plane bones only get shorter, so that the longest tell the length."""
        return float(np.percentile(np.linalg.norm(self.pair("hip") - self.pair("knee"), axis=-1), 90))

    @cached_property
    def shin(self) -> float:
        """Metres."""
        return float(np.percentile(np.linalg.norm(self.pair("knee") - self.pair("ankle"), axis=-1), 90))

    @cached_property
    def flat(self) -> bool:
        """Whether the body is a picture without depth."""
        depth = np.where(self.valid, self.joints[..., 2], np.nan)[self.valid.any(1)]
        return float(np.median(np.nanmax(depth, 1) - np.nanmin(depth, 1))) < LEAST_DEPTH

    @cached_property
    def frontal(self) -> bool:
        """Whether what happens sideways can be seen: always in space, in a picture if the shoulders are broad there."""
        if not self.flat:
            return True
        across = self.pair("shoulder")
        return float(np.median(np.linalg.norm(across[0] - across[1], axis=-1))) > 0.5 * self.trunk

    @cached_property
    def forward(self) -> np.ndarray:
        """(T, 3) unit vectors along the floor, where hips and shoulders face; only in space."""
        across = (self.pair("hip")[0] - self.pair("hip")[1]) + (self.pair("shoulder")[0] - self.pair("shoulder")[1])
        return np.cross(normalize(_smooth(across * [1.0, 0.0, 1.0], self.fps)), UP)

    @cached_property
    def heading(self) -> np.ndarray:
        """(T,) degrees by which the body has turned to its left since the start; only in space."""
        angle = np.unwrap(np.arctan2(self.forward[:, 0], self.forward[:, 2]))
        return np.degrees(angle - angle[0])

    @cached_property
    def turns(self) -> bool:
        """Whether the body turns, or seems to, so much that its arms are carried along."""
        return not self.flat and float(np.ptp(self.heading)) > 60

    @cached_property
    def tilt(self) -> np.ndarray:
        """(T,) degrees between the trunk and the vertical."""
        trunk = self.middle("shoulder") - self.middle("hip")
        return np.degrees(np.arccos(np.clip(normalize(trunk)[:, 1], -1, 1)))

    @cached_property
    def hips(self) -> np.ndarray:
        """(T,) height of the hips above the lower ankle, in legs."""
        return (self.middle("hip")[:, 1] - self.lower_ankle) / self.leg

    @cached_property
    def leg(self) -> float:
        """Thigh and shin, metres."""
        return self.thigh + self.shin

    @cached_property
    def lower_ankle(self) -> np.ndarray:
        """(T,) height of the lower ankle, metres."""
        return self.pair("ankle")[..., 1].min(0)

    @cached_property
    def flight(self) -> np.ndarray:
        """(T,) legs by which the lower ankle and the hips, whichever less, are above where they usually are; or 0."""
        lower, hips = self.lower_ankle, self.middle("hip")[:, 1]
        above = np.minimum(lower - np.percentile(lower, 20), hips - np.median(hips))
        return np.maximum(above, 0.0) / self.leg

    def ends(self, signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean of a signal (T, ...) over the first and over the last frames."""
        return signal[: self.end].mean(0), signal[-self.end :].mean(0)

    @property
    def end(self) -> int:
        """Frames that make up either end."""
        return max(1, round(min(END_SHARE * self.frames, END_SECONDS * self.fps)))

    def way(self, track: np.ndarray) -> float:
        """The diagonal of the box around a track (T, 3), in trunks; single frames far off do not count."""
        low, high = np.percentile(track, (3, 97), axis=0)
        return float(np.linalg.norm(high - low)) / self.trunk


def extremes(signal: np.ndarray, least: float) -> tuple[list[int], list[int]]:
    """Frames at which a signal (T,) has highs and lows.

    Between a high and the lows or ends on both sides of it the signal changes by ``least`` or more; smaller changes
    are no extremes, and the ends themselves are neither.
    """
    highs, lows = [], []
    high = low = 0
    rising = falling = False
    for frame, value in enumerate(signal):
        high = frame if value > signal[high] else high
        low = frame if value < signal[low] else low
        if not falling and signal[high] - value >= least:
            if rising:
                highs.append(high)
            rising, falling, low = False, True, frame
        elif not rising and value - signal[low] >= least:
            if falling:
                lows.append(low)
            rising, falling, high = True, False, frame
    return highs, lows


def _filled(track: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(T, 3) with straight lines where it is not known."""
    frames = np.arange(len(track))
    return np.stack([np.interp(frames, frames[known], track[known, axis]) for axis in range(3)], -1)


def _smooth(track: np.ndarray, fps: float) -> np.ndarray:
    """The running median of (T, ..., 3), then a short mean; as long as the track."""
    width = 2 * round((SMOOTHING_SECONDS * fps - 1) / 2) + 1
    if width < 3 or len(track) < width:
        return track
    track = np.partition(_windows(track, width), width // 2, axis=-1)[..., width // 2]
    return _windows(track, 3).mean(-1)


def _windows(track: np.ndarray, width: int) -> np.ndarray:
    half = width // 2
    padded = np.concatenate([np.repeat(track[:1], half, axis=0), track, np.repeat(track[-1:], half, axis=0)])
    return np.lib.stride_tricks.sliding_window_view(padded, width, axis=0)
