"""What a run may learn from: the recordings of its split, guarded, and what each label is easily taken for."""

from skeletonllm.data.mining import Table, mine
from skeletonllm.data.recordings import Recording, select
from skeletonllm.data.sources import load_source
from skeletonllm.data.splits import Guard, load_split
from skeletonllm.training.arguments import Recipe


def choose_recordings(recipe: Recipe) -> tuple[list[Recording], Table]:
    """The recordings that a recipe trains on, not read yet, and its hard negatives.

    Raises:
        LeakError: the protocol keeps one of them for testing.
        ValueError: source, split, protocol or table are not there, or do not go together.
    """
    data = recipe.data
    split = load_split(data.protocol)
    guard = Guard(split)
    known = split.assign(load_source(data.source, data.root, **data.options))
    chosen = select(known, data.split, data.where)
    guard.check(chosen)
    return chosen, mine(data.confusable, chosen, known, guard, recipe.model.backbone)
