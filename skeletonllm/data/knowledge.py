"""What is known of recordings beyond their labels: fetched when a task asks for it, once each."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch

from skeletonllm.data.mixture import Mixture
from skeletonllm.data.recordings import Recording
from skeletonllm.skeleton.formats import SkeletonFormatError
from skeletonllm.skeleton.kinematic_facts import measure_facts
from skeletonllm.skeleton.segment import Segment
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.tasks import NEED_CAPTIONS, NEED_FACTS, NEED_RATIONALES, NEED_SEGMENTS, Subject, localization
from skeletonllm.tasks.questions.pool import Pool

# Recordings whose facts are measured, at 5 ms each and the time to read them; of more, so many evenly spread ones.
MOST_MEASURED = 4000
# Task -> what a recording needs, and what it is called.
_NEEDS: tuple[tuple[frozenset[str], str, str], ...] = (
    (NEED_RATIONALES, "rationale", "rationales"),
    (NEED_CAPTIONS, "captions", "captions"),
    (NEED_SEGMENTS, "segments", "labelled segments"),
)


def facts_of(recording: Recording, sequence: SkeletonSequence) -> Mapping[str, str]:
    """What is known to be true of a recording, else what can be measured on its joints."""
    if recording.facts is not None:
        return recording.facts()
    return measure_facts(sequence, () if recording.segments is None else tuple(recording.segments()))


class Knowledge:
    """Of the recordings of a mixture."""

    def __init__(self, recordings: Mixture):
        self.recordings = recordings
        self._fetched: dict[tuple[str, int], Any] = {}
        self._allowing: dict[str, list[int]] = {}

    def check(self, task: str) -> None:
        """Raises ValueError if no recording allows the task. Facts are not looked at: they may have to be measured."""
        if task in NEED_FACTS:
            return
        if not self._able(task):
            what = next((called for tasks, _, called in _NEEDS if task in tasks), "recordings of one action")
            raise ValueError(
                f"task {task} needs {what}, and none of {len(self.recordings)} recordings has one, such as "
                f"{self.recordings.recording(0).id}: leave the stage out that asks for it, or take data that has them"
            )

    def allowing(self, task: str, number: int, generator: torch.Generator) -> int:
        """The recording itself, or if it does not allow the task any one that does."""
        able = self._able(task)
        place = bisect_left(able, number)
        if place < len(able) and able[place] == number:
            return number
        # Not the next one: behind a source that has none, that would be the same one every time.
        return able[int(torch.randint(len(able), (), generator=generator))]

    def added(self, subject: Subject, task: str, number: int, topic: str | None = None) -> Subject:
        """The subject with what the task needs to know of a recording."""
        recording = self.recordings.recording(number)
        if task in NEED_RATIONALES:
            return replace(subject, rationale=self._once("rationale", number, recording.rationale))
        if task in NEED_CAPTIONS:
            return replace(subject, captions=tuple(self._once("captions", number, recording.captions)))
        if task in NEED_SEGMENTS:
            return replace(subject, segments=self._segments(number))
        if task in NEED_FACTS and topic is not None:
            return self._pool.subject(self._place[number], topic, subject)
        return subject

    def draw_topic(self, generator: torch.Generator, but: Collection[int] = ()) -> tuple[int, str]:
        """A recording, none of ``but``, and what to ask about it, see ``Pool``.

        Raises:
            ValueError: the recordings do not differ in anything that can be asked about.
        """
        while True:
            place, topic = self._pool.draw(generator)
            if self._measured[place] not in but:
                return self._measured[place], topic
            if set(self._measured) <= set(but):
                raise ValueError(f"none of {len(self._measured)} recordings that were measured can be read any more")

    def _able(self, task: str) -> list[int]:
        if task not in self._allowing:
            needed = next((name for tasks, name, _ in _NEEDS if task in tasks), None)
            everyone = enumerate(self.recordings.all_recordings())
            self._allowing[task] = [
                index
                for index, one in everyone
                if (one.segments is None if needed is None else getattr(one, needed) is not None)
            ]
        return self._allowing[task]

    def _once(self, what: str, number: int, fetch: Callable[[], Any]) -> Any:
        if (what, number) not in self._fetched:
            self._fetched[what, number] = fetch()
        return self._fetched[what, number]

    def _segments(self, number: int) -> tuple[Segment, ...]:
        recording = self.recordings.recording(number)
        segments = tuple(sorted(self._once("segments", number, recording.segments), key=lambda each: each.start))
        if not localization.done_once(segments):
            raise ValueError(f"{recording.id}: no segment of an action that is done once, to be asked for")
        return segments

    @cached_property
    def _pool(self) -> Pool:
        return Pool([facts for _, facts in self._facts])

    @cached_property
    def _measured(self) -> list[int]:
        return [number for number, _ in self._facts]

    @cached_property
    def _place(self) -> dict[int, int]:
        """Number of a recording -> its place in the pool."""
        return {number: place for place, number in enumerate(self._measured)}

    @cached_property
    def _facts(self) -> list[tuple[int, Mapping[str, str]]]:
        """(number of the recording, its facts) of those that can be read."""
        step = max(1, -(-len(self.recordings) // MOST_MEASURED))
        found = []
        for number in range(0, len(self.recordings), step):
            recording = self.recordings.recording(number)
            try:
                known = recording.facts() if recording.facts is not None else facts_of(*self.recordings[number])
            except SkeletonFormatError:
                continue  # whoever reads it to show it says so, and counts it
            found.append((number, known))
        return found
