"""A small generator, and runs of fine-tuning that take seconds."""

from pathlib import Path

from skeletonllm.dance.training.recipe import load_dance_recipe
from skeletonllm.dance.training.run import train


def small_generator(folder: Path) -> Path:
    """Train a generator that has learnt where a dance is: of one that has not, the last step, from which likelihoods
    tell nothing, may answer to noise the wrong way round. Gives its folder."""
    small = "model.changes={width: 32, heads: 4, layers: 1, music_layers: 1, feed_forward: 32}"
    changes = [small, "model.beat_phase=false", "data.songs=2", "data.seconds=6", "data.flaws=1",
               "optimization.steps=150", "optimization.batch_size=4", "optimization.learning_rate=5.0e-3"]  # fmt: skip
    return train(load_dance_recipe("tiny", changes), folder)


def small_changes(generator: Path, *changes: str) -> list[str]:
    """Changes to the recipe ``tiny``: four dances of four steps in an iteration, learnt from by their likelihoods."""
    return [f"generator={generator}", "rewards.preset=plausible", "objective.direct=[]", "objective.last_steps=1",
            "data.songs=2", "data.seconds=6", "data.stride=0.5", "music=4", "sampling.steps=4",
            "optimization.conditions=2", "optimization.samples=2", "optimization.micro_batch_size=2",
            "optimization.steps=4", "optimization.learning_rate=1.0e-3", *changes]  # fmt: skip
