"""Turning, scaling and spoiling clips."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from skeletonllm.skeleton import transforms
from skeletonllm.skeleton.sequence import SkeletonSequence, sample_clip
from skeletonllm.skeleton.topologies import COCO_17, KINECT_V2

# Float32 metres around 3 m from the camera: a few roundings of 2.4e-7 m each.
ROUNDING = 3e-6


@pytest.fixture
def clip(standing):
    """A person 3 m away who faces the camera and steps to the side; of the head nothing is known at first."""
    joints = np.repeat(standing[None, None], 12, 0) + [0.2, 0.1, 3.0]
    joints[..., 0] += np.linspace(0, 0.6, 12)[:, None, None]
    joints[:2, 0, KINECT_V2.joints.index("head")] = np.nan  # the first frame of the clip is the second
    return sample_clip(SkeletonSequence(joints, 30.0, KINECT_V2), 6)


@pytest.fixture
def nobody():
    """A clip of a person of whom no joint is known."""
    return sample_clip(SkeletonSequence(np.full((8, 1, 17, 3), np.nan), 30.0, COCO_17), 4)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def turned(clip, angle):
    """The clip turned about the vertical by a matrix written down here, some way or other."""
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = torch.tensor([[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]])
    joints = (clip.joints @ matrix + torch.tensor([0.5, 0.0, 1.0])) * clip.valid[..., None]
    return replace(clip, joints=joints, velocities=clip.velocities @ matrix)


def bone_lengths(clip):
    known = (
        clip.valid[:, :, [a for a, _ in clip.topology.bones]] & clip.valid[:, :, [b for _, b in clip.topology.bones]]
    )
    ends = [clip.joints[:, :, [bone[end] for bone in clip.topology.bones]] for end in (0, 1)]
    return (ends[0] - ends[1]).norm(dim=-1)[known]


def middle(clip):
    return clip.joints[clip.valid].mean(0)


def test_turning_keeps_bone_lengths_and_the_middle(clip):
    result = transforms.rotate(clip, 0.7, -0.4, 0.3)
    torch.testing.assert_close(bone_lengths(result), bone_lengths(clip), atol=ROUNDING, rtol=0)
    torch.testing.assert_close(middle(result), middle(clip), atol=ROUNDING, rtol=0)
    assert (result.joints - clip.joints).abs().max() > 0.1


def test_a_positive_yaw_carries_away_from_the_camera_towards_x(clip):
    away = torch.tensor([0.0, 0.0, 1.0])
    result = transforms.rotate(replace(clip, velocities=away.expand_as(clip.velocities)), yaw=math.pi / 2)
    torch.testing.assert_close(
        result.velocities, torch.tensor([1.0, 0.0, 0.0]).expand_as(clip.velocities), atol=1e-6, rtol=0
    )


def test_velocities_turn_with_the_joints(clip):
    steps = clip.joints[2:] - clip.joints[1:-1]  # the first frame lacks a joint
    both = replace(clip, velocities=torch.cat([torch.zeros(2, *steps.shape[1:]), steps]))
    result = transforms.rotate(both, 0.7, -0.4, 0.3)
    torch.testing.assert_close(result.joints[2:] - result.joints[1:-1], result.velocities[2:], atol=ROUNDING, rtol=0)


def test_unknown_joints_stay_zero_whatever_is_done_to_the_others(clip):
    head = KINECT_V2.joints.index("head")
    assert not clip.valid[0, 0, head]
    for result in (
        transforms.rotate(clip, 0.7, 0.1, 0.1),
        transforms.face_camera(turned(clip, 1.0)),
        transforms.scale(clip, 1.3),
        transforms.add_noise(clip, 0.1, seeded()),
        transforms.drop_joints(clip, 0.3, seeded()),
    ):
        assert torch.equal(result.joints[0, 0, head], torch.zeros(3))
        assert not result.valid[0, 0, head]


@pytest.mark.parametrize("angle", np.linspace(-math.pi, math.pi, 13).tolist())
def test_whoever_faces_the_camera_has_the_left_side_at_smaller_x_and_the_toes_in_front(clip, angle):
    result = transforms.face_camera(turned(clip, angle))
    at = {name: result.joints[1:, 0, index] for index, name in enumerate(KINECT_V2.joints)}
    for joint in ("shoulder", "hip"):
        across = at[f"right_{joint}"] - at[f"left_{joint}"]
        assert (across[:, 0] > 0.15).all()
        assert across[:, 2].abs().max() < 1e-5
    assert (at["left_foot"][:, 2] < at["left_ankle"][:, 2] - 0.09).all()
    assert (at["head"][:, 1] > at["pelvis"][:, 1] + 0.7).all()


def test_facing_the_camera_twice_is_facing_it_once(clip):
    once = transforms.face_camera(turned(clip, 2.0))
    assert abs(transforms.facing_yaw(once)) < 1e-5
    torch.testing.assert_close(transforms.face_camera(once).joints, once.joints, atol=3e-5, rtol=0)


def test_frames_that_lack_a_hip_or_a_shoulder_do_not_decide_where_a_person_faces(clip):
    away = turned(clip, 1.2)
    valid, joints = away.valid.clone(), away.joints.clone()
    for name in ("left_shoulder", "right_hip"):
        joint = KINECT_V2.joints.index(name)
        valid[:3, :, joint], joints[:3, :, joint] = False, 0.0
    assert transforms.facing_yaw(replace(away, joints=joints, valid=valid)) == pytest.approx(
        transforms.facing_yaw(away), abs=1e-5
    )


def test_the_first_person_decides_and_the_second_turns_along(clip):
    other = turned(clip, 0.5)
    pair = replace(
        clip, joints=torch.cat([turned(clip, 1.0).joints, other.joints], 1),
        velocities=torch.cat([clip.velocities] * 2, 1), valid=torch.cat([clip.valid] * 2, 1),
    )  # fmt: skip
    result = transforms.face_camera(pair)
    assert transforms.facing_yaw(pair) == pytest.approx(transforms.facing_yaw(turned(clip, 1.0)), abs=1e-5)
    gap = (pair.joints[1:, 0] - pair.joints[1:, 1]).norm(dim=-1)
    torch.testing.assert_close((result.joints[1:, 0] - result.joints[1:, 1]).norm(dim=-1), gap, atol=1e-5, rtol=0)


def test_scaling_makes_bones_and_velocities_longer_about_the_middle(clip):
    result = transforms.scale(clip, 1.25)
    torch.testing.assert_close(bone_lengths(result), 1.25 * bone_lengths(clip), atol=ROUNDING, rtol=0)
    torch.testing.assert_close(result.velocities, 1.25 * clip.velocities)
    torch.testing.assert_close(middle(result), middle(clip), atol=ROUNDING, rtol=0)


def test_noise_has_the_asked_size(clip):
    noise = (transforms.add_noise(clip, 0.05, seeded()).joints - clip.joints)[clip.valid]
    # About 450 draws: the standard deviation is known to 3.4 %; four times that are allowed.
    assert noise.std() == pytest.approx(0.05, rel=0.14)


def test_dropped_joints_are_gone_for_the_whole_clip(clip):
    result = transforms.drop_joints(clip, 0.4, seeded())
    gone = clip.valid & ~result.valid
    per_joint = gone[1:].sum(0)  # all joints are known from the second frame on
    assert set(per_joint.unique().tolist()) == {0, len(clip.valid) - 1}
    assert not result.joints[~result.valid].any() and not result.velocities[~result.valid].any()
    assert torch.equal(result.joints[result.valid], clip.joints[result.valid])
    assert not transforms.drop_joints(clip, 1.0, seeded()).valid.any()
    assert torch.equal(transforms.drop_joints(clip, 0.0, seeded()).valid, clip.valid)


@pytest.mark.parametrize("change", [transforms.add_noise, transforms.drop_joints])
def test_chance_comes_from_the_generator_alone(clip, change):
    torch.manual_seed(1)
    first = change(clip, 0.3, seeded(5))
    torch.manual_seed(2)
    assert torch.equal(first.joints, change(clip, 0.3, seeded(5)).joints)
    assert not torch.equal(first.joints, change(clip, 0.3, seeded(6)).joints)


def test_nothing_is_changed_in_place(clip):
    before = clip.joints.clone(), clip.velocities.clone(), clip.valid.clone()
    transforms.face_camera(transforms.scale(transforms.rotate(clip, 1.0), 2.0))
    transforms.drop_joints(transforms.add_noise(clip, 0.1, seeded()), 0.5, seeded())
    for kept, found in zip(before, (clip.joints, clip.velocities, clip.valid), strict=True):
        assert torch.equal(kept, found)


def test_a_clip_with_nobody_survives_everything(nobody):
    for result in (
        transforms.rotate(nobody, 1.0, 0.2, 0.2),
        transforms.face_camera(nobody),
        transforms.scale(nobody, 1.5),
        transforms.add_noise(nobody, 0.1, seeded()),
        transforms.drop_joints(nobody, 0.5, seeded()),
    ):
        assert not result.joints.any() and not result.velocities.any() and not result.valid.any()
    assert transforms.facing_yaw(nobody) == 0.0
