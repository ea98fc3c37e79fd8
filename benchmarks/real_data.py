"""Questions, localization and generalised zero-shot recognition on real recordings, beside answers that see nothing.

    python benchmarks/real_data.py zero_shot --root NW_UCLA [--seeds 3] [--steps 200] [-o results.json]
    python benchmarks/real_data.py sides --root UTD_MHAD
    python benchmarks/real_data.py localization --root UTKINECT

A tiny model learns the task on the embedded motions, once, and goes on from there on the training side of the real
recordings, once for each seed. The renderer keeps its start values. What is measured:

zero_shot     Northwestern-UCLA, views 1 and 2 train, view 3 tests; two of the ten actions never train.
sides         UTD-MHAD, odd subjects train, even ones test; which arm moves, what moves most, how many hands go up.
localization  UTKinect, windows of whole recordings; each seed leaves other people out, so that all are tested.
"""

import argparse
import copy
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from real_data_learning import Draw, Row, Settings, either, learn, make_model, mean_row, two_level_interval

from skeletonllm.data.augmentation import Augmentation
from skeletonllm.data.labels import shared_name
from skeletonllm.data.recordings import Recording, read_all, select
from skeletonllm.data.sources import load_source
from skeletonllm.data.splits import Guard, make_split
from skeletonllm.evaluation.accuracy import predict
from skeletonllm.evaluation.blind import Prior
from skeletonllm.evaluation.provenance import provenance
from skeletonllm.evaluation.questions import Posed, answer_questions
from skeletonllm.evaluation.sight import Sight
from skeletonllm.evaluation.zero_shot import GeneralizedAccuracy, harmonic_mean
from skeletonllm.skeleton.formats.utkinect import read_with_segments
from skeletonllm.skeleton.kinematic_facts import measure_facts
from skeletonllm.skeleton.segment import Segment
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.synthesis import ACTIONS, synthesize_sequence
from skeletonllm.skeleton.synthesis.several import draw_labels
from skeletonllm.tasks import Subject, localization, questions, recognition
from skeletonllm.tasks.questions.pool import Pool

Read = list[tuple[Recording, SkeletonSequence]]

TOPOLOGY = "kinect_v1"  # of all three data sets
ALONE = [label for label, action in ACTIONS.items() if action.persons == 1]
# Share of the training questions that offer some of the labels in any order, so that the list is read.
FEWER_CANDIDATES = 0.25
TRIM = Augmentation(trim=0.15)
# Chosen before anything was measured. None of the embedded actions is one of the first two; two are the second two.
UNSEEN = {
    "in no training data": ("pick up with two hands", "throw"),
    "embedded only": ("sit down", "walk"),
}
TOPICS = ("arm", "leg", "part", "raised")
WAVE, CLAP = "right hand wave", "two hand front clap"
WINDOW_SECONDS = 8.0


def made(settings: Settings) -> Read:
    """The embedded motions of one person."""
    return read_all(
        load_source("synthetic", topologies=[TOPOLOGY], performers=settings.performers, test_performers=0, labels=ALONE)
    )


# Generalised zero-shot recognition.


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


def zero_shot(root: Path, settings: Settings) -> dict[str, list[Row]]:
    """Accuracies on seen and unseen classes by what is known of the unseen ones, with frames and with others'."""
    everything = load_source("nw_ucla", root)
    candidates = sorted({shared_name(recording.label) for recording in everything})
    embedded = made(settings)
    words = [recognition.build_prompt(sorted({*ALONE, *candidates}))]
    foundation = learn(
        make_model(settings, words, settings.frames), recognition_draw(embedded, sorted(ALONE)), settings,
        settings.foundation_steps, settings.foundation_rate, 0,
    )  # fmt: skip
    test = renamed(read_all(select(everything, "test")))
    tables = {}
    for name, unseen in UNSEEN.items():
        own_names = [one.label for one in everything if shared_name(one.label) in unseen]
        split = make_split(f"nw_ucla without {', '.join(unseen)}", {"view": [1, 2]}, {"view": [3]}, None, own_names)
        guard = Guard(split)
        real = renamed(read_all([one for one in everything if guard.allows(one)]))
        offered = sorted({*ALONE, *(recording.label for recording, _ in real)})
        draw = either(recognition_draw(real, offered), recognition_draw(embedded, offered), settings.embedded_share)
        told: dict[Sight, list] = {Sight.frames: [], Sight.others: []}
        for seed in range(settings.seeds):
            print(f"zero_shot, {name}, seed {seed}", file=sys.stderr)
            taught = learn(foundation, draw, settings, settings.steps, settings.rate, seed + 1)
            for sight in told:
                told[sight].append(predict(*taught, test, candidates, sight=sight, seed=seed, progress=False))
                right = [one.predicted == one.label for one in told[sight][-1]]
                print(f"  {sight}: {np.mean(right):.3f} of all classes", file=sys.stderr)
        for sight, by_seed in told.items():
            shown = "its frames" if sight == Sight.frames else "frames of others (blind)"
            tables[f"unseen: {', '.join(unseen)} ({name}); {shown}"] = zero_shot_rows(by_seed, candidates, unseen)
    return tables


def zero_shot_rows(by_seed: list, candidates: Sequence[str], unseen: Sequence[str]) -> list[Row]:
    strange = [place for place, one in enumerate(by_seed[0]) if one.label in unseen]
    known = [place for place in range(len(by_seed[0])) if place not in set(strange)]
    hits = np.array([[one.predicted == one.label for one in told] for told in by_seed], dtype=float)
    # The same scores, asked only for which of the unseen classes it is.
    places = [candidates.index(label) for label in unseen]
    among = np.array(
        [
            [unseen[int(np.argmax([told[at].scores[i] for i in places]))] == told[at].label for at in strange]
            for told in by_seed
        ],
        dtype=float,
    )
    # Views of one performance are one another's likeness, but only one of them tests: each recording is a cluster.
    names = [one.id for one in by_seed[0]]
    sides = [hits[:, known], hits[:, strange]]
    ids = [[names[at] for at in known], [names[at] for at in strange]]
    areas = [GeneralizedAccuracy.of(told, candidates, unseen).area for told in by_seed]
    harmonic = lambda seen, strange: harmonic_mean(seen.mean(), strange.mean())  # noqa: E731
    return [
        mean_row(f"seen classes, {len(candidates)} offered", sides[0], ids[0]),
        mean_row(f"unseen classes, {len(candidates)} offered", sides[1], ids[1]),
        ("harmonic mean", harmonic(*sides), *two_level_interval(harmonic, sides, ids)),
        ("area under the seen-unseen curve (lowest, highest seed)", float(np.mean(areas)), min(areas), max(areas)),
        mean_row(f"unseen classes, {len(unseen)} offered", among, ids[1]),
    ]


# Questions about side and body part.


class Told:
    """Recordings with those of their facts that are asked about."""

    def __init__(self, read: Read):
        self.read = read
        measured = (measure_facts(sequence) for _, sequence in read)
        self.pool = Pool([{name: facts[name] for name in TOPICS if name in facts} for facts in measured])

    def draw(self, generator: torch.Generator) -> tuple[SkeletonSequence, str, str]:
        index, topic = self.pool.draw(generator)
        recording, sequence = self.read[index]
        subject = self.pool.subject(index, topic, Subject(recording.label, [recording.label]))
        return sequence, *questions.draw(subject, generator)

    def posed(self, count: int) -> list[Posed]:
        """So many test questions of each kind, the same for every model."""
        asked = self.pool.ask(count, torch.Generator().manual_seed(0))
        return [
            _posed(number, self.read[one.index][0].id, one.index, one.topic, one.prompt, one.answer)
            for number, one in enumerate(asked)
        ]


def _posed(number: int, recording: str, place: int, kind: str, prompt: str, answer: str) -> Posed:
    options = tuple(questions.choices(prompt))
    return Posed(f"{recording}#{number}", recording, place, "questions", kind, prompt, answer, options)


def wave_or_clap(read: Read, draws: int = 4) -> list[Posed]:
    """Which arm moves, right or both, about recordings whose classes say it."""
    truth = {WAVE: "right", CLAP: "both"}
    generator, posed = torch.Generator().manual_seed(1), []
    for place, (recording, _) in enumerate(read):
        for _ in range(draws if recording.label in truth else 0):
            value = truth[recording.label]
            rival = next(other for other in truth.values() if other != value)
            prompt, answer = questions.ask("arm", value, rival, generator)
            posed.append(_posed(len(posed), recording.id, place, "wave or clap", prompt, answer))
    return posed


def is_right(question: Posed, text: str) -> float:
    return float(questions.is_correct(text, question.answer, question.options))


def sides(root: Path, settings: Settings) -> dict[str, list[Row]]:
    """Shares of right answers by topic, with frames, with others' and from the question's text."""
    everything = load_source("utd_mhad", root)
    train, test = (Told(read_all(select(everything, side))) for side in ("train", "test"))
    embedded = Told(made(settings))
    words = [text for told in (embedded, train) for one in told.posed(200) for text in (one.prompt, one.answer)]
    foundation = learn(
        make_model(settings, words, settings.frames), embedded.draw, settings, settings.foundation_steps,
        settings.foundation_rate, 0,
    )  # fmt: skip
    posed = test.posed(settings.asked) + wave_or_clap(test.read)
    prior = Prior(train.posed(4 * settings.asked) + wave_or_clap(train.read), is_right)
    draw = either(train.draw, embedded.draw, settings.embedded_share)
    told: dict[str, list[list[str]]] = {"its frames": [], "frames of others (blind)": []}
    for seed in range(settings.seeds):
        print(f"sides, seed {seed}", file=sys.stderr)
        taught = learn(foundation, draw, settings, settings.steps, settings.rate, seed + 1)
        for name, sight in zip(told, (Sight.frames, Sight.others), strict=True):
            told[name].append(answer_questions(*taught, posed, test.read, sight=sight, seed=seed, progress=False))
            print(f"  {name}: {np.mean([*map(is_right, posed, told[name][-1])]):.3f} of all", file=sys.stderr)
    told["no frames: best guess from the text"] = [[prior.answer(question) for question in posed]]
    return {name: question_rows(posed, by_seed) for name, by_seed in told.items()}


def question_rows(posed: list[Posed], by_seed: list[list[str]]) -> list[Row]:
    right = np.array([[is_right(*pair) for pair in zip(posed, texts, strict=True)] for texts in by_seed])
    rows = []
    for kind in dict.fromkeys(question.kind for question in posed):
        places = [place for place, question in enumerate(posed) if question.kind == kind]
        ids = [posed[place].recording for place in places]
        rows.append(mean_row(f"{kind} ({len(places)} questions, {len(set(ids))} clips)", right[:, places], ids))
    return rows


# Temporal localization.

Whole = tuple[str, SkeletonSequence, tuple[Segment, ...]]


def window_draw(wholes: Sequence[Whole]) -> Draw:
    """A window of a recording around one of its segments, asked when that happens."""

    def draw(generator: torch.Generator) -> tuple[SkeletonSequence, str, str]:
        _, sequence, segments = wholes[int(torch.randint(len(wholes), (), generator=generator))]
        fitting = fitting_segments(segments)
        segment = fitting[int(torch.randint(len(fitting), (), generator=generator))]
        return window_question(sequence, segment, generator)

    return draw


def fitting_segments(segments: Sequence[Segment]) -> list[Segment]:
    """Those done once that take half of a window or less: whoever names the whole window would do too well."""
    once = localization.done_once(segments)
    return [each for each in once if each.stop - each.start <= WINDOW_SECONDS / 2]


def window_question(
    sequence: SkeletonSequence, segment: Segment, generator: torch.Generator
) -> tuple[SkeletonSequence, str, str]:
    """A window anywhere around a segment; its length is always the same, so that it says nothing about the place."""
    earliest = max(0.0, segment.stop - WINDOW_SECONDS)
    latest = max(earliest, min(segment.start, sequence.duration - WINDOW_SECONDS))
    start = earliest + float(torch.rand((), generator=generator)) * (latest - earliest)
    first = round(start * sequence.fps)
    window = sequence.slice(first, first + round(WINDOW_SECONDS * sequence.fps))
    begin = first / sequence.fps
    answer = localization.build_target(
        max(0.0, segment.start - begin), min(WINDOW_SECONDS, max(segment.stop - begin, 0.1))
    )
    return window, window_prompt(segment.label), answer


def window_prompt(label: str) -> str:
    """The question, with the time that the frames span: they are evenly spaced."""
    return f"The frames go from 0.0 s to {WINDOW_SECONDS:.1f} s.\n{localization.build_prompt(label)}"


def overlap(question: Posed, text: str) -> float:
    true = localization.parse_answer(question.answer)
    assert true is not None
    return localization.temporal_iou(localization.parse_answer(text), true)


def made_wholes(performers: int) -> list[Whole]:
    """Embedded recordings of four actions."""
    wholes = []
    for performer in range(performers):
        for take in range(4):
            labels = draw_labels(4, np.random.default_rng([performer, take]))
            wholes.append(("made", *synthesize_sequence(labels, topology=TOPOLOGY, performer=performer, take=take)))
    return wholes


def localize(root: Path, settings: Settings) -> dict[str, list[Row]]:
    """Overlap and errors in seconds, with frames, with others' and from the question's text."""
    paths = sorted(root.glob("joints_*.txt"))
    if len(paths) < 2:
        raise ValueError(f"{root}: {len(paths)} recordings, expected joints_*.txt of two people or more")
    wholes = [(path.stem, *read_with_segments(path)) for path in paths]
    embedded = made_wholes(settings.performers)
    labels = sorted({*ALONE, *(segment.label for _, _, segments in wholes for segment in segments)})
    spans = [localization.build_target(start / 10, start / 10 + 1) for start in range(80)]
    words = [*map(window_prompt, labels), *spans]
    foundation = learn(
        make_model(settings, words, settings.frames + 4), window_draw(embedded), settings, settings.foundation_steps,
        settings.foundation_rate, 0,
    )  # fmt: skip
    posed, told = [], {"its frames": [], "frames of others (blind)": [], "no frames: best guess from the text": []}
    for seed in range(settings.seeds):
        train = [whole for number, whole in enumerate(wholes) if number % settings.seeds != seed]
        test = [whole for number, whole in enumerate(wholes) if number % settings.seeds == seed]
        print(f"localization, seed {seed}: {', '.join(name for name, *_ in test)} test", file=sys.stderr)
        draw = either(window_draw(train), window_draw(embedded), settings.embedded_share)
        taught = learn(foundation, draw, settings, settings.steps, settings.rate, seed + 1)
        read, asked = window_questions(test, draws=max(1, settings.asked // 25))
        for name, sight in zip(told, (Sight.frames, Sight.others), strict=False):
            texts = answer_questions(*taught, asked, read, sight=sight, seed=seed, progress=False)
            print(f"  {name}: overlap {np.mean([*map(overlap, asked, texts)]):.3f}", file=sys.stderr)
            told[name] += texts
        prior = Prior(window_questions(train, draws=settings.asked)[1], overlap)
        told["no frames: best guess from the text"] += [prior.answer(question) for question in asked]
        posed += asked
    return {name: span_rows(posed, texts) for name, texts in told.items()}


def window_questions(wholes: Sequence[Whole], draws: int) -> tuple[Read, list[Posed]]:
    """So many windows around each segment, the same for every model, and the question about each."""
    generator, read, posed = torch.Generator().manual_seed(0), [], []
    for name, sequence, segments in wholes:
        for segment in fitting_segments(segments):
            for number in range(draws):
                window, prompt, answer = window_question(sequence, segment, generator)
                id = f"{name}/{segment.label}"
                read.append((Recording(id, segment.label, partial(copy.copy, window), "test"), window))
                posed.append(Posed(f"{id}#{number}", id, len(posed), "localization", "localization", prompt, answer))
    return read, posed


def span_rows(posed: list[Posed], texts: list[str]) -> list[Row]:
    """All seeds in one row: each asks about other people."""
    ids = [question.recording for question in posed]
    shared = np.array([[overlap(*pair) for pair in zip(posed, texts, strict=True)]])
    rows = [
        mean_row("overlap (temporal intersection over union)", shared, ids),
        mean_row("answers that overlap by half or more", (shared >= 0.5).astype(float), ids),
    ]
    said = [(question, spoken) for question, text in zip(posed, texts, strict=True)
            if (spoken := localization.parse_answer(text)) is not None]  # fmt: skip
    rows.append(("answers that are spans", len(said) / len(texts), len(said) / len(texts), len(said) / len(texts)))
    if said:
        errors = [localization.boundary_error(spoken, localization.parse_answer(q.answer)) for q, spoken in said]
        rows.append(mean_row("error of begin and end, seconds", np.array([errors]), [q.recording for q, _ in said]))
    return rows


# Of the settings, those that may be asked for.
NUMBERS = {
    "seeds": "models that learn from the real recordings",
    "foundation_steps": "of learning from the embedded motions",
    "steps": "of learning from the real recordings",
    "frames": "of a clip; windows have four more",
    "asked": "test questions of each kind; windows around a segment are 25 times fewer",
}
EXPERIMENTS = {"zero_shot": zero_shot, "sides": sides, "localization": localize}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set")
    for name, meaning in NUMBERS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(Settings, name), help=meaning)
    parser.add_argument("-o", "--output", type=Path, help="JSON file of the results")
    options = parser.parse_args(arguments)
    settings = Settings(
        options.seeds, options.foundation_steps, options.steps, frames=options.frames, asked=options.asked
    )
    begin = time.monotonic()
    tables = EXPERIMENTS[options.experiment](options.root, settings)
    for name, rows in tables.items():
        print(f"\n{name}\n\n| | mean | 95 % interval |\n|---|---|---|")
        for label, value, low, high in rows:
            print(f"| {label} | {value:.3f} | {low:.3f} to {high:.3f} |")
    if options.output:
        facts = dict(experiment=options.experiment, settings=asdict(settings), minutes=(time.monotonic() - begin) / 60)
        options.output.write_text(json.dumps({**facts, "tables": tables, **provenance()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
