"""Generalised zero-shot recognition of real people: Northwestern-UCLA, see real_data.py."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from real_data_learning import ALONE, Draw, Read, Row, Settings, either, learn, made, mean_row, shipped

from skeletonllm.data.augmentation import Augmentation
from skeletonllm.data.labels import shared_name
from skeletonllm.data.recordings import Recording, read_all, select
from skeletonllm.data.sources import load_source
from skeletonllm.data.splits import Guard, make_split
from skeletonllm.evaluation.accuracy import Prediction, predict
from skeletonllm.evaluation.intervals import two_level_interval
from skeletonllm.evaluation.sight import Sight
from skeletonllm.evaluation.zero_shot import GeneralizedAccuracy, harmonic_mean
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.tasks import Subject, recognition

# Share of the training questions that offer some of the labels in any order, so that the list is read.
FEWER_CANDIDATES = 0.5
TRIM = Augmentation(trim=0.15)
# Recordings of the training side on which the amount that is taken off seen classes is chosen.
MOST_CALIBRATING = 200


@dataclass(frozen=True)
class Unseen:
    """Classes that never train, and those that are held out of the training side besides, to choose an amount.

    All were chosen before anything was measured. What is held out stands to the embedded motions as the unseen ones do.
    """

    classes: tuple[str, ...]
    held_out: tuple[str, ...]


UNSEEN = {
    "in no training data": Unseen(("pick up with two hands", "throw"), ("carry", "drop trash")),
    "embedded only": Unseen(("sit down", "walk"), ("stand up",)),
}


def renamed(read: Read) -> Read:
    """With the names that data sets share, as in a mixture of them."""
    return [(replace(one, label=shared_name(one.label)), sequence) for one, sequence in read]


def recognition_draw(read: Read, labels: Sequence[str]) -> Draw:
    """One of the recordings, asked with all of the labels or some of them."""

    def draw(generator: torch.Generator) -> tuple[SkeletonSequence, str, str]:
        recording, sequence = read[int(torch.randint(len(read), (), generator=generator))]
        subject = Subject(recording.label, labels, fewer_candidates=FEWER_CANDIDATES)
        return TRIM.trimmed(sequence, generator), *recognition.draw(subject, generator)

    return draw


def training_side(everything: Sequence[Recording], unseen: Sequence[str], views: Sequence[int]) -> Read:
    """What may be learnt when these classes shall stay unknown, of some of the views."""
    own_names = [one.label for one in everything if shared_name(one.label) in unseen]
    split = make_split(f"nw_ucla without {', '.join(unseen)}", {"view": list(views)}, {"view": [3]}, None, own_names)
    guard = Guard(split)
    return renamed(read_all([one for one in everything if guard.allows(one)]))


def zero_shot(root: Path, settings: Settings) -> dict[str, list[Row]]:
    """Accuracies on seen and unseen classes by what is known of the unseen ones, with frames and with others'."""
    everything = load_source("nw_ucla", root)
    candidates = sorted({shared_name(recording.label) for recording in everything})
    embedded, start = made(settings), shipped(settings)
    test = renamed(read_all(select(everything, "test")))

    def taught(real: Read, seed: int):
        offered = sorted({*ALONE, *(recording.label for recording, _ in real)})
        draw = either(recognition_draw(real, offered), recognition_draw(embedded, offered), settings.embedded_share)
        return learn(start, draw, settings, seed)

    tables = {}
    for name, unseen in UNSEEN.items():
        print(f"zero_shot, {name}, {', '.join(unseen.held_out)} held out", file=sys.stderr)
        rehearsed = taught(training_side(everything, (*unseen.classes, *unseen.held_out), (1,)), 0)
        rehearsal = spread(training_side(everything, unseen.classes, (2,)), MOST_CALIBRATING)
        known = [label for label in candidates if label not in unseen.classes]
        amount = calibration(predict(*rehearsed, rehearsal, known, progress=False), known, unseen.held_out)
        print(f"  {amount:.2f} is taken off seen classes", file=sys.stderr)
        real = training_side(everything, unseen.classes, (1, 2))
        told: dict[Sight, list[list[Prediction]]] = {Sight.frames: [], Sight.others: []}
        for seed in range(settings.seeds):
            print(f"zero_shot, {name}, seed {seed}", file=sys.stderr)
            model = taught(real, seed + 1)
            for sight in told:
                told[sight].append(predict(*model, test, candidates, sight=sight, seed=seed, progress=False))
                right = [one.predicted == one.label for one in told[sight][-1]]
                print(f"  {sight}: {np.mean(right):.3f} of all classes", file=sys.stderr)
        for sight, by_seed in told.items():
            shown = "its frames" if sight == Sight.frames else "frames of others (blind)"
            title = f"unseen: {', '.join(unseen.classes)} ({name}); {shown}; {amount:.2f} taken off"
            tables[title] = zero_shot_rows(by_seed, candidates, unseen.classes, amount)
    return tables


def spread(read: Read, most: int) -> Read:
    """At most so many recordings, evenly over all of them."""
    return [read[place] for place in np.linspace(0, len(read) - 1, min(most, len(read))).round().astype(int)]


def calibration(predictions: Sequence[Prediction], candidates: Sequence[str], unseen: Sequence[str]) -> float:
    """The amount, taken off the scores of seen classes, with the highest harmonic mean.

    Calibrated stacking of Chao et al. 2016: whoever learnt some classes alone prefers them to all others.

    Raises:
        ValueError: no prediction on one of the sides.
    """
    strange = np.array([label in unseen for label in candidates])
    scores = np.array([one.scores for one in predictions])
    margins = np.unique(scores[:, ~strange].max(1) - scores[:, strange].max(1))
    # Between two margins all amounts do the same; beyond the last one everything is unseen.
    amounts = [*(margins[1:] + margins[:-1]) / 2, margins[-1] + 1.0]
    harmonics = [
        GeneralizedAccuracy.of(calibrated(predictions, candidates, unseen, amount), candidates, unseen).harmonic
        for amount in amounts
    ]
    return float(amounts[int(np.argmax(harmonics))])


def calibrated(
    predictions: Sequence[Prediction], candidates: Sequence[str], unseen: Sequence[str], amount: float
) -> list[Prediction]:
    """What is predicted when an amount is taken off the scores of seen classes; without scores, which would not fit."""
    taken = np.array([0.0 if label in unseen else amount for label in candidates])
    return [
        Prediction(one.id, one.label, candidates[int(np.argmax(np.array(one.scores) - taken))]) for one in predictions
    ]


def zero_shot_rows(
    by_seed: list[list[Prediction]], candidates: Sequence[str], unseen: Sequence[str], amount: float
) -> list[Row]:
    strange = [place for place, one in enumerate(by_seed[0]) if one.label in unseen]
    known = [place for place in range(len(by_seed[0])) if place not in set(strange)]
    # Views of one performance are one another's likeness, but only one of them tests: each recording is a cluster.
    names = [one.id for one in by_seed[0]]
    ids = [[names[at] for at in known], [names[at] for at in strange]]
    rows: list[Row] = []
    stacked = [calibrated(told, candidates, unseen, amount) for told in by_seed]
    for suffix, predicted in (("", by_seed), (", calibrated", stacked)):
        hits = np.array([[one.predicted == one.label for one in told] for told in predicted], dtype=float)
        sides = [hits[:, known], hits[:, strange]]
        rows += [
            mean_row(f"seen classes, {len(candidates)} offered{suffix}", sides[0], ids[0]),
            mean_row(f"unseen classes, {len(candidates)} offered{suffix}", sides[1], ids[1]),
            (f"harmonic mean{suffix}", _harmonic(*sides), *two_level_interval(_harmonic, sides, ids)),
        ]
    # The same scores, asked only for which of the unseen classes it is.
    places = [candidates.index(label) for label in unseen]
    among = np.array(
        [
            [unseen[int(np.argmax([told[at].scores[i] for i in places]))] == told[at].label for at in strange]
            for told in by_seed
        ],
        dtype=float,
    )
    areas = [GeneralizedAccuracy.of(told, candidates, unseen).area for told in by_seed]
    return [
        *rows,
        ("area under the seen-unseen curve (lowest, highest seed)", float(np.mean(areas)), min(areas), max(areas)),
        mean_row(f"unseen classes, {len(unseen)} offered", among, ids[1]),
    ]


def _harmonic(seen: np.ndarray, unseen: np.ndarray) -> float:
    return harmonic_mean(float(seen.mean()), float(unseen.mean()))
