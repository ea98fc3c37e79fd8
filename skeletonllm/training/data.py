"""What a run may learn from: the recordings of its split, guarded, and what each label is easily taken for."""

from dataclasses import replace

from skeletonllm.data.labels import shared_name
from skeletonllm.data.mining import Table, mine
from skeletonllm.data.mixture import Mixture, Part
from skeletonllm.data.recordings import Recording, read_all, select
from skeletonllm.data.sources import load_source
from skeletonllm.data.splits import Guard, load_split
from skeletonllm.data.teacher import attach_rationales
from skeletonllm.training.arguments import Recipe, SourceArguments


def choose_recordings(recipe: Recipe) -> tuple[list[Part], Table]:
    """The recordings that a recipe trains on, not read yet, by source, and its hard negatives.

    Raises:
        LeakError: a protocol keeps one of them for testing.
        ValueError: source, split, protocol or table are not there, or do not go together.
    """
    data = recipe.data
    if not data.mixture:
        chosen, known, guard = _choose(data)
        return [Part(chosen)], mine(data.confusable, chosen, known, guard, recipe.model.backbone)
    if data.confusable.endswith(".jsonl"):
        raise ValueError("data.confusable: predictions are of one source, and the recipe has a mixture of them")
    parts = []
    for name, source in data.mixture.items():
        chosen, _, guard = _choose(source)
        renamed = [replace(one, id=f"{name}: {one.id}", label=shared_name(one.label)) for one in chosen]
        parts.append(Part(renamed, weight=source.weight))
    everything = Mixture(parts).all_recordings()
    return parts, mine(data.confusable, everything, everything, guard, recipe.model.backbone)


def load(parts: list[Part], progress: str | None = None) -> Mixture:
    """A mixture of parts, read into memory; those whose recordings come in groups are read when they are needed."""
    return Mixture([part if _is_grouped(part) else _read(part, progress) for part in parts])


def _choose(source: SourceArguments) -> tuple[list[Recording], list[Recording], Guard]:
    """What a source trains on, all that it has, and the guard that was asked."""
    split = load_split(source.protocol)
    guard = Guard(split)
    known = split.assign(load_source(source.source, source.root, **source.options))
    chosen = select(known, source.split, source.where)
    guard.check(chosen)
    if source.rationales is not None:
        chosen = attach_rationales(chosen, source.rationales)
    return chosen, known, guard


def _is_grouped(part: Part) -> bool:
    return all(recording.group is not None for recording in part.recordings)


def _read(part: Part, progress: str | None) -> Part:
    read = read_all(part.recordings, progress=progress)
    return Part([recording for recording, _ in read], [sequence for _, sequence in read], part.weight)
