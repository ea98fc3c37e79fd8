"""How well a tiny model says when something happens in recordings of people that it never saw.

    python benchmarks/long_recordings.py [--data synthetic]
    python benchmarks/long_recordings.py --data utkinect --root FOLDER

A model of 0.8 million parameters is trained from nothing on windows of recordings: the action around the
middle of each, or that there is none. Then it is asked for the time of every action of other people's recordings
(UTKinect: of each performer in turn, trained on all others). Given are the mean error of beginnings and ends in
seconds, the mean overlap (intersection over union) and the share of overlaps of at least one half, for the answer that
the model is surest of. Two guesses see no frames. One takes a stretch of the usual length anywhere; the other knows at
which share of a recording an action usually comes, which in data sets that are always performed in one order is a lot.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402

from skeletonllm.data.augmentation import Augmentation  # noqa: E402
from skeletonllm.data.windows import cut_windows, window_clips  # noqa: E402
from skeletonllm.evaluation.intervals import clustered_interval  # noqa: E402
from skeletonllm.evaluation.timeline import find_segments, watch  # noqa: E402
from skeletonllm.models.tiny import build_tiny  # noqa: E402
from skeletonllm.skeleton.formats.utkinect import read_with_segments  # noqa: E402
from skeletonllm.skeleton.segment import Segment  # noqa: E402
from skeletonllm.skeleton.sequence import SkeletonSequence  # noqa: E402
from skeletonllm.skeleton.synthesis import synthesize_sequence  # noqa: E402
from skeletonllm.skeleton.synthesis.several import draw_labels  # noqa: E402
from skeletonllm.tasks.localization import boundary_error, temporal_iou  # noqa: E402
from skeletonllm.tasks.recognition import build_prompt  # noqa: E402

Recording = tuple[SkeletonSequence, tuple[Segment, ...]]

NOTHING = "something else"
SIZES = dict(image_size=64, patch_size=32, vision_hidden_size=96, vision_layers=2, hidden_size=96, layers=2)
RENDERER = dict(samples_per_bone=4, modulator="none")
FRAMES, BATCH, VIEWS = 6, 32, 2
# So many windows see each moment, in training and when asked.
OVERLAP = 6
AUGMENTATION = Augmentation(yaw=25, tilt=5, size=0.1, noise=0.01)
FIRST_TEST_PERFORMER = 100_000


def synthetic(count: int, first: int, actions: int = 6) -> list[Recording]:
    """Recordings of performers from ``first`` on, each of some actions in an order of its own."""
    people = range(first, first + count)
    return [
        synthesize_sequence(draw_labels(actions, np.random.default_rng(person)), performer=person, topology="kinect_v1")
        for person in people
    ]


def middle_label(span: tuple[float, float], segments: Sequence[Segment]) -> str:
    """What happens in the middle of a window; of two things, the one that begins last."""
    middle = sum(span) / 2
    here = [segment for segment in segments if segment.start <= middle < segment.stop]
    return max(here, key=lambda segment: segment.start).label if here else NOTHING


def train(recordings: Sequence[Recording], answers: list[str], seconds: float, steps: int, seed: int):
    """A tiny model and its processor, trained on the windows of the recordings."""
    prompt = build_prompt(answers)
    model, processor = build_tiny(
        [prompt, *answers], seed=seed, renderer=RENDERER, num_frames=FRAMES, face_camera=True, **SIZES
    )
    generator = torch.Generator().manual_seed(seed)
    pictures, labels = [], []
    for sequence, segments in recordings:
        windows = cut_windows(sequence.num_frames, sequence.fps, seconds, seconds / OVERLAP)
        clips = list(window_clips(sequence, windows, processor))
        for _ in range(VIEWS):
            with torch.no_grad():
                drawn = [
                    model.render(processor([AUGMENTATION.changed(clip, generator)], [prompt])["clips"])[0]
                    for clip in clips
                ]
            pictures += [(255 * frames).round().to(torch.uint8) for frames in drawn]
            labels += [middle_label(window.span, segments) for window in windows]
    model.renderer.requires_grad_(False)
    # Most windows show nothing that has a name: each answer gets the same share of a batch.
    counts = {label: labels.count(label) for label in labels}
    weights = torch.tensor([counts[label] ** -0.7 for label in labels])
    optimizer = torch.optim.AdamW(model.backbone.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps, pct_start=0.1)
    model.train()
    for step in range(steps):
        chosen = torch.multinomial(weights, BATCH, replacement=True, generator=generator).tolist()
        frames = torch.stack([pictures[index] for index in chosen]).float() / 255
        inputs = processor(None, [prompt] * BATCH, [labels[index] for index in chosen])
        loss = model(**inputs, frames=frames).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.backbone.parameters(), 1.0)
        optimizer.step(), schedule.step(), optimizer.zero_grad()
        if step % 50 == 0:
            print(f"  step {step} of {steps}: loss {loss.item():.2f}", file=sys.stderr)
    return model.eval(), processor


def guesses(train_set: Sequence[Recording], seed: int) -> dict[str, Callable[[Recording, str], Segment]]:
    """The two that see no frames."""
    rng = np.random.default_rng(seed)
    places: dict[str, list[tuple[float, float]]] = {}
    lengths = []
    for sequence, segments in train_set:
        for segment in segments:
            share = segment.start / sequence.duration, segment.stop / sequence.duration
            places.setdefault(segment.label, []).append(share)
            lengths.append(segment.stop - segment.start)
    usual = float(np.mean(lengths))

    def anywhere(recording: Recording, label: str) -> Segment:
        start = rng.uniform(0, recording[0].duration - usual)
        return Segment(label, start, start + usual)

    def as_usual(recording: Recording, label: str) -> Segment:
        start, stop = np.mean(places[label], axis=0) * recording[0].duration
        return Segment(label, start, stop)

    return {"anywhere": anywhere, "where it usually is": as_usual}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("synthetic", "utkinect"), default="synthetic")
    parser.add_argument("--root", type=Path, help="the folder of UTKinect's joints_*.txt")
    parser.add_argument("--window", type=float, default=1.5, help="seconds")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--folds", type=int, help="of UTKinect, only the first so many performers are tested")
    options = parser.parse_args()
    if options.data == "utkinect":
        everyone = [read_with_segments(path) for path in sorted(options.root.glob("joints_*.txt"))]
        folds = [(everyone[:k] + everyone[k + 1 :], everyone[k : k + 1]) for k in range(len(everyone))][: options.folds]
    else:
        folds = [(synthetic(24, 0), synthetic(8, FIRST_TEST_PERFORMER))]
    found: dict[str, list[tuple[str, float, float]]] = {}
    for seed in range(options.seeds):
        for train_set, test_set in folds:
            begin = time.monotonic()
            actions = sorted({segment.label for _, segments in train_set for segment in segments})
            answers = [*actions, NOTHING]
            model, processor = train(train_set, answers, options.window, options.steps, seed)
            trained = time.monotonic()
            blind = guesses(train_set, seed)
            for sequence, segments in test_set:
                stride = options.window / OVERLAP
                spans, shares = watch(
                    model, processor, sequence, build_prompt(answers), answers, options.window, stride
                )
                for true in segments:
                    best = find_segments(true.label, spans, shares[:, answers.index(true.label)])[0].segment
                    said = {"the model": best}
                    said |= {name: guess((sequence, segments), true.label) for name, guess in blind.items()}
                    for name, answer in said.items():
                        pair = (answer.start, answer.stop), (true.start, true.stop)
                        found.setdefault(name, []).append((sequence.source, boundary_error(*pair), temporal_iou(*pair)))
            asked = time.monotonic()
            print(
                f"seed {seed}, tested on {len(test_set)}: trained in {trained - begin:.0f} s, "
                f"asked in {asked - trained:.0f} s",
                file=sys.stderr,
            )
    print("| answer | error, s | overlap (95 %) | overlap >= 0.5 |\n|---|---|---|---|")
    for name, rows in found.items():
        sources, errors, overlaps = zip(*rows, strict=True)
        low, high = clustered_interval(overlaps, sources)
        half = np.mean(np.array(overlaps) >= 0.5)
        print(f"| {name} | {np.mean(errors):.2f} | {np.mean(overlaps):.2f} ({low:.2f} to {high:.2f}) | {half:.0%} |")
    print(f"\n{len(rows)} segments")


if __name__ == "__main__":
    main()
