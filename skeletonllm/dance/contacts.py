"""Which feet stand: the labels that a generator learns to predict."""

import numpy as np

from skeletonllm.skeleton.topologies import SMPL_24

CONTACT_JOINTS = tuple(SMPL_24.index(name) for name in ("left_ankle", "right_ankle", "left_foot", "right_foot"))
"""The joints of the four contact channels: ankles, then the balls of the feet, left before right."""

# Tseng et al. 2023, "EDGE": less than a centimetre from one frame to the next, at 30 frames per second.
STANDING_SPEED = 0.01 * 30.0


def label_contacts(joints: np.ndarray, fps: float) -> np.ndarray:
    """(T, 4) float32 of 0 and 1: whether each of ``CONTACT_JOINTS`` moves slower than 0.3 m/s.

    Speed is that to the next frame, in the last frame that from the one before; a single frame stands.

    Args:
        joints: (T, 24, 3) metres.
        fps: frames per second.
    """
    feet = np.asarray(joints)[:, CONTACT_JOINTS]
    if len(feet) < 2:
        return np.ones(feet.shape[:2], np.float32)
    speed = np.linalg.norm(np.diff(feet, axis=0), axis=-1) * fps
    return (np.concatenate([speed, speed[-1:]]) < STANDING_SPEED).astype(np.float32)
