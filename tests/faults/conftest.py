"""A run of seconds, and what it comes to when nothing befalls it."""

from pathlib import Path

import pytest
import yaml
from launches import checkpoints_of, launch
from minute_recipe import MINUTE


@pytest.fixture(scope="session")
def write_recipe(tmp_path_factory):
    """Writes the recipe with some values changed, and gives its path."""
    folder = tmp_path_factory.mktemp("recipes")

    def write(**changes) -> Path:
        path = folder / f"{len(list(folder.iterdir()))}.yaml"
        path.write_text(yaml.safe_dump({**MINUTE, **changes}))
        return path

    return write


@pytest.fixture(scope="session")
def minute(write_recipe) -> Path:
    return write_recipe()


@pytest.fixture(scope="session")
def whole(minute, tmp_path_factory) -> Path:
    """The run of two processes that nothing befell: nine steps, checkpoints after every second and the last."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    ended = launch(folder, minute)
    assert ended.codes == [0, 0], ended.tail()
    assert checkpoints_of(folder) == [2, 4, 6, 8, 9]
    return folder


@pytest.fixture(scope="session")
def whole_alone(minute, tmp_path_factory) -> Path:
    """The same of one process."""
    folder = tmp_path_factory.mktemp("whole-alone") / "run"
    ended = launch(folder, minute, world_size=1)
    assert ended.codes == [0], ended.tail()
    return folder
