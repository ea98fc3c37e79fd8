"""Fuzzing of every reader: spoilt recordings, each of which must be read or refused by a SkeletonFormatError.

    python benchmarks/fuzz_readers.py [--inputs 200000] [--minutes M] [--only FORMAT...] [--seeds FOLDER...]
                                      [--first N] [-o fuzz_finds]

What is spoilt are the small recordings of ``tests/skeleton/fuzz_seeds.py`` and, of folders that are named, all files of
at most 100 kB. Each format is read in a process of its own that may take a gigabyte. A find is any other exception, a
warning, a recording that is not sound, more than 2 s of processor time, more memory, or the end of the process; the
first input of each kind is written to a folder, with its traceback and the same input made smaller. Input N of a format
is the same in every run. The table is Markdown for docs/formats.md.
"""

import argparse
import multiprocessing
import os
import platform
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / part) for part in (".", "kernels", "kernels/benchmarks", "tests", "tests/skeleton")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from fuzz_seeds import Seed, seeds  # noqa: E402
from fuzzing import Hang, next_input, outcome  # noqa: E402
from run import git  # noqa: E402
from tqdm import tqdm  # noqa: E402

from skeletonllm.skeleton.formats import SkeletonFormatError, detect_format, is_companion  # noqa: E402

GIBIBYTE = 2**30
LARGEST_SEED, SEEDS_PER_FORMAT, COMPANIONS = 100_000, 40, 4
# Without a step for so long, in time of the clock, a process hangs where no signal reaches it.
STUCK_SECONDS = 60.0
SHRINKING = 200
# How often a file is made many megabytes large.
LARGE = 0.003
RESULTS, FIND = ("read", "refused"), "find"


@dataclass
class Tally:
    """What came of the inputs of one format.

    Args:
        counts: of RESULTS and FIND.
        slowest: seconds of processor time and the input that took them.
        growth: bytes by which memory rose at most while an input was read, and the input.
        kinds: the number of the first input, and how many, of each kind of find.
    """

    counts: Counter = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, 0)
    growth: tuple[int, int] = (0, 0)
    kinds: dict[str, list[int]] = field(default_factory=dict)


def seeds_of_folders(folders: Sequence[Path]) -> list[Seed]:
    """Real recordings of at most LARGEST_SEED bytes, the smallest of each format, with files that belong to them."""
    found: dict[str, list[Seed]] = defaultdict(list)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not is_companion(path)]
    for path in sorted(files, key=lambda path: (path.stat().st_size, path)):
        if path.stat().st_size > LARGEST_SEED:
            break
        try:
            format = detect_format(path).name
        except SkeletonFormatError:  # an index, or the like
            continue
        beside = [other for other in path.parent.iterdir() if is_companion(other) and other.is_file()]
        alike = sorted(beside, key=lambda other: -len(os.path.commonprefix([other.name, path.name])))
        kept = [path, *(other for other in alike[:COMPANIONS] if other.stat().st_size <= LARGEST_SEED)]
        if len(found[format]) < SEEDS_PER_FORMAT:
            found[format].append(Seed(format, {file.name: file.read_bytes() for file in kept}))
    return [seed for several in found.values() for seed in several]


def kind_of(error: BaseException) -> str:
    """What tells finds apart: the exception and the line of ours that it comes from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if str(ROOT) in frame.filename]
    ours = [frame for frame in frames if "skeletonllm" in Path(frame.filename).relative_to(ROOT).parts] or frames
    place = f"{Path(ours[-1].filename).name} line {ours[-1].lineno} ({ours[-1].name})" if ours else "elsewhere"
    return f"{type(error).__name__} in {place}"


def tried(given: Seed) -> tuple[str, BaseException | None]:
    """What comes of an input, and the error of a find."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return outcome(given, Path(folder)), None
        except (Exception, Hang) as error:
            return FIND, error


def shrunk(given: Seed, name: str, kind: str) -> Seed:
    """An input of the same kind from which whatever is not needed for it was cut, as far as a few trials get."""
    trials, size = 0, len(given.files[name]) // 2
    while size and trials < SHRINKING:
        content, start = given.files[name], 0
        while start < len(content) and trials < SHRINKING:
            smaller = given.changed(name, content[:start] + content[start + size :])
            error = tried(smaller)[1]
            trials += 1
            if error is not None and kind_of(error) == kind:
                given, content = smaller, smaller.files[name]
            else:
                start += size
        size //= 2
    return given


def work(format: str, seeds: Sequence[Seed], numbers: range, at, counts, connection: Connection, end: float) -> None:
    """Try inputs by their numbers. Sends each find, and at last the slowest and the growth.

    Args:
        format, seeds: what is spoilt.
        numbers: of the inputs.
        at, counts: shared with the process that waits: the present number, and how many came to each of RESULTS.
        connection: to that process.
        end: when to stop, in seconds of the monotonic clock.
    """
    slowest, growth = (0.0, 0), (0, 0)
    for number in numbers:
        if time.monotonic() > end:
            break
        at.value = number
        given, name = next_input(seeds, Random(f"{format} {number}"), LARGE)
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = memory()
        # What the input itself took to be made does not count.
        resource.setrlimit(resource.RLIMIT_AS, (before["VmSize"] + GIBIBYTE, resource.RLIM_INFINITY))
        begin = time.process_time()
        result, error = tried(given)
        slowest = max(slowest, (time.process_time() - begin, number))
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        growth = max(growth, (memory()["VmHWM"] - before["VmRSS"], number))
        if error is None:
            counts[RESULTS.index(result)] += 1
        else:
            connection.send((number, kind_of(error), "".join(traceback.format_exception(error))))
    connection.send((slowest, growth))


def memory() -> dict[str, int]:
    """Bytes of this process: VmSize addressed, VmRSS in memory, VmHWM their peak."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {words[0].rstrip(":"): 1024 * int(words[1]) for words in lines if words[0].startswith("Vm")}


def fuzz(format: str, seeds: Sequence[Seed], numbers: range, minutes: float, folder: Path) -> Tally:
    """Try all inputs of a format, with a new process wherever one ends."""
    tally, deadline, processes = Tally(), time.monotonic() + 60 * minutes, multiprocessing.get_context("fork")
    with tqdm(total=len(numbers), desc=format, mininterval=1, leave=False) as bar:
        while len(numbers) and time.monotonic() < deadline:
            at, counts, (ours, theirs) = processes.Value("q", numbers.start), processes.Array("q", 2), processes.Pipe()
            process = processes.Process(target=work, args=(format, seeds, numbers, at, counts, theirs, deadline))
            process.start()
            theirs.close()
            for message in messages(ours, at, bar):
                if len(message) == 2:
                    tally.slowest, tally.growth = max(tally.slowest, message[0]), max(tally.growth, message[1])
                    numbers = range(0)
                else:
                    note(tally, format, seeds, *message, folder)
            tally.counts += Counter(dict(zip(RESULTS, counts, strict=True)))
            if len(numbers):  # the process has not come to its end
                process.join(1.0)
                how = "the process hangs" if process.is_alive() else f"the process ended with {process.exitcode}"
                process.kill()
                note(tally, format, seeds, at.value, how, how, folder)
                numbers = range(at.value + 1, numbers.stop)
            process.join()
    return tally


def messages(connection: Connection, at, bar: tqdm) -> Iterator[tuple]:
    """What a process sends, until it ends or stays at one input for too long."""
    last, moved = at.value, time.monotonic()
    while time.monotonic() - moved < STUCK_SECONDS:
        if at.value != last:
            bar.update(at.value - last)
            last, moved = at.value, time.monotonic()
        if connection.poll(0.5):
            try:
                yield connection.recv()
            except EOFError:
                return


def note(tally: Tally, format: str, seeds: Sequence[Seed], number: int, kind: str, report: str, folder: Path) -> None:
    """Count a find; write the first input of its kind."""
    tally.counts[FIND] += 1
    first = kind not in tally.kinds
    tally.kinds.setdefault(kind, [number, 0])[1] += 1
    if not first:
        return
    tqdm.write(f"{format} {number}: {kind}: {report.strip().splitlines()[-1][:200]}")
    place = folder / f"{format.replace(' ', '_')}_{number}"
    given, name = next_input(seeds, Random(f"{format} {number}"), LARGE)
    write(given, place)
    (place / "traceback.txt").write_text(report, errors="backslashreplace")
    if " in " in kind and "MemoryError" not in kind and "Hang" not in kind:
        write(shrunk(given, name, kind), place / "smaller")


def write(given: Seed, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name, content in given.files.items():
        (place / name).write_bytes(content)


def table(tallies: dict[str, Tally]) -> list[str]:
    rows = ["| format | inputs | read | refused | finds | slowest | memory |", "|---|---|---|---|---|---|---|"]
    for name, tally in tallies.items():
        counts = tally.counts
        rows.append(
            f"| {name} | {counts.total():,} | {counts['read']:,} | {counts['refused']:,} | {counts[FIND]} | "
            f"{1000 * tally.slowest[0]:.0f} ms | {tally.growth[0] / 2**20:.0f} MB |"
        )
    total = sum((tally.counts for tally in tallies.values()), Counter())
    slowest, growth = max(t.slowest[0] for t in tallies.values()), max(t.growth[0] for t in tallies.values())
    rows.append(
        f"| **all** | {total.total():,} | {total['read']:,} | {total['refused']:,} | {total[FIND]} | "
        f"{1000 * slowest:.0f} ms | {growth / 2**20:.0f} MB |"
    )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=200_000, help="over all formats")
    parser.add_argument("--minutes", type=float, default=600.0, help="at most, over all formats")
    parser.add_argument("--only", nargs="+", metavar="FORMAT")
    parser.add_argument("--seeds", type=Path, nargs="+", default=[], metavar="FOLDER", help="recordings to spoil too")
    parser.add_argument("--first", type=int, default=0, help="the number of the first input of each format")
    parser.add_argument("-o", "--output", type=Path, default=Path("fuzz_finds"), help="folder for finds")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        own = seeds(Path(folder))
    by_format: dict[str, list[Seed]] = defaultdict(list)
    for seed in own + seeds_of_folders(arguments.seeds):
        by_format[seed.format].append(seed)
    if arguments.only:
        if unknown := set(arguments.only) - set(by_format):
            parser.error(f"no recordings of {', '.join(sorted(unknown))}; there are {', '.join(by_format)}")
        by_format = {name: by_format[name] for name in arguments.only}
    each = -(-arguments.inputs // len(by_format))
    numbers = range(arguments.first, arguments.first + each)
    shutil.rmtree(arguments.output, ignore_errors=True)
    tallies = {}
    for name, several in by_format.items():
        tallies[name] = fuzz(name, several, numbers, arguments.minutes / len(by_format), arguments.output)
        print(table({name: tallies[name]})[2], flush=True)
    commit = git("rev-parse", "--short", "HEAD") + ("+changes" if git("status", "--porcelain", "--", "..") else "")
    print(f"\nCommit {commit}, Python {platform.python_version()}, numpy {np.__version__}, one process at a time.\n")
    print("\n".join(table(tallies)))
    if any(tally.kinds for tally in tallies.values()):
        sys.exit(f"finds are in {arguments.output}")


if __name__ == "__main__":
    main()
