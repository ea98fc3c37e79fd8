"""How near a caption is to what people wrote about the same recording."""

from collections.abc import Sequence

from skeletonllm.tasks.recognition import normalize_label


def rouge_l(text: str, references: Sequence[str]) -> float:
    """ROUGE-L (Lin, 2004): F1 of the longest common subsequence of words, of the reference that fits best.

    Words are compared without case and punctuation, and are not stemmed.

    Raises:
        ValueError: no references.
    """
    if not references:
        raise ValueError("a caption needs at least one reference")
    said = normalize_label(text).split()
    return max(_f1(said, normalize_label(reference).split()) for reference in references)


def _f1(said: list[str], reference: list[str]) -> float:
    common = _longest_common_subsequence(said, reference)
    return 2 * common / (len(said) + len(reference)) if common else 0.0


def _longest_common_subsequence(one: list[str], other: list[str]) -> int:
    row = [0] * (len(other) + 1)
    for word in one:
        above = row
        row = [0]
        for column, second in enumerate(other, 1):
            row.append(above[column - 1] + 1 if word == second else max(above[column], row[-1]))
    return row[-1]


def corpus_scores(texts: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float | str]:
    """BLEU-4 and chrF of sacrebleu over all captions, 0 to 100, each with the signature that says how it was counted.

    BLEU counts n-grams over the whole corpus, so it has no value for a single caption. With sacrebleu's own rules a
    caption may have fewer references than others.

    Args:
        texts: one per recording.
        references: for each text one or more.

    Raises:
        ValueError: not as many of both, or none; a text without references.
        ModuleNotFoundError: sacrebleu is not installed; the extra ``evaluate`` has it.
    """
    import sacrebleu

    if not texts or len(texts) != len(references) or not all(references):
        raise ValueError(f"{len(texts)} captions, {len(references)} sets of references, expected as many and not empty")
    most = max(map(len, references))
    columns = [[given[n] if n < len(given) else None for given in references] for n in range(most)]
    bleu, chrf = sacrebleu.BLEU(lowercase=True), sacrebleu.CHRF(lowercase=True)
    return {
        "bleu": bleu.corpus_score(list(texts), columns).score,
        "bleu_signature": str(bleu.get_signature()),
        "chrf": chrf.corpus_score(list(texts), columns).score,
        "chrf_signature": str(chrf.get_signature()),
    }


def has_sacrebleu() -> bool:
    """Whether ``corpus_scores`` can be asked for."""
    from importlib.util import find_spec

    return find_spec("sacrebleu") is not None
