"""FGD: how far the lowest point of the body is from the floor when nothing explains it."""

import numpy as np

from skeletonllm.dance.metrics.performance import Performance
from skeletonllm.dance.series import runs

GRAVITY = 9.81
# Metres of legacy's floating that are free.
_FREE = 0.05
# Metres. From here on all of the body is in the air.
_AIRBORNE = 0.01
# Metres that the centre of mass may be off a parabola: what pushing moves it in the frames of take-off and landing,
# which lie up to a frame away from where the flight begins and ends.
_SLACK = 0.015
_MILLIMETRES = 1000.0


def foot_ground_distance(performance: Performance, legacy: bool = False) -> float:
    """Millimetres per frame that the body sinks into the floor or floats above it.

    The floor is at z = 0, as motions have it, and the lowest point is that of the body's surface. A flight floats no
    more than its centre of mass is off free fall (root mean square); so a jump is free and hovering is not.

    Legacy (Skeleton2Stage): the lowest of the joints; the floor is its mean over the clip, so that a clip that floats
    all the time is right; jumps float; and 5 cm above the floor are free.
    """
    if legacy:
        height = performance.joints[..., 2].min(1)
        height = height - height.mean()
        return float((np.maximum(-height, 0) + np.maximum(height - _FREE, 0) * (height > _FREE)).mean()) * _MILLIMETRES
    return sinking(performance) + floating(performance)


def sinking(performance: Performance, legacy: bool = False) -> float:
    """The part below the floor, millimetres per frame. Legacy: see ``foot_ground_distance``."""
    if legacy:
        height = performance.joints[..., 2].min(1)
        return float(np.maximum(height.mean() - height, 0).mean()) * _MILLIMETRES
    return float(np.maximum(-performance.lowest, 0).mean()) * _MILLIMETRES


def floating(performance: Performance, legacy: bool = False) -> float:
    """The part above the floor, millimetres per frame. Legacy: see ``foot_ground_distance``."""
    if legacy:
        height = performance.joints[..., 2].min(1)
        above = height - height.mean()
        return float((above * (above > _FREE)).mean()) * _MILLIMETRES
    return float(above_floor(performance.lowest, performance.mass_centre[:, 2], performance.fps).mean()) * _MILLIMETRES


def above_floor(lowest: np.ndarray, centre: np.ndarray, fps: float) -> np.ndarray:
    """(T,) metres that a body floats, from the heights (T,) of its lowest point and its centre of mass; flights as for
    ``foot_ground_distance``."""
    above = np.maximum(lowest, 0)
    times = np.arange(len(above)) / fps
    for start, stop in runs(lowest > _AIRBORNE):
        # With the frames before and after: whatever flies must have come off the floor.
        around = slice(max(0, start - 1), stop + 1)
        fallen = centre[around] + GRAVITY / 2 * times[around] ** 2
        line = np.polynomial.Polynomial.fit(times[around], fallen, min(1, len(fallen) - 1))
        off = centre[start:stop] + GRAVITY / 2 * times[start:stop] ** 2 - line(times[start:stop])
        above[start:stop] = np.minimum(above[start:stop], max(np.sqrt(np.square(off).mean()) - _SLACK, 0))
    return above
