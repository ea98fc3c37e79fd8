"""What a model is tested on, and which actions it is asked to choose from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from skeletonllm.data.labels import shared_name, translate_labels
from skeletonllm.data.recordings import Recording, labels_of, select
from skeletonllm.data.sources import load_source
from skeletonllm.data.splits import load_split


@dataclass(frozen=True)
class Selection:
    """Recordings of a test.

    Args:
        recordings: to ask about.
        candidates: labels to choose from.
        unseen: those of them that never trained.
        training: recordings of the training side of the same data, for what can be learnt without seeing.
    """

    recordings: list[Recording]
    candidates: list[str]
    unseen: list[str]
    training: list[Recording]


def choose(
    source: str,
    root: str | Path | None,
    options: Mapping,
    protocol: str,
    known: Sequence[str] | None,
    *,
    split: str = "test",
    where: Mapping[str, list[int]] | None = None,
    shared_labels: bool = False,
    generalized: bool = False,
    shared_names: bool = False,
) -> Selection:
    """Recordings and candidates of a test.

    Args:
        source, root, options: as of ``load_source``.
        protocol: as of ``load_split``.
        known: labels that the model was trained on; None: any may be asked about, as of somebody who knows words.
        split, where: as of ``select``.
        shared_labels: ask about the actions alone that the source shares with ``known``, under the names there.
        generalized: test seen and unseen classes together, each offered beside the other.
        shared_names: call actions what they are called across data sets, as a mixture of sources does.

    Raises:
        ValueError: nothing is left, labels that the model does not know, or a protocol without unseen classes.
    """
    parted = load_split(protocol)
    listed = parted.assign(load_source(source, root, **options))
    is_unseen = {recording.id for recording in listed if parted.is_unseen(recording)}
    if shared_names:
        listed = [replace(recording, label=shared_name(recording.label)) for recording in listed]
    unseen = sorted({recording.label for recording in listed if recording.id in is_unseen})
    training = [recording for recording in listed if recording.split == "train"]
    if generalized:
        if not unseen or split != "test" or shared_labels:
            raise ValueError(
                f"protocol {protocol}: generalised zero-shot needs unseen classes, and tests them beside the seen ones"
            )
        listed = [replace(recording, split="test" if parted.tests(recording) else "neither") for recording in listed]
    recordings = select(listed, split, where)
    present = labels_of(recordings)
    candidates = present if known is None else list(known)
    if shared_labels:
        if known is None:
            raise ValueError("shared labels are those of the training data, and without a trained model there is none")
        translation = translate_labels(known, present)
        candidates = [label for label in known if label in translation.values()]
        recordings, training = (
            [replace(r, label=translation[r.label]) for r in side if r.label in translation]
            for side in (recordings, training)
        )
        if not recordings:
            raise ValueError(f"{source} shares no action with the training data ({', '.join(known)})")
    elif generalized:
        candidates = sorted({*candidates, *present})
    elif unseen and split == "test":  # zero-shot: asked about the classes that never trained, and these alone
        candidates = unseen
    elif missing := [label for label in present if label not in candidates]:
        raise ValueError(f"the model was not trained on {', '.join(missing)}; see --shared-labels")
    return Selection(recordings, candidates, unseen, training)
