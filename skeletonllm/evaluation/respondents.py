"""Who answers a test: a model of ours, an external one, or somebody who sees nothing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from skeletonllm.data.recordings import Recording, labels_of, read_all
from skeletonllm.data.teacher.budget import Caps
from skeletonllm.data.teacher.endpoint import Endpoint
from skeletonllm.evaluation.accuracy import predictions_by_batch
from skeletonllm.evaluation.blind import Prior
from skeletonllm.evaluation.external import Asking, Inquiry, Journal, ask_all
from skeletonllm.evaluation.grading import score
from skeletonllm.evaluation.questions import Posed, answers_by_batch, batches_of, pose, shown
from skeletonllm.evaluation.selection import Selection
from skeletonllm.evaluation.sight import Sight
from skeletonllm.models.trained import Trained
from skeletonllm.rendering.draction import DrAction
from skeletonllm.skeleton.sequence import Clip, SkeletonSequence
from skeletonllm.tasks import NEED_FACTS, NEED_SEGMENTS
from skeletonllm.tasks.recognition import OPEN_QUESTION

# Recordings that a prior learns from; more would tell it little that is new.
MOST_TAUGHT = 2000
# How a model is shown nothing that belongs to the question.
BLIND_SIGHTS = (Sight.black, Sight.others)


@dataclass(frozen=True)
class Test:
    """A test: recordings and the questions about them.

    Args:
        task: a key of ``skeletonllm.tasks.TASKS``.
        selection: where they come from.
        recordings: with their sequences.
        posed: the questions.
        draws: questions about each recording.
        seed: of questions, exchanged frames and bootstrap.
    """

    task: str
    selection: Selection
    recordings: list[tuple[Recording, SkeletonSequence]]
    posed: list[Posed]
    draws: int = 1
    seed: int = 0

    @classmethod
    def about(cls, selection: Selection, task: str, draws: int = 1, seed: int = 0) -> "Test":
        """Read the recordings of a selection and draw the questions; recognition has one about each recording."""
        wanted = selection.recordings
        if task == "recognition":
            draws, wanted = 1, [recording for recording in wanted if recording.segments is None]
        recordings = read_all(wanted, progress="reading")
        posed = pose(recordings, task, selection.candidates, draws, seed)
        return cls(task, selection, recordings, posed, draws, seed)

    def only(self, ids: Sequence[str]) -> "Test":
        """The test with some of its questions."""
        kept = set(ids)
        posed = [question for question in self.posed if question.id in kept]
        return replace(self, posed=posed)


@dataclass(frozen=True)
class Answers:
    """To the questions of a test, in their order.

    Args:
        texts: what was said.
        scores: for each question the log-likelihoods of the candidates, where these were compared.
    """

    texts: list[str]
    scores: list[list[float]] | None = None

    @classmethod
    def joined(cls, batches: Iterable["Answers"]) -> "Answers":
        """Those of several batches, one behind the other."""
        batches = list(batches)
        texts = [text for batch in batches for text in batch.texts]
        if any(batch.scores is None for batch in batches):
            return cls(texts)
        return cls(texts, [row for batch in batches for row in batch.scores])


@dataclass(frozen=True)
class Ours:
    """A trained model.

    Args:
        trained: the model.
        generate: in recognition take the generated answer instead of the likeliest candidate.
        batch_size: questions per pass.
    """

    trained: Trained
    generate: bool = False
    batch_size: int = 32

    def answer(self, test: Test, sight: Sight = Sight.frames) -> Answers:
        """All answers, to what the sight shows."""
        batches = batches_of(len(test.posed), self.batch_size)
        return Answers.joined(self.answer_batches(test, tqdm(batches, desc="asking", leave=False), sight))

    def answer_batches(self, test: Test, batches: Iterable[range], sight: Sight = Sight.frames) -> Iterator[Answers]:
        """Answers to some of the questions, a batch of places at a time; each is asked for when it is due."""
        model, processor, listed = self.trained.model, self.trained.processor, self.trained.listed
        how = dict(sight=sight, seed=test.seed)
        if test.task != "recognition" or self.generate:
            posed = test.posed
            if not listed and test.task == "recognition":
                posed = [replace(question, prompt=OPEN_QUESTION) for question in posed]
            for texts in answers_by_batch(model, processor, posed, test.recordings, batches, **how):
                yield Answers(texts)
            return
        candidates = test.selection.candidates
        for found in predictions_by_batch(model, processor, test.recordings, candidates, batches, listed=listed, **how):
            yield Answers([prediction.predicted for prediction in found], [prediction.scores for prediction in found])


@dataclass(frozen=True)
class External:
    """A model behind an endpoint.

    Args:
        endpoint: whom to ask.
        renderer: draws the frames.
        sample: cuts a sequence to the clip that is drawn.
        journal: file of the answers; what is in it is not asked again.
        asking, caps, concurrency: as of ``ask_all``.
    """

    endpoint: Endpoint
    renderer: DrAction
    sample: Callable[[SkeletonSequence], Clip]
    journal: Path
    asking: Asking = field(default_factory=Asking)
    caps: Caps = field(default_factory=Caps)
    concurrency: int = 8

    def answer(self, test: Test) -> tuple[Test, Answers]:
        """The test with the questions that got an answer, and these; a refusal is an empty answer.

        Raises:
            EndpointError: the endpoint is of no use.
            ValueError: not one answer.
        """
        inquiries = [
            Inquiry(question.id, question.prompt, partial(self._clip, test, question), test.task in NEED_SEGMENTS)
            for question in test.posed
        ]
        found = ask_all(
            self.endpoint, self.renderer, inquiries, Journal(self.journal), self.asking, caps=self.caps,
            concurrency=self.concurrency,
        )  # fmt: skip
        if not found:
            raise ValueError(f"{self.endpoint.url}: no answers; see the warnings, or raise the cap")
        answered = test.only(list(found))
        return answered, Answers([found[question.id] or "" for question in answered.posed])

    def _clip(self, test: Test, question: Posed) -> Clip:
        return self.sample(shown(question, test.recordings))


def blind_answers(test: Test, ours: Ours | None) -> dict[str, list[str]]:
    """Answers of those who see nothing, by how they are blind.

    Args:
        test: what is asked.
        ours: a model that is shown black frames and others'; None: none is.

    Returns:
        ``prior``, learnt from questions about the training side of the same data, where there is one, ``black`` and
        ``others``.
    """
    answers = prior_answers(test)
    if ours is not None:
        for sight in BLIND_SIGHTS:
            answers[sight.value] = ours.answer(test, sight).texts
    return answers


def prior_answers(test: Test) -> dict[str, list[str]]:
    """``prior``: answers from the questions' text, where there is a training side to learn them from."""
    if not test.selection.training:
        return {}
    prior = learn_prior(test)
    return {"prior": [prior.answer(question) for question in test.posed]}


def learn_prior(test: Test) -> Prior:
    """What the questions about the training side tell about their answers."""
    training = test.selection.training
    taught = training[:: -(-len(training) // MOST_TAUGHT)]
    measured = test.task in NEED_FACTS and any(recording.facts is None for recording in taught)
    read = read_all(taught, progress="reading") if measured else [(recording, None) for recording in taught]
    labels = test.selection.candidates
    if not set(labels_of(taught)) <= set(labels):  # zero-shot: the candidates never trained
        labels = labels_of(taught)
    return Prior(pose(read, test.task, labels, test.draws, test.seed), score)


def on_device(trained: Trained, device: torch.device | str | None = None) -> Trained:
    """The same on a device, by default on a GPU if there is one."""
    trained.model.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return trained
