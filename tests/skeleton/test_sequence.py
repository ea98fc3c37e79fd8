"""Sequences, the frames that are looked at, and batches of them."""

import numpy as np
import pytest
import torch

from skeletonllm.skeleton.batch import ClipBatch
from skeletonllm.skeleton.sequence import SkeletonSequence, frame_indices, published_frame_indices, sample_clip
from skeletonllm.skeleton.topologies import KINECT_V1, SMPL_22


def walking(num_frames=30, fps=30.0, topology=KINECT_V1, persons=1, speed=1.2):
    """Everybody moves along x at ``speed`` metres per second."""
    joints = np.ones((num_frames, persons, topology.num_joints, 3))
    joints[..., 0] = (np.arange(num_frames) / fps * speed)[:, None, None]
    return SkeletonSequence(joints, fps, topology, label="walking", source="a test")


def test_unknown_joints_become_zero_and_invalid():
    joints = np.ones((2, 1, 20, 3))
    joints[0, 0, 3, 1], joints[1, 0, 4, 2] = np.nan, np.inf
    sequence = SkeletonSequence(joints, 30, "kinect_v1")
    assert np.argwhere(~sequence.valid).tolist() == [[0, 0, 3], [1, 0, 4]]
    assert (sequence.joints[~sequence.valid] == 0).all() and sequence.joints.dtype == np.float32
    claimed = SkeletonSequence(joints, 30, "kinect_v1", valid=np.ones((2, 1, 20)))
    assert (claimed.valid == sequence.valid).all(), "what is not finite is never valid"
    assert np.isnan(joints[0, 0, 3, 1]), "the caller's array stays as it is"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joints": np.ones((2, 1, 19, 3))}, r"\(2, 1, 19, 3\)"),
        ({"joints": np.ones((2, 20, 3))}, "shape"),
        ({"fps": 0}, "fps"),
        ({"fps": float("nan")}, "fps"),
        ({"valid": np.ones((2, 1, 3))}, "valid"),
        ({"rotations": np.ones((2, 1, 20, 3))}, "rotations"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        SkeletonSequence(**{"joints": np.ones((2, 1, 20, 3)), "fps": 30, "topology": KINECT_V1, **changes})


@pytest.mark.parametrize("fps", [15.0, 20.0, 30.0, 120.0])
def test_velocity_is_in_metres_per_second_whatever_the_frame_rate(fps):
    velocities, known = walking(int(fps), fps).velocities()
    # 1e-4 of 1.2 m/s: float32 positions differenced over 0.13 s.
    np.testing.assert_allclose(velocities[..., 0], 1.2, rtol=1e-4)
    assert (velocities[..., 1:] == 0).all() and known.all()


def test_velocity_is_zero_where_a_joint_appears():
    sequence = walking()
    sequence.valid[:10, 0, 5] = False
    sequence = sequence.replace()
    velocities, known = sequence.velocities()
    assert not known[:12, 0, 5].any() and (velocities[:12, 0, 5] == 0).all()
    assert known[12:, 0, 5].all() and np.abs(velocities).max() < 1.3


def test_a_slice_keeps_what_belongs_to_its_frames():
    rotations = np.arange(30 * 20 * 4, dtype=float).reshape(30, 1, 20, 4)
    part = walking().replace(rotations=rotations).slice(5, 9)
    assert part.num_frames == 4 and part.label == "walking" and part.duration == pytest.approx(4 / 30)
    np.testing.assert_array_equal(part.rotations, rotations[5:9])


def test_published_frames_are_those_of_the_published_code():
    assert published_frame_indices(75, 12).tolist() == [4, 11, 12, 20, 26, 36, 42, 49, 50, 56, 65, 73]
    assert published_frame_indices(12, 12).tolist() == list(range(12))
    assert published_frame_indices(9, 1).tolist() == [4]


@pytest.mark.parametrize("num_frames", [1, 5, 12, 13, 75, 400])
@pytest.mark.parametrize("sampler", [frame_indices, published_frame_indices])
def test_sampled_frames_exist_and_ascend(sampler, num_frames):
    frames = sampler(num_frames, 12)
    assert len(frames) == 12 and frames.min() >= 0 and frames.max() < num_frames
    assert (np.diff(frames) >= 0).all()
    if num_frames > 12:
        assert np.ptp(frames) >= num_frames * 10 / 12 - 1, "the first and the last segment are both looked at"


def test_drawn_frames_stay_in_their_segments_and_repeat_with_the_seed():
    drawn = [frame_indices(120, 12, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    for frames in drawn:
        assert (frames // 10).tolist() == list(range(12))
    assert (drawn[0] == drawn[1]).all() and (drawn[0] != drawn[2]).any()


def test_the_middles_of_the_segments_are_taken_without_a_generator():
    assert frame_indices(120, 12).tolist() == [5 + 10 * i for i in range(12)]


def test_a_clip_takes_positions_velocities_and_times_of_its_frames():
    sequence = walking(60)
    clip = sample_clip(sequence, 6)
    assert clip.times.tolist() == pytest.approx([frame / 30 for frame in (5, 15, 25, 35, 45, 55)])
    np.testing.assert_allclose(clip.joints[:, 0, 0, 0], clip.times * 1.2, rtol=1e-5)
    np.testing.assert_allclose(clip.velocities[..., 0], 1.2, rtol=1e-4)
    assert (clip.label, clip.source, clip.topology) == ("walking", "a test", KINECT_V1)


def test_published_sampling_gives_metres_per_four_frames():
    clip = sample_clip(walking(75), 12, sampling="published")
    # 1e-5 m: float32 differences of positions below 3 m. Frame 73 has only one frame after it.
    np.testing.assert_allclose(clip.velocities[:-1, 0, 0, 0], 4 / 30 * 1.2, atol=1e-5)
    np.testing.assert_allclose(clip.velocities[-1, 0, 0, 0], 1 / 30 * 1.2, atol=1e-5)


def test_one_frame_makes_a_still_clip():
    clip = sample_clip(walking(1), 4)
    assert clip.num_frames == 4 and (clip.velocities == 0).all() and clip.valid.all()


def test_what_cannot_be_sampled_is_refused():
    with pytest.raises(ValueError, match="0 frames"):
        sample_clip(walking(3).slice(0, 0), 4)
    with pytest.raises(ValueError, match="nonsense"):
        sample_clip(walking(3), 4, sampling="nonsense")


def test_a_batch_pads_persons_and_joints_with_what_is_not_valid():
    clips = [sample_clip(walking(topology=KINECT_V1, persons=2), 4), sample_clip(walking(topology=SMPL_22), 4)]
    batch = ClipBatch.from_clips(clips)
    assert len(batch) == 2 and batch.joints.shape == (2, 4, 2, 22, 3) and batch.topologies == (KINECT_V1, SMPL_22)
    assert batch.valid[0, :, :, :20].all() and not batch.valid[0, :, :, 20:].any()
    assert batch.valid[1, :, 0].all() and not batch.valid[1, :, 1].any()
    torch.testing.assert_close(batch.joints[0, :, :, :20], clips[0].joints, rtol=0, atol=0)
    torch.testing.assert_close(batch.velocities[1, :, :1], clips[1].velocities, rtol=0, atol=0)
    assert (batch.joints[~batch.valid] == 0).all() and (batch.velocities[~batch.valid] == 0).all()


def test_clips_of_different_lengths_are_no_batch():
    with pytest.raises(ValueError, match=r"\[3, 4\]"):
        ClipBatch.from_clips([sample_clip(walking(), 3), sample_clip(walking(), 4)])
    with pytest.raises(ValueError, match="no clips"):
        ClipBatch.from_clips([])


def test_a_batch_moves_as_a_whole():
    batch = ClipBatch.from_clips([sample_clip(walking(), 3)]).to("meta")
    assert {batch.joints.device.type, batch.velocities.device.type, batch.valid.device.type} == {"meta"}
