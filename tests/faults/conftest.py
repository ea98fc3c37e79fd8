"""A run of seconds, and what it comes to when nothing befalls it."""

from pathlib import Path

import pytest
import yaml
from launches import checkpoints_of, launch

# Twelve recordings, so three steps are an epoch. With dropout, so that random numbers count.
MINUTE = dict(
    name="minute",
    data=dict(
        options=dict(
            labels=["raise both arms", "squat", "walk"], performers=4, test_performers=1, topologies=["coco_17"]
        )
    ),
    model=dict(
        num_frames=2,
        renderer=dict(samples_per_bone=2),
        tiny=dict(
            image_size=32, patch_size=8, vision_hidden_size=32, vision_layers=1, hidden_size=32, layers=1, heads=2
        ),
        lora=dict(rank=4, alpha=8, dropout=0.1),
    ),
    augmentation=dict(trim=0.2, yaw=20.0, noise=0.01, missing=0.1),
    optimization=dict(batch_size=4, threads=1),
    stages=dict(learn=dict(train=["renderer", "projector", "lora"], epochs=3, learning_rate=1e-3)),
    log_every=3,
    save_every=2,
    keep_last=10,
    pictures_every=0,
)  # fmt: skip


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
