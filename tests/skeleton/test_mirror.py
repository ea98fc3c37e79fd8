"""Clips in a mirror, for training where no label names a side."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from skeletonllm.skeleton.sequence import SkeletonSequence, sample_clip
from skeletonllm.skeleton.topologies import KINECT_V2
from skeletonllm.skeleton.transforms import facing_yaw, mirror

LEFT, RIGHT = (KINECT_V2.joints.index(f"{side}_hand") for side in ("left", "right"))


@pytest.fixture
def raised(standing):
    """A person who faces the camera with the left hand up and moving; of the right elbow nothing is known at first."""
    joints = np.repeat(standing[None, None], 6, 0) + [0.2, 0.1, 3.0]
    joints[:, 0, LEFT, 1] += 1.0 + np.linspace(0, 0.3, 6)
    joints[0, 0, KINECT_V2.joints.index("right_elbow")] = np.nan
    return sample_clip(SkeletonSequence(joints, 30.0, KINECT_V2), 6)


def test_the_other_hand_is_up_on_the_other_side_and_the_person_still_faces_the_camera(raised):
    seen = mirror(raised)
    assert (seen.joints[:, 0, RIGHT, 1] > seen.joints[:, 0, LEFT, 1] + 0.9).all()
    assert torch.equal(seen.joints[:, 0, RIGHT, 0], -raised.joints[:, 0, LEFT, 0])
    assert torch.equal(seen.velocities[:, 0, RIGHT, 1], raised.velocities[:, 0, LEFT, 1])
    # A mirror that forgot to swap the names would show somebody from behind.
    assert abs(facing_yaw(seen)) < 1e-5
    assert not seen.valid[0, 0, KINECT_V2.joints.index("left_elbow")]
    assert seen.valid[0, 0, KINECT_V2.joints.index("right_elbow")]


def test_two_mirrors_show_what_there_is(raised):
    again = mirror(mirror(raised))
    for name in ("joints", "velocities", "valid"):
        assert torch.equal(getattr(again, name), getattr(raised, name)), name


def test_nobody_is_nobody_in_a_mirror(raised):
    nobody = replace(raised, joints=torch.zeros_like(raised.joints), valid=torch.zeros_like(raised.valid))
    assert not mirror(nobody).joints.any() and not mirror(nobody).valid.any()
