"""When a simulated body counts as fallen, as in Skeleton2Stage."""

import numpy as np

from skeletonllm.skeleton.topologies import SMPL_24

HEAD_HEIGHT, LOWEST = 0.3, -0.5
"""Metres. A body has fallen when its head is below the first, or any joint but the ankles below the second."""
_OTHERS = [joint for joint, name in enumerate(SMPL_24.joints) if name not in ("left_ankle", "right_ankle")]


def has_fallen(joints: np.ndarray) -> np.ndarray:
    """(...) bool of joints (..., 24, 3) in metres."""
    heights = joints[..., 2]
    return (heights[..., SMPL_24.index("head")] < HEAD_HEIGHT) | (heights[..., _OTHERS] < LOWEST).any(-1)
