"""Embedded dances: on the beat, with feet that stand where they stand, and limbs that stay apart."""

import dataclasses

import numpy as np
import pytest
import torch

from skeletonllm.dance.body import capsule_ends, centre_of_mass, collision_pairs, default_body, forward_kinematics
from skeletonllm.dance.synthesis import MANNERS, MOVES, dances, embedded_pairs, make_dance, make_song
from skeletonllm.dance.synthesis.timing import plan_jump

BODY = default_body()
FEET = [7, 8, 10, 11]


def dance_of(move, monkeypatch, tempo=110.0, seconds=9.0, size=1.15):
    """A dance of one move, to the left and to the right."""
    manner = dataclasses.replace(MANNERS["house"], moves=(move,), size=size)
    monkeypatch.setattr(dances, "MANNERS", {"house": manner})
    return make_dance(make_song(1, seconds, tempo, style="house"), 3, BODY)


def knee_angles(motion):
    """(T, 2) degrees that each knee bends; backwards is negative."""
    joints = motion.joints(BODY).astype(np.float64)
    angles = []
    for hip, knee, ankle in ((1, 4, 7), (2, 5, 8)):
        thigh, shin = joints[:, knee] - joints[:, hip], joints[:, ankle] - joints[:, knee]
        toes = joints[:, ankle + 3] - joints[:, ankle]
        cosine = (thigh * shin).sum(-1) / np.linalg.norm(thigh, axis=-1) / np.linalg.norm(shin, axis=-1)
        # Of a knee that bends the right way, the shin points away from the toes as seen from the thigh.
        backwards = ((shin - thigh) * toes).sum(-1) > 0
        angles.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))) * np.where(backwards, -1, 1))
    return np.stack(angles, -1)


@pytest.mark.parametrize("move", MOVES)
def test_every_move_is_one_that_a_body_can_make(move, monkeypatch):
    motion = dance_of(move, monkeypatch)
    joints, frames = motion.pose(BODY)
    assert motion.num_frames == 270 and motion.to_vector().shape == (270, 151)

    stands = (motion.contacts[1:] > 0) & (motion.contacts[:-1] > 0)
    moved = np.linalg.norm(np.diff(joints[:, FEET], axis=0), axis=-1)
    # Rounding of float32 over five joints.
    assert stands.any() and moved[stands].max() < 1e-5

    lowest = motion.lowest(BODY)
    assert lowest.min() > -1e-3
    assert np.abs(lowest[motion.contacts.any(1)]).max() < 1e-3

    knees = knee_angles(motion)
    # A squat at most, and never straight: REACH of two equal bones is 20 degrees.
    assert 15 < knees.min() and knees.max() < 115

    ends = torch.from_numpy(capsule_ends(BODY, frames, joints)).flatten(1, 2)
    from skeleton_kernels import penetration

    axes = torch.arange(ends.shape[1]).reshape(-1, 2)
    radii = torch.tensor(BODY.capsules.radii.tolist())
    depths = penetration(ends, axes, radii, collision_pairs(BODY)).depths
    assert float(depths.max()) < 0.01

    # No limb is thrown about: sprinters' hands reach 10 m/s, and nothing jumps from frame to frame.
    assert np.linalg.norm(np.diff(joints, axis=0), axis=-1).max() * 30 < 9
    assert np.linalg.norm(np.diff(motion.rotations, axis=0), axis=(-1, -2)).max() < 1.0


def test_moves_differ_from_each_other(monkeypatch):
    poses = {move: dance_of(move, monkeypatch, seconds=4.0).rotations for move in MOVES}
    for one in MOVES:
        for other in MOVES:
            assert one == other or np.abs(poses[one] - poses[other]).max() > 0.3


def test_the_same_seed_is_the_same_dance_and_another_is_another():
    song = make_song(2, 6.0, 100.0)
    one, again, other = (make_dance(song, seed).to_vector() for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0.3


def speed_by_phase(motion, beats):
    """Mean speed of all joints in eighths of a beat, the first one centred at the beat."""
    joints = motion.joints(BODY).astype(np.float64)
    speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1).mean(-1)
    phase = np.interp((np.arange(len(speed)) + 0.5) / 30, beats, np.arange(len(beats)), left=np.nan, right=np.nan)
    known = ~np.isnan(phase)
    place = np.round(phase[known] * 8).astype(int) % 8
    return np.bincount(place, speed[known], 8) / np.bincount(place, minlength=8)


@pytest.mark.parametrize("style", MANNERS)
@pytest.mark.parametrize("tempo", [91, 127])
def test_moves_arrive_on_the_beat_at_any_tempo(style, tempo):
    song = make_song(tempo, 20.0, tempo, style=style)
    speeds = speed_by_phase(make_dance(song, 1), song.beats)
    assert speeds.argmin() == 0 and speeds[0] < 0.6 * speeds.max()


def test_a_jump_is_a_free_fall_of_the_centre_of_mass(monkeypatch):
    motion = dance_of("jump", monkeypatch)
    flies = ~motion.contacts.any(1)
    runs = np.split(np.arange(len(flies)), np.flatnonzero(np.diff(flies.astype(int))) + 1)
    flights = [run for run in runs if flies[run[0]] and len(run) >= 5]
    assert len(flights) >= 2
    pose = forward_kinematics(BODY, motion.root.astype(np.float64), motion.rotations.astype(np.float64))
    centres = centre_of_mass(BODY, *pose)
    for flight in flights:
        acceleration = np.diff(centres[flight], 2, axis=0) * 30**2
        # Places are float32: a ten-millionth of a metre, times 4 x 900.
        np.testing.assert_allclose(acceleration, np.broadcast_to([0, 0, -9.81], acceleration.shape), atol=0.01)
    assert motion.lowest(BODY).max() > 0.05


def test_a_jump_leaves_the_floor_without_a_jerk():
    jump = plan_jump(2.0, 0.5, 1.0)
    time = np.linspace(0.9, 3.1, 220_001)
    height = jump.height(time)
    speed = np.diff(height) / np.diff(time)
    # The largest acceleration here is some 30 m/s^2, a step is 10 microseconds.
    assert np.abs(np.diff(speed)).max() < 1e-3
    assert height[0] == height[-1] == 0 and jump.in_flight(np.array([1.9, 2.0])).all()
    assert abs(speed[np.searchsorted(time, jump.takeoff)] - jump.speed) < 1e-3


def test_styles_are_danced_differently():
    song = make_song(1, 10.0, 110.0, style="house")
    travels = {style: make_dance(dataclasses.replace(song, style=style), 4).to_vector() for style in MANNERS}
    for one in MANNERS:
        for other in MANNERS:
            assert one == other or np.abs(travels[one] - travels[other]).max() > 0.3


def test_a_song_shorter_than_a_beat_is_danced_standing():
    motion = make_dance(make_song(3, 0.1, 60.0), 1)
    assert motion.num_frames == 3 and motion.contacts.all()


def test_another_body_stands_as_well():
    body = default_body({"thigh": 1.2, "shin": 1.1}, stature=1.5)
    motion = make_dance(make_song(3, 5.0, 110.0), 1, body)
    assert np.abs(motion.lowest(body)[motion.contacts.any(1)]).max() < 1e-3


def test_pairs_go_on_where_fewer_end_and_tests_have_songs_of_their_own():
    few, many = list(embedded_pairs(1, 7, 2.0)), list(embedded_pairs(4, 7, 2.0))
    np.testing.assert_array_equal(few[0].song.samples, many[0].song.samples)
    np.testing.assert_array_equal(few[0].motion.to_vector(), many[0].motion.to_vector())
    assert len({pair.song.style for pair in many}) == 4 and all(pair.motion.num_frames == 60 for pair in many)
    tests = list(embedded_pairs(4, 7, 2.0, split="test"))
    for name in ("tempo", "key", "seed"):
        assert not {getattr(pair.song, name) for pair in many} & {getattr(pair.song, name) for pair in tests}
    with pytest.raises(ValueError, match="unknown split 'validation'"):
        next(embedded_pairs(1, split="validation"))
    with pytest.raises(ValueError, match="count is -1"):
        next(embedded_pairs(-1))


def test_a_dance_is_a_recording_that_can_be_drawn():
    motion = make_dance(make_song(1, 2.0, 110.0), 1)
    sequence = motion.to_sequence(BODY)
    assert sequence.num_frames == 60 and sequence.valid.all()
    assert abs(float(sequence.joints[..., 1].min())) < 0.05
