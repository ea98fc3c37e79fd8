"""How sure one may be of a figure."""

import numpy as np
import pytest

from skeletonllm.evaluation.intervals import bootstrap_interval, clustered_interval, two_level_interval, wilson_interval


def test_the_bootstrap_of_a_share_is_near_wilsons_interval():
    hits = [1] * 60 + [0] * 140
    # Both err by O(1/n); 200 answers make that about a hundredth.
    assert bootstrap_interval(np.mean, hits) == pytest.approx(wilson_interval(60, 200), abs=0.012)


def test_the_same_seed_gives_the_same_interval_and_another_one_nearly():
    values = np.random.default_rng(1).normal(size=80)
    assert bootstrap_interval(np.mean, values, seed=3) == bootstrap_interval(np.mean, values, seed=3)
    assert bootstrap_interval(np.mean, values, seed=3) != bootstrap_interval(np.mean, values, seed=4)
    # The standard error is 0.11; percentiles of 2000 draws are known to about a twentieth of it.
    assert bootstrap_interval(np.mean, values, seed=3) == pytest.approx(
        bootstrap_interval(np.mean, values, seed=4), abs=0.03
    )


def test_samples_are_drawn_apart_each_in_its_own_size():
    sizes = set()

    def note(few, many):
        sizes.add((len(few), len(many)))
        assert set(few) == {1} and set(many) == {2}
        return 0.0

    assert bootstrap_interval(note, [1] * 3, [2] * 50, rounds=20) == (0.0, 0.0) and sizes == {(3, 50)}


def test_ten_answers_about_one_recording_are_one_piece_of_evidence():
    hits = [number % 2 for number in range(40)]
    repeated = [hit for hit in hits for _ in range(10)]
    owner = [number for number in range(40) for _ in range(10)]
    width = np.ptp(clustered_interval(repeated, owner))
    assert width == pytest.approx(np.ptp(clustered_interval(hits, range(40))), abs=1e-12)
    # Taken for 400 recordings it would be narrower by the root of ten.
    assert np.ptp(clustered_interval(repeated, range(400))) == pytest.approx(width / 10**0.5, rel=0.15)


def test_clusters_of_different_sizes_count_by_their_answers():
    low, high = clustered_interval([1.0] * 9 + [0.0], ["a"] * 9 + ["b"], rounds=500)
    assert (low, high) == (0.0, 1.0)  # either recording may be drawn twice
    assert clustered_interval([0.25] * 7, list("aabbbcc")) == (0.25, 0.25)


@pytest.mark.parametrize("clusters", [[], ["a"]])
def test_there_is_no_interval_of_nothing(clusters):
    with pytest.raises(ValueError):
        clustered_interval([], clusters)
    with pytest.raises(ValueError):
        bootstrap_interval(np.mean, [])


def test_questions_of_one_recording_are_no_evidence_of_their_own():
    table = np.array([[0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0]])
    once = two_level_interval(np.mean, [table], [list("abcdefgh")])
    repeated = two_level_interval(np.mean, [np.repeat(table, 5, axis=1)], [np.repeat(list("abcdefgh"), 5)])
    assert once == pytest.approx(repeated)
    apart = two_level_interval(np.mean, [np.repeat(table, 5, axis=1)], [[str(n) for n in range(40)]])
    assert apart[1] - apart[0] < 0.7 * (once[1] - once[0])


def test_seeds_that_disagree_widen_the_interval():
    names = [str(n) for n in range(100)]
    agree = np.tile(np.arange(100) % 2, (3, 1)).astype(float)
    disagree = np.stack([np.zeros(100), np.full(100, 0.5), np.ones(100)])
    narrow, wide = (two_level_interval(np.mean, [table], [names]) for table in (agree, disagree))
    assert narrow[1] - narrow[0] == pytest.approx(0.2, abs=0.05)  # 2 x 1.96 x 0.5 / 10
    assert wide == (0.0, 1.0)  # each seed alone is drawn in 1 of 27 draws, more often than 2.5 %
