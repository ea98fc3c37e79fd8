"""Who is who in NTU recordings, and which bodies are nobody."""

import numpy as np
import pytest

from skeletonllm.skeleton.cleaning import fill_gaps, momentary_jumps, motion, track_bodies
from skeletonllm.skeleton.formats import read_skeleton

LEFT, RIGHT = (-0.6, 0.2, 3.0), (0.6, 0.2, 3.0)


def pelvis_x(sequence):
    """(T, P)"""
    return sequence.joints[:, :, 0, 0]


def assert_two_persons_stay_apart(sequence):
    x = pelvis_x(sequence)
    assert sequence.num_persons == 2
    assert sequence.valid.all()
    assert (np.sign(x) == np.sign(x[:1])).all() and np.sign(x[0]).sum() == 0


def test_persons_do_not_swap_when_the_file_lists_them_in_another_order(write_ntu, body):
    frames = [[body(7, LEFT), body(8, RIGHT)][:: 1 if t % 3 else -1] for t in range(20)]
    assert_two_persons_stay_apart(read_skeleton(write_ntu(frames)))


def test_a_person_keeps_its_place_when_its_body_id_changes(write_ntu, body):
    frames = [[body(7 if t < 8 else 9, LEFT), body(8, RIGHT)] for t in range(20)]
    assert_two_persons_stay_apart(read_skeleton(write_ntu(frames)))


def test_persons_do_not_swap_when_both_get_new_ids_in_the_other_order(write_ntu, body):
    early = [[body(7, LEFT), body(8, RIGHT)]] * 10
    late = [[body(20, RIGHT), body(21, LEFT)]] * 10
    assert_two_persons_stay_apart(read_skeleton(write_ntu(early + late)))


def test_persons_do_not_swap_when_the_sensor_exchanges_their_ids(write_ntu, body):
    early = [[body(7, LEFT), body(8, RIGHT)]] * 10
    late = [[body(8, LEFT), body(7, RIGHT)]] * 10
    assert_two_persons_stay_apart(read_skeleton(write_ntu(early + late)))


def test_persons_are_told_apart_by_place_where_all_ids_are_equal(write_ntu, body):
    frames = [[body(0, LEFT), body(0, RIGHT)][:: 1 if t % 2 else -1] for t in range(20)]
    assert_two_persons_stay_apart(read_skeleton(write_ntu(frames)))


def test_persons_who_cross_keep_their_ids(write_ntu, body):
    across = np.linspace(-0.8, 0.8, 40)
    frames = [[body(1, (x, 0, 2.8)), body(2, (-x, 0, 3.2))][:: 1 if t % 2 else -1] for t, x in enumerate(across)]
    sequence = read_skeleton(write_ntu(frames))
    depth = sequence.joints[:, :, 0, 2]
    assert sequence.num_persons == 2
    assert (depth == depth[:1]).all()


def test_a_person_lost_for_a_moment_comes_back_as_the_same_person(write_ntu, body):
    frames = [[body(8, RIGHT)] + [body(5 if t < 15 else 6, LEFT)] * (not 15 <= t < 25) for t in range(40)]
    sequence = read_skeleton(write_ntu(frames))
    assert sequence.num_persons == 2
    lost = next(person for person in range(2) if not sequence.valid[15, person].any())
    assert not sequence.valid[15:25, lost].any() and sequence.valid[:15, lost].all() and sequence.valid[25:, lost].all()
    assert (pelvis_x(sequence)[:15, lost] < 0).all() and (pelvis_x(sequence)[25:, lost] < 0).all()


def test_body_ids_that_differ_only_beyond_float_precision_are_two_persons(write_ntu, body):
    first = 2**63 - 2
    # Too far apart in time for proximity to join them, both within reach of each other.
    frames = [[body(first, (0, 0, 3.0))]] * 20 + [[]] * 30 + [[body(first + 1, (0, 0, 3.0))]] * 20
    assert read_skeleton(write_ntu(frames)).num_persons == 2
    frames = [[body(first, (0, 0, 3.0))]] * 20 + [[]] * 30 + [[body(first, (0, 0, 3.0))]] * 20
    assert read_skeleton(write_ntu(frames)).num_persons == 1


def test_a_body_seen_for_two_frames_beside_a_person_is_dropped_and_said(write_ntu, body):
    frames = [[body(1, LEFT)] + [body(2, RIGHT)] * (t in (5, 6)) for t in range(30)]
    sequence = read_skeleton(write_ntu(frames))
    assert sequence.num_persons == 1 and sequence.valid.all()
    assert any("body 2 dropped: seen in 2 frames" in note for note in sequence.notes)


def test_a_person_seen_for_two_frames_alone_is_kept_and_masked_elsewhere(write_ntu, body):
    sequence = read_skeleton(write_ntu([[body(1, LEFT)] if t in (5, 6) else [] for t in range(30)]))
    assert sequence.joints.shape == (30, 1, 25, 3)
    assert np.flatnonzero(sequence.valid.all((1, 2))).tolist() == [5, 6]
    assert sequence.valid.sum() == 50


def test_two_persons_of_a_very_short_clip_are_both_kept(write_ntu, body):
    assert read_skeleton(write_ntu([[body(1, LEFT), body(2, RIGHT)]] * 2)).num_persons == 2


def test_a_body_of_inferred_joints_is_dropped_beside_a_person_and_kept_alone(write_ntu, body):
    ghost = body(2, RIGHT, state=[2] + [1] * 24)
    assert read_skeleton(write_ntu([[body(1, LEFT), ghost]] * 30)).num_persons == 1
    assert read_skeleton(write_ntu([[ghost]] * 30)).valid.all()


def test_furniture_is_dropped_and_a_person_who_lies_down_is_not(write_ntu, body, standing):
    lying = standing[:, [1, 0, 2]]
    couch = [[body(1, LEFT), body(2, lying + RIGHT)] for _ in range(40)]
    sequence = read_skeleton(write_ntu(couch))
    assert sequence.num_persons == 1 and any("furniture" in note for note in sequence.notes)
    falling = [[body(1, LEFT), body(2, (standing if t < 15 else lying) + RIGHT)] for t in range(40)]
    assert read_skeleton(write_ntu(falling)).num_persons == 2


def test_the_person_who_moves_most_comes_first_and_max_persons_keeps_it(write_ntu, body):
    frames = [[body(1, LEFT), body(2, np.add(RIGHT, (0.1 * np.sin(t / 3), 0, 0)))] for t in range(40)]
    path = write_ntu(frames)
    assert (pelvis_x(read_skeleton(path))[:, 0] > 0).all()
    only = read_skeleton(path, max_persons=1)
    assert only.num_persons == 1 and only.valid.shape[1] == 1 and (pelvis_x(only) > 0).all()
    with pytest.raises(ValueError, match="max_persons"):
        read_skeleton(path, max_persons=0)


def test_untracked_joints_are_masked_and_inferred_joints_are_kept(write_ntu, body):
    state = [2] * 25
    state[3], state[4] = 0, 1
    sequence = read_skeleton(write_ntu([[body(1, LEFT, state=state)]] * 3))
    assert not sequence.valid[:, 0, 3].any() and (sequence.joints[:, 0, 3] == 0).all()
    assert sequence.valid[:, 0, 4].all()


def test_a_skeleton_lost_for_single_frames_is_masked_there_only(write_ntu, body):
    frames = [[body(1, np.add(LEFT, (0, 0, 0.9 * (t in (10, 14)))))] for t in range(30)]
    sequence = read_skeleton(write_ntu(frames))
    assert np.flatnonzero(~sequence.valid.any((1, 2))).tolist() == [10, 14]


def test_one_absurd_joint_does_not_mask_the_person(write_ntu, body, standing):
    wild = standing + LEFT
    wild[7] = 60, 60, 600
    frames = [[body(1, wild if t in (10, 14) else LEFT), body(2, RIGHT)] for t in range(30)]
    valid = read_skeleton(write_ntu(frames)).valid
    assert valid.shape[1] == 2 and (~valid).sum() == 2


def test_running_is_no_jump():
    frames = np.arange(40)
    centres = np.zeros((40, 3))
    centres[:, 0] = frames / 30 * 3.5  # metres per second: a run indoors
    assert not momentary_jumps(frames, centres, 30.0).any()


def test_a_stranger_far_away_is_not_taken_for_the_person_who_left():
    frames, ids = np.array([0, 1, 2, 3]), [1, 1, 2, 2]
    near = np.array([[0, 0, 3], [0, 0, 3], [0.3, 0, 3], [0.3, 0, 3]], dtype=float)
    assert track_bodies(frames, ids, near, 30.0).tolist() == [0, 0, 0, 0]
    assert track_bodies(frames, ids, near * [8, 1, 1], 30.0).tolist() == [0, 0, 1, 1]


def test_motion_is_the_spread_in_metres_of_the_known_positions():
    joints = np.zeros((4, 3, 3))
    joints[:, :, 0] = np.array([-0.1, 0.1, -0.1, 50.0])[:, None]
    valid = np.ones((4, 3), dtype=bool)
    valid[3] = False
    # 1e-12: exact but for rounding in float64.
    assert motion(joints, valid) == pytest.approx(np.std([-0.1, 0.1, -0.1]), abs=1e-12)


def test_short_gaps_are_filled_by_straight_lines_and_long_ones_are_left():
    joints = np.zeros((20, 1, 1, 3), dtype=np.float32)
    joints[:, 0, 0, 0] = np.arange(20)
    valid = np.ones((20, 1, 1), dtype=bool)
    for gap in (slice(0, 2), slice(5, 8), slice(10, 15), slice(19, 20)):
        valid[gap], joints[gap] = False, 0.0
    filled, known = fill_gaps(joints, valid, fps=10.0, seconds=0.3)
    assert np.flatnonzero(~known[:, 0, 0]).tolist() == [0, 1, 10, 11, 12, 13, 14, 19]
    # 1e-6: float32 rounding of coordinates below ten metres.
    np.testing.assert_allclose(filled[5:8, 0, 0, 0], [5, 6, 7], atol=1e-6)
    assert filled.dtype == np.float32 and joints[6, 0, 0, 0] == 0, "the arguments stay as they are"
