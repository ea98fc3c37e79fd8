"""A person in a picture, for tests of formats with points of pictures."""

import numpy as np

from skeletonllm.skeleton.proportions import rest_positions
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topology import Topology


def picture(topology: Topology, pixels: float = 100.0, middle: tuple[float, float] = (320.0, 240.0)) -> np.ndarray:
    """(J, 2) pixels, x to the right and y down: a T-pose seen from the front, so that the left hand is on the right."""
    known = rest_positions()
    places = np.array([known[name] for name in topology.joints])
    return places[:, :2] * [pixels, -pixels] + middle


def assert_the_person_of_the_picture(sequence: SkeletonSequence, person: int = 0, tolerance: float = 1e-4) -> None:
    """Upright, at the size of an average body, left at smaller x as of everybody who faces the camera.

    Args:
        tolerance: metres; 1e-4 is what float32 leaves of positions after they were scaled and moved.
    """
    known = rest_positions()
    expected = np.array([known[name] * [-1, 1, 0] for name in sequence.topology.joints])
    found = sequence.joints[:, person] * [1, 1, 0]
    for frame in found:
        np.testing.assert_allclose(frame - frame[0], expected - expected[0], atol=tolerance)
