"""Recordings that need no files."""

import numpy as np
import pytest

from skeletonllm.data.recordings import Recording
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import KINECT_V1


def moving(number: int) -> SkeletonSequence:
    """Somebody whose joints tell the number of the recording."""
    joints = np.random.default_rng(number).normal(0, 0.3, (20, 1, KINECT_V1.num_joints, 3))
    joints[..., 2] += 3.0
    return SkeletonSequence(joints, 30.0, KINECT_V1)


@pytest.fixture
def recordings():
    """Twelve recordings of three labels, two performers and three views; the third view tests."""
    return [
        Recording(
            id=f"{label}-{performer}-{view}",
            label=label,
            read=lambda number=index: moving(number),
            split="test" if view == 3 else "train",
            attributes={"performer": performer, "view": view},
        )
        for index, (label, performer, view) in enumerate(
            (label, performer, view) for label in ("bow", "clap", "walk") for performer in (1, 2) for view in (1, 3)
        )
    ]
