"""Many clips together, and what post-processing mends."""

import json

import numpy as np
import pytest

from skeletonllm.dance.body import default_body
from skeletonllm.dance.metrics import FORMS, METRICS, Performance, evaluate_motions, summarize
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.postprocess import postprocess
from skeletonllm.dance.synthesis import make_dance, make_song
from skeletonllm.skeleton.kinematics import axis_rotation

BODY = default_body()


def crouching(frames=90, contacts=1.0, **places):
    """Somebody with bent knees, so that legs have room both ways, whose feet are flat on the floor."""
    bend = 0.5
    rotations = np.broadcast_to(np.eye(3), (frames, 24, 3, 3)).copy()
    for side in ("left", "right"):
        for joint, angle in (("hip", -bend), ("knee", 2 * bend), ("ankle", -bend)):
            rotations[:, BODY.index(f"{side}_{joint}")] = axis_rotation(0, np.full(frames, angle))
    motion = Motion(np.zeros((frames, 3)), rotations, np.full((frames, 4), contacts), source="crouching")
    motion = motion.lifted(-float(motion.lowest(BODY)[0]))
    root = motion.root + np.stack([np.broadcast_to(places.get(axis, 0.0), frames) for axis in "xyz"], -1)
    return motion.replace(root=root)


def measure(name, motion):
    return METRICS[name].measure(Performance(motion, BODY), False)


def test_feet_that_stand_are_held_and_put_on_the_floor():
    times = np.arange(90) / 30
    sliding = crouching(x=0.15 * np.sin(4 * times), z=0.1 + 0.03 * np.sin(5 * times))
    assert measure("foot_skating", sliding.lifted(-0.1)) > 20
    mended = postprocess(sliding, BODY)
    assert measure("foot_skating", mended) == 0
    # float32 rotations of legs of 0.9 m.
    assert measure("foot_ground_distance", mended) < 0.01
    feet = mended.joints(BODY)[:, [BODY.index("left_ankle"), BODY.index("left_foot")]]
    np.testing.assert_allclose(feet, np.broadcast_to(feet[:1], feet.shape), atol=1e-5)
    # What is above the pelvis dances as before.
    np.testing.assert_allclose(mended.rotations[:, 12:], sliding.rotations[:, 12:], atol=1e-6)
    np.testing.assert_allclose(mended.root[:, :2], sliding.root[:, :2], atol=1e-6)
    # Feet keep their directions.
    frames, before = mended.pose(BODY)[1], sliding.pose(BODY)[1]
    np.testing.assert_allclose(frames[:, 7:9], before[:, 7:9], atol=1e-5)


def test_a_foot_that_rolls_onto_its_ball_is_held_by_the_ball():
    motion = crouching(x=0.1 * np.arange(90) / 30)
    contacts = motion.contacts.copy()
    contacts[45:, :2] = 0
    mended = postprocess(motion.replace(contacts=contacts), BODY)
    ball = mended.joints(BODY)[:, BODY.index("left_foot"), :2]
    np.testing.assert_allclose(ball, np.broadcast_to(ball[:1], ball.shape), atol=1e-5)


def test_legs_too_short_for_their_feet_let_the_pelvis_sink():
    times = np.arange(90) / 30
    stretched = crouching(z=0.3 * np.maximum(np.sin(2 * times), 0))
    stretched = stretched.replace(contacts=np.where(times[:, None] < 0.8, 1.0, 0.0) * np.ones(4))
    mended = postprocess(stretched, BODY)
    held = times < 0.2
    assert measure("sinking", mended) < 0.01
    assert np.abs(mended.lowest(BODY)[held]).max() < 1e-4
    # No jolt: the pelvis is never faster than before by more than sinking over 0.2 s explains.
    assert np.abs(np.diff(mended.root, 2, axis=0)).max() < 3 * np.abs(np.diff(stretched.root, 2, axis=0)).max() + 0.01


def test_a_motion_without_contacts_is_only_lifted():
    times = np.arange(90) / 30
    floating = crouching(contacts=0.0, x=0.1 * times, z=0.2)
    mended = postprocess(floating, BODY)
    np.testing.assert_array_equal(mended.rotations, floating.rotations)
    np.testing.assert_allclose(mended.root, floating.root - [0, 0, 0.2], atol=1e-5)


def test_a_foot_held_still_in_the_air_is_not_brought_down():
    motion = crouching()
    rotations = motion.rotations.copy()
    rotations[:, BODY.index("left_hip")] = axis_rotation(0, np.full(90, -1.4))
    raised = motion.replace(rotations=rotations)
    np.testing.assert_allclose(postprocess(raised, BODY).joints(BODY), raised.joints(BODY), atol=1e-4)


def test_a_flawless_dance_stays_as_it_is():
    dance = make_dance(make_song(1, 8, 120), 1)
    np.testing.assert_allclose(postprocess(dance, BODY).joints(BODY), dance.joints(BODY), atol=2e-3)


@pytest.fixture(scope="module")
def evaluated():
    songs = [make_song(seed, 6, 110) for seed in range(3)]
    dances = [make_dance(song, song.seed) for song in songs]
    dances.append(crouching(x=0.2 * np.sin(4 * np.arange(90) / 30)))
    return evaluate_motions(dances, BODY, [*(song.beats for song in songs), None], reference=dances)


def test_every_clip_and_the_mean_with_its_interval_are_told_raw_and_post_processed(evaluated):
    assert json.loads(json.dumps(evaluated)) == evaluated
    assert len(evaluated["clips"]) == 4 and set(evaluated["metrics"]) == set(METRICS)
    for name, metric in evaluated["metrics"].items():
        for form in FORMS:
            summary = metric[form]
            assert len(summary["per_clip"]) == 4, name
            if summary["count"] > 1:
                low, high = summary["interval_95"]
                assert low <= summary["mean"] <= high
    beats = evaluated["metrics"]["beat_alignment_music"]["raw"]
    assert beats["count"] == 3 and beats["per_clip"][3] is None
    skating = evaluated["metrics"]["foot_skating"]
    assert skating["post_processed"]["per_clip"][3] == 0 < skating["raw"]["per_clip"][3]
    assert evaluated["metrics"]["success_rate"]["raw"]["mean"] is None
    assert evaluated["sets"]["fid_kinetic"]["raw"] == pytest.approx(0, abs=1e-3)
    assert evaluated["sets"]["fid_kinetic"]["post_processed"] > 1e-3
    assert set(evaluated["sets"]) == {f"{name}_{kind}" for name in ("fid", "diversity") for kind in
                                      ("kinetic", "geometric")}  # fmt: skip


def test_the_interval_is_that_of_the_mean():
    values = np.random.default_rng(0).normal(2, 1, 400)
    low, high = summarize([*values, None])["interval_95"]
    # 1.96 deviations of the mean to either side; percentiles of 2000 draws move by a few percent.
    assert (high - low) == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert summarize([None, None]) == {"per_clip": [None, None], "mean": None, "interval_95": None, "count": 0}
    assert summarize([3.0])["interval_95"] is None


def test_clips_of_other_frame_rates_are_measured_at_thirty():
    fast = Motion(np.repeat(crouching().root, 2, 0), np.repeat(crouching().rotations, 2, 0), fps=60.0)
    assert len(evaluate_motions([fast], BODY)["clips"]) == 1


def test_no_clips_short_clips_and_lists_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="no motions to evaluate"):
        evaluate_motions([], BODY)
    with pytest.raises(ValueError, match="crouching: 5 frames are 0.17 s"):
        evaluate_motions([crouching(), crouching(5)], BODY)
    with pytest.raises(ValueError, match="beats of 1 clips, expected 2"):
        evaluate_motions([crouching(), crouching()], BODY, [np.ones(1)])
