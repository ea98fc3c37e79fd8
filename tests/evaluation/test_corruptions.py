"""Corruptions do what their names say, to the strength of their level, alike for one seed, and leave their input be."""

import numpy as np
import pytest

from skeletonllm.evaluation.corruptions import CORRUPTIONS, OCCLUDED, corrupt
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.skeleton.topologies import get_topology

EVERY = [(name, level) for name, corruption in CORRUPTIONS.items() for level in corruption.levels]


@pytest.fixture(scope="module")
def two():
    """Two people who shake hands; on a Kinect, of 25 joints, so that there is something to be lost for everything."""
    return synthesize("shake hands", topology="kinect_v2", performer=1)


@pytest.fixture(scope="module")
def long():
    """Somebody who never moves: (400, 1, 25) joints, all known, and everything that a sequence may have."""
    one = synthesize("walk", topology="kinect_v2", performer=2).joints[:1, :1]
    joints = np.repeat(one, 400, 0)
    rotations = np.zeros((*joints.shape[:3], 4), np.float32)
    rotations[..., 0] = 1
    return SkeletonSequence(joints, 30.0, "kinect_v2", rotations=rotations, confidence=np.ones(joints.shape[:3]))


def of(sequence: SkeletonSequence) -> tuple:
    arrays = (sequence.joints, sequence.valid, sequence.rotations, sequence.confidence)
    return tuple(None if array is None else array.tobytes() for array in arrays), sequence.fps, sequence.topology.name


@pytest.mark.parametrize(("name", "level"), EVERY)
def test_one_seed_gives_one_result_and_the_input_stays_as_it_is(two, name, level):
    before = of(two)
    once, again = (corrupt(two, name, level, 3, "an id") for _ in range(2))
    assert of(two) == before
    assert of(once) == of(again) and of(once) != before


@pytest.mark.parametrize("name", ["joint_dropout", "joint_loss", "noise", "view_angle", "occlusion"])
def test_what_is_drawn_depends_on_the_seed_and_on_the_recording(two, name):
    level = CORRUPTIONS[name].levels[0]
    for changed in ("seed", "id"):
        found = {
            of(corrupt(two, name, level, number if changed == "seed" else 0, str(number) if changed == "id" else ""))
            for number in range(8)
        }
        # Two sides are all that a view or a limb has to choose from; 8 draws are all alike once in 128 times.
        assert len(found) == (2 if name in ("view_angle", "occlusion") else 8)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_level_0_is_the_recording_itself(two, name):
    assert corrupt(two, name, 0, 0, "an id") is two


@pytest.mark.parametrize("level", [10, 20, 30, 50])
def test_so_many_percent_of_the_joints_are_gone(long, level):
    dropped = corrupt(long, "joint_dropout", level, 0, "an id").valid
    # 10,000 draws: five standard deviations of their share are at most 0.025.
    assert 1 - dropped.mean() == pytest.approx(level / 100, abs=0.025)
    assert 0 < dropped[:, 0, 0].mean() < 1  # a joint comes and goes
    lost = np.mean([1 - corrupt(long, "joint_loss", level, 0, str(number)).valid[0].mean() for number in range(100)])
    assert lost == pytest.approx(level / 100, abs=0.05)  # of 2,500 draws
    valid = corrupt(long, "joint_loss", level, 0, "an id").valid
    assert (valid == valid[0]).all()  # a joint that is gone stays so
    assert not corrupt(long, "joint_dropout", 100, 0, "an id").valid.any()


@pytest.mark.parametrize("name", ["joint_dropout", "joint_loss"])
def test_what_is_gone_at_one_level_is_gone_at_the_next(long, name):
    levels = [corrupt(long, name, level, 0, "an id").valid for level in CORRUPTIONS[name].levels]
    for more, fewer in zip(levels, levels[1:], strict=False):
        assert not (fewer & ~more).any() and fewer.sum() < more.sum()


@pytest.mark.parametrize("level", [2, 5, 10])
def test_noise_has_its_deviation_on_every_coordinate_and_no_mean(long, level):
    noise = (corrupt(long, "noise", level, 0, "an id").joints - long.joints).reshape(-1, 3)
    # 10,000 draws for each coordinate: five standard errors are 5 % of the deviation for the mean, 3.5 % for itself.
    np.testing.assert_allclose(noise.std(0), level / 100, rtol=0.035)
    np.testing.assert_allclose(noise.mean(0), 0, atol=0.05 * level / 100)


def test_noise_brings_no_unknown_joint_back_and_gives_pictures_no_depth(long):
    half = long.replace(valid=np.arange(25) < 12 * np.ones_like(long.valid))
    noisy = corrupt(half, "noise", 5, 0, "an id")
    assert (noisy.valid == half.valid).all() and not noisy.joints[~half.valid].any()
    flat = long.replace(joints=long.joints * [1, 1, 0] + [0, 0, 3])
    assert (corrupt(flat, "noise", 5, 0, "an id").joints[..., 2] == 3).all()


@pytest.mark.parametrize("level", [2, 4, 8])
def test_a_slower_sensor_keeps_every_nth_frame_and_the_pace(two, level):
    slow = corrupt(two, "frame_rate", level, 0, "an id")
    np.testing.assert_array_equal(slow.joints, two.joints[::level])
    assert slow.fps == two.fps / level
    assert slow.duration == pytest.approx(two.duration, abs=level / two.fps)


@pytest.mark.parametrize("level", [15, 90])
def test_the_camera_goes_round_by_so_many_degrees_and_nobody_changes_shape_or_height(two, level):
    turned = corrupt(two, "view_angle", level, 0, "an id")
    known = two.valid.all((1, 2))
    across = [s.joints[known, 0, 8, ::2] - s.joints[known, 0, 4, ::2] for s in (two, turned)]  # shoulders, (x, z)
    cosine = (across[0] * across[1]).sum(1) / np.linalg.norm(across[0], axis=1) / np.linalg.norm(across[1], axis=1)
    np.testing.assert_allclose(np.degrees(np.arccos(cosine)), level, atol=0.1)  # float32 near 3 m, lines of 0.3 m
    np.testing.assert_allclose(turned.joints[..., 1], two.joints[..., 1], atol=1e-6)
    middles = [s.joints[s.valid].mean(0) for s in (two, turned)]
    np.testing.assert_allclose(*middles, atol=1e-4)  # float32 sums of thousands of coordinates


def test_the_second_person_is_gone_and_the_first_stays(two):
    alone = corrupt(two, "missing_person", 1, 0, "an id")
    assert not alone.valid[:, 1].any()
    np.testing.assert_array_equal(alone.joints[:, 0], two.joints[:, 0])
    assert corrupt(two.first_persons(1), "missing_person", 1, 0, "an id").num_persons == 1


@pytest.mark.parametrize("kind", OCCLUDED)
def test_hidden_limbs_are_those_of_their_name(two, kind):
    topology = get_topology("kinect_v2")
    hidden = {
        topology.joints[joint] for joint in np.flatnonzero(~corrupt(two, "occlusion", kind, 0, "x").valid.any((0, 1)))
    }
    arms = {
        side: {f"{side}_{joint}" for joint in ("elbow", "wrist", "hand", "hand_tip", "thumb")}
        for side in ("left", "right")
    }
    legs = {side: {f"{side}_{joint}" for joint in ("knee", "ankle", "foot")} for side in ("left", "right")}
    both = legs["left"] | legs["right"]
    expected = {
        "one arm": list(arms.values()),
        "one leg": list(legs.values()),
        "both legs": [both],
        "upper body": [set(topology.joints) - both - {"pelvis", "left_hip", "right_hip"}],
    }
    assert hidden in expected[OCCLUDED[kind]]


@pytest.mark.parametrize("level", [20, 17, 13])
def test_the_topology_has_as_many_joints_and_those_of_the_same_name_stay_in_place(two, level):
    fewer = corrupt(two, "topology", level, 0, "an id")
    assert fewer.topology.num_joints == level
    shared = [joint for joint in fewer.topology.joints if joint in two.topology.joints]
    assert len(shared) >= level - 1
    for joint in shared:
        np.testing.assert_array_equal(
            fewer.joints[:, :, fewer.topology.index(joint)], two.joints[:, :, two.topology.index(joint)]
        )


def test_what_does_not_concern_a_recording_gives_it_back_itself(long):
    assert corrupt(long, "missing_person", 1, 0, "an id") is long
    flat = long.replace(joints=long.joints * [1, 1, 0] + [0, 0, 3])
    assert corrupt(flat, "view_angle", 45, 0, "an id") is flat
    few = synthesize("walk", topology="penn_13", performer=1)
    assert all(corrupt(few, "topology", level, 0, "an id") is few for level in (20, 17, 13))
    assert corrupt(long.slice(0, 1), "frame_rate", 2, 0, "an id").num_frames == 1


@pytest.mark.parametrize(
    ("name", "level", "told"),
    [("rain", 1, "unknown corruption 'rain'; known: joint_dropout"), ("noise", -1, "0 or more"),
     ("noise", float("nan"), "0 or more"), ("joint_loss", 101, "at most 100"), ("frame_rate", 2.5, "whole number"),
     ("occlusion", 9, "1: one arm"), ("topology", 5, "20, 17, 13")],
)  # fmt: skip
def test_what_there_is_not_is_refused(two, name, level, told):
    with pytest.raises(ValueError, match=told):
        corrupt(two, name, level, 0, "an id")
