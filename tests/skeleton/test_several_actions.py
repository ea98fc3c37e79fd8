"""Several actions in one recording: continuous motion of one body, and segments that are where the actions are."""

import numpy as np
import pytest

from skeletonllm.skeleton.formats.utkinect import read_with_segments
from skeletonllm.skeleton.segment import Segment
from skeletonllm.skeleton.synthesis import ACTIONS, JOINTS, perform_sequence, synthesize_sequence
from skeletonllm.skeleton.synthesis.several import PARENTS, draw_labels, fits

ALONE = [label for label, action in ACTIONS.items() if action.persons == 1]


def joint(joints, name):
    return joints[:, 0, JOINTS.index(name)]


@pytest.mark.parametrize("number", range(6))
def test_bones_keep_their_lengths_and_nobody_jumps_from_one_place_to_another(number):
    labels = draw_labels(4, np.random.default_rng(number))
    joints, segments = perform_sequence(labels, performer=number)
    bones = np.linalg.norm(joints[:, 0] - joints[:, 0][:, [max(parent, 0) for parent in PARENTS]], axis=-1)
    assert np.ptp(bones, axis=0).max() < 1e-9
    # No joint of an action exceeds 14 m/s, a foot that kicks; a body that is put elsewhere would be far faster.
    speeds = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * 30
    assert speeds.max() < 14
    assert speeds[:, :, JOINTS.index("pelvis")].max() < 4
    assert [segment.label for segment in segments] == list(labels)
    assert all(before.stop < after.start for before, after in zip(segments, segments[1:], strict=False))
    assert segments[-1].stop <= len(joints) / 30 + 1e-9


def test_the_motion_that_an_action_names_is_inside_of_its_segment():
    joints, (wave, bow, kick) = perform_sequence(["wave left hand", "bow", "kick"], performer=5)
    seconds = np.arange(len(joints)) / 30

    def when(flags):
        return seconds[np.flatnonzero(flags)[[0, -1]]]

    raised = when(joint(joints, "left_wrist")[:, 1] > joint(joints, "left_shoulder")[:, 1])
    assert wave.start < raised[0] and raised[1] < wave.stop
    bent = when(np.linalg.norm((joint(joints, "neck") - joint(joints, "pelvis"))[:, [0, 2]], axis=-1) > 0.3)
    assert bow.start < bent[0] and bent[1] < bow.stop
    feet = np.abs(joint(joints, "left_ankle") - joint(joints, "right_ankle"))[:, 1]
    lifted = when(feet > 0.3)
    assert kick.start < lifted[0] and lifted[1] < kick.stop


def test_what_follows_a_turn_goes_the_other_way():
    joints, (turn, walk) = perform_sequence(["turn around", "walk"], performer=2)
    way = joint(joints, "pelvis")[-1] - joint(joints, "pelvis")[round(walk.start * 30)]
    # Performers look to -z at first; after half a turn a walk leads to +z, up to the turn's own spread.
    assert way[2] > 0.8 * np.linalg.norm(way) > 0.5


def test_every_topology_shows_the_same_and_the_same_seed_gives_the_same():
    labels = ("clap", "squat")
    first, segments = synthesize_sequence(labels, performer=3, topology="kinect_v2")
    again, _ = synthesize_sequence(labels, performer=3, topology="kinect_v2")
    other, same = synthesize_sequence(labels, performer=3, topology="coco_17")
    assert (first.joints == again.joints).all() and segments == same
    wrist = first.joints[:, 0, first.topology.index("left_wrist")]
    assert (wrist == other.joints[:, 0, other.topology.index("left_wrist")]).all()
    assert first.label is None and first.source == "synthetic/clap, squat/p003/t000"


def test_who_sits_stays_seated_until_standing_up():
    assert fits(["bow", "sit down", "stand up", "clap"])
    for labels in (["sit down", "clap"], ["clap", "stand up"], ["bow", "push"], []):
        with pytest.raises(ValueError, match="no one person can do"):
            perform_sequence(labels, performer=0)
    with pytest.raises(KeyError, match="unknown action 'fly'; known: wave left hand"):
        perform_sequence(["bow", "fly"], performer=0)


def test_drawn_actions_are_different_and_each_comes_in_every_place():
    rng = np.random.default_rng(0)
    drawn = [draw_labels(3, rng) for _ in range(300)]
    assert all(len(set(labels)) == 3 and fits(labels) for labels in drawn)
    for place in range(3):
        possible = set(ALONE) - ({"sit down"} if place == 0 else set())
        assert possible <= {labels[place] for labels in drawn} | {"sit down"}
    with pytest.raises(ValueError, match="99 different actions"):
        draw_labels(99, rng)


def test_a_segment_must_last():
    for start, stop in ((1.0, 1.0), (2.0, 1.0), (-0.1, 1.0)):
        with pytest.raises(ValueError, match="segment 'bow' from"):
            Segment("bow", start, stop)
    assert Segment("bow", 1.0, 2.0).moved(0.5) == Segment("bow", 1.5, 2.5)


def test_the_segments_of_a_real_recording_are_in_seconds_from_its_first_frame(shared):
    whole, segments = read_with_segments(shared / "data" / "utkinect" / "joints_s01_e01.txt")
    assert len(segments) == 10 and [segment.start for segment in segments] == sorted(s.start for s in segments)
    sit = next(segment for segment in segments if segment.label == "sit down")
    # Frame numbers 572 to 686 at 60 in a second.
    assert sit.stop - sit.start == pytest.approx((686 - 572) / 60 + 1 / 30)
    hips = whole.joints[:, 0, whole.topology.index("pelvis"), 1]
    before, after = (hips[round(second * 30)] for second in (sit.start, sit.stop))
    assert after < before - 0.15
