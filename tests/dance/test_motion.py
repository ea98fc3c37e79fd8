"""Motions: vectors and back, other frame rates, contacts, and what is refused."""

import numpy as np
import pytest
import torch

from skeletonllm.dance.body import default_body
from skeletonllm.dance.contacts import CONTACT_JOINTS, label_contacts
from skeletonllm.dance.motion import CONTACTS, ROOT, VECTOR_SIZE, Motion, resample
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.synthesis import make_dance, make_song
from skeletonllm.skeleton.kinematics import axis_angle_to_matrix, axis_rotation

FEET = list(CONTACT_JOINTS)


def random_motion(frames=20, seed=0, fps=30.0):
    rng = np.random.default_rng(seed)
    rotations = axis_angle_to_matrix(rng.normal(size=(frames, 24, 3)))
    return Motion(rng.normal(size=(frames, 3)), rotations, rng.integers(0, 2, (frames, 4)), fps, source="made up")


def test_a_motion_is_151_numbers_a_frame_and_back():
    motion = random_motion()
    vector = motion.to_vector()
    assert vector.shape == (20, VECTOR_SIZE) and VECTOR_SIZE == 151 and vector.dtype == np.float32
    np.testing.assert_array_equal(vector[:, CONTACTS], motion.contacts)
    np.testing.assert_array_equal(vector[:, ROOT], motion.root)
    np.testing.assert_array_equal(vector[:, 7:10], motion.rotations[:, 0, :, 0])
    for given in (vector, torch.from_numpy(vector)):
        back = Motion.from_vector(given)
        # float32 columns made orthogonal again.
        np.testing.assert_allclose(back.rotations, motion.rotations, atol=1e-6)
        np.testing.assert_array_equal(back.root, motion.root)


def test_numbers_of_a_generator_become_rotations_and_contacts():
    vector = np.random.default_rng(1).normal(size=(5, 151)) * 2
    motion = Motion.from_vector(vector)
    assert motion.contacts.min() >= 0 and motion.contacts.max() <= 1
    product = motion.rotations @ np.swapaxes(motion.rotations, -1, -2)
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(3), product.shape), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"root": (3, np.nan)}, "made up: root of frame 3 is not finite"),
        ({"rotations": (7, np.inf)}, "made up: rotations of frame 7 is not finite"),
        ({"rotations": (2, 0.0)}, "made up: frame 2, joint 0: the matrix is no rotation"),
        ({"contacts": (4, 1.5)}, r"made up: contacts of frame 4 are \[1.5"),
    ],
    ids=["nan_root", "infinite_rotation", "no_rotation", "contact_above_one"],
)
def test_a_spoilt_motion_is_refused_by_frame(change, told):
    motion = random_motion()
    ((name, (frame, value)),) = change.items()
    values = getattr(motion, name).copy()
    values[frame] = value
    with pytest.raises(ValueError, match=told):
        motion.replace(**{name: values})


def test_shapes_and_rates_that_do_not_fit_are_refused():
    motion = random_motion()
    with pytest.raises(ValueError, match=r"contacts has shape \(19, 4\), expected \(20, 4\)"):
        motion.replace(contacts=motion.contacts[1:])
    with pytest.raises(ValueError, match=r"rotations have shape \(20, 23, 3, 3\)"):
        motion.replace(rotations=motion.rotations[:, 1:])
    with pytest.raises(ValueError, match="no frames"):
        motion.slice(0, 0)
    with pytest.raises(ValueError, match="fps is 0"):
        motion.replace(fps=0)
    with pytest.raises(ValueError, match=r"vector has shape \(20, 150\), expected \(T, 151\)"):
        Motion.from_vector(motion.to_vector()[:, 1:])
    with pytest.raises(ValueError, match="made up.*fps|fps is -1"):
        resample(motion, -1)


def test_between_frames_rotations_follow_the_great_arc_at_constant_speed():
    # Turns of 100 degrees a frame: straight lines between quaternions would be 4 degrees off.
    angles = np.radians(100.0) * np.arange(4)
    rotations = np.broadcast_to(np.eye(3), (4, 24, 3, 3)).copy()
    rotations[:, 5] = axis_rotation(1, angles)
    motion = Motion(np.arange(12.0).reshape(4, 3), rotations, fps=10)
    finer = resample(motion, 40)
    assert finer.num_frames == 13 and finer.fps == 40
    wanted = axis_rotation(1, np.radians(25.0) * np.arange(13))
    np.testing.assert_allclose(finer.rotations[:, 5], wanted, atol=1e-6)
    np.testing.assert_allclose(finer.root[:, 0], np.arange(13) * 0.75, atol=1e-6)
    back = resample(finer, 10)
    np.testing.assert_allclose(back.rotations, motion.rotations, atol=1e-6)


@pytest.mark.parametrize(("fps", "frames"), [(60.0, 40), (120.0, 79), (29.97, 20), (24.0, 16)])
def test_the_last_frame_is_kept_where_the_rate_allows(fps, frames):
    motion = random_motion(frames=40, fps=60.0)
    assert resample(motion, fps).num_frames == frames


def test_feet_slower_than_a_centimetre_per_thirtieth_of_a_second_stand_at_any_rate():
    for fps in (30.0, 120.0):
        joints = np.zeros((10, 24, 3))
        joints[:, 7, 0] = 0.29 * np.arange(10) / fps
        joints[:, 11, 1] = 0.31 * np.arange(10) / fps
        joints[5:, 10, 2] = 0.5
        contacts = label_contacts(joints, fps, legacy=True)
        # Left ankle, right ankle, left ball, right ball; the left ball jumps from frame 4 to 5.
        np.testing.assert_array_equal(contacts[:, 0], 1)
        np.testing.assert_array_equal(contacts[:, 1], 1)
        np.testing.assert_array_equal(contacts[:, 2], np.arange(10) != 4)
        np.testing.assert_array_equal(contacts[:, 3], 0)


def test_a_foot_that_is_slow_in_the_air_does_not_stand():
    joints = np.zeros((60, 24, 3))
    # A jump of both feet by 20 cm from frame 20 to 40, above a floor of any height; then the left foot is held up.
    flight = np.arange(60) / 30 - 1
    joints[:, FEET, 2] = np.maximum(0.2 * (1 - (flight / 0.33) ** 2), 0)[:, None] - 0.7
    joints[50:, [7, 10], 2] += 0.4
    contacts, published = label_contacts(joints, 30.0), label_contacts(joints, 30.0, legacy=True)
    top = [29, 30]
    np.testing.assert_array_equal(published[top], 1)
    np.testing.assert_array_equal(contacts[21:39], 0)
    np.testing.assert_array_equal(contacts[51:], [[0, 1, 0, 1]] * 9)
    # Elsewhere the two agree.
    np.testing.assert_array_equal(contacts[:20], published[:20])
    np.testing.assert_array_equal(contacts[41:49], published[41:49])
    # A foot that is up in all of the clip is compared with the other one.
    joints[:, [7, 10], 2] = 0.1
    np.testing.assert_array_equal(label_contacts(joints, 30.0)[:, [0, 2]], 0)


def test_embedded_dances_are_labelled_as_they_are_planted():
    # Of all labels: speeds of 0.3 m/s are reached a frame or two before a foot is planted and after it leaves.
    for seed, style in enumerate(("house", "rock")):
        dance = make_dance(make_song(seed, 20, 110, style=style), seed)
        joints = dance.joints(default_body())
        right, published = ((label_contacts(joints, 30.0, legacy) == dance.contacts).mean() for legacy in (False, True))
        assert right > 0.9 and right >= published


def test_the_lowest_point_of_a_standing_body_is_its_sole():
    body = default_body()
    rotations = np.broadcast_to(np.eye(3), (2, 24, 3, 3))
    motion = Motion(np.array([[0, 0, body.standing_height], [1, 0, body.standing_height + 0.2]]), rotations)
    np.testing.assert_allclose(motion.lowest(body), [0, 0.2], atol=1e-6)
    np.testing.assert_allclose(motion.lifted(0.1).lowest(body), [0.1, 0.3], atol=1e-6)


def test_a_normalizer_brings_channels_to_one_range_and_back_and_is_saved(tmp_path):
    vectors = [random_motion(seed=seed).to_vector() for seed in range(3)]
    for vector in vectors:
        vector[:, 3] = 1.0  # a channel that never changes
    normalizer = Normalizer.fit(vectors)
    normalizer.save(tmp_path)
    loaded = Normalizer.load(tmp_path)
    together = np.concatenate([normalizer.normalize(vector) for vector in vectors])
    assert together.min() == -1 and together.max() == 1
    np.testing.assert_array_equal(together[:, 3], 0)
    for vector in vectors:
        back = loaded.denormalize(loaded.normalize(vector))
        np.testing.assert_allclose(back, vector, atol=2e-6)
        again = loaded.denormalize(loaded.normalize(torch.from_numpy(vector))).numpy()
        np.testing.assert_allclose(again, back, atol=1e-6)
    assert normalizer.normalize(vectors[0] + 100).max() == 1


def test_what_is_no_normalizer_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="normalizer.safetensors: no such file"):
        Normalizer.load(tmp_path)
    (tmp_path / "normalizer.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no safetensors file"):
        Normalizer.load(tmp_path)
    with pytest.raises(ValueError, match="array 1 is not finite"):
        Normalizer.fit([np.zeros((2, 3)), np.full((2, 3), np.nan)])
    with pytest.raises(ValueError, match=r"expected \(..., 3\)"):
        Normalizer(np.zeros(3), np.ones(3)).normalize(np.zeros((2, 4)))
