"""Importing the package is quick and loads nothing heavy; its public names are where users look for them."""

import json
import subprocess
import sys
import time

import pytest

import skeletonllm

PUBLIC = {
    "read_skeleton", "SkeletonSequence", "Topology", "SkeletonFormatError", "sample_clip", "Clip", "DrAction",
    "SkeletonLLMConfig", "SkeletonLLMForConditionalGeneration", "SkeletonLLMProcessor",
}  # fmt: skip
HEAVY = {"torch", "numpy", "transformers", "scipy", "PIL", "triton", "matplotlib"}


def test_importing_loads_no_heavy_library_and_takes_under_half_a_second():
    program = (
        "import json, sys, time; start = time.perf_counter(); import skeletonllm; "
        "print(json.dumps([time.perf_counter() - start, sorted(sys.modules)]))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    seconds, modules = json.loads(printed)
    assert seconds < 0.5
    assert not HEAVY & set(modules)


def test_help_answers_at_once():
    program = """
import sys
from skeletonllm.cli import main
try:
    main(["--help"])
finally:
    print("MODULES", *sys.modules)
"""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - start
    text, _, modules = done.stdout.partition("MODULES")
    assert "inspect" in text and "render" in text
    assert "typer" in modules.split() and not HEAVY & set(modules.split())
    assert seconds < 3  # a third of a second on an idle machine


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_names_are_importable(name):
    assert name in skeletonllm.__all__ and name in dir(skeletonllm)
    value = getattr(skeletonllm, name)
    assert value.__name__ == name
    assert value is getattr(skeletonllm, name)


def test_the_public_names_are_exactly_these():
    assert set(skeletonllm.__all__) == PUBLIC | {"__version__"}
    assert skeletonllm.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="read_skeletons"):
        _ = skeletonllm.read_skeletons


def test_the_operations_are_importable():
    from skeleton_kernels import splat, splat_bones

    assert callable(splat) and callable(splat_bones)
