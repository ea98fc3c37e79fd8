"""Bodies that are nobody: noise and furniture."""

import numpy as np

# Bodies seen for a shorter time than any action takes are noise, unless the other bodies are as short.
BRIEF_SECONDS = 0.4
# A sensor that looks at a person infers up to about a third of the joints; at a coat on a chair, nearly all.
MIN_TRACKED_SHARE = 0.2
DOUBTFUL_TRACKED_SHARE = 0.5
# Standing and seated people are clearly higher than wide. People who lie or bow are wide for part of a recording and
# move; tables, beds and rows of chairs are wide all the time and stay where they are.
WIDE_RATIO = 0.8
WIDE_SHARE = 0.7
STILL_METRES = 0.03


def motion(joints: np.ndarray, valid: np.ndarray) -> float:
    """How far joints stray from their mean place, in metres: the median over joints of the standard deviation.

    Args:
        joints: (T, J, 3) metres.
        valid: (T, J) bool.
    """
    count = valid.sum(0)
    weight = valid[..., None] / np.maximum(count, 1)[:, None]
    mean = (joints * weight).sum(0)
    spread = np.sqrt((((joints - mean) ** 2) * weight).sum((0, 2)))
    return float(np.median(spread[count > 0])) if (count > 0).any() else 0.0


def why_spurious(joints: np.ndarray, valid: np.ndarray, tracked: np.ndarray, fps: float, longest: int) -> str | None:
    """Why a body beside other bodies is taken for no person, or None if it is a person.

    Args:
        joints: (T, J, 3) metres, the frames in which the body was seen.
        valid: (T, J) bool.
        tracked: (T, J) bool, joints that the sensor saw itself and did not infer.
        fps: frames per second.
        longest: frames in which the longest-seen body was seen.
    """
    num_frames = len(joints)
    if not valid.any():
        return "no usable joint"
    if num_frames < BRIEF_SECONDS * fps and num_frames <= longest / 2:
        return f"seen in {num_frames} frames only"
    tracked_share = float(tracked.mean())
    if tracked_share < MIN_TRACKED_SHARE:
        return f"only {tracked_share:.0%} of its joints tracked"
    low = np.where(valid[..., None], joints, np.inf).min(1)
    high = np.where(valid[..., None], joints, -np.inf).max(1)
    width, height = (high - low)[:, 0], (high - low)[:, 1]
    wide = float((width > WIDE_RATIO * height)[valid.any(1)].mean())
    strays = motion(joints, valid)
    if wide > WIDE_SHARE and (strays < STILL_METRES or tracked_share < DOUBTFUL_TRACKED_SHARE):
        return f"wider than high like furniture, moving by {strays * 100:.0f} cm, {tracked_share:.0%} of it tracked"
    return None
