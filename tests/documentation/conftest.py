"""The stage on which the commands of the documentation are run; each process of the tests has its own."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path += [str(TESTS / name) for name in ("cli", "data", "serving")]

from registries import REGISTRIES, registering  # noqa: E402
from stage import Stage  # noqa: E402


@pytest.fixture(scope="session")
def stage(tmp_path_factory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("stage"))
    yield stage
    stage.services.close()


@pytest.fixture
def workplace(stage, tmp_path, monkeypatch) -> Iterator[Callable[[str], Path]]:
    """Makes a folder with all that a text names the working folder: the paths there are the command's own."""

    def enter(text: str) -> Path:
        stage.place(text, tmp_path)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    monkeypatch.setenv("SKELETONLLM_CACHE", str(stage.folder / "cache"))
    with registering([{} for _ in REGISTRIES]):
        yield enter
