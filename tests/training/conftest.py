"""A run that takes a second: fifty thousand parameters, pictures of 32 pixels, three actions."""

import copy

import pytest

LABELS = ["raise both arms", "squat", "walk"]
MINUTE = dict(
    name="minute",
    data=dict(options=dict(labels=LABELS, performers=4, test_performers=2, topologies=["coco_17"])),
    model=dict(
        num_frames=3,
        renderer=dict(samples_per_bone=2),
        tiny=dict(
            image_size=32, patch_size=8, vision_hidden_size=32, vision_layers=1, hidden_size=32, layers=1, heads=2
        ),
    ),
    augmentation=dict(trim=0.2, yaw=20.0, tilt=5.0, size=0.1, noise=0.01, missing=0.1),
    optimization=dict(
        epochs=6, batch_size=4, learning_rate=5e-3, renderer_learning_rate=1e-2, threads=1
    ),
    log_every=4,
    save_every=5,
)  # fmt: skip


@pytest.fixture
def minute():
    """The recipe as plain values, with some changed: ``minute(optimization=dict(seed=1))``."""

    def make(**changes):
        content = copy.deepcopy(MINUTE)
        for key, value in changes.items():
            if isinstance(value, dict):
                content.setdefault(key, {}).update(value)
            else:
                content[key] = value
        return content

    return make


@pytest.fixture
def recipe(minute):
    """The recipe itself, with some values changed."""
    from skeletonllm.training.arguments import recipe_from_dict

    return lambda **changes: recipe_from_dict(minute(**changes))
