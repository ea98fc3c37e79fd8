"""Motion magnitude: how fast the joints turn."""

import numpy as np

from skeletonllm.dance.codecs.edge import to_edge
from skeletonllm.dance.metrics.performance import Performance
from skeletonllm.dance.motion import FPS, ROTATIONS, resample


def motion_magnitude(performance: Performance, legacy: bool = False) -> float:
    """Mean change per second of the six numbers of each joint's rotation, those of the pelvis included.

    Legacy: the same of EDGE's numbers, rows of matrices where ours are columns, as in published tables.
    """
    motion = resample(performance.motion, FPS) if legacy else performance.motion
    vector = to_edge(motion) if legacy else motion.to_vector()
    return motion.fps * float(np.abs(np.diff(vector[:, ROTATIONS], axis=0)).mean())
