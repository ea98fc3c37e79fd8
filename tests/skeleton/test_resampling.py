"""Another frame rate: the same places at the same times."""

import numpy as np
import pytest

from skeletonllm.skeleton.resampling import resample
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import PENN_13


def moving(frames=31, fps=30.0, **fields):
    """Every joint goes along x by 1 m/s."""
    joints = np.zeros((frames, 1, 13, 3))
    joints[..., 0] = np.arange(frames)[:, None, None] / fps
    joints[..., 2] = 3
    return SkeletonSequence(joints, fps, PENN_13, **fields)


@pytest.mark.parametrize("fps", [10, 20, 24, 29.97, 30, 60, 100])
def test_the_motion_keeps_its_speed_and_length(fps):
    found = resample(moving(), fps)
    assert found.fps == fps and 1 - 1 / fps < (found.num_frames - 1) / fps <= 1 + 1e-5
    np.testing.assert_allclose(found.joints[:, 0, 0, 0], np.arange(found.num_frames) / fps, atol=1e-5)


def test_frames_that_there_are_stay_as_they_are():
    sequence = moving()
    np.testing.assert_array_equal(resample(sequence, 15).joints, sequence.joints[::2])
    np.testing.assert_array_equal(resample(sequence, 90).joints[::3], sequence.joints)
    assert resample(sequence, 30.0).notes == ()
    assert "from 30 to 15" in resample(sequence, 15).notes[0]


def test_nothing_is_made_up_beside_a_gap():
    valid = np.ones((31, 1, 13), bool)
    valid[10, 0, 4] = False
    found = resample(moving(valid=valid), 60)
    assert np.argwhere(~found.valid).tolist() == [[19, 0, 4], [20, 0, 4], [21, 0, 4]]


def test_confidence_and_rotations_come_along():
    confidence = np.linspace(0, 1, 31)[:, None, None] * np.ones((31, 1, 13))
    half_turn = np.linspace(0, np.pi / 2, 31)[:, None, None]  # of the angle: half a turn about x over the recording
    rotations = np.stack([np.cos(half_turn), np.sin(half_turn), 0 * half_turn, 0 * half_turn], -1) * np.ones((13, 1))
    rotations[1::2] *= -1  # the same rotations
    found = resample(moving(confidence=confidence, rotations=rotations), 20)
    np.testing.assert_allclose(found.confidence[:, 0, 0], np.linspace(0, 1, 21), atol=1e-6)
    angle = np.arctan2(np.abs(found.rotations[:, 0, 0, 1]), np.abs(found.rotations[:, 0, 0, 0]))
    np.testing.assert_allclose(angle, np.linspace(0, np.pi / 2, 21), atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(found.rotations, axis=-1), 1, atol=1e-6)


def test_a_single_frame_stays_one():
    assert resample(moving(frames=1), 60).num_frames == 1


@pytest.mark.parametrize("fps", [0, -1, np.nan, np.inf])
def test_a_rate_that_is_none_is_refused(fps):
    with pytest.raises(ValueError, match="positive"):
        resample(moving(), fps)
