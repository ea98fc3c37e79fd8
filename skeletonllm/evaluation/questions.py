"""The questions of a test, the same for everybody who is asked, and a model's answers to them."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tqdm import tqdm

from skeletonllm.data.confusable import confusable_labels
from skeletonllm.data.recordings import Recording
from skeletonllm.data.seeds import mixed_seed
from skeletonllm.evaluation.sight import Sight, blindfolded, partners
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.tasks import NEED_RATIONALES, TASKS, Subject, discrimination

# A stream of random numbers of its own: no test question is drawn with the numbers of a training step.
_STREAM = 0xE7A1
# Tokens that an answer may have beyond the longest right one, so that one which does not end is seen to be wrong.
_SPARE_TOKENS = 8


@dataclass(frozen=True)
class Posed:
    """A question of a test.

    Args:
        id: of the recording, ``#`` and the number of the draw.
        recording: its id.
        place: of the recording among those that are asked about.
        task: a key of ``TASKS``.
        kind: of question; the task's name where it has no kinds.
        prompt, answer: text.
        options: answers that the prompt offers; empty where anything may be said.
        references: all answers that are right, where there are several.
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


def pose(
    recordings: Sequence[tuple[Recording, SkeletonSequence]],
    task: str,
    labels: Sequence[str],
    draws: int = 1,
    seed: int = 0,
) -> list[Posed]:
    """Questions about recordings, each drawn from the recording's id, the number of the draw and the seed alone.

    Args:
        recordings: with their sequences; those that do not allow the task are left out.
        task: a key of ``TASKS``.
        labels: actions that are asked about.
        draws: questions about each recording.
        seed: of what is random in them.

    Raises:
        ValueError: an unknown task, or no recording allows it.
    """
    if task not in TASKS:
        raise ValueError(f"unknown task {task!r}; known: {', '.join(TASKS)}")
    if draws < 1:
        raise ValueError(f"{draws} questions about each recording, expected 1 or more")
    confusable = confusable_labels(labels)
    posed = []
    for place, (recording, _) in enumerate(recordings):
        rationale = recording.rationale() if task in NEED_RATIONALES and recording.rationale else None
        if task in NEED_RATIONALES and rationale is None:
            continue
        subject = Subject(recording.label, labels, rationale, confusable)
        for draw in range(draws):
            numbers = _STREAM, seed, zlib.crc32(recording.id.encode()), draw
            generator = torch.Generator().manual_seed(mixed_seed(*numbers))
            prompt, answer = TASKS[task](subject, generator)
            posed.append(
                Posed(f"{recording.id}#{draw}", recording.id, place, task, task, prompt, answer, _options(task, labels))
            )
    if not posed:
        raise ValueError(f"none of {len(recordings)} recordings allows the task {task}")
    return posed


def needs_sequences(task: str) -> bool:
    """Whether the questions of a task are about what is measured on joints, not about labels and texts alone."""
    return task not in ("recognition", "discrimination", "rationale")


def _options(task: str, labels: Sequence[str]) -> tuple[str, ...]:
    if task == "recognition":
        return tuple(labels)
    return (discrimination.YES, discrimination.NO) if task == "discrimination" else ()


@torch.no_grad()
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
    model.eval()
    longest = max(len(processor.answer_ids(question.answer)) for question in posed) + _SPARE_TOKENS
    others = partners([question.recording for question in posed], seed) if sight == Sight.others else []
    texts = []
    for start in tqdm(range(0, len(posed), batch_size), desc="asking", disable=not progress, leave=False):
        batch = posed[start : start + batch_size]
        clips = [processor.sample(recordings[question.place][1]) for question in batch]
        inputs = processor(clips, [question.prompt for question in batch])
        seen = [processor.sample(recordings[posed[n].place][1]) for n in others[start : start + batch_size]]
        inputs = blindfolded(inputs, sight, model.config.image_size, seen)
        inputs = {name: value.to(model.device) for name, value in inputs.items()}
        generated = model.generate(**inputs, max_new_tokens=longest, do_sample=False)
        texts += processor.decode(generated, inputs["input_ids"].shape[1])
    return texts
