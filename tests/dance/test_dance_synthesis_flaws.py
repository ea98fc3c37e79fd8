"""Embedded dances with the flaws of recordings: limbs in each other, a floor that is off, and still the same dance."""

import numpy as np
import pytest

from skeletonllm.dance.body import default_body
from skeletonllm.dance.metrics.performance import Performance
from skeletonllm.dance.metrics.registry import METRICS
from skeletonllm.dance.synthesis import add_flaws, embedded_pairs, make_dance, make_song
from skeletonllm.dance.training.pieces import load_pieces
from skeletonllm.dance.training.recipe import DanceData

BODY = default_body()


@pytest.fixture(scope="module")
def measured():
    """Means over eight dances of what is measured of them, clean and flawed, and the largest change of each."""
    pairs = [list(embedded_pairs(8, 0, 8.0, flaws=flaws)) for flaws in (0.0, 1.0)]
    clean, flawed = (
        {name: np.array([METRICS[name].measure(Performance(motion, BODY, song.beats), False) for song, motion in found])
         for name in ("penetration_rate", "foot_ground_distance", "motion_magnitude", "beat_alignment_music")}
        for found in pairs
    )  # fmt: skip
    return clean, flawed


def test_limbs_stand_in_each_other_and_the_floor_is_off(measured):
    clean, flawed = measured
    assert clean["penetration_rate"].max() < 0.01 and clean["foot_ground_distance"].max() < 0.1
    # Over many dances 2 and 21; from none to five, and from 5 to 50, in one.
    assert 1 < flawed["penetration_rate"].mean() < 3
    assert 15 < flawed["foot_ground_distance"].mean() < 30
    # Dancers differ.
    assert flawed["penetration_rate"].max() > 2 * flawed["penetration_rate"].min()


def test_the_dance_is_as_large_and_as_much_on_the_beat(measured):
    clean, flawed = measured
    np.testing.assert_allclose(flawed["motion_magnitude"].mean(), clean["motion_magnitude"].mean(), rtol=0.1)
    np.testing.assert_allclose(flawed["beat_alignment_music"].mean(), clean["beat_alignment_music"].mean(), atol=0.05)


def test_the_same_seed_has_the_same_flaws_and_another_has_others():
    song = make_song(2, 6.0, 100.0)
    motion = make_dance(song, 5)
    one, again, other = (add_flaws(motion, song, 1.0, seed, BODY) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.to_vector(), again.to_vector())
    assert np.abs(one.root[:, 2] - other.root[:, 2]).max() > 0.01
    np.testing.assert_array_equal(one.contacts, motion.contacts)


def test_flaws_are_smooth_and_grow_with_their_strength():
    song = make_song(2, 8.0, 130.0)
    motion = make_dance(song, 5)
    half, whole = (add_flaws(motion, song, strength, 3, BODY) for strength in (0.5, 1.0))
    assert add_flaws(motion, song, 0.0, 3, BODY) is motion
    moved = whole.root - motion.root
    np.testing.assert_allclose(moved, 2 * (half.root - motion.root), atol=1e-6)
    # Waves of 5 cm, of which three seconds is the shortest: 0.1 m/s. A foot that stands slides no faster than that.
    assert 0.01 < np.linalg.norm(np.diff(moved[:, :2], axis=0), axis=-1).max() * 30 < 0.15
    # A shoulder that turns by 42 degrees (1.3 times 0.7 times 46) in a beat of 0.46 s: 0.1 a frame, about two axes.
    shoulders = [BODY.index("left_shoulder"), BODY.index("right_shoulder")]
    leans = whole.rotations[:, shoulders] @ np.swapaxes(motion.rotations[:, shoulders], -1, -2)
    turned = np.linalg.norm(np.diff(leans, axis=0), axis=(-1, -2)) / np.sqrt(2)
    assert 0.02 < turned.max() < 0.25


def test_arms_lean_inwards_on_both_sides():
    """Upper arms that hang beside the trunk come nearer to it, hands nearer to the middle, and ankles to each other."""
    song = make_song(2, 20.0, 110.0)
    motion = make_dance(song, 5)
    before, after = (each.joints(BODY) for each in (motion, add_flaws(motion, song, 1.0, 3, BODY)))
    for joint in ("elbow", "wrist", "ankle"):
        left, right = (BODY.index(f"{side}_{joint}") for side in ("left", "right"))
        apart = [np.linalg.norm(joints[:, left] - joints[:, right], axis=-1).mean() for joints in (before, after)]
        assert apart[1] < apart[0] - 0.03


def test_feet_stay_flat():
    song = make_song(2, 8.0, 110.0)
    motion = make_dance(song, 5)
    frames = [
        each.pose(BODY)[1][:, BODY.index("left_ankle"), 2, 2]
        for each in (motion, add_flaws(motion, song, 1.0, 3, BODY))
    ]
    standing = motion.contacts[:, 0] > 0
    # Bent knees turn the axis of the lean a little away from that of the ankle: five degrees.
    assert np.degrees(np.arccos(np.clip(frames[1], -1, 1)))[standing].max() < 5


def test_a_song_shorter_than_a_beat_has_flaws_too():
    song = make_song(3, 0.1, 60.0)
    assert add_flaws(make_dance(song, 1), song, 1.0, 0, BODY).num_frames == 3


def test_a_recipe_asks_for_flaws():
    clean, flawed = (load_pieces(DanceData(songs=1, seconds=6, flaws=flaws))[0] for flaws in (0.0, 1.0))
    assert np.abs(clean.vectors - flawed.vectors).max() > 0.1
    np.testing.assert_array_equal(clean.music, flawed.music)
    with pytest.raises(ValueError, match="flaws is -1"):
        DanceData(flaws=-1)
    with pytest.raises(ValueError, match="flaws of strength -1"):
        next(embedded_pairs(1, 0, 2.0, flaws=-1))
