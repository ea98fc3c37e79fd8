"""Benchmark of loading: clips per second from text files and from shards, and how long it takes to go on.

    python benchmarks/data_loading.py FOLDER [--clips 2048] [--recordings 1000000]

FOLDER holds NTU RGB+D ``.skeleton`` files, which are listed often enough to make an epoch. Clips are prepared as in
training: drawn in a shuffled order, read, cut to 12 frames and perturbed, by this process or by workers. Text and
shards take turns; a figure is the faster of two epochs. Then an index of as many synthetic recordings as asked for is
gone through to its end but for one step, and the time is taken until the next step is known. The table is Markdown for
docs/data.md.
"""

import argparse
import os
import sys
import tempfile
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels"), str(ROOT / "kernels" / "benchmarks")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402
from run import git  # noqa: E402

from skeletonllm.data.annotations import Listed  # noqa: E402
from skeletonllm.data.augmentation import Augmentation  # noqa: E402
from skeletonllm.data.examples import Examples  # noqa: E402
from skeletonllm.data.loading import in_advance  # noqa: E402
from skeletonllm.data.mixture import Mixture, Part  # noqa: E402
from skeletonllm.data.packing import GROUP_ROWS, pack  # noqa: E402
from skeletonllm.data.recordings import Recording  # noqa: E402
from skeletonllm.data.sources import load_source  # noqa: E402
from skeletonllm.skeleton.formats import read_skeleton  # noqa: E402
from skeletonllm.skeleton.sequence import sample_clip  # noqa: E402

BATCH = 32
WORKERS = (0, 1, 2)


class Frames:
    """Of a processor what examples use: twelve frames of each recording."""

    def sample(self, sequence, generator=None):
        return sample_clip(sequence, 12, generator=generator)


def examples(recordings: list[Recording]) -> Examples:
    return Examples(Mixture([Part(recordings)]), Frames(), BATCH, Augmentation(trim=0.2, yaw=20.0, noise=0.01))


def clips_per_second(recordings: list[Recording], workers: int) -> float:
    """Of one epoch; starting the workers is part of it."""
    made = examples(recordings)
    start = time.perf_counter()
    clips = sum(len(batch) for batch in in_advance(made.batch, 0, made.steps_per_epoch, workers))
    return clips / (time.perf_counter() - start)


def seconds_to_go_on(count: int) -> tuple[float, float]:
    """Until the first step of an epoch of ``count`` recordings is known, and until its last is, each in a new index."""
    seconds = []
    for last in (False, True):
        listed = [Recording(str(i), f"action {i % 60}", _nothing, "train", group=i // GROUP_ROWS) for i in range(count)]
        made = examples(listed)
        start = time.perf_counter()
        made.questions(made.steps_per_epoch - 1 if last else 0)
        seconds.append(time.perf_counter() - start)
    return seconds[0], seconds[1]


def _nothing():
    raise AssertionError("an index is gone through without reading a recording")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=2048)
    parser.add_argument("--recordings", type=int, default=1_000_000)
    arguments = parser.parse_args()
    files = sorted(arguments.folder.rglob("*.skeleton"))
    if not files:
        raise SystemExit(f"{arguments.folder}: no .skeleton files")
    torch.set_num_threads(1)
    text = [
        Recording(
            f"{number}", f"action {number % 7}", partial(read_skeleton, files[number % len(files)], "ntu"), "train"
        )
        for number in range(arguments.clips)
    ]
    with tempfile.TemporaryDirectory() as folder:
        pack([Listed(one) for one in text], Path(folder), name="benchmark", workers=0)
        sources = {"text files": text, "shards": load_source("packed", folder)}
        print("| workers | text files, clips/s | shards, clips/s | ratio |\n|---|---|---|---|")
        for workers in WORKERS:
            best = dict.fromkeys(sources, 0.0)
            for _ in range(2):
                for name, recordings in sources.items():
                    best[name] = max(best[name], clips_per_second(recordings, workers))
            ratio = best["shards"] / best["text files"]
            print(f"| {workers} | {best['text files']:.0f} | {best['shards']:.0f} | {ratio:.1f} |")
    first, last = seconds_to_go_on(arguments.recordings)
    print(
        f"\nIn an index of {arguments.recordings:,} recordings the first step is known after {first:.2f} s, the one at "
        f"the end of the epoch after {last:.2f} s.\n{len(files)} files listed {arguments.clips} times, batches of "
        f"{BATCH}; Python {sys.version.split()[0]}, torch {version('torch')}, pyarrow {version('pyarrow')}; commit "
        f"{git('rev-parse', '--short', 'HEAD')}"
    )


if __name__ == "__main__":
    main()
