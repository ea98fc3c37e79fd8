"""What dances are worth beside others to the same music."""

import numpy as np
import pytest
import torch

from skeletonllm.dance.finetuning.advantages import ENOUGH, KEPT, RunningStatistics, advantages

FRAMES = 5


def normals(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def filled(count, seed=0):
    """Statistics of one reward per dance and one per frame, and all that was put into them for condition 1 of 3."""
    statistics, kept = RunningStatistics(["dance", "frame"], 3), {"dance": [], "frame": []}
    for number in range(count):
        rewards = {"dance": normals(2, seed=seed + number), "frame": 3 + normals(2, FRAMES, seed=seed + 100 + number)}
        statistics.add(rewards, [1, 0])
        for name, values in rewards.items():
            kept[name].append(values[0].numpy())
    return statistics, {name: np.array(values) for name, values in kept.items()}


@pytest.mark.parametrize("count", [ENOUGH, KEPT, KEPT + 9])
def test_statistics_are_of_the_last_dances_to_this_music_and_of_all_their_frames(count):
    statistics, kept = filled(count)
    for name, values in kept.items():
        wanted = values[-KEPT:]
        assert statistics.of(name, 1) == pytest.approx((wanted.mean(), wanted.std()), abs=1e-12)
    assert statistics.of("dance", 1) != statistics.of("dance", 0)
    assert statistics.of("dance", 2) is None


def test_few_dances_to_some_music_are_no_statistics():
    assert filled(ENOUGH - 1)[0].of("dance", 1) is None
    assert filled(ENOUGH)[0].of("dance", 1) is not None


def test_several_dances_to_the_same_music_at_once_all_count():
    statistics = RunningStatistics(["dance"], 1)
    values = normals(ENOUGH)
    statistics.add({"dance": values}, [0] * ENOUGH)
    assert statistics.of("dance", 0) == pytest.approx((float(values.mean()), float(values.std(correction=0))))


def test_what_was_saved_goes_on_as_if_nothing_had_happened():
    statistics, _ = filled(KEPT + 3)
    other = RunningStatistics(["dance", "frame"], 3)
    other.load(statistics.state())
    more = {"dance": normals(1, seed=7), "frame": normals(1, FRAMES, seed=8)}
    for each in (statistics, other):
        each.add(more, [1])
    assert all(other.of(name, 1) == statistics.of(name, 1) for name in ("dance", "frame"))


def test_a_saved_state_does_not_change_with_what_comes_later():
    statistics, _ = filled(ENOUGH)
    state = statistics.state()
    before = {name: value.clone() for name, value in state.items()}
    statistics.add({"dance": normals(1), "frame": normals(1, FRAMES)}, [1])
    assert all(torch.equal(before[name], value) for name, value in state.items())


def test_advantages_are_deviations_from_the_usual_of_the_same_music():
    statistics, kept = filled(KEPT)
    found = advantages({"dance": torch.tensor([0.7])}, {"dance": 2.0}, [1], statistics, 5.0, FRAMES)
    wanted = 2 * (0.7 - kept["dance"].mean()) / kept["dance"].std()
    torch.testing.assert_close(found, torch.full((1, FRAMES), wanted, dtype=torch.float32))


def test_while_statistics_are_few_all_dances_of_the_iteration_are_compared():
    values = normals(6)
    found = advantages({"dance": values}, {"dance": 1.0}, [0, 0, 1, 1, 2, 2], RunningStatistics(["dance"], 3), 5, 1)
    wanted = (values - values.mean()) / values.std(correction=0)
    torch.testing.assert_close(found[:, 0], wanted.float(), atol=1e-5, rtol=0)  # of the 1e-6 beside the deviation


def test_a_group_is_compared_with_itself_alone():
    values = torch.tensor([1.0, 3.0, 101.0, 103.0], dtype=torch.float64)
    found = advantages({"dance": values}, {"dance": 1.0}, [0, 0, 1, 1], None, 5, 1)
    torch.testing.assert_close(found[:, 0], torch.tensor([-1.0, 1, -1, 1]), atol=1e-5, rtol=0)


def test_a_reward_of_each_frame_credits_that_frame_and_one_of_the_dance_all_frames():
    rewards = {"dance": normals(4), "frame": normals(4, FRAMES)}
    both = advantages(rewards, {"dance": 1.0, "frame": 1.0}, [0] * 4, None, 100, FRAMES)
    of_frames = advantages({"frame": rewards["frame"]}, {"frame": 1.0}, [0] * 4, None, 100, FRAMES)
    rest = both - of_frames
    torch.testing.assert_close(rest, rest[:, :1].expand(-1, FRAMES), atol=1e-6, rtol=0)
    assert float(of_frames.std(1).min()) > 0


def test_what_is_far_beyond_is_cut_off():
    values = torch.zeros(100, dtype=torch.float64)
    values[0] = 1.0
    found = advantages({"dance": values}, {"dance": 1.0}, [0] * 100, None, 5.0, 1)
    assert float(found.max()) == 5.0  # it is ten deviations off
