"""Questions about side and body part of real people: UTD-MHAD, see real_data.py."""

import sys
from pathlib import Path

import numpy as np
import torch
from real_data_learning import Read, Row, Settings, either, learn, made, mean_row, shipped

from skeletonllm.data.recordings import read_all, select
from skeletonllm.data.sources import load_source
from skeletonllm.evaluation.blind import Prior
from skeletonllm.evaluation.questions import Posed, answer_questions
from skeletonllm.evaluation.sight import Sight
from skeletonllm.skeleton.kinematic_facts import measure_facts
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.tasks import Subject, questions
from skeletonllm.tasks.questions.pool import Pool

TOPICS = ("arm", "leg", "part", "raised")
WAVE, CLAP = "right hand wave", "two hand front clap"


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
    start = shipped(settings)
    posed = test.posed(settings.asked) + wave_or_clap(test.read)
    prior = Prior(train.posed(4 * settings.asked) + wave_or_clap(train.read), is_right)
    draw = either(train.draw, Told(made(settings)).draw, settings.embedded_share)
    told: dict[str, list[list[str]]] = {"its frames": [], "frames of others (blind)": []}
    for seed in range(settings.seeds):
        print(f"sides, seed {seed}", file=sys.stderr)
        taught = learn(start, draw, settings, seed + 1)
        for name, sight in zip(told, (Sight.frames, Sight.others), strict=True):
            told[name].append(answer_questions(*taught, posed, test.read, sight=sight, seed=seed, progress=False))
            print(f"  {name}: {np.mean([*map(is_right, posed, told[name][-1])]):.3f} of all", file=sys.stderr)
    told["no frames: best guess from the text (blind)"] = [[prior.answer(question) for question in posed]]
    told["its frames, as shipped"] = [answer_questions(*start, posed, test.read, progress=False)]
    return {name: question_rows(posed, by_seed) for name, by_seed in told.items()}


def question_rows(posed: list[Posed], by_seed: list[list[str]]) -> list[Row]:
    right = np.array([[is_right(*pair) for pair in zip(posed, texts, strict=True)] for texts in by_seed])
    rows = []
    for kind in dict.fromkeys(question.kind for question in posed):
        places = [place for place, question in enumerate(posed) if question.kind == kind]
        ids = [posed[place].recording for place in places]
        rows.append(mean_row(f"{kind} ({len(places)} questions, {len(set(ids))} clips)", right[:, places], ids))
    return rows
