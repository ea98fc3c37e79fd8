"""Which feet stand: the labels that a generator learns to predict."""

import numpy as np

from skeletonllm.skeleton.topologies import SMPL_24

CONTACT_JOINTS = tuple(SMPL_24.index(name) for name in ("left_ankle", "right_ankle", "left_foot", "right_foot"))
"""The joints of the four contact channels: ankles, then the balls of the feet, left before right."""

# Tseng et al. 2023, "EDGE": less than a centimetre from one frame to the next, at 30 frames per second.
STANDING_SPEED = 0.01 * 30.0


# Metres above where a foot usually stands, which is known by this percentile of its heights while it is slow. Feet come
# up by more in steps and jumps, and by less as they roll.
_NEAR, _LOW_PERCENTILE = 0.08, 10.0


def label_contacts(joints: np.ndarray, fps: float, legacy: bool = False) -> np.ndarray:
    """(T, 4) float32 of 0 and 1: which of ``CONTACT_JOINTS`` stand.

    They move slower than 0.3 m/s, and are less than 8 cm above where joints of their kind usually are when slow: a foot
    that is held up, or at the highest point of a jump, is slow, too. Nothing need be known of body and floor. Speed is
    that to the next frame, in the last frame that from the one before; a single frame is slow.

    Args:
        joints: (T, 24, 3) metres, Z up.
        fps: frames per second.
        legacy: as EDGE does, by speed alone.
    """
    feet = np.asarray(joints)[:, CONTACT_JOINTS]
    stands = np.ones(feet.shape[:2], bool)
    if len(feet) > 1:
        speed = np.linalg.norm(np.diff(feet, axis=0), axis=-1) * fps
        stands = np.concatenate([speed, speed[-1:]]) < STANDING_SPEED
    if not legacy:
        heights = np.where(stands, feet[..., 2], np.nan)
        for kind in (slice(0, 2), slice(2, 4)):
            # The lower of the two feet: one may be held up all the time.
            low = [
                np.nanpercentile(heights[:, each], _LOW_PERCENTILE) for each in range(4)[kind] if stands[:, each].any()
            ]
            stands[:, kind] &= feet[:, kind, 2] < min(low, default=0.0) + _NEAR
    return stands.astype(np.float32)
