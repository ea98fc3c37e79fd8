"""Trials of readers on spoilt files: what may come of one is a sound recording or a clear error, in bounded time."""

import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
from fuzz_mutations import mutate
from fuzz_seeds import BODY_MODEL, LAYOUT_FILE, LAYOUTS, Seed

from skeletonllm.skeleton.formats import SkeletonFormatError, detect_format, read_recordings, read_skeleton
from skeletonllm.skeleton.formats.common import MAX_METRES
from skeletonllm.skeleton.formats.smpl_model import user_model
from skeletonllm.skeleton.sequence import SkeletonSequence

# The promise, in time of this process: other work on the machine does not count.
SECONDS = 2.0
# Of a file with many recordings, so many are read.
RECORDINGS = 3
LONGEST_MESSAGE = 2000
# How far placing may move what stood within the bounds of readers.
FARTHEST = 4 * MAX_METRES


class Hang(BaseException):
    """No Exception, so that nothing that is tried can handle it."""


def next_input(seeds: Sequence[Seed], random: Random, large: float = 0.0) -> tuple[Seed, str]:
    """A recording of which one file is spoilt, most often the first, and the name of that file.

    Args:
        seeds: sound recordings.
        random: what decides.
        large: how often, from 0 to 1, a part of the file is repeated until it has many megabytes.
    """
    seed = random.choice(seeds)
    names = list(seed.files)
    name = names[0] if random.random() < 0.7 else random.choice(names)
    others = [content for other in seeds for content in other.files.values()]
    return seed.changed(name, mutate(seed.files[name], random, others, large)), name


def outcome(given: Seed, folder: Path) -> str:
    """Read the files of an input in a folder of their own: "read", or "refused" where a SkeletonFormatError says why.

    Raises:
        Hang: a step takes more than SECONDS.
        Exception: anything else, warnings of numpy among them.
    """
    for name, content in given.files.items():
        (folder / name).write_bytes(content)
    path = folder / next(iter(given.files))
    results = set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for step in _steps(path, given.format):
            with limited(SECONDS):
                results.add(_result(step))
    return "read" if "read" in results else "refused"


def _steps(path: Path, format: str) -> Iterator[Callable[[], object]]:
    if format == BODY_MODEL:
        yield lambda: user_model(path).body(np.ones(4))
        return
    if format in LAYOUTS:
        yield lambda: [read_skeleton(path, str(path.with_name(LAYOUT_FILE)))]
        return
    found: list[str] = []
    yield lambda: found.append(detect_format(path).name)
    for name in dict.fromkeys([format, *found]):
        yield lambda name=name: [read() for read in islice(read_recordings(path, name).values(), RECORDINGS)]


def _result(step: Callable[[], object]) -> str:
    try:
        result = step()
    except SkeletonFormatError as error:
        check_message(error)
        return "refused"
    for sequence in result if isinstance(result, list) else ():
        check_sequence(sequence)
    return "read" if result else "refused"


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise Hang after so many seconds of this process."""

    def stop(*_: object) -> None:
        raise Hang(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def check_message(error: SkeletonFormatError) -> None:
    """An error is one short line that can be written anywhere and says where, what and what instead."""
    message = str(error)
    message.encode()
    assert error.place and error.found and error.expected, f"an error without its parts: {message}"
    assert "\n" not in message and len(message) < LONGEST_MESSAGE, f"an error of {len(message)} characters"


def check_sequence(sequence: SkeletonSequence) -> None:
    """A recording is finite and in reach, and its texts can be written."""
    assert sequence.valid.any() and np.isfinite(sequence.joints).all(), "no joint, or joints that are not finite"
    assert np.abs(sequence.joints).max() < FARTHEST, "joints out of reach"
    velocities, _ = sequence.velocities()
    assert np.isfinite(velocities).all(), "velocities that are not finite"
    assert sequence.rotations is None or np.isfinite(sequence.rotations).all(), "rotations that are not finite"
    confidence = sequence.confidence
    assert confidence is None or ((confidence >= 0) & (confidence <= 1)).all(), "confidence beyond 0 to 1"
    for words in (sequence.label or "", sequence.source, *sequence.notes):
        words.encode()
