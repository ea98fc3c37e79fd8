"""Temporal localization: when does the person do this? Prompt, target, parser and metrics; times in seconds.

The frames must come with their times, counted from the beginning of what is shown.
"""

import re
from collections.abc import Sequence

import torch

from skeletonllm.skeleton.segment import Segment
from skeletonllm.tasks.subject import Subject

# Of what is shown: so many actions in a row, if there are as many.
MOST_ACTIONS = 3
_NUMBER = r"(\d+(?:\.\d+)?)"
_UNIT = r"\s*(?:s|sec|secs|seconds?)?"
_SPAN = re.compile(
    rf"\W*(?:from|between)?\s*{_NUMBER}{_UNIT}\s*(?:to|and|until|till|-|\u2013|\u2014)\s*{_NUMBER}{_UNIT}\W*",
    re.IGNORECASE,
)


def build_prompt(label: str) -> str:
    """The question when the action ``label`` is done. Raises ValueError if the label is empty or has several lines."""
    if not label.strip() or "\n" in label:
        raise ValueError(f"label {label!r} must be one line of text")
    return f'When does the person "{label}"? Answer in seconds, such as: from 1.5 s to 4.0 s.'


def build_target(start: float, stop: float) -> str:
    """``from 3.2 s to 5.1 s``."""
    return f"from {start:.1f} s to {stop:.1f} s"


def draw(subject: Subject, generator: torch.Generator) -> tuple[str, str]:
    """When one of the actions is done that happen once, each as likely as any other.

    Raises:
        ValueError: the subject has no such segment.
    """
    once = done_once(subject.segments)
    if not once:
        raise ValueError("the task localization needs a recording with a labelled segment of an action done once")
    segment = once[int(torch.randint(len(once), (), generator=generator))]
    return build_prompt(segment.label), build_target(segment.start, segment.stop)


def done_once(segments: Sequence[Segment]) -> list[Segment]:
    """The segments whose label no other has: those that can be asked for."""
    labels = [segment.label for segment in segments]
    return [segment for segment in segments if labels.count(segment.label) == 1]


def stretch(segments: Sequence[Segment], duration: float, generator: torch.Generator) -> tuple[float, float]:
    """A stretch of a recording, with a few of its actions as a whole and some of what is around them.

    Where it begins is random, so that the place of an action in a recording says nothing about its place in what is
    shown. It neither begins nor ends within a segment, unless segments overlap.

    Args:
        segments: in the order of their starts, at least one.
        duration: of the recording, seconds.
        generator: draws which, and how much around them.

    Returns:
        Begin and end in seconds.
    """
    count = int(torch.randint(min(2, len(segments)), min(MOST_ACTIONS, len(segments)) + 1, (), generator=generator))
    runs = [place for place in range(len(segments) - count + 1) if done_once(segments[place : place + count])]
    if not runs:  # the same action again and again
        runs, count = list(range(len(segments))), 1
    first = runs[int(torch.randint(len(runs), (), generator=generator))]
    chosen = segments[first : first + count]
    start, stop = min(each.start for each in chosen), max(each.stop for each in chosen)
    earliest = max((each.stop for each in segments[:first]), default=0.0)
    latest = min((each.start for each in segments[first + count :]), default=duration)
    before, after = torch.rand(2, generator=generator).tolist()
    return start - before * max(0.0, start - earliest), min(duration, stop + after * max(0.0, latest - stop))


def within(segments: Sequence[Segment], start: float, stop: float) -> tuple[Segment, ...]:
    """The segments that lie in a stretch as a whole, in seconds from its beginning."""
    inside = [each for each in segments if each.start >= start - 1e-6 and each.stop <= stop + 1e-6]
    return tuple(Segment(each.label, max(0.0, each.start - start), each.stop - start) for each in inside)


def parse_answer(text: str) -> tuple[float, float] | None:
    """Begin and end in seconds of ``from 3.2 s to 5.1 s``, ``3.2-5.1 seconds``, ``between 3.2 s and 5.1 s``.

    None for anything else: more words or numbers, another unit, or an end that is not after the beginning.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        return None
    start, stop = float(match[1]), float(match[2])
    return (start, stop) if start < stop else None


def temporal_iou(said: tuple[float, float] | None, true: tuple[float, float]) -> float:
    """The time that both share, divided by the time that either takes; 0 where nothing was said."""
    if said is None:
        return 0.0
    shared = max(0.0, min(said[1], true[1]) - max(said[0], true[0]))
    return shared / (said[1] - said[0] + true[1] - true[0] - shared)


def boundary_error(said: tuple[float, float], true: tuple[float, float]) -> float:
    """Seconds by which begin and end are off, their mean."""
    return (abs(said[0] - true[0]) + abs(said[1] - true[1])) / 2
