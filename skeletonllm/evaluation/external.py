"""Multimodal LLMs behind an OpenAI-compatible endpoint, asked about rendered frames as our own models are."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from skeletonllm.data.teacher.budget import Budget, Caps
from skeletonllm.data.teacher.endpoint import Endpoint, EndpointError, NoAnswer, QuestionRefused
from skeletonllm.data.teacher.frames import clip_digest, draw_pictures, renderer_digest
from skeletonllm.data.teacher.job import MOST_IN_A_ROW
from skeletonllm.data.teacher.prompts import conversation
from skeletonllm.rendering.renderer import Renderer
from skeletonllm.skeleton.sequence import Clip

logger = logging.getLogger(__name__)

SYSTEM = (
    "You are shown frames of a recording, in order and evenly spaced in time: a moving skeleton drawn as a soft, "
    "coloured body on black. You answer a question about them, in the form that it asks for and with nothing else."
)


@dataclass(frozen=True)
class Asking:
    """How an endpoint is asked.

    Args:
        max_tokens: of an answer.
        temperature, seed: sent with every question.
        image_size: pixels of the frames.
        system: what the model is told first.

    Raises:
        ValueError: a number that makes no sense.
    """

    max_tokens: int = 64
    temperature: float = 0.0
    seed: int = 0
    image_size: int = 448
    system: str = SYSTEM

    def __post_init__(self):
        if self.max_tokens < 1 or self.temperature < 0 or self.image_size < 8:
            raise ValueError(f"{self}: expected at least one token, a temperature of 0 or more and 8 pixels")


@dataclass(frozen=True)
class Inquiry:
    """A question to an external model.

    Args:
        id: unique among those that are asked together.
        prompt: text.
        clip: gives what is drawn; called when it is needed.
        timed: whether each frame is shown with its second.
    """

    id: str
    prompt: str
    clip: Callable[[], Clip]
    timed: bool = False


def ask_endpoint(endpoint: Endpoint, renderer: Renderer, clip: Clip, prompt: str, asking: Asking | None = None) -> str:
    """One answer about one clip.

    Raises:
        EndpointError: no answer, or the endpoint is of no use.
        ValueError: it refuses the question.
    """
    asking = asking or Asking()

    async def run() -> str:
        async with endpoint:
            messages = conversation(asking.system, draw_pictures(renderer, clip, asking.image_size), prompt)
            reply = await endpoint.ask(
                messages, seed=asking.seed, temperature=asking.temperature, max_tokens=asking.max_tokens
            )
            return reply.text

    try:
        return asyncio.run(run())
    except QuestionRefused as error:
        raise ValueError(f"the endpoint refuses the question: {error}") from None


class Journal:
    """Answers on disk, one JSON line each, written before anything else is asked.

    A line has the question's ``id``, a ``key`` made of all that the answer depends on, and the answer. So a job that
    was stopped goes on, and one with another model, renderer or wording never takes an answer that is not its own.

    Args:
        path: made if need be. The half of a line that a crash left at its end is taken off.

    Raises:
        ValueError: damaged elsewhere; it names the line.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = self.path.read_bytes() if self.path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        self.answers: dict[str, dict] = {}
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                row = json.loads(line)
                self.answers[row["key"]] = row
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{self.path}, line {number}: damaged: {error!r}") from None
        if len(whole) < len(content):
            with self.path.open("r+b") as file:
                file.truncate(len(whole))

    def add(self, row: dict) -> None:
        """Keep an answer."""
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        self.answers[row["key"]] = row


def ask_all(
    endpoint: Endpoint,
    renderer: Renderer,
    inquiries: Sequence[Inquiry],
    journal: Journal,
    asking: Asking | None = None,
    *,
    caps: Caps | None = None,
    concurrency: int = 8,
    progress: bool = True,
) -> dict[str, str | None]:
    """Answers by id; None for a question that the endpoint refuses. Those that got no answer are missing.

    Args:
        endpoint: whom to ask.
        renderer: draws the frames.
        inquiries: what to ask.
        journal: what is in it is not asked again.
        asking: how.
        caps: on what all answers in the journal take together; those beyond are missing.
        concurrency: questions under way at once; the first is asked alone, so that a wrong key costs one.
        progress: show a bar.

    Raises:
        EndpointError: the endpoint is of no use, or answers nothing.
        ValueError: two questions with one id; an endpoint that counts no tokens although there is a cap.
    """
    asking = asking or Asking()
    if concurrency < 1:
        raise ValueError(f"concurrency is {concurrency}, expected 1 or more")
    if len({inquiry.id for inquiry in inquiries}) < len(inquiries):
        raise ValueError("two questions have the same id")
    drawn_by = renderer_digest(renderer)
    keys = {inquiry.id: _key(endpoint.model, drawn_by, asking, inquiry) for inquiry in inquiries}
    budget = Budget(caps or Caps(), asking.max_tokens)
    for row in journal.answers.values():
        budget.count(row["prompt_tokens"] or 0, row["completion_tokens"] or 0)
    pending = [inquiry for inquiry in inquiries if keys[inquiry.id] not in journal.answers]
    job = _Job(endpoint, renderer, asking, journal, budget, keys)
    asyncio.run(job.run(pending, concurrency, progress))
    return {id: journal.answers[key]["text"] for id, key in keys.items() if key in journal.answers}


class _Job:
    def __init__(
        self,
        endpoint: Endpoint,
        renderer: Renderer,
        asking: Asking,
        journal: Journal,
        budget: Budget,
        keys: dict[str, str],
    ):
        self.endpoint, self.renderer, self.asking = endpoint, renderer, asking
        self.journal, self.budget, self.keys = journal, budget, keys
        self.in_a_row = 0
        self.refusals: list[dict] = []  # before the first answer
        self.answered = bool(journal.answers)
        self._drawing = asyncio.Lock()  # one clip at a time: torch takes all cores anyway

    async def run(self, pending: Sequence[Inquiry], concurrency: int, progress: bool) -> None:
        from tqdm import tqdm

        queue = iter(pending)
        with tqdm(total=len(pending), desc="asking", disable=not progress, mininterval=0.5) as self.bar:
            async with self.endpoint:
                await self._work(queue, until_answered=True)
                workers = [asyncio.create_task(self._work(queue)) for _ in range(concurrency)]
                try:
                    await asyncio.gather(*workers)
                finally:
                    for worker in workers:
                        worker.cancel()
                    await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, queue: Iterator[Inquiry], until_answered: bool = False) -> None:
        while not (until_answered and self.answered) and self.budget.admits():
            if (inquiry := next(queue, None)) is None:
                return
            self.budget.under_way += 1
            try:
                await self._ask(inquiry)
            finally:
                self.budget.under_way -= 1
            self.bar.update()

    async def _ask(self, inquiry: Inquiry) -> None:
        asking = self.asking
        async with self._drawing:
            clip = inquiry.clip()
            pictures = await asyncio.to_thread(draw_pictures, self.renderer, clip, asking.image_size)
        times = clip.times.tolist() if inquiry.timed else None
        row = dict(
            id=inquiry.id, key=self.keys[inquiry.id], text=None, finish_reason=None, prompt_tokens=None,
            completion_tokens=None, served_model="",
        )  # fmt: skip
        try:
            reply = await self.endpoint.ask(
                conversation(asking.system, pictures, inquiry.prompt, times),
                seed=asking.seed, temperature=asking.temperature, max_tokens=asking.max_tokens,
            )  # fmt: skip
        except NoAnswer as error:
            logger.warning("%s is left for another start: %s", inquiry.id, error)
            self.in_a_row += 1
            if self.in_a_row >= MOST_IN_A_ROW:
                raise EndpointError(
                    f"{self.in_a_row} questions in a row without an answer; the last: {error}"
                ) from None
            return
        except QuestionRefused as error:
            self.in_a_row = 0
            self._refused({**row, "finish_reason": f"refused: {error}"})
            return
        counted = reply.prompt_tokens is not None and reply.completion_tokens is not None
        if not counted and (self.budget.caps.tokens or self.budget.caps.cost):
            raise ValueError("the endpoint counts no tokens, so that no cap on them or on the cost can be kept")
        self.in_a_row, self.answered = 0, True
        while self.refusals:
            self.journal.add(self.refusals.pop(0))
        row.update(
            text=reply.text, finish_reason=reply.finish_reason, prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens, served_model=reply.model,
        )  # fmt: skip
        self.journal.add(row)
        self.budget.count(reply.prompt_tokens or 0, reply.completion_tokens or 0)

    def _refused(self, row: dict) -> None:
        """If all are refused the settings are wrong, and better ones shall ask again."""
        if self.answered:
            self.journal.add(row)
            return
        self.refusals.append(row)
        if len(self.refusals) >= MOST_IN_A_ROW:
            raise EndpointError(f"the endpoint refuses every question: {row['finish_reason']}")


def _key(model: str, renderer: str, asking: Asking, inquiry: Inquiry) -> str:
    """sha256 of everything that an answer depends on."""
    clip = inquiry.clip()
    times = clip.times.tolist() if inquiry.timed else None
    return hashlib.sha256(
        repr((model, renderer, asking, inquiry.prompt, clip_digest(clip), times)).encode()
    ).hexdigest()
