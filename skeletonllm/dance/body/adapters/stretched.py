"""Our body with the joints of another one."""

import numpy as np

from skeletonllm.dance.body.proportions import default_body
from skeletonllm.dance.body.tree import Body
from skeletonllm.skeleton.proportions import STATURE
from skeletonllm.skeleton.topology import ROOT


def stretched_body(offsets: np.ndarray, sole: float) -> Body:
    """A body with given joints: as large as its legs say, the limbs stretched to its bones, everything else ours.

    Args:
        offsets: (24, 3) metres, each joint from its parent in the T-pose.
        sole: metres from the pelvis down to the soles, negative.

    Raises:
        ValueError: legs that no person has.
    """
    average = default_body()
    legs = [average.index("left_knee"), average.index("left_ankle")]
    length = float(np.linalg.norm(offsets[legs], axis=-1).sum())
    body = default_body(stature=STATURE * length / average.leg_length)
    places = np.array(offsets)
    for joint, parent in enumerate(body.parents):
        if parent != ROOT:
            places[joint] += places[parent]
    capsules, boxes = body.capsules, body.boxes
    starts, ends, centres = np.array(capsules.starts), np.array(capsules.ends), np.array(boxes.centres)
    for joint, parent in enumerate(body.parents):
        # Capsules that end at the next joint.
        if parent != ROOT and np.allclose(ends[parent], body.offsets[joint]) and not starts[parent].any():
            ends[parent] = offsets[joint]
    for box, joint in enumerate(boxes.joints.tolist()):
        centres[box, 2] = sole + boxes.half_sizes[box, 2] - places[joint, 2]
        lowered = centres[box, 2] - boxes.centres[box, 2]
        starts[joint, 2] += lowered
        ends[joint, 2] += lowered
    return Body(
        np.array(offsets, np.float64),
        np.array(body.masses),
        capsules._replace(starts=starts, ends=ends),
        boxes._replace(centres=centres),
    )
