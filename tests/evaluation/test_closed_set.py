"""What is said of answers to multiple-choice recognition."""

import numpy as np
import pytest

from skeletonllm.evaluation.accuracy import Accuracy, Prediction
from skeletonllm.evaluation.closed_set import count_persons, macro_interval, summarize_recognition, top_k
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import KINECT_V1

LABELS = [*"abcdefg"]


def said(label, predicted, scores=None):
    return Prediction("x", label, predicted, scores)


def test_the_interval_of_the_mean_over_labels_is_that_of_drawing_within_labels():
    certain = Accuracy.of([said("a", "a")] * 9 + [said("b", "a")] * 3, LABELS)
    assert macro_interval(certain) == (0.5, 0.5)
    half = Accuracy.of([said("a", "a")] * 50 + [said("a", "b")] * 50 + [said("b", "b")] * 10, LABELS)
    # Of "a" alone the share varies, by 0.05, and it is half of the mean: 0.75 and 1.96 * 0.025 on both sides.
    assert macro_interval(half) == pytest.approx((0.701, 0.799), abs=0.005)


def test_the_right_candidate_is_looked_for_among_the_likeliest():
    scores = [[5, 4, 3, 2, 1, 0, -1], [0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6], [1] * 7]
    found = top_k(scores, [0, 1, 5, 0])
    assert found["1"]["hits"] == 2 and found["5"]["hits"] == 3  # of equal scores the first is taken
    assert found["5"]["value"] == 0.75 and found["5"]["chance"] == pytest.approx(5 / 7)
    assert found["5"]["interval_95"][0] < 0.75 < found["5"]["interval_95"][1]
    assert list(top_k([[1, 0, 0]], [0])) == ["1"]  # five of three say nothing


def test_recordings_of_one_and_of_two_persons_are_counted_apart():
    predictions = [said("a", "a"), said("a", "b"), said("b", "b"), said("c", "c")]
    summary = summarize_recognition(predictions, LABELS, [1, 1, 2, 2])
    assert [(key, found["hits"], found["count"]) for key, found in summary["persons"].items()] == [
        ("1", 1, 2),
        ("2", 2, 2),
    ]
    assert summary["persons"]["1"]["macro_accuracy"] == 0.5 and summary["accuracy"] == 0.75
    assert "persons" not in summarize_recognition(predictions, LABELS, [1, 1, 1, 1])
    assert "top_k" not in summary and "calibration" not in summary  # generated answers have no probabilities


def test_where_there_are_scores_they_are_judged():
    scores = np.log(np.full(7, 0.05))
    scores[0] = np.log(0.7)
    summary = summarize_recognition([said("a", "a", scores.tolist()), said("b", "a", scores.tolist())], LABELS)
    assert summary["top_k"]["1"]["value"] == 0.5
    assert summary["calibration"]["expected_calibration_error"]["value"] == pytest.approx(0.2)
    assert Accuracy.from_summary(summary).per_class == {"a": (1, 1), "b": (0, 1)}


def test_persons_are_those_who_are_seen():
    joints = np.ones((3, 2, KINECT_V1.num_joints, 3))
    joints[:, 1] = np.nan
    assert count_persons(SkeletonSequence(joints, 30.0, KINECT_V1)) == 1
    joints[2, 1, 4] = 1.0
    assert count_persons(SkeletonSequence(joints, 30.0, KINECT_V1)) == 2
