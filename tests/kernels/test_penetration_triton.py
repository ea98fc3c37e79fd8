"""The Triton path of the penetration operation, in processes of its own (compile_target.py says why)."""

from pathlib import Path

import pytest
import torch
from compile_target import run_in_new_process

HERE = Path(__file__).parent
pytest.importorskip("triton", reason="the Triton path needs the package triton")


def test_kernels_agree_with_the_reference():
    # Where there is a GPU they run on it, and are not interpreted.
    interpreted = not torch.cuda.is_available()
    print(run_in_new_process("-m", "pytest", "-q", HERE / "penetration_launched.py", interpreted=interpreted))


def test_kernels_compile_for_every_target_without_a_gpu():
    print(run_in_new_process("-m", "pytest", "-q", "-s", HERE / "penetration_compiled.py", interpreted=False))
