"""The questions of a test, the same for everybody who is asked, and a model's answers to them."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from tqdm import tqdm

from skeletonllm.data.confusable import confusable_labels
from skeletonllm.data.knowledge import Knowledge
from skeletonllm.data.mixture import Mixture
from skeletonllm.data.recordings import Recording
from skeletonllm.data.seeds import mixed_seed
from skeletonllm.evaluation.sight import Sight, blindfolded, partners
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.tasks import NEED_FACTS, NEED_SEGMENTS, TASKS, Subject, discrimination, localization, questions

# A stream of random numbers of its own: no test question is drawn with the numbers of a training step.
_STREAM = 0xE7A1
# Tokens that an answer may have beyond the longest right one, so that one which does not end is seen to be wrong.
_SPARE_TOKENS = 8


@dataclass(frozen=True)
class Posed:
    """A question of a test.

    Args:
        id: of the recording, ``#`` and the number of the draw, or of the question among all.
        recording: its id.
        place: of the recording among those that are asked about.
        task: a key of ``TASKS``.
        kind: of question; the task's name where it has no kinds.
        prompt, answer: text.
        options: answers that the prompt offers; empty where anything may be said.
        references: all answers that are right, where there are several.
        stretch: begin and end in seconds of what is shown of the recording; None: all of it.
    """

    id: str
    recording: str
    place: int
    task: str
    kind: str
    prompt: str
    answer: str
    options: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    stretch: tuple[float, float] | None = None


def pose(
    recordings: Sequence[tuple[Recording, SkeletonSequence | None]],
    task: str,
    labels: Sequence[str],
    draws: int = 1,
    seed: int = 0,
) -> list[Posed]:
    """Questions about recordings.

    Those about facts are drawn from all recordings at once, so that text alone does not tell their answers
    (``skeletonllm.tasks.questions.pool.Pool``). All others are drawn from the recording's id, the number of the draw
    and the seed alone.

    Args:
        recordings: with their sequences, or None where nothing has to be measured; those that do not allow the task
            are left out.
        task: a key of ``TASKS``.
        labels: actions that are asked about.
        draws: questions about each recording; for facts, about as many in all.
        seed: of what is random in them.

    Raises:
        ValueError: an unknown task, or no recording allows it.
    """
    if task not in TASKS:
        raise ValueError(f"unknown task {task!r}; known: {', '.join(TASKS)}")
    if draws < 1:
        raise ValueError(f"{draws} questions about each recording, expected 1 or more")
    known = Knowledge(Mixture.in_memory(recordings))
    known.check(task)
    confusable = confusable_labels(labels)
    posed = []
    for place, (recording, _) in enumerate(recordings):
        for draw in range(draws):
            numbers = _STREAM, seed, zlib.crc32(recording.id.encode()), draw
            generator = torch.Generator().manual_seed(mixed_seed(*numbers))
            about, topic, number = place, None, draw
            if task in NEED_FACTS:  # of whoever it is drawn for, perhaps more than once
                about, topic = known.draw_topic(generator)
                number = len(posed)
            elif known.allowing(task, place, generator) != place:
                continue
            asked = recordings[about][0]
            subject = known.added(Subject(asked.label, labels, confusable=confusable), task, about, topic)
            posed.append(_posed(f"{asked.id}#{number}", task, about, asked.id, subject, generator))
    return posed


def _posed(id: str, task: str, place: int, recording: str, subject: Subject, generator: torch.Generator) -> Posed:
    stretch = None
    if task in NEED_SEGMENTS:
        stretch = localization.stretch(subject.segments, subject.segments[-1].stop, generator)
        subject = replace(subject, segments=localization.within(subject.segments, *stretch))
    prompt, answer = TASKS[task](subject, generator)
    options, kind = (), task
    if task == "recognition":
        options = tuple(subject.labels)
    elif task == "discrimination":
        options = discrimination.YES, discrimination.NO
    elif task in NEED_FACTS:
        options, kind = tuple(questions.choices(prompt)), str(questions.kind_of(next(iter(subject.facts))))
    return Posed(id, recording, place, task, kind, prompt, answer, options, tuple(subject.captions), stretch)


def shown(question: Posed, recordings: Sequence[tuple[Recording, SkeletonSequence]]) -> SkeletonSequence:
    """What is shown with a question: its recording, or the stretch of it that it is about."""
    sequence = recordings[question.place][1]
    if question.stretch is None:
        return sequence
    start, stop = (round(seconds * sequence.fps) for seconds in question.stretch)
    return sequence.slice(start, max(start + 1, stop))


def batches_of(count: int, batch_size: int) -> list[range]:
    """Places of questions that are answered together. Who answers which batch, and when, changes no bit of them."""
    return [range(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]


def answer_questions(
    model: SkeletonLLMForConditionalGeneration,
    processor: SkeletonLLMProcessor,
    posed: Sequence[Posed],
    recordings: Sequence[tuple[Recording, SkeletonSequence]],
    *,
    sight: Sight = Sight.frames,
    seed: int = 0,
    batch_size: int = 32,
    progress: bool = True,
) -> list[str]:
    """Greedy answers, in the order of the questions.

    Args:
        posed: what to ask.
        recordings: that the questions' places are in.
        sight: what is shown.
        seed: of whose frames are shown instead, if others'.
        batch_size: questions per pass.
        progress: show a bar.
    """
    batches = tqdm(batches_of(len(posed), batch_size), desc="asking", disable=not progress, leave=False)
    answered = answers_by_batch(model, processor, posed, recordings, batches, sight=sight, seed=seed)
    return [text for texts in answered for text in texts]


@torch.no_grad()
def answers_by_batch(
    model: SkeletonLLMForConditionalGeneration,
    processor: SkeletonLLMProcessor,
    posed: Sequence[Posed],
    recordings: Sequence[tuple[Recording, SkeletonSequence]],
    batches: Iterable[range],
    *,
    sight: Sight = Sight.frames,
    seed: int = 0,
) -> Iterator[list[str]]:
    """Greedy answers to some of the questions, a batch of places at a time; each batch is asked for when it is due.

    Args are those of ``answer_questions``; what the questions outside the batches are matters for the longest answer
    that is waited for, and for whose frames are shown instead.
    """
    model.eval()
    longest = max(len(processor.answer_ids(question.answer)) for question in posed) + _SPARE_TOKENS
    others = partners([question.recording for question in posed], seed) if sight == Sight.others else []
    for batch in batches:
        inputs = seen_inputs(processor, [posed[place] for place in batch], recordings)
        seen = [processor.sample(shown(posed[others[place]], recordings)) for place in batch] if others else []
        inputs = blindfolded(inputs, sight, model.config.image_size, seen)
        inputs = {name: value.to(model.device) for name, value in inputs.items()}
        generated = model.generate(**inputs, max_new_tokens=longest, do_sample=False)
        yield processor.decode(generated, inputs["input_ids"].shape[1])


def seen_inputs(
    processor: SkeletonLLMProcessor,
    questions: Sequence[Posed],
    recordings: Sequence[tuple[Recording, SkeletonSequence]],
) -> dict:
    """What the model takes for some questions, each with what is shown with it."""
    clips = [processor.sample(shown(question, recordings)) for question in questions]
    return processor(clips, [question.prompt for question in questions])
