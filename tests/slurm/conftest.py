"""A cluster of two nodes for all tests here, and stand-ins for the programs that its jobs run."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cluster import Cluster, what_is_lacking

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    if lacking := what_is_lacking():
        pytest.skip(f"no SLURM here: {lacking}")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'kernels'}",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "DS_ACCELERATOR": "cpu",
        "GLOO_SOCKET_IFNAME": "lo",
        # The nodes' names lead nowhere.
        "MASTER_ADDR": "127.0.0.1",
        "SLURM_TMPDIR": str(tmp_path_factory.mktemp("local")),
    }
    with Cluster(tmp_path_factory.mktemp("cluster"), environment) as cluster:
        yield cluster


@pytest.fixture
def program(tmp_path) -> Callable[[str, str], Path]:
    """Writes a Python program that stands for another one: ``program(name, source)``."""

    def write(name: str, source: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!{sys.executable}\nimport os, signal, sys, time\n{source}\n")
        path.chmod(0o755)
        return path

    return write
