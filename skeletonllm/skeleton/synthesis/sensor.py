"""How a depth camera sees a scene: from where it stands, and with which errors."""

import numpy as np

from skeletonllm.skeleton.kinematics import axis_rotation
from skeletonllm.skeleton.synthesis.body import ERRS_LIKE, SENSED

# Errors of one joint at ``noise`` 1, metres. Published comparisons of Kinect v2 with motion capture report a few
# millimetres of jitter and centimetres of slowly changing error.
JITTER = 0.004
WOBBLE = 0.010
WOBBLE_HERTZ = (0.3, 1.2)
# How many of the recordings lose sight of a joint for a while.
LOST_SHARE = 0.25


def view(joints: np.ndarray, rng: np.random.Generator, yaw: float | None) -> np.ndarray:
    """Scene (T, P, J, 3), y above the floor, to the camera's frame: metres, Y up, Z away from the camera.

    Args:
        joints: metres; z away from the camera that looks at the scene from the front. Joint 0 is the pelvis.
        rng: draws distance (2.5 to 4 m), place, height and pitch of the camera.
        yaw: degrees by which the scene is turned to the left, or None for a draw within 45 degrees.
    """
    drawn = rng.uniform(-45, 45)
    distance, aside, height = rng.uniform(2.5, 4.0), rng.uniform(-0.4, 0.4), rng.uniform(0.7, 1.2)
    pitch = np.radians(rng.uniform(-6, 10))
    angle = np.radians(np.array(drawn if yaw is None else yaw))
    middle = joints[:, :, 0].mean((0, 1)) * [1.0, 0.0, 1.0]
    turned = (joints - middle) @ axis_rotation(1, angle).T
    seen = turned + [aside, -height, distance]
    return seen @ axis_rotation(0, np.array(pitch)).T


def disturb(joints: np.ndarray, fps: float, rng: np.random.Generator, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Add the sensor's errors to (T, P, len(JOINTS), 3) metres.

    Per joint: white jitter, a slow wobble, and in some recordings a stretch in which one joint is lost.

    Returns:
        joints and valid (T, P, len(JOINTS)) bool.
    """
    frames, persons = joints.shape[:2]
    count = len(SENSED)
    seconds = np.arange(frames) / fps
    valid = np.ones((frames, persons, count), dtype=bool)
    rate = rng.uniform(*WOBBLE_HERTZ, (persons, count, 3))
    phase = rng.uniform(0, 2 * np.pi, (persons, count, 3))
    wobble = WOBBLE / np.sqrt(3) * np.sin(2 * np.pi * rate * seconds[:, None, None, None] + phase)
    jitter = JITTER * rng.standard_normal((frames, persons, count, 3))
    for person in range(persons):
        lost, joint, start, length = rng.random(), rng.integers(1, count), rng.random(), rng.uniform(0.1, 0.4)
        if lost < LOST_SHARE * noise:
            begin = int(start * frames)
            valid[begin : begin + max(1, int(length * frames)), person, joint] = False
    errors = noise * (wobble + jitter)
    return joints + errors[:, :, ERRS_LIKE], valid[:, :, ERRS_LIKE]
