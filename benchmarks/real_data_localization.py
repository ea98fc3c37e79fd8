"""When real people do something, from windows of whole recordings: UTKinect, see real_data.py.

A model learns to name what happens in the middle of a window. Asked when something is done, it looks at every window of
a recording, and the answer is the segment that it is surest of, as ``skeletonllm ask`` answers.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from long_recordings import NOTHING, middle_label
from real_data_learning import TOPOLOGY, Draw, Row, Settings, either, learn, mean_row, shipped

from skeletonllm.data.windows import Window, window_clip
from skeletonllm.evaluation.timeline import find_segments, watch
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.skeleton.formats.utkinect import read_with_segments
from skeletonllm.skeleton.segment import Segment
from skeletonllm.skeleton.sequence import Clip, SkeletonSequence
from skeletonllm.skeleton.synthesis import synthesize_sequence
from skeletonllm.skeleton.synthesis.several import draw_labels
from skeletonllm.skeleton.transforms import face_camera
from skeletonllm.tasks import localization, recognition

Whole = tuple[SkeletonSequence, tuple[Segment, ...]]

# Most actions of UTKinect take one to three seconds.
WINDOW, OVERLAP = 1.5, 6
# Of the windows that are learnt from, so many are anywhere; most of these show nothing that has a name.
ANYWHERE = 0.25
# In how many orders the windows are shown to measure what their order alone would give.
SHUFFLES = 20
ANSWERS = (
    "its frames",
    "its frames, near where it usually is",
    "its windows in any order (blind)",
    "no frames: where it usually is (blind)",
)


def labels_of(wholes: Sequence[Whole]) -> list[str]:
    """The answers about windows of recordings: every action, and that there is none."""
    return [*sorted({segment.label for _, segments in wholes for segment in segments}), NOTHING]


def window_draw(wholes: Sequence[Whole], processor: SkeletonLLMProcessor) -> Draw:
    """A window around a moment of an action, each action as often, or anywhere; and what happens in its middle."""
    labels = labels_of(wholes)
    prompt = recognition.build_prompt(labels)
    by_label: dict[str, list[tuple[SkeletonSequence, tuple[Segment, ...], Segment]]] = {}
    for sequence, segments in wholes:
        for segment in segments:
            by_label.setdefault(segment.label, []).append((sequence, segments, segment))

    def draw(generator: torch.Generator) -> tuple[Clip, str, str]:
        anywhere, share = torch.rand(2, generator=generator).tolist()
        chosen = by_label[labels[int(torch.randint(len(labels) - 1, (), generator=generator))]]
        sequence, segments, segment = chosen[int(torch.randint(len(chosen), (), generator=generator))]
        if anywhere < ANYWHERE:
            segment = Segment(NOTHING, 0.0, sequence.duration)
        window = window_at(sequence, segment.start + share * (segment.stop - segment.start))
        clip = window_clip(sequence, window, processor.num_frames)
        return face_camera(clip) if processor.face_camera else clip, prompt, middle_label(window.span, segments)

    return draw


def window_at(sequence: SkeletonSequence, middle: float) -> Window:
    """The window around a second of a recording, or as near to it as one fits in."""
    length = min(sequence.num_frames, round(WINDOW * sequence.fps))
    first = round(middle * sequence.fps) - length // 2
    first = min(max(first, 0), sequence.num_frames - length)
    return Window(first, first + length, sequence.fps)


def made_wholes(performers: int) -> list[Whole]:
    """Embedded recordings of four actions."""
    people = range(performers)
    labels = [draw_labels(4, np.random.default_rng(person)) for person in people]
    return [synthesize_sequence(labels[person], topology=TOPOLOGY, performer=person) for person in people]


class Usual:
    """Where an action is in the recordings of others, as a share of the whole: what needs no frames.

    UTKinect's people do the ten things in almost the same order and time, so that this says a lot there.
    """

    def __init__(self, wholes: Sequence[Whole]):
        self.places: dict[str, np.ndarray] = {}
        for label in labels_of(wholes)[:-1]:
            self.places[label] = np.array(
                [
                    (each.start / sequence.duration, each.stop / sequence.duration)
                    for sequence, segments in wholes
                    for each in segments
                    if each.label == label
                ]
            )
        # Of the middles around their mean, over all actions; each mean takes one degree of freedom.
        off = [each.mean(1) - each.mean() for each in self.places.values()]
        freedom = max(1, sum(map(len, off)) - len(off))
        self.deviation = float(np.sqrt(sum((each**2).sum() for each in off) / freedom))

    def segment(self, label: str, duration: float) -> tuple[float, float]:
        """The mean begin and end in seconds."""
        start, stop = self.places[label].mean(0) * duration
        return float(start), float(stop)

    def weights(self, label: str, spans: Sequence[tuple[float, float]], duration: float) -> np.ndarray:
        """How near windows are to where the action usually is: 1 there, falling as a normal distribution."""
        middles = np.mean(spans, axis=1) / duration
        return np.exp(-(((middles - self.places[label].mean()) / max(self.deviation, 1e-3)) ** 2) / 2)


def localize(root: Path, settings: Settings) -> dict[str, list[Row]]:
    """Overlap and errors in seconds, with frames, with windows in any order, and without any."""
    paths = sorted(root.glob("joints_*.txt"))
    if len(paths) < 2:
        raise ValueError(f"{root}: {len(paths)} recordings, expected joints_*.txt of two people or more")
    wholes = [read_with_segments(path) for path in paths]
    start = shipped(settings)
    embedded = window_draw(made_wholes(4 * settings.performers), start[1])
    found: dict[str, list[np.ndarray]] = {name: [] for name in ANSWERS}
    for seed in range(min(settings.seeds, len(wholes))):
        train = [whole for number, whole in enumerate(wholes) if number % settings.seeds != seed]
        test = [whole for number, whole in enumerate(wholes) if number % settings.seeds == seed]
        print(f"localization, seed {seed}: {len(test)} people test", file=sys.stderr)
        taught = learn(start, either(window_draw(train, start[1]), embedded, settings.embedded_share), settings, seed)
        usual, answers, rng = Usual(train), labels_of(train), np.random.default_rng(seed)
        for sequence, segments in test:
            prompt = recognition.build_prompt(answers)
            spans, shares = watch(*taught, sequence, prompt, answers, WINDOW, WINDOW / OVERLAP)
            for true in localization.done_once(segments):
                if true.label in usual.places:
                    scores = shares[:, answers.index(true.label)]
                    for name, measured in measures(true, spans, scores, usual, sequence.duration, rng).items():
                        found[name].append(measured)
        print(f"  overlap so far {np.mean([one[0] for one in found[ANSWERS[0]]]):.3f}", file=sys.stderr)
    return {name: span_rows(np.array(measured)) for name, measured in found.items()}


def measures(
    true: Segment,
    spans: Sequence[tuple[float, float]],
    scores: np.ndarray,
    usual: Usual,
    duration: float,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """For each of ``ANSWERS`` overlap, whether that is a half or more, and the error of begin and end in seconds."""

    def best(scored: np.ndarray) -> np.ndarray:
        segment = find_segments(true.label, spans, scored)[0].segment
        return measure((segment.start, segment.stop), true)

    # A window is scored alone: other windows in its place have the scores that they have in their own.
    shuffled = [best(rng.permutation(scores)) for _ in range(SHUFFLES)]
    near = scores * usual.weights(true.label, spans, duration)
    by_answer = [best(scores), best(near), np.mean(shuffled, axis=0)]
    return dict(zip(ANSWERS, [*by_answer, measure(usual.segment(true.label, duration), true)], strict=True))


def measure(said: tuple[float, float], true: Segment) -> np.ndarray:
    span = true.start, true.stop
    overlap = localization.temporal_iou(said, span)
    return np.array([overlap, overlap >= 0.5, localization.boundary_error(said, span)])


def span_rows(measured: np.ndarray) -> list[Row]:
    """Means of (actions, 3); actions are drawn for the intervals, each one asked once, by the seed that left it out."""
    names = ("overlap (temporal intersection over union)", "overlaps of a half or more")
    each = [str(place) for place in range(len(measured))]
    rows = [mean_row(f"{name}, {len(each)} actions", measured[None, :, at], each) for at, name in enumerate(names)]
    return [*rows, mean_row("error of begin and end, seconds", measured[None, :, 2], each)]
