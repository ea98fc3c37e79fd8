"""Probabilities held against how often they come true."""

import numpy as np
import pytest

from skeletonllm.evaluation.calibration import (
    brier_scores,
    calibration,
    expected_calibration_error,
    probabilities,
    reliability,
)


def test_log_likelihoods_become_shares_whatever_their_size():
    assert probabilities(np.log([[0.2, 0.1]])) == pytest.approx(np.array([[2 / 3, 1 / 3]]))
    assert probabilities([[-4000.0, -4001.0]]) == pytest.approx(np.array([[1, np.exp(-1)]]) / (1 + np.exp(-1)))


def test_the_error_is_the_gap_of_each_bin_weighted_by_its_answers():
    confidence, right = np.array([0.95, 0.97, 0.55, 0.58, 0.52]), np.array([1.0, 0.0, 1.0, 1.0, 0.0])
    # Two of confidence 0.96 of which half is right, three of 0.55 of which two thirds are.
    expected = 2 / 5 * abs(0.96 - 1 / 2) + 3 / 5 * abs(0.55 - 2 / 3)
    assert expected_calibration_error(confidence, right, bins=10) == pytest.approx(expected)
    table = reliability(confidence, right, bins=10)
    assert [(row["from"], row["to"], row["count"]) for row in table] == [(0.5, 0.6, 3), (0.9, 1.0, 2)]
    assert table[1]["confidence"] == pytest.approx(0.96) and table[0]["accuracy"] == pytest.approx(2 / 3)


def test_bins_are_closed_above_and_certainty_has_a_bin():
    table = reliability(np.array([0.6, 1.0, 0.0]), np.ones(3), bins=5)
    assert [row["from"] for row in table] == [0.0, pytest.approx(0.4), 0.8]


def test_the_brier_score_is_the_squared_distance_from_the_truth():
    shares = np.array([[0.8, 0.2], [0.8, 0.2], [1.0, 0.0]])
    assert brier_scores(shares, np.array([0, 1, 1])) == pytest.approx([0.08, 1.28, 2.0])


def test_a_model_that_is_right_as_often_as_it_says_has_no_error_and_one_that_boasts_has():
    rng = np.random.default_rng(0)
    shares = rng.uniform(0.5, 1, 4000)
    truth = (rng.random(4000) > shares).astype(int)  # the first candidate is right as often as its share says
    honest = np.log(np.stack([shares, 1 - shares], 1))
    error = calibration(honest, truth)["expected_calibration_error"]
    # Sampling alone gives about 0.8 * sqrt(p (1 - p) / n per bin) = 0.015 or less.
    assert error["value"] < 0.03 and error["interval_95"][0] <= error["interval_95"][1]
    boast = calibration(10 * honest, truth)
    assert boast["expected_calibration_error"]["interval_95"][0] > 0.1
    assert boast["brier"]["value"] > calibration(honest, truth)["brier"]["value"]
    assert boast["confidence"] > 0.9 and sum(row["count"] for row in boast["reliability"]) == 4000
