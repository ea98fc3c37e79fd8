"""How near captions are to references."""

import pytest

from skeletonllm.evaluation.captions import corpus_scores, rouge_l

REFERENCE = "A person raises the left arm."


@pytest.mark.parametrize(
    ("text", "f1"),
    [
        # Common subsequence c, lengths m and n: F1 is 2 c / (m + n). rouge-score 0.1.2 gives the same values.
        ("a person raises the left arm", 1.0),
        ("A PERSON, raises the left arm!", 1.0),
        ("a person raises the right arm", 10 / 12),
        ("the left arm a person raises", 6 / 12),  # in another order three words stay a subsequence
        ("arm", 2 / 7),
        ("somebody walks", 0.0),
        ("", 0.0),
    ],
)
def test_words_count_in_their_order_and_without_case_and_punctuation(text, f1):
    assert rouge_l(text, [REFERENCE]) == pytest.approx(f1)


def test_of_several_references_the_nearest_counts():
    assert rouge_l("somebody walks", [REFERENCE, "somebody walks slowly"]) == pytest.approx(4 / 5)
    with pytest.raises(ValueError, match="at least one reference"):
        rouge_l("somebody walks", [])


def test_a_corpus_is_scored_by_sacrebleu_and_says_how():
    pytest.importorskip("sacrebleu")
    texts = ["a person raises the left arm", "somebody walks in a circle to the left"]
    references = [[REFERENCE], ["a person hops", "Somebody walks in a circle to the left"]]
    found = corpus_scores(texts, references)
    assert found["bleu"] == pytest.approx(96.5, abs=4) and found["chrf"] > 95  # the full stop alone is missing
    assert "case:lc" in found["bleu_signature"] and "version:" in found["chrf_signature"]
    assert corpus_scores(["jump jump jump", "sit"], references)["bleu"] < 5
    with pytest.raises(ValueError, match="2 captions, 1 sets"):
        corpus_scores(texts, references[:1])
