"""How sure changes are: seeds and songs drawn together, paired by song."""

import numpy as np
import pytest

from skeletonllm.dance.comparison.differences import Resampling, paired
from skeletonllm.evaluation.intervals import two_level_interval

SEEDS, SONGS = 3, 8


def drawn(seed, level=1.0, spread=0.3):
    return level + spread * np.random.default_rng(seed).standard_normal((SEEDS, SONGS))


def test_identical_rows_differ_by_exactly_nothing():
    table = drawn(0)
    assert Resampling(SEEDS, SONGS).change(table, table.copy()) == {"percent": 0.0, "interval_95": [0.0, 0.0]}


def test_what_all_songs_lose_alike_is_certain_however_much_songs_differ():
    first = drawn(0, spread=3.0) ** 2 + 0.1
    change = Resampling(SEEDS, SONGS).change(0.6 * first, first)
    assert change["percent"] == pytest.approx(-40)
    assert change["interval_95"] == pytest.approx([-40, -40])


def test_the_interval_of_a_mean_is_that_of_the_two_level_bootstrap():
    table = drawn(1)
    found = Resampling(SEEDS, SONGS).mean(table)
    expected = two_level_interval(np.mean, [table], [[str(song) for song in range(SONGS)]])
    assert found["value"] == pytest.approx(table.mean())
    # Other draws of the same distribution: percentiles of 2,000 move by some hundredths of the width.
    assert found["interval_95"] == pytest.approx(expected, abs=0.1 * (expected[1] - expected[0]))


def test_one_seed_far_off_widens_the_interval_more_than_one_song_in_many_does():
    table = np.ones((SEEDS, SONGS))
    by_seed, by_song = table.copy(), table.copy()
    by_seed[0] += 1
    by_song[:, 0] += 1
    resampling = Resampling(SEEDS, SONGS)
    low, high = resampling.mean(by_seed)["interval_95"]
    less, more = resampling.mean(by_song)["interval_95"]
    assert high - low > more - less > 0


def test_numbers_that_are_missing_in_one_row_are_left_out_of_both():
    first, table = np.array([[1.0, 2.0, 100.0]]), np.array([[2.0, 4.0, np.nan]])
    assert Resampling(1, 3).change(table, first)["percent"] == pytest.approx(100)
    assert Resampling(1, 3).mean(table)["count"] == 2


@pytest.mark.parametrize("first", [0.0, np.nan])
def test_there_are_no_percents_of_nothing(first):
    assert Resampling(1, 2).change(np.ones((1, 2)), np.full((1, 2), first)) is None


def test_a_single_number_has_no_interval():
    found = Resampling(1, 1).mean(np.array([[3.0]]))
    assert (found["value"], found["interval_95"]) == (3.0, None)
    assert Resampling(1, 1).mean(np.array([[np.nan]])) is None


def test_one_model_stands_beside_each_of_several_and_two_not_beside_three():
    several, one = drawn(0), drawn(1)[:1]
    table, first = paired(several, one)
    assert np.array_equal(table, several) and np.array_equal(first, np.repeat(one, SEEDS, 0))
    with pytest.raises(ValueError, match="after: 3 models beside 2 of the first row"):
        paired(several, drawn(1)[:2], "after")
