"""When is it done? Answers in seconds, how they are read, and how far off they are."""

import pytest
import torch

from skeletonllm.skeleton.segment import Segment
from skeletonllm.tasks import TASKS, Subject
from skeletonllm.tasks.localization import (
    boundary_error,
    build_prompt,
    build_target,
    parse_answer,
    stretch,
    temporal_iou,
    within,
)

SEGMENTS = (
    Segment("walk", 1.0, 3.4),
    Segment("sit down", 6.4, 8.3),
    Segment("walk", 8.6, 9.4),
    Segment("clap", 10.5, 12.8),
    Segment("bow", 12.6, 14.0),
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("from 3.2 s to 5.1 s", (3.2, 5.1)), ("From 3.2 s to 5.1 s.", (3.2, 5.1)), ("3.2-5.1 seconds", (3.2, 5.1)),
        ("between 3 s and 5.1 s", (3.0, 5.1)), ("3.2s \u2013 5.1s", (3.2, 5.1)), ("from 12 to 15 sec", (12.0, 15.0)),
        ("**from 0.0 s to 0.4 s**", (0.0, 0.4)),
        ("from 5.1 s to 3.2 s", None), ("from 3.2 s to 3.2 s", None), ("3.2 s", None), ("", None), ("never", None),
        ("from 3.2 min to 5.1 min", None), ("from 3.2 s to 5.1 s or from 7 s to 8 s", None),
        ("the person sits from 3.2 s to 5.1 s", None), ("from -1 s to 2 s", None), ("from 1e3 s to 2e3 s", None),
    ],
)  # fmt: skip
def test_two_times_in_seconds_are_an_answer_and_nothing_else_is(text, span):
    assert parse_answer(text) == span


def test_a_target_is_read_as_what_it_says():
    assert parse_answer(build_target(3.249, 15.0)) == (3.2, 15.0)
    for label in ("", "sit\ndown"):
        with pytest.raises(ValueError, match="must be one line"):
            build_prompt(label)


def test_only_what_is_done_once_is_asked_for_each_as_often_as_any_other():
    draws = [TASKS["localization"](Subject("several", [], segments=SEGMENTS), generator(seed)) for seed in range(150)]
    answers = dict(draws)
    assert answers == {
        build_prompt("sit down"): "from 6.4 s to 8.3 s",
        build_prompt("clap"): "from 10.5 s to 12.8 s",
        build_prompt("bow"): "from 12.6 s to 14.0 s",
    }
    for prompt in answers:  # of 150, with a standard deviation of 6
        assert [asked for asked, _ in draws].count(prompt) == pytest.approx(50, abs=24)
    with pytest.raises(ValueError, match="needs a recording with a labelled segment"):
        TASKS["localization"](Subject("bow", ["bow"]), generator())


def test_overlap_is_what_both_share_of_what_either_takes():
    assert temporal_iou((1.0, 3.0), (1.0, 3.0)) == 1.0
    assert temporal_iou((1.0, 3.0), (2.0, 5.0)) == pytest.approx(1 / 4)
    assert temporal_iou((2.0, 3.0), (1.0, 5.0)) == pytest.approx(1 / 4)
    assert (
        temporal_iou((1.0, 2.0), (2.0, 3.0)) == temporal_iou((1.0, 2.0), (7.0, 8.0)) == temporal_iou(None, (1, 2)) == 0
    )


def test_the_error_of_the_boundaries_is_their_mean_in_seconds():
    assert boundary_error((1.0, 3.0), (1.5, 2.8)) == pytest.approx(0.35)


def test_a_stretch_has_whole_actions_one_of_them_done_once_and_a_random_part_of_what_is_around():
    spans = [stretch(SEGMENTS, 20.0, generator(seed)) for seed in range(300)]
    firsts = set()
    for start, stop in spans:
        shown = within(SEGMENTS, start, stop)
        assert 0 <= start < stop <= 20.0 and len({each.label for each in shown}) >= 1
        assert TASKS["localization"](Subject("several", [], segments=shown), generator())
        assert all(0 <= each.start < each.stop <= stop - start + 1e-6 for each in shown)
        # No action is cut in two, but for those that overlap another.
        cut = [each for each in SEGMENTS[:3] if each.start < start < each.stop or each.start < stop < each.stop]
        assert not cut
        firsts.add(round(shown[0].start, 1))
    assert len(firsts) > 15, "where the first action begins gives nothing away"
    assert stretch(SEGMENTS, 20.0, generator(5)) == stretch(SEGMENTS, 20.0, generator(5))


def test_the_same_action_again_and_again_is_shown_once():
    segments = [Segment("step", number, number + 0.5) for number in range(4)]
    for seed in range(20):
        assert len(within(segments, *stretch(segments, 5.0, generator(seed)))) == 1


def test_times_are_counted_from_the_beginning_of_what_is_shown():
    assert within(SEGMENTS, 6.0, 9.5) == (
        Segment("sit down", 6.4 - 6.0, 8.3 - 6.0),
        Segment("walk", 8.6 - 6.0, 9.4 - 6.0),
    )
