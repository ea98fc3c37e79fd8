"""What every test may use."""

import os
from pathlib import Path

import pytest

# Two-core machines: many small torch calls are faster, and repeat bit for bit, on one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# numba keeps what librosa compiles beside librosa, and crashes where two processes write it at once: to each its own.
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(__file__).resolve().parents[1] / ".pytest_cache" / "numba" / _WORKER))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings and golden files beside the checkout; never part of the project."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data" / "INDEX.csv").exists():
        if os.environ.get("CI") == "true":
            pytest.fail("the folder ../shared with recordings and golden files is missing, and CI needs it")
        pytest.skip("needs real recordings in ../shared, which are not part of the project")
    return folder
