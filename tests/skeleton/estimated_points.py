"""People as a pose estimator would find them in pictures of 1280 x 720."""

import numpy as np

from skeletonllm.skeleton.synthesis import synthesize

WIDTH, HEIGHT = 1280, 720
PIXELS_PER_METRE = 300.0


def pixels(sequence) -> np.ndarray:
    """(T, P, J, 3) x to the right, y down in pixels and confidence 0.9; zeros where a joint is unknown."""
    middle = sequence.joints[sequence.valid][:, :2].mean(0)
    points = np.full((*sequence.joints.shape[:3], 3), 0.9)
    points[..., :2] = [WIDTH / 2, HEIGHT / 2] - PIXELS_PER_METRE * (sequence.joints[..., :2] - middle)
    return np.where(sequence.valid[..., None], points, 0.0)


def performance(label, topology, **options):
    """A synthetic recording, every joint known."""
    sequence = synthesize(label, performer=1, topology=topology, **options)
    return sequence.replace(valid=np.ones_like(sequence.valid))


def compare(sequence, truth) -> tuple[float, float]:
    """How many times too large a recording is, and how far its x and y are off (median, metres) once that is undone."""
    known = sequence.valid & truth.valid
    places = [s.joints[known][:, :2] - s.joints[known][:, :2].mean(0) for s in (sequence, truth)]
    scale = float((places[0] * places[1]).sum() / (places[1] ** 2).sum())
    return scale, float(np.median(np.linalg.norm(places[0] / scale - places[1], axis=-1)))


def assert_same_but_for_size(sequence, truth):
    """The same people in the same places; their size is a guess, and people differ by some ten per cent."""
    scale, metres = compare(sequence, truth)
    assert 0.87 < scale < 1.15 and metres < 1e-3


def place(sequence, joint, person=0) -> np.ndarray:
    """(T, 3) metres."""
    return sequence.joints[:, person, sequence.topology.index(joint)]
