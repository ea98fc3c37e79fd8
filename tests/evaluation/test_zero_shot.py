"""Seen classes, unseen classes, and both at once."""

import pytest

from skeletonllm.evaluation.accuracy import Prediction
from skeletonllm.evaluation.zero_shot import GeneralizedAccuracy, harmonic_mean

CANDIDATES = ["bow", "clap", "kick", "walk"]
UNSEEN = ["kick", "walk"]


def said(label, scores):
    best = CANDIDATES[max(range(4), key=scores.__getitem__)]
    return Prediction(f"{label} {scores}", label, best, list(scores))


@pytest.fixture
def predictions():
    """Right on all seen classes; on unseen ones right only if that much is taken off the seen ones: 0, 1, 3, never."""
    return [
        said("bow", (9, 0, 0, 0)),
        said("clap", (0, 4, 0, 2)),
        said("kick", (0, 0, 1, 0)),
        said("kick", (1, 0, 0, -1)),
        said("walk", (0, 5, 0, 2)),
        said("walk", (0, 0, 4, 3)),
    ]


def test_the_harmonic_mean_is_near_the_worse_of_both():
    assert harmonic_mean(0.5, 0.5) == 0.5
    assert harmonic_mean(0.9, 0.1) == pytest.approx(0.18)
    assert harmonic_mean(0.9, 0.0) == harmonic_mean(0.0, 0.0) == 0.0


def test_accuracies_are_counted_on_each_side_and_not_over_all(predictions):
    found = GeneralizedAccuracy.of(predictions, CANDIDATES, UNSEEN)
    assert (found.seen_accuracy, found.unseen_accuracy) == (1.0, 0.25)
    assert found.harmonic == pytest.approx(0.4)
    summary = found.summary()
    assert summary["seen"]["count"] == 2 and summary["unseen"] | {"interval_95": 0} == dict(
        accuracy=0.25, hits=1, count=4, interval_95=0
    )
    low, high = summary["harmonic_interval_95"]
    assert 0.0 <= low < 0.4 < high <= 1.0


def test_the_curve_goes_from_all_seen_to_all_unseen_through_the_model_as_it_is(predictions):
    found = GeneralizedAccuracy.of(predictions, CANDIDATES, UNSEEN)
    # Margins: seen 9, 2; unseen -1, 1, 3, -4. The last is wrong whatever is taken off.
    assert found.curve == [(1, 0), (1, 0), (1, 0.25), (1, 0.5), (0.5, 0.5), (0.5, 0.75), (0, 0.75)]
    assert found.area == pytest.approx(0.5 * 1 + 0.25 * 0.5)


def test_a_shift_of_all_seen_scores_changes_the_answers_and_not_the_area(predictions):
    shifted = [said(p.label, [s - 2.5 * (c not in UNSEEN) for c, s in zip(CANDIDATES, p.scores, strict=True)])
               for p in predictions]  # fmt: skip
    before, after = (GeneralizedAccuracy.of(p, CANDIDATES, UNSEEN) for p in (predictions, shifted))
    assert after.unseen_accuracy == 0.5 and after.seen_accuracy == 0.5
    assert after.area == before.area


def test_generated_answers_have_no_curve(predictions):
    spoken = [Prediction(p.id, p.label, None, None, "fly") for p in predictions]
    found = GeneralizedAccuracy.of(spoken, CANDIDATES, UNSEEN)
    assert found.area is None and found.harmonic == 0.0


@pytest.mark.parametrize(
    ("kept", "unseen", "message"),
    [
        (slice(0, 2), UNSEEN, "no recording of unseen classes"),
        (slice(2, 6), UNSEEN, "no recording of seen classes"),
        (slice(0, 6), ["fly"], "not offered: fly"),
    ],
)
def test_a_mean_of_two_needs_both(predictions, kept, unseen, message):
    with pytest.raises(ValueError, match=message):
        GeneralizedAccuracy.of(predictions[kept], CANDIDATES, unseen)
