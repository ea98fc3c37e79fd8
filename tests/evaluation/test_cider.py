"""CIDEr-D against values worked out by hand."""

import math

import pytest

from skeletonllm.evaluation.cider import cider_d

# Two documents. "walk" is in both, so it weighs nothing; each other word and pair of words is in one and weighs log 2.
REFERENCES = [["walk left"], ["walk right"]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # One word and one pair that weigh anything, both as in the reference: cosines 1, 1, 0, 0 for 1 to 4 words.
        ("walk left", 10 * 2 / 4),
        ("Walk, left!", 10 * 2 / 4),
        ("walk right", 0.0),
        ("walk", 0.0),
        # The word alone, and one word less than the reference.
        ("left", 10 * 1 / 4 * math.exp(-1 / (2 * 6**2))),
        # Said twice it counts once: min(2, 1) * 1 / (2 * 1); the pair "left left" is in no reference.
        ("left left", 10 * 0.5 / 4),
        ("", 0.0),
    ],
)
def test_words_that_tell_recordings_apart_count_and_repetitions_gain_nothing(text, value):
    assert cider_d([text, "walk right"], REFERENCES)[0] == pytest.approx(value)


def test_the_value_is_the_mean_over_references():
    # Against "hop right" nothing agrees; against "walk left" the word that weighs anything does, and the pair.
    found = cider_d(["walk left", "sit"], [["walk left", "hop right"], ["sit walk"]])
    assert found[0] == pytest.approx(10 * 2 / 4 / 2)


def test_rare_words_weigh_more_than_common_ones():
    references = [["person hops"], ["person walks"], ["person walks"], ["person sits"]]
    said = ["hops", "walks", "walks", "sits"]
    # Weights log 4 of "hops" and log 2 of "walks", beside "person", which weighs nothing: cosines of 1 each.
    assert cider_d(said, references)[0] == pytest.approx(cider_d(said, references)[1])
    both = cider_d(["hops walks", "", "", ""], [["hops walks sits"], *references[1:]])[0]
    weights = [math.log(4), math.log(4 / 3), math.log(2)]  # of "hops", "walks", "sits"
    words = math.hypot(*weights[:2]) / math.hypot(*weights)
    pairs = 1 / math.sqrt(2)  # one of two pairs, all of them rare
    assert both == pytest.approx(10 * (words + pairs) / 4 * math.exp(-1 / 72))


def test_a_test_needs_a_reference_for_each_caption():
    for texts, references in ((["a"], []), ([], []), (["a"], [[]])):
        with pytest.raises(ValueError, match="sets of references"):
            cider_d(texts, references)
