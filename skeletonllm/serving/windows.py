"""Answers about long recordings: in seconds, from windows."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from skeletonllm.data.windows import Window, cut_windows, window_clips
from skeletonllm.evaluation.timeline import Found, find_segments, timeline, watch
from skeletonllm.models.long import ask_about_all, encode_clips, fitting_tokens
from skeletonllm.serving.plans import Answer, Progress
from skeletonllm.tasks import discrimination, recognition
from skeletonllm.tasks.when import asked_action, matching_label

if TYPE_CHECKING:
    from skeletonllm.models.trained import Trained
    from skeletonllm.skeleton.sequence import SkeletonSequence

# Seconds. Actions that models are trained on are shorter than LONG, and mostly about as long as WINDOW.
LONG, WINDOW = 10.0, 2.0
# So many windows see each moment.
OVERLAP = 4
NOBODY = "nobody is seen"


def wants_windows(duration: float, question: str | None, candidates: Sequence[str], window: float | None) -> bool:
    """Whether a recording of ``duration`` seconds is looked at window by window.

    It is if the user says so, and if it is long and one clip cannot hold the answer: what happens when.

    Raises:
        ValueError: windows for answers that are ranked once, for the whole.
    """
    for_time = question is None or asked_action(question) is not None
    if window is not None and candidates and not for_time:
        raise ValueError("in windows candidates are actions to tell apart; ask what happens when, or nothing")
    return window is not None or duration > LONG and for_time


def answer_in_windows(
    trained: "Trained",
    sequence: "SkeletonSequence",
    question: str | None,
    labels: Sequence[str],
    window: float | None,
    max_new_tokens: int,
    progress: Progress,
) -> Answer:
    """When something happens, or a timeline of actions, or an answer about all windows together.

    Args:
        question: None for the timeline.
        labels: the actions that are told apart.
        window: seconds, None for a usual length.

    Raises:
        ValueError: nobody is seen, or the windows do not fit into one prompt where they have to.
    """
    seconds = WINDOW if window is None else window
    labels = list(labels)
    action = None if question is None else asked_action(question)
    if question is None:
        return _what_happens(trained, sequence, labels, seconds, progress)
    if action is None:
        return _about_all(trained, sequence, question, seconds, max_new_tokens, progress)
    return _when(trained, sequence, action, labels, seconds, progress)


def each_window(windows: Sequence[Window], progress: Progress) -> Iterator[Window]:
    """The windows one by one; before each, progress is told."""
    for number, window in enumerate(windows):
        progress("looking", number / len(windows))
        yield window


def _what_happens(
    trained: "Trained", sequence: "SkeletonSequence", labels: list[str], seconds: float, progress: Progress
) -> Answer:
    """A line per action, in the order in which they happen."""
    spans, shares = watch(
        trained.model, trained.processor, sequence, recognition.build_prompt(labels, trained.listed), labels,
        seconds, seconds / OVERLAP, progress=lambda windows: each_window(windows, progress),
    )  # fmt: skip
    found = timeline([*labels, NOBODY], spans, shares)
    lines = [f"{segment.start:.1f} s to {segment.stop:.1f} s: {segment.label}" for segment in found]
    return Answer("\n".join(lines), segments=tuple(Found(segment, 0.0) for segment in found))


def _when(
    trained: "Trained",
    sequence: "SkeletonSequence",
    action: str,
    labels: list[str],
    seconds: float,
    progress: Progress,
) -> Answer:
    """A line per segment, the surest first, with the share of the answer at its best moment."""
    label = matching_label(action, labels)
    if label is None:  # of what was never learnt one can only ask whether it is seen
        answers, label = [discrimination.YES, discrimination.NO], discrimination.YES
        question = discrimination.build_prompt(action)
    else:
        answers, question = labels, recognition.build_prompt(labels, trained.listed)
    spans, shares = watch(
        trained.model, trained.processor, sequence, question, answers, seconds, seconds / OVERLAP,
        progress=lambda windows: each_window(windows, progress),
    )  # fmt: skip
    found = find_segments(action, spans, shares[:, answers.index(label)])
    lines = [f"{one.segment.start:.1f} s to {one.segment.stop:.1f} s ({one.score:.1%})" for one in found]
    return Answer("\n".join(lines), segments=tuple(found))


def _about_all(
    trained: "Trained",
    sequence: "SkeletonSequence",
    question: str,
    seconds: float,
    max_new_tokens: int,
    progress: Progress,
) -> Answer:
    """The answer of one prompt that holds all windows, side by side and each with its seconds."""
    model, processor = trained.model, trained.processor
    windows = cut_windows(sequence.num_frames, sequence.fps, seconds, seconds)
    spans = [window.span for window in windows]
    tokens = fitting_tokens(model, processor, spans, question, max_new_tokens)
    clips = window_clips(sequence, each_window(windows, progress), processor)
    encoded = encode_clips(model, clips, spans, tokens)
    return Answer(ask_about_all(model, processor, encoded, question, max_new_tokens))
