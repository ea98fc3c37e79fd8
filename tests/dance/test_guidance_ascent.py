"""Climbing along a gradient: as far as it makes things better."""

import pytest
import torch

from skeletonllm.dance.guidance.ascent import ascend

START = torch.zeros(3, 4, 2)


def towards(goal, steepness):
    """A gain that is largest, zero, at ``goal``; as steep in each clip as ``steepness`` (3,) says."""
    return lambda clips: -steepness * (clips - goal).square().sum((1, 2))


def test_the_goal_is_reached_whatever_the_unit_of_the_gain_and_the_first_length():
    goal = torch.linspace(-0.5, 0.5, 8).reshape(4, 2)
    for rate in (1e-3, 0.3):
        reached = ascend(START, towards(goal, torch.tensor([1e-6, 1.0, 1e6])), iterations=60, rate=rate)
        # Steps half as long each time that one fails: within a few of the last.
        assert (reached - goal).abs().max() < 0.02


def test_each_clip_takes_the_steps_that_it_gains_by_and_no_other():
    # The first climbs; what the second gains falls off right beside its start; the third has nowhere to go.
    def gain(clips):
        first, second, _ = clips.sum((1, 2))
        return torch.stack([first, second if second == 0 else second - 100, 0 * first])

    reached = ascend(START, gain, iterations=5, rate=0.01)
    assert (reached[0] > 0.05).all() and not reached[1:].any()


def test_parts_of_one_take_a_step_all_or_none_and_go_the_same_way():
    worth = torch.tensor([1.0, -2.0, 0.0])

    def gain(clips):  # what the first gains, the second loses twice
        return worth * clips.mean((1, 2)) + worth.new_tensor([0.0, 0.0, 1.0]) * (clips[0] - clips[1]).mean()

    reached = ascend(START, gain, iterations=3, rate=0.01, together=True)
    # One length for all: the gradients differ by 2 to -3, and so do the ways.
    assert torch.allclose(reached[1], -1.5 * reached[0]) and (reached[0] > 0).all()

    def cliff(clips):
        return torch.stack([clips[0].sum(), -100 * (clips[0] != 0).any(), clips[2].sum()])

    assert not ascend(START, cliff, iterations=3, rate=0.01, together=True).any()


def test_what_is_followed_is_the_gradient_as_it_is_shaped_and_numbers_stay_in_range():
    def first_frame_alone(gradient):
        shaped = torch.zeros_like(gradient)
        shaped[:, 0] = gradient[:, 0]
        return shaped

    reached = ascend(START, lambda clips: clips.sum((1, 2)), iterations=20, rate=0.1, shape=first_frame_alone)
    assert (reached[:, 0] == 1).all() and not reached[:, 1:].any()


@pytest.mark.parametrize("worth", [0.0, torch.nan])
def test_without_a_direction_nothing_changes(worth):
    assert torch.equal(ascend(START, lambda clips: worth * clips.sum((1, 2)), iterations=2, rate=0.1), START)
