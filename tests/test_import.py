"""Importing the package loads nothing heavy, so it is quick; its public names are where users look for them."""

import json
import subprocess
import sys

import pytest

import skeletonllm

PUBLIC = {
    "read_skeleton", "SkeletonSequence", "Topology", "SkeletonFormatError", "sample_clip", "Clip", "DrAction",
    "SkeletonLLMConfig", "SkeletonLLMForConditionalGeneration", "SkeletonLLMProcessor",
}  # fmt: skip
HEAVY = {"torch", "numpy", "transformers", "scipy", "PIL", "triton", "matplotlib"}


def test_importing_loads_no_heavy_library():
    program = "import json, sys, skeletonllm; print(json.dumps(sorted(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not HEAVY & set(json.loads(printed))


def test_help_loads_no_heavy_library():
    program = """
import sys
from skeletonllm.cli import main
try:
    main(["--help"])
finally:
    print("MODULES", *sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    text, _, modules = done.stdout.partition("MODULES")
    assert "inspect" in text and "render" in text
    assert "typer" in modules.split() and not HEAVY & set(modules.split())


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
