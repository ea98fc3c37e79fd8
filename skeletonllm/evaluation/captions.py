"""How near captions are to what people wrote about the same recordings, by the libraries that the field counts with."""

import json
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from skeletonllm.tasks.recognition import normalize_label

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer

# What BERTScore's authors recommend for English, and the layer whose states they compare.
BERT_MODEL, BERT_LAYER = "roberta-large", 17
BOOTSTRAP_ROUNDS = 1000


class _Words:
    """Words without case and punctuation, of any script; the library's own tokenizer knows a to z alone."""

    def tokenize(self, text: str) -> list[str]:
        return normalize_label(text).split()


def rouge_l(text: str, references: Sequence[str]) -> float:
    """ROUGE-L (Lin, 2004): F1 of the longest common subsequence of words, of the reference that fits best.

    Words are compared without case and punctuation, and are not stemmed.

    Raises:
        ValueError: no references; rouge-score is not installed.
    """
    if not references:
        raise ValueError("a caption needs at least one reference")
    return _rouge_l(text, tuple(references))


@lru_cache(maxsize=100_000)  # who answers blindly tries a few captions on all questions, again and again
def _rouge_l(text: str, references: tuple[str, ...]) -> float:
    return _rouge_scorer().score_multi(references, text)["rougeL"].fmeasure


@cache
def _rouge_scorer() -> "RougeScorer":
    if find_spec("rouge_score") is None:
        raise ValueError("captions are scored with rouge-score, which is missing; pip install 'skeletonllm[evaluate]'")
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=_Words())


def corpus_scores(texts: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, dict]:
    """BLEU-4 and chrF of sacrebleu over all captions, 0 to 100: ``value``, ``interval_95``, and the ``signature`` that
    says how it was counted.

    BLEU counts n-grams over the whole corpus, so it has no value for a single caption. With sacrebleu's own rules a
    caption may have fewer references than others. The intervals are those of sacrebleu's bootstrap over captions.

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
    found = {}
    for name, metric in {"bleu": sacrebleu.BLEU(lowercase=True), "chrf": sacrebleu.CHRF(lowercase=True)}.items():
        score = metric.corpus_score(list(texts), columns, n_bootstrap=BOOTSTRAP_ROUNDS)
        signature = str(metric.get_signature())
        told = json.loads(score.format(width=6, signature=signature, is_json=True))
        # sacrebleu leaves the interval out where all that it drew scored 0.
        middle, half = told.get("confidence_mean", 0.0), told.get("confidence_var", 0.0)
        interval = [max(0.0, middle - half), min(100.0, middle + half)]
        found[name] = {"value": score.score, "interval_95": interval, "signature": signature}
    return found


def find_bert(cache_folder: Path | None = None) -> Path | str:
    """The folder of BERTScore's weights in the local Hugging Face cache, or why there is none. Nothing is downloaded.

    Args:
        cache_folder: default where Hugging Face keeps it.
    """
    from huggingface_hub import try_to_load_from_cache

    if find_spec("bert_score") is None:
        return "bert-score is not installed; pip install 'skeletonllm[evaluate]'"
    found = [
        try_to_load_from_cache(BERT_MODEL, name, cache_dir=cache_folder)
        for name in ("config.json", "model.safetensors", "pytorch_model.bin")
    ]
    settings, *weights = [path if isinstance(path, str) else None for path in found]
    if settings is None or not any(weights):
        return f"the weights of {BERT_MODEL} are not in the local Hugging Face cache; hf download {BERT_MODEL}"
    return Path(settings).parent


def bert_scores(
    texts: Sequence[str], references: Sequence[Sequence[str]], folder: Path, layer: int = BERT_LAYER
) -> list[float]:
    """BERTScore F1 of each caption (Zhang et al., 2020), of the reference that fits best, not rescaled.

    Args:
        texts: one per recording.
        references: for each text one or more.
        folder: of the weights.
        layer: whose states are compared.
    """
    from bert_score import BERTScorer

    scorer = BERTScorer(model_type=str(folder), num_layers=layer)
    return scorer.score(list(texts), [list(given) for given in references])[2].tolist()
