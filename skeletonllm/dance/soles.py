"""Where the soles of the feet are."""

from itertools import product

import numpy as np

from skeletonllm.dance.body import Body

SIDES = ("left", "right")


def sole_heights(body: Body, joints: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """(T, 2) metres: the height of the lowest corner of the boxes of each foot, from the pose (T, 24, ...)."""
    corners = np.array(list(product((-1, 1), repeat=3)))
    local = body.boxes.centres[:, None] + body.boxes.half_sizes[:, None] * corners
    which = body.boxes.joints
    heights = joints[:, which, 2][..., None] + (frames[:, which, 2][:, :, None] * local).sum(-1)
    of_side = [[body.names[joint].startswith(side) for joint in which] for side in SIDES]
    return np.stack([heights[:, mine].min((1, 2)) for mine in of_side], -1)
