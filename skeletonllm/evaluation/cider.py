"""CIDEr-D: how near captions are to those of people, where words that tell motions apart count most."""

import math
from collections import Counter
from collections.abc import Sequence

from skeletonllm.tasks.recognition import normalize_label

LONGEST = 4  # words of an n-gram
SIGMA = 6.0  # words: how fast captions of another length lose
_Vector = list[dict[tuple[str, ...], float]]


def cider_d(texts: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """CIDEr-D of each caption (Vedantam et al., 2015), 0 to 10; that of a corpus is their mean.

    The n-grams of 1 to 4 words of caption and reference are weighted by how rare they are among the references of the
    whole test, and compared by a cosine in which a caption gains nothing from more repetitions than the reference has;
    the value is 10 times the mean over references and lengths, times a Gaussian of the difference in words. Words
    are compared without case and punctuation and are not stemmed.

    Args:
        texts: one per recording.
        references: for each text one or more. They are also the documents in which n-grams are counted; so figures of
            different tests are not comparable, and a test of one recording has the value 0.

    Raises:
        ValueError: not as many of both, or none; a text without references.
    """
    if not texts or len(texts) != len(references) or not all(references):
        raise ValueError(f"{len(texts)} captions, {len(references)} sets of references, expected as many and not empty")
    counted = [[_ngrams(reference) for reference in given] for given in references]
    documents = Counter(gram for given in counted for gram in {gram for grams in given for gram in grams})
    return [_score(_ngrams(text), given, documents, len(texts)) for text, given in zip(texts, counted, strict=True)]


def _ngrams(text: str) -> Counter[tuple[str, ...]]:
    words = normalize_label(text).split()
    return Counter(
        tuple(words[start : start + n]) for n in range(1, LONGEST + 1) for start in range(len(words) - n + 1)
    )


def _score(said: Counter, given: Sequence[Counter], documents: Counter, count: int) -> float:
    def weigh(grams: Counter) -> _Vector:
        vector: _Vector = [{} for _ in range(LONGEST)]
        for gram, times in grams.items():
            vector[len(gram) - 1][gram] = times * math.log(count / max(1, documents[gram]))
        return vector

    weighed = weigh(said)
    values = []
    for grams in given:
        difference = _words(said) - _words(grams)
        penalty = math.exp(-(difference**2) / (2 * SIGMA**2))
        similar = [_clipped_cosine(*pair) for pair in zip(weighed, weigh(grams), strict=True)]
        values.append(penalty * sum(similar) / LONGEST)
    return 10 * sum(values) / len(values)


def _words(grams: Counter) -> int:
    return sum(times for gram, times in grams.items() if len(gram) == 1)


def _clipped_cosine(said: dict, reference: dict) -> float:
    norms = [math.sqrt(sum(value**2 for value in vector.values())) for vector in (said, reference)]
    if not all(norms):
        return 0.0
    return sum(min(value, reference.get(gram, 0.0)) * reference.get(gram, 0.0) for gram, value in said.items()) / (
        norms[0] * norms[1]
    )
