"""Cleaning finds what is wrong, exactly that, and says so; what is right stays as it is."""

import dataclasses
import math

import numpy as np
import pytest

from skeletonllm.skeleton.cleaning import CleaningSettings, clean
from skeletonllm.skeleton.cleaning.bones import misplaced_joints
from skeletonllm.skeleton.cleaning.outliers import momentary_outliers
from skeletonllm.skeleton.cleaning.smoothing import smooth
from skeletonllm.skeleton.formats import read_skeleton
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import COCO_17, KINECT_V1

WRIST, ELBOW, HAND = (KINECT_V1.index(f"right_{joint}") for joint in ("wrist", "elbow", "hand"))
KNEE = KINECT_V1.index("left_knee")


@pytest.fixture
def walk(standing):
    """Builds 60 frames of two people who walk past each other, at 30 frames per second unless told otherwise."""

    def walk(fps=30.0, **fields):
        seconds = np.arange(60) / fps
        joints = np.repeat(standing[None, None, :20] + [0, 0, 3], 60, axis=0).repeat(2, axis=1)
        joints[..., 0] += np.stack([seconds, -seconds], 1)[..., None] * 1.2
        joints[..., [ELBOW, WRIST, HAND], 2] += 0.1 * np.sin(2 * np.pi * seconds)[:, None, None]
        return SkeletonSequence(joints, fps, KINECT_V1, **fields)

    return walk


def thrown(sequence, frames, person, joint, offset=(0.0, 1.0, 0.0)):
    joints = sequence.joints.copy()
    joints[frames, person, joint] += np.float32(offset)
    return sequence.replace(joints=joints)


def lost(sequence, frames, person, joint):
    valid = sequence.valid.copy()
    valid[frames, person, joint] = False
    return sequence.replace(valid=valid)


def counts(report):
    return {step.name: step.joints for step in report.steps}


def test_what_is_clean_is_given_back_untouched(walk):
    sequence = walk()
    cleaned, report = clean(sequence)
    assert cleaned is sequence and not report.changed and "nothing changed" in str(report)
    assert (report.total, report.unknown_before, report.unknown_after) == (2400, 0, 0)


@pytest.mark.parametrize("fps", [20.0, 30.0, 60.0, 120.0])
def test_a_joint_thrown_a_metre_away_for_two_frames_is_put_back(walk, fps):
    sequence = walk(fps)
    cleaned, report = clean(thrown(sequence, slice(20, 22), 1, WRIST))
    (masked, filled) = report.steps
    assert (masked.name, masked.joints, masked.frames, masked.persons) == ("outliers", 2, 2, 1)
    assert (filled.name, filled.joints) == ("gaps", 2)
    # 2 cm: a straight line over three frames of a swinging arm; everything else is bit for bit as it was.
    np.testing.assert_allclose(cleaned.joints, sequence.joints, atol=0.02)
    changed = (cleaned.joints != sequence.joints).any(-1)
    assert changed.sum() == 2 and changed[20:22, 1, WRIST].all() and cleaned.valid.all()


def test_a_gap_of_a_fifth_of_a_second_is_filled_and_a_longer_one_is_left(walk):
    sequence = walk()
    cleaned, report = clean(lost(lost(sequence, slice(10, 16), 0, KNEE), slice(30, 40), 1, KNEE))
    assert counts(report) == {"gaps": 6} and (report.unknown_before, report.unknown_after) == (16, 10)
    assert cleaned.valid[:, 0].all() and np.flatnonzero(~cleaned.valid[:, 1, KNEE]).tolist() == list(range(30, 40))
    # 1e-5 m: the knee goes straight on; float32.
    np.testing.assert_allclose(cleaned.joints[10:16, 0, KNEE], sequence.joints[10:16, 0, KNEE], atol=1e-5)


def test_a_limb_of_another_length_is_masked_at_its_far_end(walk):
    sequence = walk()
    forearm = sequence.joints[:, 0, WRIST] - sequence.joints[:, 0, ELBOW]
    joints = sequence.joints.copy()
    joints[30:45, 0, [WRIST, HAND]] += forearm[30:45, None]  # twice as long for half a second, hand and all
    cleaned, report = clean(sequence.replace(joints=joints))
    assert counts(report) == {"bones": 15}
    assert np.argwhere(~cleaned.valid).tolist() == [[frame, 0, WRIST] for frame in range(30, 45)]


def test_of_two_wrong_bones_the_joint_between_them_is_blamed(walk):
    sequence = thrown(walk(), slice(30, 50), 1, ELBOW, (0.5, 0.0, 0.0))
    cleaned, report = clean(sequence)
    assert counts(report) == {"bones": 20}
    assert np.argwhere(~cleaned.valid).tolist() == [[frame, 1, ELBOW] for frame in range(30, 50)]


def test_two_misplaced_joints_of_one_frame_are_both_found(walk):
    joints = walk().joints.copy()
    joints[7, 0, [ELBOW, KNEE]] += np.float32(0.6)
    misplaced = misplaced_joints(joints, np.ones(joints.shape[:3], bool), KINECT_V1, factor=1.5, metres=0.15)
    assert {tuple(index) for index in np.argwhere(misplaced)} == {(7, 0, ELBOW), (7, 0, KNEE)}


def test_doubtful_joints_are_masked_and_filled_with_the_confidence_around(walk):
    confidence = np.full((60, 2, 20), 0.8, dtype=np.float32)
    confidence[12:15, 0, WRIST] = 0.01
    confidence[15:, 0, WRIST] = 0.4
    cleaned, report = clean(walk(confidence=confidence))
    assert counts(report) == {"confidence": 3, "gaps": 3}
    # 1e-6: float32.
    np.testing.assert_allclose(cleaned.confidence[11:16, 0, WRIST], [0.8, 0.7, 0.6, 0.5, 0.4], atol=1e-6)
    kept, report = clean(walk(confidence=confidence), CleaningSettings(min_confidence=0.0))
    assert not report.changed and kept.confidence[12, 0, WRIST] == np.float32(0.01)


def test_points_of_a_picture_may_shrink_and_grow_but_not_jump():
    points = np.zeros((40, 1, 17, 3))
    points[..., 0], points[..., 2] = np.arange(17) * 0.3, 3.0
    wrist, elbow = COCO_17.index("left_wrist"), COCO_17.index("left_elbow")
    points[20:, 0, wrist, 0] = points[20:, 0, elbow, 0] + 0.05  # the forearm now points at the camera
    points[10, 0, wrist, 1] += 1.0
    cleaned, report = clean(SkeletonSequence(points, 25.0, COCO_17))
    assert counts(report) == {"outliers": 1, "gaps": 1} and cleaned.valid.all()
    assert report.skipped and "not checked" in str(report)


def test_every_change_is_told_in_the_notes(walk):
    sequence = lost(thrown(walk(notes=("read",)), slice(20, 22), 1, WRIST), slice(5, 7), 0, KNEE)
    cleaned, report = clean(sequence)
    assert cleaned.notes[0] == "read" and cleaned.notes[1:] == report.notes()
    assert cleaned.notes[1].startswith("cleaning: 2 of 2400 joints (2 frames, 1 persons) masked: thrown out")
    assert cleaned.notes[2].startswith("cleaning: 4 of 2400 joints (4 frames, 2 persons) filled by straight lines")
    assert report.count("gaps") == 4 and report.count("bones") == 0


def test_cleaning_twice_changes_nothing_more(walk):
    rng = np.random.default_rng(0)
    joints = walk().joints + rng.normal(0, 0.01, (60, 2, 20, 3)).astype(np.float32)
    joints[rng.random((60, 2, 20)) < 0.02] += 1.0
    cleaned, report = clean(SkeletonSequence(joints, 30.0, KINECT_V1, rng.random((60, 2, 20)) > 0.05))
    assert report.count("outliers") + report.count("bones") > 30
    again, report = clean(cleaned)
    assert again is cleaned and not report.changed


def test_the_sequence_that_is_cleaned_stays_as_it_is(walk):
    sequence = thrown(walk(), slice(20, 22), 1, WRIST)
    joints, valid = sequence.joints.copy(), sequence.valid.copy()
    clean(sequence, CleaningSettings(smoothing_seconds=0.1))
    assert (sequence.joints == joints).all() and (sequence.valid == valid).all() and sequence.notes == ()


def test_checks_can_be_put_out_of_reach(walk):
    sequence = lost(thrown(walk(), slice(20, 22), 1, WRIST), slice(5, 7), 0, KNEE)
    settings = CleaningSettings(jump_metres=math.inf, bone_factor=math.inf, gap_seconds=0.0)
    cleaned, report = clean(sequence, settings)
    assert cleaned is sequence and not report.changed


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(CleaningSettings)])
@pytest.mark.parametrize("value", [-0.1, math.nan])
def test_settings_that_make_no_sense_are_refused(field, value):
    with pytest.raises(ValueError, match=field):
        CleaningSettings(**{field: value})


def test_a_bone_factor_of_one_is_refused():
    with pytest.raises(ValueError, match="more than 1"):
        CleaningSettings(bone_factor=1.0)


def test_fast_hands_are_no_outliers():
    seconds = np.arange(90) / 30
    punches = np.zeros((90, 1, 1, 3))
    # 0.6 m out and back three times a second, up to 107 m/s^2.
    punches[:, 0, 0, 0] = 0.3 * np.sin(6 * np.pi * seconds)
    sprint = np.zeros((90, 1, 1, 3))
    sprint[:, 0, 0, 0] = 12 * seconds
    for joints in (punches, sprint):
        known = np.ones(joints.shape[:3], bool)
        assert not momentary_outliers(joints, known, 30.0, seconds=0.067, metres=0.1, acceleration=300.0).any()


def test_outliers_of_long_recordings_are_found_where_they_are():
    joints = np.zeros((2500, 1, 1, 3))
    joints[[700, 1023, 1024, 2100], 0, 0, 2] = 1.0
    found = momentary_outliers(
        joints, np.ones((2500, 1, 1), bool), 1000.0, seconds=0.067, metres=0.1, acceleration=300.0
    )
    assert np.flatnonzero(found).tolist() == [700, 1023, 1024, 2100]


def test_an_outlier_beside_a_gap_is_found_and_a_gap_makes_none():
    joints = np.zeros((40, 1, 1, 3))
    joints[:, 0, 0, 0] = 0.1 * np.arange(40)
    known = np.ones((40, 1, 1), bool)
    known[20:28] = False
    joints[18, 0, 0, 1] = 1.0
    found = momentary_outliers(joints, known, 30.0, seconds=0.067, metres=0.1, acceleration=300.0)
    assert np.flatnonzero(found).tolist() == [18]


def test_smoothing_keeps_parabolas_and_lowers_noise():
    seconds = np.arange(50) / 25
    parabola = np.stack([seconds, 2 * seconds**2, 1 - seconds], -1)[:, None, None]
    known = np.ones((50, 1, 1), bool)
    known[[3, 4, 20, 33]] = False
    smoothed, where = smooth(parabola, known, 25.0, seconds=0.2)
    assert (where == known).all()
    # 1e-9: exact but for rounding in float64.
    np.testing.assert_allclose(smoothed[known], parabola[known], atol=1e-9)
    noise = np.random.default_rng(0).normal(size=(2000, 1, 1, 3))
    quiet, _ = smooth(noise, np.ones((2000, 1, 1), bool), 25.0, seconds=0.2)
    # A parabola through 11 points keeps 0.208 of the variance of white noise (Savitzky and Golay 1964); 5 % for chance.
    assert quiet[10:-10].var() == pytest.approx(0.208, rel=0.05)


def test_smoothing_equals_scipys_filter():
    savgol_filter = pytest.importorskip("scipy.signal").savgol_filter
    joints = np.random.default_rng(1).normal(size=(40, 2, 3, 3))
    smoothed, _ = smooth(joints, np.ones((40, 2, 3), bool), 30.0, seconds=0.1)
    # 1e-9: the same formula in float64.
    np.testing.assert_allclose(smoothed[3:-3], savgol_filter(joints, 7, 2, axis=0)[3:-3], atol=1e-9)


def test_joints_with_too_few_neighbours_are_not_smoothed(walk):
    sequence = lost(walk(), slice(0, 57), 0, HAND)
    cleaned, report = clean(sequence, CleaningSettings(smoothing_seconds=0.1))
    assert (cleaned.joints[57:, 0, HAND] == sequence.joints[57:, 0, HAND]).all()
    assert report.count("smoothing") == sequence.valid.sum() - 3


def test_recordings_of_one_frame_and_of_nobody_are_left_alone(walk):
    for sequence in (walk().slice(0, 1), lost(walk(), slice(None), slice(None), slice(None))):
        cleaned, report = clean(sequence, CleaningSettings(smoothing_seconds=0.1))
        assert cleaned is sequence and not report.changed


def test_motion_capture_is_left_as_it_is(shared):
    data = shared / "data"
    paths = sorted((data / "humanml3d/new_joints").glob("*.npy")) + sorted((data / "bandai_namco_bvh").glob("**/*.bvh"))
    paths += sorted((data / "hdm05_asf_amc").glob("**/*.amc"))
    assert len(paths) > 10
    for path in paths:
        sequence = read_skeleton(path)
        assert clean(sequence)[0] is sequence, path


def test_the_knee_that_flips_in_a_ballet_leap_is_the_only_thing_found_in_cmu(shared):
    found = {}
    for path in sorted((shared / "data/cmu_bvh").glob("**/*.bvh")):
        sequence = read_skeleton(path)
        _, report = clean(sequence)
        if report.changed:
            found[path.name] = report.count("outliers") / report.total
    assert set(found) == {"05_16.bvh"} and found["05_16.bvh"] < 0.001


def test_kinect_clips_lose_few_joints(shared):
    # About twice what it is: 1.5, 0.1 and 2.4 in a thousand.
    shares = {"utd_mhad/*.mat": 0.003, "msr_action3d/*.txt": 0.0002, "utkinect/joints*.txt": 0.004}
    for pattern, most in shares.items():
        reports = [clean(read_skeleton(path))[1] for path in sorted((shared / "data").glob(pattern))]
        masked = sum(report.count("outliers") + report.count("bones") for report in reports)
        assert reports and masked < most * sum(report.total for report in reports), pattern
