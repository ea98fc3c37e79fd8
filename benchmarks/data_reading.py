"""Benchmark of reading recordings: NTU text word by word, NTU text as a whole, and packed shards.

    python benchmarks/data_reading.py FOLDER [--repeats 20]

FOLDER holds NTU RGB+D ``.skeleton`` files. Everything runs on one thread and in turns, so that whatever else the
machine does slows all of it alike; a figure is the fastest of its repeats. The numbers of the baseline are held against
ours before anything is timed. The table is Markdown for docs/data.md.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels"), str(ROOT / "kernels" / "benchmarks")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from run import git  # noqa: E402

from skeletonllm.data.annotations import Listed  # noqa: E402
from skeletonllm.data.packing import GROUP_ROWS, pack  # noqa: E402
from skeletonllm.data.recordings import Recording  # noqa: E402
from skeletonllm.data.shards import PackedShards  # noqa: E402
from skeletonllm.skeleton.formats import ntu_text, read_skeleton  # noqa: E402


def words_of(path: Path) -> Iterator[str]:
    with path.open() as file:
        for line in file:
            yield from line.split()


def parse_words(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]:
    """The baseline: a file word by word, as its description reads, into arrays of six bodies; checks nothing."""
    words = words_of(path)
    num_frames = int(next(words))
    positions = np.zeros((num_frames, 6, 25, 3))
    quaternions = np.zeros((num_frames, 6, 25, 4))
    state = np.zeros((num_frames, 6, 25))
    ids = []
    for frame in range(num_frames):
        for body in range(int(next(words))):
            ids.append(int(next(words)))
            for _ in range(9):
                float(next(words))
            for joint in range(int(next(words))):
                values = [float(next(words)) for _ in range(12)]
                positions[frame, body, joint] = values[:3]
                quaternions[frame, body, joint] = values[7:11]
                state[frame, body, joint] = values[11]
    return positions, quaternions, state, ids


def parse_lines(path: Path) -> list[np.ndarray]:
    """The least that Python can do line by line: a list of floats for each, an array for each body."""
    bodies = []
    with path.open() as file:
        for _ in range(int(file.readline())):
            for _ in range(int(file.readline())):
                file.readline()
                joints = [[float(word) for word in file.readline().split()] for _ in range(int(file.readline()))]
                bodies.append(np.array(joints))
    return bodies


def check(path: Path) -> None:
    """End the run if the ways of reading disagree."""
    positions, quaternions, state, ids = parse_words(path)
    found = ntu_text.parse_usual(path.read_bytes(), quaternions=True)
    if found is None:
        raise SystemExit(f"{path} is not written as usual")
    place = np.zeros(len(found.frames), dtype=int)
    for index in range(1, len(place)):
        place[index] = place[index - 1] + 1 if found.frames[index] == found.frames[index - 1] else 0
    same = [
        (found.positions == positions[found.frames, place]).all(),
        (found.quaternions == quaternions[found.frames, place]).all(),
        (found.state == state[found.frames, place]).all(),
        found.body_ids == ids,
        (found.positions == np.array(parse_lines(path))[..., :3]).all(),
    ]
    if not all(same):
        raise SystemExit(f"{path}: the ways of reading disagree")


def fastest(calls: dict[str, list[Callable]], repeats: int) -> dict[str, float]:
    """Seconds of each way for all of its calls: the fastest repeat of each call, all ways in turns.

    Each call that is timed comes right behind one that is not, so that no way pays for what another left in the caches.
    """
    best = {name: [float("inf")] * len(each) for name, each in calls.items()}
    for _ in range(repeats):
        for name, each in calls.items():
            for index, call in enumerate(each):
                call()
                start = time.perf_counter()
                call()
                best[name][index] = min(best[name][index], time.perf_counter() - start)
    return {name: sum(seconds) for name, seconds in best.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()
    files = sorted(arguments.folder.rglob("*.skeleton"))
    if not files:
        raise SystemExit(f"{arguments.folder}: no .skeleton files")
    for path in files:
        check(path)
    with tempfile.TemporaryDirectory() as temporary:
        # Row groups are full, as in a large data set.
        many = [files[index % len(files)] for index in range(GROUP_ROWS * -(-len(files) // GROUP_ROWS))]
        shards = {}
        for precision in ("float32", "float16"):
            listed = [
                Listed(Recording(f"{index}", "action", partial(read_skeleton, path, "ntu"), "train"))
                for index, path in enumerate(many)
            ]
            folder = Path(temporary) / precision
            pack(listed, folder, name="benchmark", precision=precision, workers=0)
            shards[precision] = folder
        opened = {precision: PackedShards(folder) for precision, folder in shards.items()}

        def groups(precision: str) -> list[Callable]:
            reader = opened[precision]
            return [
                lambda group=group: (reader.forget_groups(), reader.read_group(group))
                for group in range(len(reader.groups))
            ]

        calls = {
            "words into arrays (baseline)": [partial(parse_words, path) for path in files],
            "lines into lists and arrays": [partial(parse_lines, path) for path in files],
            "text as a whole, with orientations": [partial(ntu_text.parse, path, True) for path in files],
            "text as a whole": [partial(ntu_text.parse, path) for path in files],
            "text as a whole, persons tracked and cleaned": [partial(read_skeleton, path, "ntu") for path in files],
            "packed, float32": groups("float32"),
            "packed, float16": groups("float16"),
        }
        seconds = fastest(calls, arguments.repeats)
        size = {}
        for precision in shards:  # of different clips: repeated ones compress too well
            distinct = [
                replace(one, recording=replace(one.recording, id=str(path)))
                for one, path in zip(listed, files, strict=False)
            ]
            pack(distinct, Path(temporary) / f"{precision} once", name="once", precision=precision, workers=0)
            shard = Path(temporary) / f"{precision} once" / "shard-00000.parquet"
            size[precision] = shard.stat().st_size / len(files)
    each = {name: total / (len(many) if name.startswith("packed") else len(files)) for name, total in seconds.items()}
    baseline = each["words into arrays (baseline)"]
    print("| way | ms per clip | times as fast as the baseline | KB per clip |\n|---|---|---|---|")
    text = sum(path.stat().st_size for path in files) / len(files)
    for name, mean in each.items():
        kilobytes = size[name.split()[-1]] if name.startswith("packed") else text
        print(f"| {name} | {mean * 1e3:.3f} | {baseline / mean:.1f} | {kilobytes / 1e3:.0f} |")
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pyarrow", "datasets"))
    print(
        f"\n{len(files)} files, {arguments.repeats} repeats, one thread; Python {sys.version.split()[0]}, {versions}; ",
        end="",
    )
    print(f"commit {git('rev-parse', '--short', 'HEAD')}")


if __name__ == "__main__":
    main()
