"""A whole evaluation of a trained model, by one process or by one of many."""

import json
from collections.abc import Mapping
from pathlib import Path

from skeletonllm.evaluation.fingerprint import code_digest, model_digest, questions_digest
from skeletonllm.evaluation.parts import Parts, remove_parts
from skeletonllm.evaluation.provenance import provenance
from skeletonllm.evaluation.ranks import Ranks
from skeletonllm.evaluation.respondents import BLIND_SIGHTS, Ours, Test, prior_answers
from skeletonllm.evaluation.results import SUMMARY_FILE, write_results
from skeletonllm.evaluation.sharing import collect, do_share, units_of
from skeletonllm.evaluation.sight import Sight

DEPENDS_ON = "depends_on"
# Where a model lies; a fact that no answer depends on.
PLACE = "checkpoint"


def evaluate_shared(
    ours: Ours,
    test: Test,
    folder: Path,
    facts: Mapping,
    *,
    blind: bool = False,
    generalized: bool = False,
    ranks: Ranks | None = None,
) -> dict | None:
    """Ask a model all questions of a test and write the results.

    Any number of processes that see the same folder may do so together, at once or one after the other: see
    ``skeletonllm.evaluation.parts``. The files that they leave are the same to the byte however many they are, and
    however often they were killed and started again. What was evaluated before, by the same code and with all else the
    same, is not evaluated again.

    Args:
        ours: whom to ask.
        test: what.
        folder: of the results; made if need be.
        facts: whatever else the summary shall say of how the results came about; JSON-able. Another evaluation if
            they differ, but for ``checkpoint``.
        blind: answer also without seeing.
        generalized: count seen and unseen classes apart.
        ranks: this process among the others; None: there are none.

    Returns:
        The summary; None in all processes but the first.

    Raises:
        ValueError: the folder holds answers of an evaluation that was stopped and was not this one.
    """
    ranks = ranks or Ranks()
    depends_on = {
        "model": model_digest(ours.trained),
        "questions": questions_digest(test),
        "code": code_digest(),
        "versions": provenance()["versions"],
        "settings": dict(
            {name: value for name, value in facts.items() if name != PLACE},
            task=test.task, seed=test.seed, draws=test.draws, blind=blind, generalized=generalized,
            generate=ours.generate, batch_size=ours.batch_size, device=ours.trained.model.device.type,
        ),
    }  # fmt: skip
    depends_on = json.loads(json.dumps(depends_on))
    if (before := _ended(folder, depends_on)) is not None:
        return before if ranks.is_first else None
    sights = [Sight.frames, *(BLIND_SIGHTS if blind else ())]
    units = units_of(test, ours.batch_size, sights)
    parts = Parts(folder, depends_on)
    if (before := _ended(folder, depends_on)) is not None:  # since the last look, and these parts are new
        return before if ranks.is_first else None
    do_share(ours, test, units, parts, ranks)
    if not ranks.is_first:
        return None
    answers, found = collect(units, parts)
    unseeing = prior_answers(test) if blind else {}
    unseeing |= {sight.value: given.texts for sight, given in answers.items() if sight != Sight.frames}
    seeds = {"training_seed": ours.trained.recipe.get("optimization", {}).get("seed")}
    summary = write_results(
        folder, test, answers[Sight.frames], unseeing, {**facts, **seeds, DEPENDS_ON: depends_on}, generalized,
        retrieval=found, title=f"{facts.get('data', '')}, {facts.get('split', '')}",
    )  # fmt: skip
    remove_parts(folder)
    return summary


def _ended(folder: Path, depends_on: dict) -> dict | None:
    """The summary of this very evaluation if it has ended; then no parts of it are left."""
    path = folder / SUMMARY_FILE
    if not path.is_file():
        return None
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}; remove it to evaluate again") from error
    if summary.get(DEPENDS_ON) != depends_on:
        return None
    remove_parts(folder)
    return summary
