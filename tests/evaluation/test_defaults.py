"""What a test takes from training where nothing else is said."""

import pytest

from skeletonllm.evaluation.defaults import Source, source_of_test

UCLA = dict(source="nw_ucla", root="data/ucla", options={"a": 1, "b": 2}, protocol="mine", weight=None)
ALONE = {"data": {**UCLA, "mixture": {}}}
MIXED = {"data": {"source": "synthetic", "mixture": {"real": UCLA, "made": {"source": "synthetic", "options": {}}}}}


def test_a_test_is_on_the_source_of_training_with_its_folder_options_and_protocol():
    assert source_of_test(ALONE) == Source("nw_ucla", "data/ucla", {"a": 1, "b": 2}, "mine")
    assert source_of_test(ALONE, data="nw_ucla") == source_of_test(ALONE)
    assert source_of_test(None) == Source("synthetic", None, {}, "usual")


def test_what_is_said_goes_before_and_leaves_the_rest():
    found = source_of_test(ALONE, root="other", options={"b": 3}, protocol="usual")
    assert found == Source("nw_ucla", "other", {"a": 1, "b": 3}, "usual")


def test_another_source_takes_nothing_from_training():
    assert source_of_test(ALONE, data="utd_mhad", root="utd") == Source("utd_mhad", "utd", {}, "usual")
    assert source_of_test(MIXED, data="nw_ucla") == Source("nw_ucla", None, {}, "usual")


def test_of_a_mixture_one_part_is_tested_under_the_names_of_the_mixture():
    assert source_of_test(MIXED, part="real") == Source("nw_ucla", "data/ucla", {"a": 1, "b": 2}, "mine", True)
    assert source_of_test(MIXED, part="made", data="synthetic").name == "synthetic"


@pytest.mark.parametrize(
    ("recipe", "wish", "message"),
    [
        (MIXED, {}, r"choose one of its parts with --part \(real, made\)"),
        (MIXED, {"part": "ucla"}, "no part 'ucla'; the parts are real, made"),
        (MIXED, {"part": "real", "data": "synthetic"}, "is of the source nw_ucla, not of synthetic"),
        (ALONE, {"part": "real"}, "was not trained on a mixture"),
        (None, {"part": "real"}, "was not trained on a mixture"),
    ],
)
def test_what_cannot_be_chosen_is_told(recipe, wish, message):
    with pytest.raises(ValueError, match=message):
        source_of_test(recipe, **wish)
