"""Freezing: dances that stop."""

import numpy as np

from skeletonllm.dance.metrics.magnitude import motion_magnitude
from skeletonllm.dance.metrics.performance import Performance
from skeletonllm.dance.series import runs

# Metres per second, the mean over the joints: above what swaying and the rounding of recordings come to.
FROZEN_SPEED = 0.05
# Seconds. A pose that is held between two beats is no freezing.
FROZEN_TIME = 0.5
_PERCENT = 100.0


def freezing(performance: Performance, legacy: bool = False) -> float:
    """Percent of the clip in which the joints move slower than 0.05 m/s on the average, for half a second or longer.

    Legacy: the sum of motion magnitude and the speed of the pelvis in m/s. The larger, the *less* is frozen; it adds
    what has no common unit, and a clip that is frozen for half of its time and wild in the other looks lively.
    """
    if legacy:
        travelled = np.abs(np.diff(performance.motion.root, axis=0)).mean() * performance.fps
        return motion_magnitude(performance, legacy=True) + float(travelled)
    speed = performance.speeds.mean(1)
    frozen = sum(
        stop - start for start, stop in runs(speed < FROZEN_SPEED) if (stop - start) >= FROZEN_TIME * performance.fps
    )
    return _PERCENT * frozen / len(speed)
