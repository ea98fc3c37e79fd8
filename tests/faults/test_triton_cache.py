"""Two processes that compile the same kernels at once into a cache that is empty."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def test_two_processes_with_an_empty_cache_both_get_the_kernel_and_a_third_finds_it(tmp_path):
    pytest.importorskip("triton")
    cache = tmp_path / "cache"
    both = [compiler(cache), compiler(cache)]
    assert not list(tmp_path.rglob("*.ptx"))
    first, second = answers(both)
    assert first == second and len(list(cache.rglob("*.ptx"))) == 1
    written = {path: path.stat().st_mtime_ns for path in cache.rglob("*.ptx")}
    assert answers([compiler(cache)]) == [first]
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.ptx")} == written


def compiler(cache: Path) -> subprocess.Popen:
    """A process that has imported everything and waits for the word."""
    paths = [str(ROOT), str(ROOT / "kernels"), str(ROOT / "tests" / "kernels")]
    environment = dict(os.environ, TRITON_CACHE_DIR=str(cache), TRITON_INTERPRET="0", PYTHONPATH=os.pathsep.join(paths))
    return subprocess.Popen(
        [sys.executable, str(HERE / "compile_at_once.py"), "forward"],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def answers(compilers: list[subprocess.Popen]) -> list[str]:
    """What processes print that are let go together."""
    for process in compilers:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    for process in compilers:
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = [process.communicate() for process in compilers]
    assert [process.returncode for process in compilers] == [0] * len(compilers), printed
    return [output.strip() for output, _ in printed]
