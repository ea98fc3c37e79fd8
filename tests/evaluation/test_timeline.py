"""Scores of windows to seconds, on scores whose answer is known and on motions whose boundaries are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from skeletonllm.data.windows import cut_windows
from skeletonllm.evaluation.timeline import find_segments, smoothed, timeline, watch
from skeletonllm.models.tiny import build_tiny
from skeletonllm.skeleton.formats.utkinect import read_with_segments
from skeletonllm.skeleton.segment import Segment
from skeletonllm.skeleton.synthesis import synthesize_sequence


def spans_of(seconds, length=2.0, stride=0.5):
    return [window.span for window in cut_windows(round(30 * seconds), 30.0, length, stride)]


def shares_inside(spans, *segments):
    """What a perfect judge says: the share of each window in which something happens."""
    return np.array(
        [sum(max(0.0, min(b, stop) - max(a, start)) for start, stop in segments) / (b - a) for a, b in spans]
    )


@pytest.mark.parametrize(("start", "stop"), [(10.0, 14.0), (7.3, 11.9), (20.1, 22.2), (30.0, 55.0)])
def test_a_perfect_judge_leads_to_the_true_seconds(start, stop):
    spans = spans_of(60)
    (found,) = find_segments("x", spans, shares_inside(spans, (start, stop)))
    # Windows every half second, joined by straight lines and smoothed, tell boundaries to a part of that.
    assert found.segment.label == "x"
    assert abs(found.segment.start - start) < 0.25 and abs(found.segment.stop - stop) < 0.25


def test_something_shorter_than_a_window_is_found_where_it_is():
    spans = spans_of(30)
    (found,) = find_segments("x", spans, shares_inside(spans, (12.0, 12.4)))
    assert (found.segment.start + found.segment.stop) / 2 == pytest.approx(12.2, abs=0.15)


def test_what_happens_twice_is_found_twice_the_surest_first():
    spans = spans_of(60)
    scores = 0.6 * shares_inside(spans, (5, 9)) + 0.9 * shares_inside(spans, (30, 35))
    first, second = find_segments("x", spans, scores)
    assert first.segment.start == pytest.approx(30, abs=0.3) and second.segment.stop == pytest.approx(9, abs=0.5)
    assert first.score == pytest.approx(0.9, abs=0.01) and second.score == pytest.approx(0.6, abs=0.01)


def test_two_windows_that_err_do_not_split_a_segment_and_one_makes_none():
    spans = spans_of(40)
    scores = shares_inside(spans, (10, 20))
    scores[30:32], scores[60] = 0.1, 0.7
    (found,) = find_segments("x", spans, scores)
    assert found.segment.start == pytest.approx(10, abs=0.3) and found.segment.stop == pytest.approx(20, abs=0.3)


def test_segments_reach_to_the_ends_of_the_recording():
    spans = spans_of(20)
    at_the_start, at_the_end = (find_segments("x", spans, shares_inside(spans, s))[0] for s in ((0, 5), (15, 20)))
    assert at_the_start.segment.start == 0 and at_the_end.segment.stop == pytest.approx(20)


def test_scores_that_say_nothing_and_recordings_of_one_window_give_the_whole():
    spans = spans_of(20)
    for some in (spans, spans[:1]):
        (found,) = find_segments("x", some, np.full(len(some), 0.3))
        assert (found.segment.start, found.segment.stop) == (some[0][0], some[-1][1])
        assert found.score == pytest.approx(0.3)


def test_smoothing_keeps_the_mean_and_the_side_a_score_leans_to():
    scores = np.array([0.0, 0, 0, 1, 0, 0, 0, 0])
    assert smoothed(scores).tolist() == [0, 0, 0.25, 0.5, 0.25, 0, 0, 0]
    assert smoothed(np.ones(5)).tolist() == [1] * 5


def test_a_timeline_has_no_gaps_and_changes_where_the_scores_do():
    spans = spans_of(30)
    walks, sits = shares_inside(spans, (0, 10), (20, 30)), shares_inside(spans, (10, 20))
    found = timeline(["sit", "walk"], spans, np.stack([sits, walks], 1))
    assert [segment.label for segment in found] == ["walk", "sit", "walk"]
    assert found[0].start == 0 and found[-1].stop == 30
    assert all(one.stop == other.start for one, other in zip(found, found[1:], strict=False))
    assert found[1].start == pytest.approx(10, abs=0.3) and found[1].stop == pytest.approx(20, abs=0.3)


def test_numbers_of_windows_and_scores_must_agree():
    for spans in ([], spans_of(9)):
        with pytest.raises(ValueError, match="windows and 3"):
            find_segments("x", spans, np.zeros(3))
        with pytest.raises(ValueError, match="windows and 3 rows"):
            timeline(["a"], spans, np.zeros((3, 1)))


class Lowering:
    """Stands in for a model: says that somebody sits down if the hips sink in the clip, and that not otherwise."""

    def label_log_likelihoods(self, candidate_token_ids, clips, **prompt):
        assert len(candidate_token_ids) == 2
        hips = torch.tensor([topology.index("pelvis") for topology in clips.topologies])
        rows = torch.arange(len(clips))
        assert clips.valid.any(-1).any(-1).any(-1).all()  # windows in which nobody is seen are not asked about
        sinking = -clips.velocities[rows, :, 0, hips, 1].clamp(max=0).mean(1)
        return torch.stack([8 * sinking, torch.full_like(sinking, 1.0)], 1)


@pytest.fixture(scope="module")
def processor():
    return build_tiny(["sit down", "other"], num_frames=8)[1]


def lowerings(sequence, processor):
    spans, shares = watch(Lowering(), processor, sequence, "?", ["sit down", "other"], 1.0, 0.25)
    return [found.segment for found in find_segments("sit down", spans, shares[:, 0])]


def overlap(one: Segment, other: Segment) -> float:
    inside = max(0.0, min(one.stop, other.stop) - max(one.start, other.start))
    return inside / (max(one.stop, other.stop) - min(one.start, other.start))


@pytest.mark.parametrize("performer", range(3))
def test_sitting_down_is_found_in_seconds_among_other_actions(processor, performer):
    labels = ["wave left hand", "turn around", "sit down", "stand up", "clap"]
    sequence, segments = synthesize_sequence(labels, performer=performer, topology="kinect_v1")
    assert overlap(lowerings(sequence, processor)[0], segments[2]) > 0.4


def test_sitting_down_is_found_in_real_recordings(shared, processor):
    paths = sorted((shared / "data" / "utkinect").glob("joints_*.txt"))
    assert paths
    for path in paths:
        sequence, segments = read_with_segments(path)
        true = next(segment for segment in segments if segment.label == "sit down")
        # Hips also sink when something is picked up. Annotators begin before they sink and end after: the overlaps
        # are 0.38 to 0.9. Seconds counted at another rate, 15 or 60 per second, would leave none.
        assert max(overlap(found, true) for found in lowerings(sequence, processor)) > 0.3


def test_windows_in_which_nobody_is_seen_have_an_answer_of_their_own(processor):
    sequence, _ = synthesize_sequence(["sit down", "stand up"], performer=0)
    hidden = sequence.valid.copy()
    hidden[:60] = False
    spans, shares = watch(Lowering(), processor, sequence.replace(valid=hidden), "?", ["sit down", "other"], 1.0, 0.5)
    unseen = np.array([stop <= 2 for _, stop in spans])
    assert unseen.any() and np.allclose(shares.sum(1), 1)
    assert (shares[unseen] == [0, 0, 1]).all() and (shares[~unseen, 2] == 0).all()
    with pytest.raises(ValueError, match="nobody is seen"):
        watch(SimpleNamespace(), processor, sequence.replace(valid=0 * hidden), "?", ["a", "b"], 1.0, 0.5)
