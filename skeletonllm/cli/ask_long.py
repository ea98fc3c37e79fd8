"""How ``skeletonllm ask`` answers about long recordings: in seconds, from windows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skeletonllm.models.trained import Trained
    from skeletonllm.skeleton.sequence import SkeletonSequence

# Seconds. Actions that models are trained on are shorter than LONG, and mostly about as long as WINDOW.
LONG, WINDOW = 10.0, 2.0
# So many windows see each moment.
OVERLAP = 4
NOBODY = "nobody is seen"


def wants_windows(
    duration: float, question: str | None, candidates: Sequence[str] | None, window: float | None
) -> bool:
    """Whether a recording of ``duration`` seconds is looked at window by window.

    It is if the user says so, and if it is long and one clip cannot hold the answer: what happens when.

    Raises:
        ValueError: windows for answers that are ranked once, for the whole.
    """
    from skeletonllm.tasks.when import asked_action

    for_time = question is None or asked_action(question) is not None
    if window is not None and candidates and not for_time:
        raise ValueError("with --window candidates are actions to tell apart; ask what happens when, or nothing")
    return window is not None or duration > LONG and for_time


def answer_in_windows(
    trained: "Trained",
    sequence: "SkeletonSequence",
    question: str | None,
    labels: Sequence[str],
    window: float | None,
    max_new_tokens: int,
) -> None:
    """Print when something happens, or a timeline of actions, or an answer about all windows together.

    Args:
        question: None for the timeline.
        labels: the actions that are told apart.
        window: seconds, None for a usual length.

    Raises:
        ValueError: nobody is seen, or the windows do not fit into one prompt where they have to.
    """
    from skeletonllm.tasks.when import asked_action

    seconds = WINDOW if window is None else window
    labels = list(labels)
    action = None if question is None else asked_action(question)
    if question is None:
        _print_timeline(trained, sequence, labels, seconds)
    elif action is None:
        _print_answer(trained, sequence, question, seconds, max_new_tokens)
    else:
        _print_when(trained, sequence, action, labels, seconds)


def _print_timeline(trained: "Trained", sequence: "SkeletonSequence", labels: list[str], seconds: float) -> None:
    """A line per action, in the order in which they happen."""
    from skeletonllm.evaluation.timeline import timeline, watch
    from skeletonllm.tasks.recognition import build_prompt

    spans, shares = watch(
        trained.model, trained.processor, sequence, build_prompt(labels, trained.listed), labels,
        seconds, seconds / OVERLAP, progress=True,
    )  # fmt: skip
    for segment in timeline([*labels, NOBODY], spans, shares):
        print(f"{segment.start:.1f} s to {segment.stop:.1f} s: {segment.label}")


def _print_when(
    trained: "Trained", sequence: "SkeletonSequence", action: str, labels: list[str], seconds: float
) -> None:
    """A line per segment, the surest first, with the share of the answer at its best moment."""
    from skeletonllm.evaluation.timeline import find_segments, watch
    from skeletonllm.tasks import discrimination, recognition
    from skeletonllm.tasks.when import matching_label

    label = matching_label(action, labels)
    if label is None:  # of what was never learnt one can only ask whether it is seen
        answers, label = [discrimination.YES, discrimination.NO], discrimination.YES
        question = discrimination.build_prompt(action)
    else:
        answers, question = labels, recognition.build_prompt(labels, trained.listed)
    spans, shares = watch(
        trained.model, trained.processor, sequence, question, answers, seconds, seconds / OVERLAP, progress=True
    )
    for found in find_segments(action, spans, shares[:, answers.index(label)]):
        print(f"{found.segment.start:.1f} s to {found.segment.stop:.1f} s ({found.score:.1%})")


def _print_answer(
    trained: "Trained", sequence: "SkeletonSequence", question: str, seconds: float, max_new_tokens: int
) -> None:
    """The answer of one prompt that holds all windows, side by side and each with its seconds."""
    from tqdm import tqdm

    from skeletonllm.data.windows import cut_windows, window_clips
    from skeletonllm.models.long import ask_about_all, encode_clips, fitting_tokens

    model, processor = trained.model, trained.processor
    windows = cut_windows(sequence.num_frames, sequence.fps, seconds, seconds)
    spans = [window.span for window in windows]
    tokens = fitting_tokens(model, processor, spans, question, max_new_tokens)
    clips = window_clips(sequence, tqdm(windows, desc="windows", leave=False), processor)
    encoded = encode_clips(model, clips, spans, tokens)
    print(ask_about_all(model, processor, encoded, question, max_new_tokens))
