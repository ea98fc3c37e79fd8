"""The embedded data set: procedural actions by performers of whom training and test share none."""

from collections.abc import Sequence
from functools import partial

from skeletonllm.data.recordings import Recording
from skeletonllm.skeleton.synthesis import ACTIONS, captions, describe, known_facts, synthesize
from skeletonllm.skeleton.topologies import get_topology

# Performers from here on test; a training set never reaches them.
FIRST_TEST_PERFORMER = 100_000


def recordings(
    topologies: Sequence[str] = ("kinect_v2", "smpl_22", "coco_17"),
    performers: int = 100,
    takes: int = 1,
    test_performers: int = 20,
    labels: Sequence[str] | None = None,
) -> list[Recording]:
    """Every action by every performer, ``takes`` times in each topology.

    Args:
        topologies: registered names.
        performers: number of them in the training split.
        takes: recordings of one performer doing one action.
        test_performers: number of them in the test split, in the same topologies.
        labels: some of ``ACTIONS``, default all.

    Raises:
        ValueError: unknown label, or too many performers.
    """
    labels = tuple(ACTIONS) if labels is None else tuple(labels)
    unknown = [label for label in labels if label not in ACTIONS]
    if unknown:
        raise ValueError(f"no synthetic action {', '.join(unknown)}; known: {', '.join(ACTIONS)}")
    if performers > FIRST_TEST_PERFORMER:
        raise ValueError(f"{performers} performers, at most {FIRST_TEST_PERFORMER}")
    names = [get_topology(topology).name for topology in topologies]
    cast = [("train", number) for number in range(performers)]
    cast += [("test", FIRST_TEST_PERFORMER + number) for number in range(test_performers)]
    return [
        Recording(
            id=f"{label}/p{performer}/t{take}/{name}",
            label=label,
            read=partial(synthesize, label, topology=name, performer=performer, take=take),
            split=split,
            rationale=partial(describe, label, performer=performer, take=take),
            captions=partial(captions, label, performer=performer, take=take),
            facts=partial(known_facts, label, performer=performer, take=take),
            attributes={"performer": performer, "take": take, "topology": names.index(name)},
        )
        for split, performer in cast
        for label in labels
        for take in range(takes)
        for name in names
    ]
