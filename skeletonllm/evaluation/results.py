"""Answers to a test, added up: every metric with its interval, by kind of question, and beside blind answers."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from skeletonllm.evaluation.accuracy import Accuracy, Prediction
from skeletonllm.evaluation.captions import bert_scores, corpus_scores, find_bert
from skeletonllm.evaluation.cider import cider_d
from skeletonllm.evaluation.closed_set import count_persons, summarize_recognition
from skeletonllm.evaluation.grading import Grade, grade
from skeletonllm.evaluation.grading import score as score_of
from skeletonllm.evaluation.intervals import clustered_interval
from skeletonllm.evaluation.parts import replace_file
from skeletonllm.evaluation.plots import plot_confusion
from skeletonllm.evaluation.provenance import provenance
from skeletonllm.evaluation.questions import Posed
from skeletonllm.evaluation.respondents import Answers, Test
from skeletonllm.evaluation.retrieval import Found, r_precision
from skeletonllm.evaluation.zero_shot import GeneralizedAccuracy
from skeletonllm.tasks.recognition import parse_answer

PREDICTIONS_FILE, SUMMARY_FILE, CONFUSION_FILE = "predictions.jsonl", "summary.json", "confusion.png"


def write_results(
    folder: Path,
    test: Test,
    answers: Answers,
    blind: Mapping[str, Sequence[str]],
    facts: Mapping,
    generalized: bool = False,
    *,
    retrieval: Sequence[Found] | None = None,
    title: str | None = None,
) -> dict:
    """Write ``predictions.jsonl``, a line per question, and ``summary.json``, whose content is returned.

    The summary is written last and as a whole: where it is, everything is.

    Args:
        folder: made if need be.
        test, answers: what was asked and said.
        blind: as of ``compare``.
        facts: whatever else the summary shall say of how the results came about; JSON-able.
        generalized: count seen and unseen classes apart.
        retrieval: what a model found among captions.
        title: of ``confusion.png``, which recognition has besides if this is given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    posed, texts = test.posed, answers.texts
    summary = {**facts, "task": test.task, "seed": test.seed, "draws": test.draws}
    if test.task == "recognition":
        predictions = predictions_of(test, answers)
        candidates = test.selection.candidates
        persons = [count_persons(test.recordings[question.place][1]) for question in posed]
        summary |= summarize_recognition(predictions, candidates, persons, test.seed)
        if generalized:
            of_all = GeneralizedAccuracy.of(predictions, candidates, test.selection.unseen)
            summary["generalized"] = of_all.summary(test.seed)
        rows = [asdict(prediction) for prediction in predictions]
        if title is not None:
            accuracy = Accuracy.of(predictions, candidates)
            told = f"{title}: {accuracy.micro:.1%}, {accuracy.hits} of {accuracy.count}"
            plot_confusion(accuracy, folder / CONFUSION_FILE, told)
    else:
        grades = grade_all(posed, texts)
        summary |= summarize(posed, texts, test.seed, grades)
        rows = [{**asdict(q), "text": text, **found} for q, text, found in zip(posed, texts, grades, strict=True)]
    if retrieval is not None:
        summary["r_precision"] = r_precision(retrieval, test.seed)
    if blind:
        summary["blind"] = compare(posed, texts, blind, test.seed)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    summary |= {"predictions_sha256": hashlib.sha256(lines.encode()).hexdigest(), **provenance()}
    replace_file(folder / PREDICTIONS_FILE, lines)
    replace_file(folder / SUMMARY_FILE, json.dumps(summary, indent=1))
    return summary


def predictions_of(test: Test, answers: Answers) -> list[Prediction]:
    """Answers to a test of recognition as predictions of labels."""
    scores = answers.scores or [None] * len(answers.texts)
    return [
        Prediction(
            question.recording, question.answer, parse_answer(text, question.options), score,
            text if answers.scores is None else None,
        )
        for question, text, score in zip(test.posed, answers.texts, scores, strict=True)
    ]  # fmt: skip


def grade_all(posed: Sequence[Posed], texts: Sequence[str]) -> list[Grade]:
    """What each answer is worth; for captions with ``cider_d``, and ``bert_score`` if its weights are there."""
    grades = [grade(question, text) for question, text in zip(posed, texts, strict=True)]
    if posed and posed[0].task == "captioning":
        references = references_of(posed)
        further = {"cider_d": cider_d(texts, references)}
        if isinstance(weights := find_bert(), Path):
            further["bert_score"] = bert_scores(texts, references, weights)
        for name, values in further.items():
            grades = [{**found, name: value} for found, value in zip(grades, values, strict=True)]
    return grades


def references_of(posed: Sequence[Posed]) -> list[Sequence[str]]:
    """For each question all answers that are right."""
    return [question.references or (question.answer,) for question in posed]


def summarize(
    posed: Sequence[Posed], texts: Sequence[str], seed: int = 0, grades: Sequence[Grade] | None = None
) -> dict:
    """All metrics over all questions, and over those of each kind where there are several.

    Args:
        posed: the questions.
        texts: an answer to each.
        seed: of the bootstrap.
        grades: of the answers, if they are known.

    Returns:
        ``metrics``: name -> ``value``, ``interval_95``, ``count``; intervals are of the bootstrap over recordings.
        ``kinds``: kind -> the same. Captions have ``corpus`` besides, as of ``corpus_scores``, and ``not_computed``:
        name of a metric -> why.
    """
    if not posed or len(posed) != len(texts):
        raise ValueError(f"{len(texts)} answers to {len(posed)} questions")
    kinds: dict[str, list[int]] = defaultdict(list)
    for place, question in enumerate(posed):
        kinds[question.kind].append(place)
    grades = grade_all(posed, texts) if grades is None else grades
    summary = {
        "questions": len(posed),
        "recordings": len({question.recording for question in posed}),
        "metrics": _metrics(range(len(posed)), posed, grades, seed),
    }
    if len(kinds) > 1:
        summary["kinds"] = {kind: _metrics(places, posed, grades, seed) for kind, places in sorted(kinds.items())}
    if posed[0].task == "captioning":
        summary["corpus"] = corpus_scores(texts, references_of(posed))
        if isinstance(why := find_bert(), str):
            summary["not_computed"] = {"bert_score": why}
    return summary


def compare(posed: Sequence[Posed], texts: Sequence[str], blind: Mapping[str, Sequence[str]], seed: int = 0) -> dict:
    """Answers beside those of somebody who sees nothing.

    Args:
        posed, texts, seed: as of ``summarize``.
        blind: name of a way to be blind -> answers to the same questions.

    Returns:
        Name -> what ``summarize`` says of the blind answers, with ``advantage``: by how much the main metric of
        ``texts`` is higher, and the interval of this difference, over all questions and by kind.
    """
    compared = {}
    for name, unseeing in blind.items():
        gains = {"all": _advantage(posed, texts, unseeing, seed)}
        for kind in sorted({question.kind for question in posed}):
            of_kind = [place for place, question in enumerate(posed) if question.kind == kind]
            gains[kind] = _advantage(*([given[place] for place in of_kind] for given in (posed, texts, unseeing)), seed)
        compared[name] = {**summarize(posed, unseeing, seed), "advantage": gains}
    return compared


def _advantage(posed: Sequence[Posed], texts: Sequence[str], blind: Sequence[str], seed: int) -> dict:
    pairs = zip(posed, texts, blind, strict=True)
    differences = [score_of(question, seeing) - score_of(question, unseeing) for question, seeing, unseeing in pairs]
    interval = clustered_interval(differences, [question.recording for question in posed], seed)
    return {"value": sum(differences) / len(differences), "interval_95": list(interval)}


def _metrics(places: Sequence[int], posed: Sequence[Posed], grades: Sequence[dict[str, float]], seed: int) -> dict:
    """Metrics of some of the questions. One that an answer has no value of is a mean over the others."""
    metrics = {}
    for name in dict.fromkeys(name for place in places for name in grades[place]):
        having = [place for place in places if name in grades[place]]
        values = [grades[place][name] for place in having]
        interval = clustered_interval(values, [posed[place].recording for place in having], seed)
        metrics[name] = {"value": sum(values) / len(values), "interval_95": list(interval), "count": len(values)}
    return metrics
