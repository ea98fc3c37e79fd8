"""When something happens in a recording: a model watches its windows, and their scores become segments in seconds."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from skeletonllm.data.windows import Window, cut_windows, window_clips
from skeletonllm.models.long import clip_log_likelihoods
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.skeleton.segment import Segment
from skeletonllm.skeleton.sequence import SkeletonSequence

# Seconds: boundaries are looked for on this grid. Windows of a second and more tell no finer.
RESOLUTION = 0.02
# Weights of a score and of those of the windows before and after.
SMOOTHING = (0.25, 0.5, 0.25)


@dataclass(frozen=True)
class Found:
    """Where something happens; ``score`` is the highest smoothed one inside."""

    segment: Segment
    score: float


def watch(
    model: SkeletonLLMForConditionalGeneration,
    processor: SkeletonLLMProcessor,
    sequence: SkeletonSequence,
    question: str,
    answers: Sequence[str],
    seconds: float,
    stride: float,
    *,
    progress: Callable[[Sequence[Window]], Iterable[Window]] = iter,
) -> tuple[list[tuple[float, float]], np.ndarray]:
    """Ask about each window of a recording, in memory that does not grow with its pictures.

    Args:
        question: the same about each.
        answers: C of them, whose probabilities are compared.
        seconds, stride: of ``skeletonllm.data.windows.cut_windows``.
        progress: gives the windows that it is given, one by one, and may show a bar or stop on the way.

    Returns:
        Seconds in which each of W windows begins and ends, and the shares (W, C + 1) of the answers, which sum to 1.
        The last column is 1 for windows in which nobody is seen, about which no model is asked, and 0 for others.

    Raises:
        ValueError: nobody is ever seen; windows that are none.
    """
    windows = cut_windows(sequence.num_frames, sequence.fps, seconds, stride)
    seen = [bool(sequence.valid[window.first : window.stop].any()) for window in windows]
    if not any(seen):
        raise ValueError(f"{sequence.source or 'the recording'}: nobody is seen in it")
    asked = [window for window, is_seen in zip(windows, seen, strict=True) if is_seen]
    clips = window_clips(sequence, progress(asked), processor)
    scores = clip_log_likelihoods(model, processor, clips, question, answers)
    shares = np.zeros((len(windows), len(answers) + 1))
    shares[np.array(seen), :-1] = scores.softmax(-1).cpu().numpy()
    shares[~np.array(seen), -1] = 1.0
    return [window.span for window in windows], shares


def smoothed(scores: np.ndarray) -> np.ndarray:
    """Scores (W, ...) averaged with their neighbours; beyond the ends they go on as they end."""
    scores = np.asarray(scores, dtype=float)
    padded = np.concatenate([scores[:1], scores, scores[-1:]])
    return sum(weight * padded[k : k + len(scores)] for k, weight in enumerate(SMOOTHING))


def find_segments(label: str, spans: Sequence[tuple[float, float]], scores: np.ndarray) -> list[Found]:
    """Where the scores of one answer are high, the highest first.

    A window's score stands for its middle. If it grows with the share of the window in which the action is seen, the
    score is halfway up where the middle passes the action's beginning, and halfway down at its end: so a segment is
    where the scores, smoothed and joined by straight lines, are above the middle of their least and their greatest.
    Segments that are nearer to each other than half a window cannot be told apart and are one. Scores that are all
    the same say nothing, and the segment is the whole recording.

    Args:
        label: of the segments.
        spans: W windows in seconds, in order, which together cover the recording.
        scores: (W,), the higher the surer.

    Raises:
        ValueError: no windows, or not as many scores.
    """
    if not len(spans) or len(spans) != len(scores):
        raise ValueError(f"{len(spans)} windows and {len(scores)} scores")
    begin, end = spans[0][0], spans[-1][1]
    smooth = smoothed(scores)
    seconds = np.linspace(begin, end, max(2, round((end - begin) / RESOLUTION) + 1))
    curve = np.interp(seconds, [(first + last) / 2 for first, last in spans], smooth)
    high = curve >= (smooth.min() + smooth.max()) / 2
    nearest = min(last - first for first, last in spans) / 2
    runs: list[tuple[int, int]] = []
    for is_high, places in groupby(range(len(seconds)), key=high.__getitem__):
        if not is_high:
            continue
        places = list(places)
        if runs and seconds[places[0]] - seconds[runs[-1][1]] < nearest:
            runs[-1] = (runs[-1][0], places[-1])
        else:
            runs.append((places[0], places[-1]))
    step = (seconds[1] - seconds[0]) / 2
    found = [
        Found(
            Segment(label, max(begin, float(seconds[first] - step)), min(end, float(seconds[last] + step))),
            float(curve[first : last + 1].max()),
        )
        for first, last in runs
    ]
    return sorted(found, key=lambda one: -one.score)


def timeline(labels: Sequence[str], spans: Sequence[tuple[float, float]], scores: np.ndarray) -> list[Segment]:
    """Which of the labels is seen when, from the beginning of the recording to its end.

    Each window says what happens around its middle: the label whose smoothed score is the highest.

    Args:
        labels: C of them.
        spans: W windows in seconds, in order.
        scores: (W, C).

    Raises:
        ValueError: no windows, or not as many rows of scores.
    """
    if not len(spans) or len(spans) != len(scores):
        raise ValueError(f"{len(spans)} windows and {len(scores)} rows of scores")
    best = smoothed(scores).argmax(1)
    middles = [(first + last) / 2 for first, last in spans]
    changes = [
        spans[0][0],
        *((one + other) / 2 for one, other in zip(middles, middles[1:], strict=False)),
        spans[-1][1],
    ]
    segments = []
    for label, windows in groupby(range(len(best)), key=lambda window: labels[best[window]]):
        windows = list(windows)
        segments.append(Segment(label, changes[windows[0]], changes[windows[-1] + 1]))
    return segments
