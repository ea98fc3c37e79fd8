"""Metrics of a clip, on motions whose numbers are known beforehand."""

import numpy as np
import pytest

from skeletonllm.dance.body import collision_pairs, default_body
from skeletonllm.dance.metrics import METRICS, Performance
from skeletonllm.dance.metrics.penetration import overlaps
from skeletonllm.dance.motion import Motion, resample
from skeletonllm.dance.series import smooth
from skeletonllm.skeleton.kinematics import axis_rotation

BODY = default_body()
GRAVITY = 9.81


def standing(frames=60, fps=30.0, **places):
    """Somebody in a T-pose on the floor; x, y and z (T,) move the whole body."""
    root = np.zeros((frames, 3))
    root[:, 2] = BODY.standing_height
    for axis, name in enumerate("xyz"):
        root[:, axis] += places.get(name, 0.0)
    return Motion(root, np.broadcast_to(np.eye(3), (frames, 24, 3, 3)), np.ones((frames, 4)), fps)


def turned(motion, joint, axis, angles):
    rotations = motion.rotations.copy()
    rotations[:, BODY.index(joint)] = axis_rotation(axis, np.asarray(angles, np.float64))
    return motion.replace(rotations=rotations)


def measure(name, motion, beats=None, legacy=False, **facts):
    return METRICS[name].measure(Performance(motion, BODY, beats, **facts), legacy)


@pytest.mark.parametrize("legacy", [False, True], ids=["mended", "legacy"])
def test_a_static_clip_has_no_magnitude_no_foot_contact_error_no_skating_and_no_distance(legacy):
    names = ("physical_foot_contact", "motion_magnitude", "foot_skating", "foot_ground_distance", "sinking", "floating")
    for name in names:
        # Rounding of float32 metres, in millimetres.
        assert measure(name, standing(), legacy=legacy) == pytest.approx(0, abs=1e-3), name
    assert measure("freezing", standing(), legacy=True) == 0
    assert measure("freezing", standing()) == 100


def test_two_shins_that_overlap_by_three_centimetres_in_half_of_the_frames_report_it():
    motion = standing(20)
    knee, ankle = BODY.index("left_knee"), BODY.index("left_ankle")
    shin = np.linalg.norm(BODY.offsets[ankle])
    # Mirrored shins are nearest at the ankles: 2 (radius - x) = 0.03.
    x = BODY.capsules.radii[knee] - 0.015
    inwards = np.arcsin((motion.joints(BODY)[0, knee, 0] - x) / shin) * (np.arange(20) < 10)
    motion = turned(turned(motion, "left_knee", 1, inwards), "right_knee", 1, -inwards)
    pairs = collision_pairs(BODY).tolist()
    found = overlaps(Performance(motion, BODY))[:, pairs.index([knee, BODY.index("right_knee")])]
    np.testing.assert_allclose(found, 0.03 * (np.arange(20) < 10), atol=1e-6)
    assert measure("penetration_depth", motion) == pytest.approx(15, abs=1e-3)
    assert 0.5 <= measure("penetration_rate", motion) <= 2  # feet may touch, too
    assert measure("penetration_rate", standing()) == measure("penetration_depth", standing()) == 0
    assert measure("penetration_rate", motion, legacy=True) is None


def test_a_body_off_the_floor_is_as_far_as_it_is_and_legacy_does_not_see_it():
    assert measure("sinking", standing(z=-0.03)) == pytest.approx(30, abs=1e-3)
    assert measure("floating", standing(z=0.05)) == pytest.approx(50, abs=1e-3)
    assert measure("foot_ground_distance", standing(z=0.05)) == pytest.approx(50, abs=1e-3)
    assert measure("foot_ground_distance", standing(z=0.05), legacy=True) == pytest.approx(0, abs=1e-3)


def test_a_ballistic_jump_is_no_floating_and_hovering_at_its_height_is():
    times = np.arange(90) / 30 - 1.01
    speed = 2.5
    flight = np.clip(speed * times - GRAVITY / 2 * times**2, 0, None) * (times > 0)
    jump = standing(90, z=flight)
    assert flight.max() > 0.3
    assert measure("floating", jump) < 0.5
    assert measure("floating", jump, legacy=True) > 20
    duration = 2 * speed / GRAVITY
    hovering = (times > 0) & (times < duration)
    # A parabola through a hover of half a second misses it by a decimetre, in a sixth of the frames.
    assert measure("floating", standing(90, z=0.3 * hovering)) > 10
    assert measure("floating", standing(90, z=0.3 * (np.abs(times) < 1))) > 100
    # In slow motion a jump is none.
    slow = np.interp(np.arange(180) / 2, np.arange(90), flight)
    assert measure("floating", standing(180, z=slow)) > 20


def test_a_single_frame_in_the_air_is_floating():
    z = np.zeros(60)
    z[30] = 0.3
    assert measure("floating", standing(z=z)) > 1


def test_foot_contact_is_the_product_of_foot_speeds_and_acceleration():
    times, acceleration = np.arange(60) / 30, 1.5
    motion = standing(x=acceleration / 2 * times**2)
    speeds = acceleration * (times[1:-1] + 0.5 / 30)
    # float32 places differentiated twice.
    wanted = (speeds**2 * acceleration).mean() / GRAVITY
    assert measure("physical_foot_contact", motion) == pytest.approx(wanted, rel=1e-3)
    assert measure("physical_foot_contact", motion, legacy=True) == pytest.approx(
        1e4 * (speeds**2).mean() / 900, rel=1e-2
    )


def test_a_spike_makes_foot_contact_worse_and_by_legacy_better():
    times = np.arange(60) / 30
    x = 0.75 * times**2
    spike = x.copy()
    spike[30] += 0.2
    for legacy in (False, True):
        plain, spiked = (measure("physical_foot_contact", standing(x=way), legacy=legacy) for way in (x, spike))
        assert (spiked < plain) == legacy


def test_one_foot_that_stands_is_contact_enough():
    times = np.arange(60) / 30
    swinging = turned(standing(), "left_hip", 0, 0.5 * np.sin(6 * times))
    assert measure("physical_foot_contact", swinging) == pytest.approx(0, abs=1e-6)


def test_a_skating_foot_is_found_in_any_direction_and_a_standing_one_is_not():
    way = 0.5 * np.arange(60) / 30
    for axis in "xy":
        assert measure("foot_skating", standing(**{axis: way})) == 100
    assert measure("foot_skating", standing(x=way), legacy=True) == 100
    assert measure("foot_skating", standing(y=way), legacy=True) == 0
    assert measure("foot_skating", standing(x=way / 2)) == 0
    assert measure("foot_skating", standing(x=way, z=0.2)) is None


def test_a_foot_that_turns_on_its_ball_does_not_skate_but_the_other_does():
    motion = standing()
    ball = motion.joints(BODY)[0, BODY.index("left_foot")]
    turn = axis_rotation(2, 5.0 * np.arange(60) / 30)
    around = ball + (turn @ (motion.root[0] - ball).astype(np.float64))
    assert measure("foot_skating", turned(motion, "pelvis", 2, 5.0 * np.arange(60) / 30).replace(root=around)) == 50


def test_magnitude_is_the_change_of_six_numbers_per_second_at_any_frame_rate():
    # One joint of 24 turns once about z: of its six numbers four change, by |sin| or |cos| on the average 2 / pi.
    for fps in (30.0, 60.0):
        frames = round(2 * fps) + 1
        motion = turned(standing(frames, fps), "left_elbow", 2, np.linspace(0, 2 * np.pi, frames))
        assert measure("motion_magnitude", motion) == pytest.approx(np.pi * 4 * (2 / np.pi) / 144, rel=1e-3)


def test_a_dance_is_frozen_where_it_stops_for_half_a_second():
    times = np.arange(120) / 30
    moving = 0.3 * np.minimum(times, 2)  # then it stands for two seconds
    assert measure("freezing", standing(120, x=moving)) == pytest.approx(50, abs=1)
    stops = 0.3 * np.where(times % 1 < 0.6, times % 1, 0.6) + 0.18 * np.floor(times)
    assert measure("freezing", standing(120, x=stops)) == 0


def metronome(seconds=8, beat=0.5):
    times = np.arange(round(30 * seconds)) / 30
    return turned(standing(len(times)), "left_shoulder", 1, np.cos(np.pi * times / beat))


def test_a_metronome_is_aligned_with_its_beats():
    beats = 0.5 * np.arange(17)
    for name in ("beat_alignment_music", "beat_alignment_dance"):
        assert measure(name, metronome(), beats) == pytest.approx(1, abs=1e-3)
        assert measure(name, metronome(), beats + 0.25) < 1e-3
        assert measure(name, metronome()) is None
    # By legacy the beats at both ends are missed.
    assert measure("beat_alignment_music", metronome(), beats, legacy=True) == pytest.approx(15 / 17, abs=1e-3)
    assert measure("beat_alignment_dance", metronome(), beats, legacy=True) == pytest.approx(1, abs=1e-3)


def test_the_two_conventions_of_beat_alignment_ask_different_beats():
    every_second = 1.0 * np.arange(1, 8)
    assert measure("beat_alignment_music", metronome(), every_second) == pytest.approx(1, abs=1e-3)
    assert measure("beat_alignment_dance", metronome(), every_second) == pytest.approx(7 / 15, abs=1e-2)
    assert measure("beat_alignment_music", standing(), every_second) == 0
    assert measure("beat_alignment_dance", standing(), every_second) is None


def test_smoothing_is_that_of_scipy():
    ndimage = pytest.importorskip("scipy.ndimage")
    values = np.random.default_rng(0).normal(size=50)
    for sigma in (2.5, 5.0):
        np.testing.assert_allclose(smooth(values, sigma), ndimage.gaussian_filter1d(values, sigma), atol=1e-12)


def test_success_is_for_a_simulator_to_say():
    assert measure("success_rate", standing()) is None
    assert measure("success_rate", standing(), succeeded=True) == 100
    assert measure("success_rate", standing(), succeeded=False) == 0


def test_every_metric_is_the_same_wherever_and_in_whatever_direction_one_dances():
    motion = metronome()
    swing = turned(motion, "left_hip", 0, 0.4 * np.sin(3 * np.arange(motion.num_frames) / 30))
    elsewhere = turned(swing, "pelvis", 2, np.full(motion.num_frames, 1.0)).replace(root=swing.root + [3, -2, 0])
    for name, metric in METRICS.items():
        # Six numbers depend on the axes of the pelvis; the others ask for a simulator and a mesh.
        if name not in ("motion_magnitude", "success_rate", "mesh_penetration"):
            here, there = (metric.measure(Performance(m, BODY, np.arange(1.0, 7)), False) for m in (swing, elsewhere))
            assert there == pytest.approx(here, rel=1e-3, abs=1e-3), name


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match=r"short: 10 frames are 0.33 s, expected at least 0.5 s"):
        Performance(standing(10).replace(source="short"), BODY)
    with pytest.raises(ValueError, match="beats of shape"):
        Performance(standing(), BODY, np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="root of frame 3 is not finite"):
        z = np.zeros(60)
        z[3] = np.nan
        standing(z=z)
    assert resample(standing(), 60).num_frames == 119
