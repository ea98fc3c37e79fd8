"""The engine: one model, loaded once, that answers, draws and dances for everybody in turn."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from skeletonllm.evaluation.respondents import on_device
from skeletonllm.models.shipped import load_shipped
from skeletonllm.models.trained import MODEL_FOLDER, load_trained
from skeletonllm.rendering.recording import choose_count, cut, draw, sheet, write_frames
from skeletonllm.rendering.video import write_png
from skeletonllm.serving.answering import carry_out, plan, plan_small
from skeletonllm.serving.asking import generate_all, rank_all
from skeletonllm.serving.dancing import Choreography, Danced, NoGeneratorError, perform
from skeletonllm.serving.limits import Limits
from skeletonllm.serving.plans import Answer, Generation, Passes, Plan, Question, Ranking
from skeletonllm.serving.queue import Ticket, WorkQueue
from skeletonllm.serving.readers import Readers
from skeletonllm.serving.small_model import describe

if TYPE_CHECKING:
    from skeletonllm.dance.generator import Generator
    from skeletonllm.skeleton.sequence import SkeletonSequence

SMALL_MODEL = "skeletonllm-tiny"
PICTURES = (".png", ".gif", ".mp4", "")
"""What a recording is drawn as: a contact sheet, a film, or a folder of pictures."""


@dataclass(frozen=True)
class _Asked:
    question: Question
    plan: Plan


class Engine:
    """Everything that the endpoint and the app can do.

    Questions wait in one queue, pictures and dances in another, each worked on by one thread. ``ask``, ``render``,
    ``dance`` and ``aside`` give a ``Ticket`` at once (see ``skeletonllm.serving.queue``).

    ::

        with engine.ask(Question(sequence, "What is this person doing?")) as ticket:
            for update in ticket.updates():  # words as they come, what is being done, the place in the queue
                print(update.text, end="")
            answer = ticket.result()

    Args:
        checkpoint: a trained model, or the folder of the run that made it; None: the small model of the package.
        generator: the folder of a dance model, or of its training; None: no dances.
        limits: what a visitor may take; see ``skeletonllm.serving.limits``.

    Attributes:
        trained: the model (``skeletonllm.models.trained.Trained``), on a GPU if there is one. Its weights are shared:
            do not train them; a gradient with respect to inputs is fine inside ``aside``.
        name: of the model, for clients.
        description: a sentence or two about the model, for people.
        generator: who dances (``skeletonllm.dance.generator.Generator``), or None.
        dancer: a sentence or two about the generator, for people; empty without one.
        limits: as given.
        readers: read what visitors bring, in processes of their own (``skeletonllm.serving.readers``).
        counts: how much was done, by name, such as ``answers``, ``passes``, ``tokens``, ``pictures``, ``dances``.

    Raises:
        OSError, ValueError: there is no such model, or it is damaged.
    """

    def __init__(
        self,
        checkpoint: str | Path | None = None,
        generator: str | Path | None = None,
        limits: Limits | None = None,
    ):
        self.limits = limits or Limits()
        self.readers = Readers(self.limits)  # first, as their processes start while the model is loaded
        self.is_small = checkpoint is None
        self.trained = on_device(load_shipped() if checkpoint is None else load_trained(checkpoint))
        self.trained.model.eval()
        self.name = SMALL_MODEL if checkpoint is None else _name_of(Path(checkpoint))
        self.description = describe(self.trained) if checkpoint is None else f"The model in {self.name} answers."
        self.generator: Generator | None = None if generator is None else _load_generator(Path(generator))
        self.dancer = "" if generator is None else _about_generator(Path(generator))
        self.counts: Counter[str] = Counter()
        self._counting = threading.Lock()
        limits = self.limits
        self.questions = WorkQueue("questions", self._answer, limits.waiting, limits.at_once, limits.work_seconds)
        self.pictures = WorkQueue("pictures", self._do, limits.waiting, 1, limits.work_seconds)

    def ask(self, question: Question) -> Ticket[Answer]:
        """Answer a question. Words of a generated answer come as updates while it is made; of one that is not
        generated, all of it comes as the last update.

        Raises:
            ValueError: what was asked cannot be; a recording, question or list of candidates beyond the limits.
            QueueFullError: too many are waiting.
        """
        self.check_sequence(question.sequence)
        limits = self.limits
        for text in (question.text or "", *question.candidates):
            limits.check("characters of a question", len(text), limits.question_characters)
        limits.check("candidates", len(question.candidates), limits.candidates)
        limits.check("tokens of an answer", question.max_new_tokens, limits.answer_tokens)
        what = (plan_small if self.is_small else plan)(self.trained, question)
        alike = None
        if isinstance(what, Ranking):
            alike = (Ranking, what.candidates)
        elif isinstance(what, Generation):
            alike = Generation
        return self.questions.submit(_Asked(question, what), alike)

    def render(
        self, sequence: "SkeletonSequence", target: Path, *, frames: int | None = None, size: int = 448, name: str = ""
    ) -> Ticket[Path]:
        """Draw a recording with the model's renderer into a file: a contact sheet (``.png``), a film (``.gif``,
        ``.mp4``), or a folder of pictures (no suffix). The result is ``target``.

        Args:
            sequence: the recording.
            target: where to.
            frames: how many; by default 12 on a sheet, else as many as 15 per second make, at most 200.
            size: side of the pictures, pixels, from 8 to 2048.
            name: written above a sheet.

        Raises:
            ValueError: another suffix, a size or number of frames beyond what fits, a recording beyond the limits.
            QueueFullError: too many are waiting.
        """
        self.check_sequence(sequence)
        kind = target.suffix.lower()
        if kind not in PICTURES:
            raise ValueError(f"cannot draw {kind}, expected {', '.join(kind or 'a folder' for kind in PICTURES)}")
        if not 8 <= size <= 2048:
            raise ValueError(f"pictures of {size} pixels, expected 8 to 2048")
        if frames is not None and frames < 1:
            raise ValueError(f"{frames} frames, expected at least one")
        count = choose_count(sequence, kind, frames, size)
        return self.pictures.submit(partial(self._draw, sequence, target, count, size, name))

    def dance(self, choreography: Choreography) -> Ticket[Danced]:
        """Dance to a song; see ``skeletonllm.serving.dancing``.

        Raises:
            NoGeneratorError: this engine has no generator.
            ValueError: a number of steps or seconds beyond the limits, or a kind of file that no dance is written as.
            QueueFullError: too many are waiting.
        """
        if self.generator is None:
            raise NoGeneratorError("nobody dances here: music is not read; pip install 'skeletonllm[dance]'")
        choreography.check(self.limits)
        return self.pictures.submit(partial(self._dance, choreography))

    def aside(self, work: Callable[[Ticket], object]) -> Ticket:
        """Do something else in the queue of pictures, such as a saliency map: ``work(ticket)`` gives the result, and
        calls ``ticket.check()`` and ``ticket.tell()`` on the way.

        Raises:
            QueueFullError: too many are waiting.
        """
        return self.pictures.submit(work)

    def check_sequence(self, sequence: "SkeletonSequence") -> None:
        """Raises LimitError, a ValueError, for a recording that is longer or larger than is taken."""
        self.limits.check("seconds of a recording", sequence.duration, self.limits.motion_seconds)
        self.limits.check("numbers in a recording", sequence.joints.size, self.limits.motion_values)

    def cancel(self) -> None:
        """Cancel what waits and what runs, for everybody."""
        self.questions.cancel()
        self.pictures.cancel()

    def close(self) -> None:
        """Cancel everything, and take nothing more."""
        self.readers.close()
        self.questions.close()
        self.pictures.close()

    def _count(self, name: str, number: int = 1) -> None:
        with self._counting:
            self.counts[name] += number

    # In the thread of questions.

    def _answer(self, tickets: Sequence[Ticket]) -> None:
        tickets = [ticket for ticket in tickets if ticket.wanted]
        if not tickets:
            return
        self._count("passes")
        asked = [ticket.work for ticket in tickets]
        if isinstance(asked[0].plan, Passes):
            self._look_often(*tickets)
            return
        sequences = [each.question.sequence for each in asked]
        prompts = [each.plan.prompt for each in asked]
        try:
            if isinstance(asked[0].plan, Ranking):
                shares = rank_all(self.trained, sequences, prompts, asked[0].plan.candidates)
                answers = [each.plan.answer(one) for each, one in zip(asked, shares, strict=True)]
                for ticket, answer in zip(tickets, answers, strict=True):
                    ticket.tell(text=answer.text)
            else:
                answers = self._generate(tickets, sequences, prompts)
        except ValueError:
            if len(tickets) == 1:
                raise
            for ticket in tickets:  # the others are not to suffer for the one that cannot be asked
                self._answer_alone(ticket)
            return
        for ticket, answer in zip(tickets, answers, strict=True):
            self._hand_over(ticket, answer)

    def _answer_alone(self, ticket: Ticket) -> None:
        try:
            self._answer([ticket])
        except ValueError as error:
            ticket.fail(error)

    def _generate(
        self, tickets: Sequence[Ticket], sequences: Sequence["SkeletonSequence"], prompts: Sequence[str]
    ) -> list[Answer]:
        said = generate_all(
            self.trained, sequences, prompts, [ticket.work.question.max_new_tokens for ticket in tickets],
            tell=lambda row, text: tickets[row].tell(text=text), wanted=lambda row: tickets[row].wanted,
        )  # fmt: skip
        self._count("tokens", sum(each.tokens for each in said))
        return [Answer(e.text, prompt_tokens=e.prompt_tokens, tokens=e.tokens, whole=e.whole) for e in said]

    def _look_often(self, ticket: Ticket) -> None:
        def progress(doing: str, share: float) -> None:
            ticket.check()
            ticket.tell(doing=doing, share=share)

        answer = carry_out(self.trained, ticket.work.question, ticket.work.plan, progress)
        ticket.tell(text=answer.text)
        self._hand_over(ticket, answer)

    def _hand_over(self, ticket: Ticket, answer: Answer) -> None:
        try:
            ticket.check()
        except RuntimeError as error:
            ticket.fail(error)
            return
        self._count("answers")
        ticket.finish(answer)

    # In the thread of pictures.

    def _do(self, tickets: Sequence[Ticket]) -> None:
        (ticket,) = tickets
        ticket.check()
        ticket.finish(ticket.work(ticket))

    def _draw(
        self, sequence: "SkeletonSequence", target: Path, count: int, size: int, name: str, ticket: Ticket
    ) -> Path:
        ticket.tell(doing="drawing", share=0.0)
        renderer = self.trained.model.renderer
        kind = target.suffix.lower()
        clip = cut(sequence, count, kind, renderer)
        pictures = draw(renderer, clip, size)
        ticket.check()
        ticket.tell(doing="writing", share=0.5)
        if kind == ".png":
            write_png(target, sheet(pictures, clip, name or "recording"))
        else:
            write_frames(target, pictures, sequence)
        self._count("pictures")
        return target

    def _dance(self, choreography: Choreography, ticket: Ticket) -> Danced:
        danced = perform(self.generator, choreography, ticket, self.limits.song_seconds)
        self._count("dances")
        return danced


def _name_of(checkpoint: Path) -> str:
    """The last folder of a path that says something."""
    path = checkpoint.resolve()
    return path.parent.name if path.name == MODEL_FOLDER else path.name


def _load_generator(folder: Path) -> "Generator":
    import torch

    from skeletonllm.dance.generator import Generator

    return Generator.open(folder).to("cuda" if torch.cuda.is_available() else "cpu")


def _about_generator(folder: Path) -> str:
    from skeletonllm.dance.shipped import ABOUT, SHIPPED_FOLDER

    return ABOUT if folder == SHIPPED_FOLDER else f"The generator in {_name_of(folder)} dances."
