"""Examples: what a model is trained on, as a pure function of seed, step and place in the batch."""

import logging
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from skeletonllm.data.augmentation import Augmentation
from skeletonllm.data.confusable import confusable_labels
from skeletonllm.data.knowledge import Knowledge
from skeletonllm.data.mixture import Mixture
from skeletonllm.data.recordings import LARGEST_BAD_SHARE, PoisonedDataError, Recording, labels_of
from skeletonllm.data.seeds import mixed_seed
from skeletonllm.data.sides import mirrored
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.skeleton.formats import SkeletonFormatError
from skeletonllm.skeleton.sequence import Clip, SkeletonSequence
from skeletonllm.tasks import NEED_FACTS, NEED_SEGMENTS, NEED_WHOLE, TASKS, Subject, localization

logger = logging.getLogger(__name__)

# Streams of random numbers: a question, its clip, one of the fixed clips of a recording, and
# whether these two are seen in a mirror.
_QUESTION, _CLIP, _VARIANT, _MIRROR, _MIRRORED_VARIANT = range(1, 6)


@dataclass(frozen=True)
class Question:
    """An example without its clip: enough to plan a step by.

    Args:
        index: place in the global batch of the step.
        recording: index of the recording.
        task: a key of ``TASKS``.
        prompt, answer: text.
        id: of the recording.
        step: counted from 0.
        mirrored: the clip is seen in a mirror, and the text is about what is seen there.
        stretch: begin and end in seconds of what is shown of the recording; None: all that augmentation leaves.
    """

    index: int
    recording: int
    task: str
    prompt: str
    answer: str
    id: str
    step: int
    mirrored: bool = False
    stretch: tuple[float, float] | None = None


@dataclass
class Example:
    """A clip, a question about it and the answer."""

    clip: Clip
    prompt: str
    answer: str
    id: str
    task: str


class Examples:
    """Batches of examples of a mixture of tasks, without end.

    An example depends on the seed, the step and its place in the batch alone. So a run that was stopped goes on with
    the very examples that it would have seen, nothing of the order needs to be saved, and each process of a training
    in parallel makes only its own share of the batch.

    Args:
        recordings: a mixture, or recordings in memory with their sequences.
        processor: cuts sequences to clips.
        batch_size: examples per step, over all processes.
        augmentation: what varies. A label that names a side is that of the other side in a mirror. Recordings whose
            label has no such counterpart among the labels are not mirrored, nor are those whose rationale or captions
            are asked for. Only recognition and discrimination are asked about a part of a recording.
        tasks: how often each of ``TASKS`` is asked, relative to the others.
        fewer_candidates: share of the recognition questions that offer only some of the labels, in any order.
        list_candidates: whether the recognition questions list the labels.
        confusable: for each label those that discrimination asks for in its place, by default ``confusable_labels``.
        variants: if more than 0, each recording has so many fixed clips, of which an epoch takes one after the other,
            so that their frames can be kept; 0 makes a new clip every time.
        seed: of order and variation, 0 or more.

    Raises:
        ValueError: fewer recordings than a batch has, an unknown task or a weight that is not positive, a task that
            the recordings do not allow, or negative ``variants``.
    """

    def __init__(
        self,
        recordings: Mixture | Sequence[tuple[Recording, SkeletonSequence]],
        processor: SkeletonLLMProcessor,
        batch_size: int,
        augmentation: Augmentation,
        tasks: Mapping[str, float] | None = None,
        fewer_candidates: float = 0.0,
        confusable: Mapping[str, Sequence[str]] | None = None,
        variants: int = 0,
        seed: int = 0,
        list_candidates: bool = True,
    ):
        if len(recordings) < batch_size:
            raise ValueError(f"{len(recordings)} recordings are fewer than the batch size {batch_size}")
        if variants < 0:
            raise ValueError(f"variants is {variants}, expected 0 or more")
        self.recordings = recordings if isinstance(recordings, Mixture) else Mixture.in_memory(recordings)
        self.labels = labels_of(self.recordings.all_recordings())
        self.processor = processor
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.tasks = {"recognition": 1.0} if tasks is None else dict(sorted(tasks.items()))
        self.fewer_candidates = fewer_candidates
        self.list_candidates = list_candidates
        self.confusable = confusable_labels(self.labels) if confusable is None else confusable
        self.variants = variants
        self.seed = seed
        self._order: tuple[int, list[int]] | None = None
        self._unreadable: set[int] = set()
        self._known = Knowledge(self.recordings)
        self._check_tasks()

    def _check_tasks(self) -> None:
        if unknown := set(self.tasks) - set(TASKS):
            raise ValueError(f"unknown task {', '.join(sorted(unknown))}; known: {', '.join(TASKS)}")
        if not self.tasks:
            raise ValueError(f"no task; known: {', '.join(TASKS)}")
        for name, weight in self.tasks.items():
            if not 0 < weight < float("inf"):
                raise ValueError(f"task {name} has weight {weight}, expected a positive number")
        for name in self.tasks:
            self._known.check(name)
        if "discrimination" in self.tasks and len(self.labels) < 2:
            raise ValueError(f"task discrimination needs at least two labels, there is only {self.labels[0]}")

    @property
    def steps_per_epoch(self) -> int:
        return len(self.recordings) // self.batch_size

    def questions(self, step: int) -> list[Question]:
        """The batch of a step, counted from 0, without clips."""
        epoch, within = divmod(step, self.steps_per_epoch)
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, self.recordings.order(self.seed, epoch).tolist()
        chosen = self._order[1][within * self.batch_size : (within + 1) * self.batch_size]
        return [self._question(step, index, recording) for index, recording in enumerate(chosen)]

    def example(self, question: Question) -> Example:
        """A question with its clip; where its recording cannot be read, the question about the next that can.

        Raises:
            PoisonedDataError: too many recordings could not be read.
        """
        question, sequence = self._readable(question)
        generator = self._clip_generator(_CLIP, _VARIANT, question.step, question.index, question.recording)
        augmentation = self.augmentation
        if question.stretch is not None:
            start, stop = (round(seconds * sequence.fps) for seconds in question.stretch)
            sequence = sequence.slice(start, max(start + 1, stop))
        # A rationale tells the whole recording: what is cut off would make its counts untrue.
        elif question.task not in NEED_WHOLE:
            sequence = augmentation.trimmed(sequence, generator)
        if question.task in NEED_SEGMENTS:
            augmentation = replace(augmentation, speed=0.0)  # another pace has other times
        clip = self.processor.sample(sequence, generator)
        clip = augmentation.changed(clip, generator, question.mirrored)
        return Example(clip, question.prompt, question.answer, question.id, question.task)

    def _readable(self, question: Question) -> tuple[Question, SkeletonSequence]:
        while True:
            number = question.recording
            try:
                return question, self.recordings[number][1]
            except SkeletonFormatError as error:
                if number not in self._unreadable:
                    logger.warning("left out: %s", error)
                self._unreadable.add(number)
                if len(self._unreadable) > LARGEST_BAD_SHARE * len(self.recordings):
                    raise PoisonedDataError(
                        f"{len(self._unreadable)} of {len(self.recordings)} recordings cannot be read; "
                        f"the last: {error}"
                    ) from None
            question = self._question(question.step, question.index, (number + 1) % len(self.recordings))

    def batch(self, step: int) -> list[Example]:
        """All examples of a step, counted from 0."""
        return [self.example(question) for question in self.questions(step)]

    def _generator(self, *stream: int) -> torch.Generator:
        return torch.Generator().manual_seed(mixed_seed(self.seed, *stream))

    def _clip_generator(self, fresh: int, fixed: int, step: int, index: int, number: int) -> torch.Generator:
        """Of the stream ``fresh`` for a new clip every time, or ``fixed`` for one of a recording's variants."""
        if self.variants:
            # By its id, so that a recording looks the same in whatever company it is.
            known_as = zlib.crc32(self.recordings.recording(number).id.encode())
            return self._generator(fixed, known_as, step // self.steps_per_epoch % self.variants)
        return self._generator(fresh, step, index)

    def _mirrors(self, step: int, index: int, number: int, task: str) -> bool:
        if not self.augmentation.mirror:
            return False
        if task in NEED_WHOLE:
            if task not in NEED_FACTS | NEED_SEGMENTS:
                return False
        elif mirrored(self.recordings.recording(number).label) not in self.labels:
            return False
        return self.augmentation.mirrors(self._clip_generator(_MIRROR, _MIRRORED_VARIANT, step, index, number))

    def _question(self, step: int, index: int, number: int) -> Question:
        generator = self._generator(_QUESTION, step, index)
        names = list(self.tasks)
        weights = torch.tensor([self.tasks[name] for name in names], dtype=torch.float64)
        task = names[int(torch.multinomial(weights, 1, generator=generator))]
        topic = None
        if task in NEED_FACTS:
            # Which recording is asked what is drawn together, so that the question alone does not tell the answer.
            number, topic = self._known.draw_topic(generator, self._unreadable)
        else:
            number = self._known.allowing(task, number, generator)
        recording = self.recordings.recording(number)
        in_mirror = self._mirrors(step, index, number, task)
        label = mirrored(recording.label) if in_mirror else recording.label
        subject = Subject(
            label, self.labels, confusable=self.confusable, fewer_candidates=self.fewer_candidates,
            listed=self.list_candidates,
        )  # fmt: skip
        subject = self._known.added(subject, task, number, topic)
        stretch = None
        if task in NEED_SEGMENTS:
            stretch = localization.stretch(subject.segments, subject.segments[-1].stop, generator)
            subject = replace(subject, segments=localization.within(subject.segments, *stretch))
        prompt, answer = TASKS[task](subject, generator)
        if in_mirror and task in NEED_WHOLE:
            prompt, answer = mirrored(prompt), mirrored(answer)
        return Question(index, number, task, prompt, answer, recording.id, step, in_mirror, stretch)
