"""A job of a teacher: every recording is asked about once, several at a time, until all have an answer."""

import asyncio
import logging
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from skeletonllm.data.recordings import LARGEST_BAD_SHARE, PoisonedDataError, Recording
from skeletonllm.data.teacher.budget import Budget, Caps
from skeletonllm.data.teacher.endpoint import Endpoint, EndpointError, NoAnswer, QuestionRefused, Reply
from skeletonllm.data.teacher.frames import Frames, Shown
from skeletonllm.data.teacher.ledger import Ledger
from skeletonllm.data.teacher.movement import movements
from skeletonllm.data.teacher.prompts import build_messages
from skeletonllm.data.teacher.settings import Summary, TeacherSettings
from skeletonllm.data.teacher.verification import moved_most, objection, take_apart
from skeletonllm.skeleton.formats import SkeletonFormatError

logger = logging.getLogger(__name__)

# Questions in a row without an answer, or refused before the first answer, after which the endpoint is at fault.
MOST_IN_A_ROW = 5
# Seconds that questions under way have when a job is asked to stop; their answers are paid for.
GRACE = 20.0
_GLANCE = 0.2  # seconds between two looks at whether to stop


def is_for_training(recording: Recording) -> bool:
    """Whether a teacher may see a recording, as long as nothing else is known of the split."""
    return recording.split == "train"


def teach(
    frames: Frames,
    endpoint: Endpoint,
    folder: str | Path,
    settings: TeacherSettings | None = None,
    *,
    caps: Caps | None = None,
    concurrency: int = 8,
    allowed: Callable[[Recording], bool] = is_for_training,
    stopping: Callable[[], bool] = lambda: False,
    progress: bool = False,
) -> Summary:
    """Ask about every recording that has no answer in the folder yet.

    Args:
        frames: of the recordings.
        endpoint: whom to ask.
        folder: see ``Ledger``; a job that was killed goes on in it.
        settings: how.
        caps: on tokens and cost.
        concurrency: questions under way at once; the first is asked alone.
        allowed: says of a recording whether a teacher may see it, such as ``skeletonllm.data.splits.Guard.allows``.
        stopping: asked again and again; once it says so, no more is asked.
        progress: show a bar.

    Raises:
        ValueError: a recording that is not allowed, two with one id, a folder with other settings, or an endpoint
            that counts no tokens although there is a cap.
        EndpointError: the endpoint is of no use.
        PoisonedDataError: too many recordings cannot be read.
    """
    settings = settings or TeacherSettings()
    if concurrency < 1:
        raise ValueError(f"concurrency is {concurrency}, expected 1 or more")
    if refused := next((recording for recording in frames.recordings if not allowed(recording)), None):
        raise ValueError(f"{refused.id} (split {refused.split}) is not for training; no teacher may see it")
    if len({recording.id for recording in frames.recordings}) < len(frames.recordings):
        raise ValueError("two recordings have the same id")
    conditions = {
        "model": endpoint.model,
        **asdict(settings),
        "renderer": frames.renderer_digest,
        "image_size": frames.image_size,
        "sampling": asdict(frames.sampling),
    }
    del conditions["attempts"]  # may grow from start to start
    with Ledger(folder, conditions) as ledger:
        job = _Job(frames, endpoint, ledger, settings, caps or Caps(), stopping)
        asyncio.run(job.run(concurrency, progress))
    return job.summary()


class _Job:
    def __init__(
        self,
        frames: Frames,
        endpoint: Endpoint,
        ledger: Ledger,
        settings: TeacherSettings,
        caps: Caps,
        stopping: Callable[[], bool],
    ):
        self.frames, self.endpoint, self.ledger, self.settings = frames, endpoint, ledger, settings
        self.stopping = stopping
        self.budget = Budget(caps, settings.max_tokens)
        for spent in ledger.spent():
            self.budget.count(*spent)
        self.pending = deque(number for number in range(len(frames.recordings)) if self._is_open(number))
        self.ended = ""
        self.unreadable = 0
        self.unanswered = 0  # in a row
        self.refusals: list[dict] = []  # before the first answer
        self.answered = False
        self._drawing = asyncio.Lock()  # one clip at a time: torch takes all cores anyway

    def summary(self) -> Summary:
        ids = [recording.id for recording in self.frames.recordings]
        accepted = sum(id in self.ledger.accepted for id in ids)
        left = sum(self._is_open(number) for number in range(len(ids)))
        ended = self.ended or ("unanswered" if left > self.unreadable else "done")
        return Summary(accepted, len(ids) - accepted - left, left, self.budget.tokens, self.budget.cost, ended)

    def _is_open(self, number: int) -> bool:
        id = self.frames.recordings[number].id
        return id not in self.ledger.accepted and self.ledger.rejected[id] < self.settings.attempts

    async def run(self, concurrency: int, progress: bool) -> None:
        from tqdm import tqdm

        with tqdm(total=len(self.pending), desc="asking", disable=not progress, mininterval=0.5) as self.bar:
            async with self.endpoint:
                # A wrong key or address shall cost one question, not as many as may be under way.
                await self._watch([asyncio.create_task(self._work(until_answered=True))])
                await self._watch([asyncio.create_task(self._work()) for _ in range(concurrency)])

    async def _watch(self, workers: list[asyncio.Task]) -> None:
        """Wait for workers; end them when asked to stop, or when one of them fails."""
        try:
            left = set(workers)
            while left and not self._must_stop():
                done, left = await asyncio.wait(left, timeout=_GLANCE, return_when=asyncio.FIRST_EXCEPTION)
                for worker in done:
                    worker.result()
            if left:
                await asyncio.wait(left, timeout=GRACE)
        finally:
            for worker in workers:
                worker.cancel()
            results = await asyncio.gather(*workers, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    def _must_stop(self) -> bool:
        if not self.ended and self.stopping():
            self.ended = "stopped"
        return bool(self.ended)

    async def _work(self, until_answered: bool = False) -> None:
        while self.pending and not self._must_stop():
            if until_answered and self.answered:
                return
            if not self.budget.admits():
                # Those under way may take less than is kept for them; the last of them finds out.
                if not self.budget.under_way:
                    self.ended = "caps"
                return
            number = self.pending.popleft()
            self.budget.under_way += 1
            try:
                await self._lesson(number)
            finally:
                self.budget.under_way -= 1

    async def _lesson(self, number: int) -> None:
        """Ask about a recording and write down what became of it."""
        recording = self.frames.recordings[number]
        try:
            async with self._drawing:
                shown, movement = await asyncio.to_thread(self._look, number)
        except SkeletonFormatError as error:
            self._unreadable(error)
            return
        attempt = self.ledger.rejected[recording.id]
        settings = self.settings
        seed = zlib.crc32(f"{settings.seed}/{attempt}/{recording.id}".encode()) & 0x7FFFFFFF
        row = self._row(recording, shown, movement, seed, attempt)
        messages = build_messages(settings.prompt_version, recording.label, shown.pictures)
        try:
            reply = await self.endpoint.ask(
                messages, seed=seed, temperature=settings.temperature, max_tokens=settings.max_tokens
            )
        except NoAnswer as error:
            logger.warning("%s is left for another start: %s", recording.id, error)
            self.unanswered += 1
            if self.unanswered >= MOST_IN_A_ROW:
                raise EndpointError(
                    f"{self.unanswered} recordings in a row without an answer; the last: {error}"
                ) from None
            return
        except QuestionRefused as error:
            self._refused({**row, "reason": f"refused: {error}", "text": ""})
        else:
            self._answered(row, reply, movement)
        self.bar.update(not self._is_open(number))
        self.bar.set_postfix(accepted=len(self.ledger.accepted), rejected=len(self.ledger.rejected), refresh=False)
        if self.answered and self._is_open(number):
            self.pending.append(number)

    def _unreadable(self, error: SkeletonFormatError) -> None:
        logger.warning("left out: %s", error)
        self.unreadable += 1
        count = len(self.frames.recordings)
        if self.unreadable > LARGEST_BAD_SHARE * count:
            raise PoisonedDataError(f"{self.unreadable} of {count} recordings cannot be read; the last: {error}")

    def _look(self, number: int) -> tuple[Shown, dict[str, float]]:
        return self.frames.show(number), movements(self.frames.sequence(number))

    def _row(self, recording: Recording, shown: Shown, movement: dict, seed: int, attempt: int) -> dict:
        """What is known before there is an answer."""
        return {
            "id": recording.id,
            "label": recording.label,
            "moved": moved_most(movement),
            "frames": shown.identity,
            "model": self.endpoint.model,
            "served_model": "",
            "prompt_version": self.settings.prompt_version,
            "temperature": self.settings.temperature,
            "seed": seed,
            "attempt": attempt,
            "finish_reason": None,
            "prompt_tokens": None,
            "completion_tokens": None,
        }

    def _refused(self, row: dict) -> None:
        self.unanswered = 0
        if self.answered:
            self.ledger.reject(row)
            return
        # If all are refused, the settings are wrong, and the recordings shall be asked about with better ones.
        self.refusals.append(row)
        if len(self.refusals) >= MOST_IN_A_ROW:
            raise EndpointError(f"the endpoint refuses every question: {row['reason']}")

    def _answered(self, row: dict, reply: Reply, movement: dict) -> None:
        self.unanswered = 0
        self.answered = True
        while self.refusals:
            self.ledger.reject(self.refusals.pop(0))
        statement = take_apart(reply.text)
        row = {
            **row,
            "served_model": reply.model,
            "finish_reason": reply.finish_reason,
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
        }
        if self.settings.verify:
            reason = objection(statement, reply.finish_reason, row["label"], movement)
        else:
            reason = None if statement.rationale else "incomplete: no reasons"
        if reason is None:
            self.ledger.accept({**row, "rationale": statement.rationale, "said": statement.said})
        else:
            self.ledger.reject({**row, "reason": reason, "text": reply.text})
        counted = reply.prompt_tokens is not None and reply.completion_tokens is not None
        if not counted and (self.budget.caps.tokens or self.budget.caps.cost):
            raise ValueError("the endpoint counts no tokens, so that no cap on them or on the cost can be kept")
        self.budget.count(reply.prompt_tokens or 0, reply.completion_tokens or 0)
