"""Kinetic features of a clip: how much each joint moves, after Onuma et al. 2008 as in fairmotion."""

import numpy as np

from skeletonllm.dance.metrics.performance import Performance

# Frames to either side over which velocities and accelerations are averaged.
_WINDOW = 2
# Seconds between two frames, whatever the clip says.
_LEGACY_STEP = 1 / 60


def kinetic_features(performance: Performance, legacy: bool = False) -> np.ndarray:
    """(72,): for each joint the means over time of squared horizontal and squared vertical velocity, and of the size of
    the acceleration, each averaged over five frames before; m^2/s^2 and m/s^2.

    Legacy: in the acceleration one of two positions is not divided by the time step, so that it depends on where in
    the room the dance is (Bailando #46, fairmotion #87); and the time step is that of 60 frames per second.
    """
    places = performance.joints
    step = _LEGACY_STEP if legacy else 1 / performance.fps
    velocity = np.diff(places, axis=0) / step
    if legacy:
        change = (velocity[1:] - (places[1:-1] - places[:-2] / step)) / step
    else:
        change = np.diff(velocity, axis=0) / step
    # Both for the frames from the second to the last; the first velocity and the first acceleration belong to it.
    count = len(velocity)
    velocity, acceleration = _averaged(velocity, count), np.linalg.norm(_averaged(change, count), axis=-1)
    horizontal = np.square(velocity[..., :2]).sum(-1).mean(0)
    vertical = np.square(velocity[..., 2]).mean(0)
    return np.stack([horizontal, vertical, acceleration.mean(0)], -1).reshape(-1)


def _averaged(values: np.ndarray, count: int) -> np.ndarray:
    """(count, ...) means of the values (N, ...) at most two frames away."""
    sums = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, 0)])
    at = np.arange(count)
    start, stop = np.maximum(at - _WINDOW, 0), np.minimum(at + _WINDOW + 1, len(values))
    return (sums[stop] - sums[start]) / (stop - start)[:, None, None]
