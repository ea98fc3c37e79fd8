"""Spoilt files of every format: read or refused, nothing else; benchmarks/fuzz_readers.py tries many more."""

import os
import warnings
from collections import Counter, defaultdict
from random import Random

import fuzzing
import numpy as np
import pytest
from fuzz_seeds import BODY_MODEL, LAYOUTS, Seed, seeds
from fuzzing import Hang, next_input, outcome

from skeletonllm.skeleton.formats import FORMATS, SkeletonFormatError, detect_format
from skeletonllm.skeleton.formats.common import Format
from skeletonllm.skeleton.sequence import SkeletonSequence

INPUTS, MANY = 300, 2000


@pytest.fixture(scope="module")
def by_format(tmp_path_factory):
    """The sound recordings of each format."""
    found = defaultdict(list)
    for seed in seeds(tmp_path_factory.mktemp("seeds")):
        found[seed.format].append(seed)
    return dict(found)


def try_inputs(format, sound, numbers, folder, large=0.0):
    """How many inputs were read, and how many refused; an error that is a find says which one it was."""
    counts = Counter()
    for number in numbers:
        given, name = next_input(sound, Random(f"{format} {number}"), large)
        place = folder / str(number)
        place.mkdir()
        try:
            counts[outcome(given, place)] += 1
        except (Exception, Hang) as error:
            error.add_note(f"input {number} of {format}: {place / name}")
            raise
    return counts


def test_every_format_is_fuzzed(by_format):
    assert set(by_format) == {*FORMATS, BODY_MODEL, *LAYOUTS}


def test_what_is_spoilt_is_sound_before(by_format, tmp_path):
    for number, seed in enumerate(seed for sound in by_format.values() for seed in sound):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert outcome(seed, folder) == "read"
        if seed.format in FORMATS:
            assert detect_format(folder / next(iter(seed.files))).name == seed.format


@pytest.mark.parametrize("format", [*FORMATS, BODY_MODEL, *LAYOUTS])
def test_spoilt_files_are_read_or_refused(by_format, tmp_path, format):
    counts = try_inputs(format, by_format[format], range(INPUTS), tmp_path)
    # Damage that is always seen at once, or never, would not reach what is to be tested.
    assert min(counts["read"], counts["refused"]) > INPUTS // 50


@pytest.mark.slow
@pytest.mark.parametrize("format", [*FORMATS, BODY_MODEL, *LAYOUTS])
def test_many_spoilt_files_some_of_them_large_are_read_or_refused(by_format, tmp_path, format):
    try_inputs(format, by_format[format], range(INPUTS, MANY), tmp_path, large=0.001)


def test_an_input_is_the_same_in_every_run(by_format):
    for format, sound in by_format.items():
        first, again = (next_input(sound, Random(f"{format} 7")) for _ in range(2))
        assert first == again


# The trial itself


def _warns(path):
    warnings.warn("overflow", RuntimeWarning, stacklevel=1)


def _hangs(path):
    while True:
        pass


def _far(path):
    joints = np.full((2, 1, 22, 3), 1e6)
    return SkeletonSequence(joints, 30.0, "smpl_22")


def _unprintable(path):
    return SkeletonSequence(np.ones((2, 1, 22, 3)), 30.0, "smpl_22", label="\ud800")


def _long_message(path):
    raise SkeletonFormatError(path, "line 1", "a\nb", "one line")


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (lambda path: 1 // 0, ZeroDivisionError),
        (lambda path: os.stat("/no such file"), FileNotFoundError),
        (_warns, RuntimeWarning),
        (_hangs, Hang),
        (_far, AssertionError),
        (_unprintable, UnicodeEncodeError),
        (_long_message, AssertionError),
    ],
)
def test_a_reader_that_does_anything_else_is_found(tmp_path, monkeypatch, read, kind):
    monkeypatch.setattr(fuzzing, "SECONDS", 0.1)
    monkeypatch.setitem(FORMATS, "bad", Format("bad", "", (), lambda head, path: False, read))
    with pytest.raises(kind):
        outcome(Seed("bad", {"clip.bad": b"\0noise"}), tmp_path)
