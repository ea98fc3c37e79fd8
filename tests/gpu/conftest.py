"""Tests that need a CUDA device: each is skipped with that reason where there is none."""

import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
# Scenes and bodies of the other tests and of the benchmarks.
sys.path[:0] = [str(ROOT / "tests" / "kernels"), str(ROOT / "kernels" / "benchmarks")]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = pytest.mark.skip(reason="needs a CUDA device, and there is none")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            if not torch.cuda.is_available():
                item.add_marker(missing)
