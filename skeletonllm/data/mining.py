"""Hard negatives: which labels are easily taken for which, from a file, from a model's errors, or from embeddings.

Whatever they come from, only labels that are trained on are named, so nothing of an unseen class is given away, and
``balance`` makes each of them as often the wrong answer as it is the right one.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from skeletonllm.data.confusable import MOST, confusable_labels
from skeletonllm.data.embeddings import label_embeddings
from skeletonllm.data.labels import known_labels, refuse_unknown, shared_name
from skeletonllm.data.recordings import Recording
from skeletonllm.data.splits import Guard, LeakError

Table = dict[str, tuple[str, ...]]

# How readily a label is asked for that is confusable, that is so the other way round, that is neither.
_LISTED, _LISTED_BY, _ANY = 1.0, 0.3, 0.01
# Shares are rounded to this part, so that a label is an even draw from a tuple.
_PLACES = 1000
_ROUNDS = 1000
# Shares of YES and NO that differ by less, of the mean count of a label, are balanced.
_TOLERANCE = 0.01


def mine(
    choice: str, chosen: Sequence[Recording], known: Sequence[Recording], guard: Guard, backbone: str = "tiny"
) -> Table:
    """For each label those to ask for in its place, balanced.

    Args:
        choice: ``default``; ``embeddings`` of the backbone; or the path of a table (``.json``) or of the
            ``predictions.jsonl`` of an evaluation.
        chosen: recordings to train on.
        known: all recordings of the source, whose labels a file may name.
        guard: of the training.
        backbone: the name or folder of the model that is trained, ``tiny`` for one that has learnt nothing yet.

    Raises:
        ValueError: no such file, one that is damaged, or a label that nobody knows.
        LeakError: the predictions are of recordings that are held out.
    """
    counts = Counter(recording.label for recording in chosen)
    labels = sorted(counts)
    if choice == "default":
        return balance(confusable_labels(labels), counts)
    if choice == "embeddings":
        if backbone == "tiny":
            raise ValueError("confusable: embeddings of the tiny backbone say nothing before it is trained")
        return balance(from_embeddings(label_embeddings(backbone, labels), labels), counts)
    path = Path(choice)
    if path.suffix not in (".json", ".jsonl") or not path.is_file():
        raise ValueError(
            f"confusable: {choice!r} is neither 'default', 'embeddings' nor a file .json or .jsonl that is there"
        )
    vocabulary = {recording.label for recording in known} | set(known_labels())
    if path.suffix == ".json":
        return balance(read_table(path, labels, vocabulary), counts)
    predictions = _read_predictions(path, vocabulary)
    predicted = {prediction["id"] for prediction in predictions}
    for recording in known:
        if recording.id in predicted and (why := guard.refusal(recording)):
            raise LeakError(f"{path}: {guard.job} would learn from the errors on {recording.id}: {why}")
    return balance(from_predictions(predictions, labels), counts)


def read_table(path: Path, labels: Sequence[str], vocabulary: Collection[str]) -> Table:
    """A JSON object of lists, label to labels that are easily taken for it, cut down to ``labels``.

    Raises:
        ValueError: it is not such an object, a label is confusable with itself, or not in the vocabulary; names the
            file, the key and the nearest known label.
    """
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: found a {type(content).__name__}, expected label: [labels]")
    refuse_unknown(content, vocabulary, str(path))
    for label, others in content.items():
        if not isinstance(others, list) or not all(isinstance(other, str) for other in others):
            raise ValueError(f"{path}: {label}: found {others!r}, expected a list of labels")
        if shared_name(label) in map(shared_name, others):
            raise ValueError(f"{path}: {label}: is confusable with itself")
        refuse_unknown(others, vocabulary, f"{path}: {label}")
    return {label: _within(content.get(label, []), labels) for label in labels}


def _read_predictions(path: Path, vocabulary: Collection[str]) -> list[dict]:
    predictions = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            row = json.loads(line)
            row = {key: row[key] for key in ("id", "label", "predicted")}
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}: line {number}: expected an id, a label and what was predicted: {error}"
            ) from error
        refuse_unknown(
            [name for name in (row["label"], row["predicted"]) if name], vocabulary, f"{path}: line {number}"
        )
        predictions.append(row)
    if not predictions:
        raise ValueError(f"{path}: no predictions")
    return predictions


def from_predictions(predictions: Sequence[Mapping[str, str | None]], labels: Sequence[str]) -> Table:
    """The at most ``MOST`` labels that a model took for each other most often, in either direction.

    Args:
        predictions: each with ``label`` and ``predicted``, which is None where no candidate was named.
        labels: those that are trained on; others are left out.
    """
    confused = {label: Counter() for label in labels}
    for prediction in predictions:
        label, said = prediction["label"], prediction["predicted"]
        if label in confused and said in confused and shared_name(label) != shared_name(said):
            confused[label][said] += 1
            confused[said][label] += 1
    order = {label: sorted(counts, key=lambda other: (-counts[other], other)) for label, counts in confused.items()}
    return {label: tuple(others[:MOST]) for label, others in order.items()}


def from_embeddings(embeddings: torch.Tensor, labels: Sequence[str], most: int = MOST) -> Table:
    """The ``most`` labels whose embeddings have the largest cosine with each label's, the nearest first.

    What all labels have in common, their mean, is taken out first: embeddings of short texts lie in a narrow cone.

    Args:
        embeddings: (L, D), of any model.
        labels: L of them, those that are trained on.
        most: how many.

    Raises:
        ValueError: not an embedding for each label, or numbers that are not finite.
    """
    if embeddings.ndim != 2 or len(embeddings) != len(labels) or not embeddings.isfinite().all():
        raise ValueError(f"embeddings have shape {tuple(embeddings.shape)}, expected finite ({len(labels)}, D)")
    centred = embeddings.double() - embeddings.double().mean(0)
    cosine = torch.nn.functional.normalize(centred, dim=1) @ torch.nn.functional.normalize(centred, dim=1).T
    table = {}
    for label, row in zip(labels, cosine.tolist(), strict=True):
        nearest = sorted(range(len(labels)), key=lambda index: -row[index])
        others = [labels[index] for index in nearest if shared_name(labels[index]) != shared_name(label)]
        table[label] = tuple(others[:most])
    return table


def balance(table: Mapping[str, Sequence[str]], counts: Mapping[str, int]) -> Table:
    """A table, drawn from evenly, after which every label is asked for as often with NO as with YES.

    Otherwise the question alone would tell: a label that is in nobody's list is always the right one. Shares are the
    nearest to the table (in the sense of Kullback and Leibler) that are balanced, by the iterative proportional
    fitting of Sinkhorn and Knopp (1967). Labels that the table does not name are asked for as seldom as balance
    allows, and a label that makes up more than half of all cannot be balanced. A balanced table stays as it is.

    Args:
        table: label -> labels that are easily taken for it, all of ``counts``.
        counts: how often each label is trained on.

    Returns:
        For each label of ``counts`` the others, repeated as often as they are to be asked for; empty where there is
        nothing else to ask for.
    """
    labels = sorted(counts)
    count = np.array([counts[label] for label in labels], dtype=np.float64)
    listed = np.array([[other in table.get(label, ()) for other in labels] for label in labels])
    same = np.array([[shared_name(other) == shared_name(label) for other in labels] for label in labels])
    even = (listed & ~same) / np.maximum(1, listed.sum(1, keepdims=True)) * count[:, None]
    if np.abs(even.sum(0) - count).max() <= _TOLERANCE * count.mean():
        return {label: tuple(table[label]) for label in labels}
    shares = np.where(same, 0.0, np.where(listed, _LISTED, np.where(listed.T, _LISTED_BY, _ANY)))
    for _ in range(_ROUNDS):
        shares *= (count / np.maximum(shares.sum(0), np.finfo(float).tiny))[None]
        shares *= (count / np.maximum(shares.sum(1), np.finfo(float).tiny))[:, None]
    return {
        label: _places(row / row.sum(), labels) if row.any() else () for label, row in zip(labels, shares, strict=True)
    }


def _places(shares: np.ndarray, labels: Sequence[str]) -> tuple[str, ...]:
    """Labels repeated by their shares, which sum to one, by largest remainders."""
    places = np.floor(shares * _PLACES).astype(int)
    largest = np.argsort(places - shares * _PLACES, kind="stable")
    places[largest[: _PLACES - places.sum()]] += 1
    return tuple(label for label, times in zip(labels, places, strict=True) for _ in range(times))


def _within(others: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
    return tuple(other for other in dict.fromkeys(others) if other in labels)
