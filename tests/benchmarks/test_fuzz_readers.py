"""The benchmark of spoilt files: what readers do wrong is found, counted and written, and the next inputs are tried."""

import importlib.util
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from skeletonllm.skeleton.formats import FORMATS, SkeletonFormatError
from skeletonllm.skeleton.formats.common import Format

ROOT = Path(__file__).resolve().parents[2]
SECRET = b"magic"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "kernels" / "benchmarks"))
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "skeleton"))
    spec = importlib.util.spec_from_file_location("benchmark_of_fuzzing", ROOT / "benchmarks" / "fuzz_readers.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "STUCK_SECONDS", 3.0)
    return module


@pytest.fixture
def fuzz(benchmark, monkeypatch, tmp_path):
    """Fuzzes a reader that does something wrong where the file still begins as it should, and else refuses it."""

    def run(wrong, inputs=60):
        def read(path):
            if path.read_bytes().startswith(SECRET):
                wrong()
            raise SkeletonFormatError(path, "line 1", "damage", "no damage")

        monkeypatch.setitem(FORMATS, "bad", Format("bad", "", (), lambda head, path: False, read))
        seed = benchmark.Seed("bad", {"clip.bad": SECRET + b" and more that nobody needs" * 4})
        return benchmark.fuzz("bad", [seed], range(inputs), 5.0, tmp_path / "finds")

    return run


def raise_error():
    raise ZeroDivisionError


def take_two_gigabytes():
    np.ones(2**28)


def test_an_error_is_found_once_and_made_smaller(fuzz, tmp_path):
    tally = fuzz(raise_error)
    ((kind, (number, count)),) = tally.kinds.items()
    assert kind.startswith("ZeroDivisionError in test_fuzz_readers.py") and tally.counts["find"] == count > 1
    assert tally.counts["refused"] > 1 and tally.counts.total() == 60
    folder = tmp_path / "finds" / f"bad_{number}"
    assert "ZeroDivisionError" in (folder / "traceback.txt").read_text()
    assert (folder / "smaller" / "clip.bad").read_bytes() == SECRET != (folder / "clip.bad").read_bytes()


def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)


def leave():
    os._exit(0)


@pytest.mark.parametrize(("wrong", "code"), [(kill_itself, -9), (leave, 0)])
def test_the_end_of_a_process_is_a_find_and_the_next_inputs_are_tried(fuzz, wrong, code):
    tally = fuzz(wrong)
    assert list(tally.kinds) == [f"the process ended with {code}"]
    assert tally.counts["find"] > 1 and tally.counts["refused"] > 1 and tally.counts.total() == 60


def test_too_much_memory_is_a_find_and_not_the_end(fuzz):
    tally = fuzz(take_two_gigabytes)
    assert [kind.split()[0] for kind in tally.kinds] == ["MemoryError"] and tally.counts.total() == 60


def test_the_table_adds_up(benchmark):
    one, other = benchmark.Tally(), benchmark.Tally()
    one.counts.update(read=1000, refused=2000, find=3)
    other.counts.update(read=1, refused=2)
    one.slowest, other.growth = (0.5, 7), (2**20, 3)
    assert benchmark.table({"a": one, "b": other})[2:] == [
        "| a | 3,003 | 1,000 | 2,000 | 3 | 500 ms | 0 MB |",
        "| b | 3 | 1 | 2 | 0 | 0 ms | 1 MB |",
        "| **all** | 3,006 | 1,001 | 2,002 | 3 | 500 ms | 1 MB |",
    ]


def test_real_recordings_are_spoilt_with_what_belongs_to_them(benchmark, tmp_path):
    from fuzz_seeds import ACCLAIM_SKELETON

    (tmp_path / "walk.amc").write_text(":FULLY-SPECIFIED\n:DEGREES\n1\nroot 0 0 0 0 0 0\n")
    (tmp_path / "walk.asf").write_text(ACCLAIM_SKELETON)
    (tmp_path / "noise.bin").write_bytes(b"\0noise")
    (tmp_path / "huge.amc").write_bytes(b":DEGREES\n" * 20_000)
    (seed,) = benchmark.seeds_of_folders([tmp_path])
    assert seed.format == "acclaim" and list(seed.files) == ["walk.amc", "walk.asf"]
