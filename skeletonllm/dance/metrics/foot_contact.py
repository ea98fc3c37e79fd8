"""PFC, physical foot contact (Tseng et al. 2023, "EDGE"): a body cannot accelerate while both feet move."""

import numpy as np

from skeletonllm.dance.metrics.ground import GRAVITY
from skeletonllm.dance.metrics.performance import Performance
from skeletonllm.dance.soles import SIDES

_LEGACY_SCALE = 1e4


def physical_foot_contact(performance: Performance, legacy: bool = False) -> float:
    """Mean of the product of the horizontal speeds of both feet, m/s, and the acceleration of the pelvis in g.

    The speed of a foot is that of its ankle or its ball, whichever is slower; of the acceleration what points down
    is left out, as gravity does that. In (m/s)^2; a static clip has 0.

    Legacy: the published form divides the acceleration by the largest of the clip, so that one spike makes the whole
    clip better, measures feet in metres per frame, and multiplies by 10^4. Of a static clip it is 0 / 0; 0 is given.
    """
    acceleration = np.diff(performance.motion.root.astype(np.float64), n=2, axis=0) * performance.fps**2
    acceleration[:, 2] = np.maximum(acceleration[:, 2], 0)
    size = np.linalg.norm(acceleration, axis=-1)
    # The speed after each frame at which there is an acceleration.
    horizontal = np.linalg.norm(np.diff(performance.joints[1:, :, :2], axis=0), axis=-1)
    product = np.prod(
        [horizontal[:, [performance.body.index(f"{side}_{joint}") for joint in ("ankle", "foot")]].min(1)
         for side in SIDES], axis=0,
    )  # fmt: skip
    if legacy:
        return _LEGACY_SCALE * float((product * size).mean() / size.max()) if size.max() > 0 else 0.0
    return float((product * performance.fps**2 * size).mean()) / GRAVITY
