"""How feet lie in the rotations of a recording.

A foot's rotation is known from where ankle and ball are, or from how the file has it at rest. But one body's ankle is
higher above the floor than another's, and so a flat foot of the recording would point up or down on our body by a
constant angle, often by 20 degrees. What is known of it is that a foot that stands, with its heel down, is flat.
"""

import numpy as np

from skeletonllm.dance.body import Body
from skeletonllm.dance.codecs.inverse import swing
from skeletonllm.dance.contacts import STANDING_SPEED
from skeletonllm.skeleton.kinematics import normalize

# An ankle that stands lies lower than this percentile of the places where it is slow, plus so many metres: with the
# heel up it is higher by more.
_LOW_PERCENTILE, _LOW = 10.0, 0.02
# Seconds that a foot must stand to be judged.
_LEAST = 0.2
# Cosine of the largest angle that feet are turned by. Whose soles are steeper does not stand on them.
_STEEPEST = np.cos(np.radians(45.0))
_UP = np.array([0.0, 0.0, 1.0])


def level_feet(body: Body, frames: np.ndarray, places: np.ndarray, fps: float) -> tuple[np.ndarray, tuple[str, ...]]:
    """Feet and toes turned by a constant each, so that the sole of a standing foot is level.

    Args:
        frames: (T, 24, 3, 3) rotations relative to the world.
        places: (T, 24, 3) metres of the one who was recorded, Z up; ankles and balls of the feet are known.
        fps: frames per second.

    Returns:
        The rotations, as they were where a foot never stands, and a note if any were turned.
    """
    levelled, turned = frames.copy(), []
    for side in ("left", "right"):
        ankle, ball = body.index(f"{side}_ankle"), body.index(f"{side}_foot")
        stands = _stands(places[:, ankle], places[:, ball], fps)
        if stands.sum() < max(1, _LEAST * fps):
            continue
        for joint in (ankle, ball):
            # The sole's upward direction, as the joint has it.
            up = normalize(np.median(frames[stands, joint, 2], axis=0))
            if up @ _UP > _STEEPEST:
                levelled[:, joint] = frames[:, joint] @ swing(_UP, up)
                turned.append(f"{np.degrees(np.arccos(np.clip(up @ _UP, -1, 1))):.0f}")
    note = f"feet turned by {', '.join(turned)} degrees so that they stand level (ankle, toes; left, right)"
    return levelled, (note,) if turned else ()


def _stands(ankle: np.ndarray, ball: np.ndarray, fps: float) -> np.ndarray:
    """(T,) whether a foot stands with its heel down, from places (T, 3)."""
    if len(ankle) < 2:
        return np.zeros(len(ankle), bool)
    speeds = [np.linalg.norm(np.gradient(joint, axis=0), axis=-1) * fps for joint in (ankle, ball)]
    slow = np.max(speeds, axis=0) < STANDING_SPEED
    if not slow.any():
        return slow
    return slow & (ankle[:, 2] < np.percentile(ankle[slow, 2], _LOW_PERCENTILE) + _LOW)
