"""Benchmark of reading: every recording below folders, on one core, by format.

    python benchmarks/reading.py FOLDER... [--passes 1]

Files are found, recognised and read as ``skeletonllm pack FOLDER`` does, with every check and cleaning, in one thread.
The first pass opens each file for the first time in this process; with more passes, a figure is the fastest of them.
The table is Markdown for docs/data.md.
"""

import argparse
import os
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels"), str(ROOT / "kernels" / "benchmarks")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402
from run import git  # noqa: E402
from tqdm import tqdm  # noqa: E402

from skeletonllm.data.walk import Entry, entries_of, opened, visible_files  # noqa: E402
from skeletonllm.skeleton.formats import SkeletonFormatError, is_companion  # noqa: E402

NOT_READ = "not read"


@dataclass
class Tally:
    """What came of the files of one format; seconds by file."""

    recordings: int = 0
    size: int = 0
    seconds: dict[Path, float] = field(default_factory=dict)


def timed(path: Path) -> tuple[list[Entry], int, float]:
    """The recordings of a file, how many of them were read, and the seconds for recognising and reading them all."""
    opened.cache_clear()  # of files with several recordings, which an earlier pass has opened
    start = time.perf_counter()
    entries = entries_of(path)
    read = 0
    for entry in entries:
        try:
            entry.read()
            read += 1
        except SkeletonFormatError:  # the table counts it
            continue
    return entries, read, time.perf_counter() - start


def measure(files: list[Path], passes: int) -> dict[str, Tally]:
    """The tally of each format, with the fastest of some passes for each file."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    for number in range(passes):
        for path in tqdm(files, desc=f"pass {number + 1}", unit="file", mininterval=0.5):
            entries, read, seconds = timed(path)
            if not entries:  # a later frame of a recording whose first file was read with all of them
                continue
            tally = tallies[entries[0].format if read else NOT_READ]
            if number == 0:
                tally.recordings += read
                tally.size += path.stat().st_size
            tally.seconds[path] = min(seconds, tally.seconds.get(path, seconds))
    return tallies


def table(tallies: dict[str, Tally]) -> list[str]:
    """Rows of Markdown, the slowest format first."""
    rows = ["| format | files | recordings | MB | seconds | ms per recording | MB/s | slowest file |"]
    rows.append("|---|---|---|---|---|---|---|---|")
    total = Tally()
    for name, tally in sorted(tallies.items(), key=lambda item: -sum(item[1].seconds.values())):
        rows.append(line(name, tally))
        total.recordings += tally.recordings
        total.size += tally.size
        total.seconds |= tally.seconds
    return [*rows, line("**all**", total)]


def line(name: str, tally: Tally) -> str:
    seconds, size = sum(tally.seconds.values()), tally.size / 1e6
    slowest = max(tally.seconds, key=tally.seconds.get)
    each = f"{1000 * seconds / tally.recordings:.2f}" if tally.recordings else "-"
    return (
        f"| {name} | {len(tally.seconds)} | {tally.recordings} | {size:.1f} | {seconds:.2f} | {each} | "
        f"{size / seconds:.1f} | {slowest.name}, {1000 * tally.seconds[slowest]:.0f} ms |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--passes", type=int, default=1, help="a figure is the fastest of so many")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    files = [path for folder in arguments.folders for path in visible_files(folder) if not is_companion(path)]
    if not files or arguments.passes < 1:
        parser.error("no file to read" if not files else "at least one pass")
    tallies = measure(files, arguments.passes)
    how = "one pass" if arguments.passes == 1 else f"the fastest of {arguments.passes} passes for each file"
    print(f"\nOne core, {how}, commit {git('rev-parse', '--short', 'HEAD')}, torch {torch.__version__}.\n")
    print("\n".join(table(tallies)))


if __name__ == "__main__":
    main()
