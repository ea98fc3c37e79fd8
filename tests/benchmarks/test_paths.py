"""The benchmark of small operations: it refuses to time what is wrong, and its workloads are what they say."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "kernels" / "benchmarks"))

import paths
import penetration
import skin


def case(wrong: float) -> paths.Case:
    """Squares; the fast path multiplies them."""

    def call(backend, value):
        return (value.square() * (wrong if backend == "auto" else 1.0),)

    return paths.Case("squares", call, [torch.arange(1.0, 5.0)])


def test_a_wrong_fast_path_ends_the_run_before_anything_is_timed():
    cotangents = [torch.ones(4)]
    assert paths.check(case(1.001), cotangents) == pytest.approx(0.001, rel=0.01)
    for wrong in (1.1, float("nan")):
        with pytest.raises(SystemExit, match="squares: wrong by"):
            paths.check(case(wrong), cotangents)


@pytest.mark.parametrize("benchmark", [skin, penetration], ids=lambda module: module.__name__)
def test_a_row_is_written_for_each_pass_of_the_reference(benchmark):
    first = next(benchmark.cases("cpu"))
    rows = list(paths.measure(first, "cpu", repeats=2))
    assert [(row["path"], row["pass"]) for row in rows] == [("reference", "forward"), ("reference", "both")]
    assert all(0 < row["p20"] <= row["p50"] <= row["p80"] for row in rows)
    outputs = paths.forward(first, "reference")
    assert all(row["output_bytes"] == sum(4 * output.numel() for output in outputs) for row in rows)


def test_the_bodies_of_the_penetration_benchmark_have_limbs_in_one_another():
    first = next(penetration.cases("cpu"))
    energy, depths = paths.forward(first, "reference")
    assert depths.shape == (12, 247) and (energy > 0).all()
