"""The Triton path of splatting without a GPU: interpreted, and compiled for GPUs that are not there."""

from pathlib import Path

import pytest
import torch
from compile_target import TARGETS, run_in_new_process
from splat_scenes import camera, cloud

from skeleton_kernels import splat

HERE = Path(__file__).resolve().parent
pytest.importorskip("triton", reason="the Triton path needs the package triton")


# Half a minute for each generation of GPUs: always for one, for the others with the slow tests.
@pytest.mark.parametrize(
    "capability", [pytest.param(each, marks=[] if each == 90 else [pytest.mark.slow]) for each in TARGETS]
)
def test_every_variant_compiles_without_spilling_registers(capability):
    figures = run_in_new_process(HERE / "splat_variants.py", str(capability), interpreted=False)
    print(figures)
    assert figures.count(f"sm_{capability}") > 20


def test_the_triton_path_equals_the_reference_where_it_is_interpreted():
    files = [HERE / "splat_triton_interpreted.py", HERE / "test_splat.py", HERE / "test_skin.py"]
    output = run_in_new_process(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "triton", *files, interpreted=True
    )
    assert " passed" in output and "skipped" not in output


def test_asking_for_triton_without_a_gpu_says_what_is_missing(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(RuntimeError, match="'triton' needs tensors on a CUDA device, these are on 'cpu'"):
        splat(*cloud(count=2), camera(8, 8), 8, backend="triton")
    assert torch.equal(splat(*cloud(count=2), camera(8, 8), 8), splat(*cloud(count=2), camera(8, 8), 8, backend="cpu"))
