"""The embedded data set as recordings of several actions, one after the other, whose times are known."""

from collections.abc import Sequence
from functools import lru_cache, partial

import numpy as np

from skeletonllm.data.recordings import Recording
from skeletonllm.data.sources.synthetic import FIRST_TEST_PERFORMER
from skeletonllm.skeleton.segment import Segment
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.synthesis import captions_of_sequence, known_facts_of_sequence, synthesize_sequence
from skeletonllm.skeleton.synthesis.several import draw_labels
from skeletonllm.skeleton.topologies import get_topology

LABEL = "several actions"
# A stream of random numbers of its own, for which actions come after one another.
_STREAM = 303


def recordings(
    topologies: Sequence[str] = ("kinect_v2", "smpl_22", "coco_17"),
    performers: int = 100,
    takes: int = 1,
    test_performers: int = 20,
    actions: int = 3,
) -> list[Recording]:
    """Recordings of performers who each do ``actions`` different things in any order, ``takes`` times per topology.

    The performers are those of the source ``synthetic``, so that its training and this one's share nobody who tests.

    Args:
        topologies: registered names.
        performers: number of them in the training split.
        takes: recordings of one performer, each of other actions.
        test_performers: number of them in the test split.
        actions: in a recording.

    Raises:
        ValueError: too many performers or actions.
    """
    if performers > FIRST_TEST_PERFORMER:
        raise ValueError(f"{performers} performers, at most {FIRST_TEST_PERFORMER}")
    names = [get_topology(topology).name for topology in topologies]
    cast = [("train", number) for number in range(performers)]
    cast += [("test", FIRST_TEST_PERFORMER + number) for number in range(test_performers)]
    found = []
    for split, performer in cast:
        for take in range(takes):
            labels = draw_labels(actions, np.random.default_rng([_STREAM, performer, take]))
            for name in names:
                found.append(
                    Recording(
                        id=f"{', '.join(labels)}/p{performer}/t{take}/{name}",
                        label=LABEL,
                        read=partial(_sequence, labels, name, performer, take),
                        split=split,
                        attributes={"performer": performer, "take": take, "topology": names.index(name)},
                        captions=partial(captions_of_sequence, labels),
                        facts=partial(known_facts_of_sequence, labels, performer=performer, take=take),
                        segments=partial(_segments, labels, performer, take),
                    )
                )
    return found


def _sequence(labels: tuple[str, ...], topology: str, performer: int, take: int) -> SkeletonSequence:
    return synthesize_sequence(labels, topology=topology, performer=performer, take=take)[0]


@lru_cache(maxsize=4096)
def _segments(labels: tuple[str, ...], performer: int, take: int) -> tuple[Segment, ...]:
    return synthesize_sequence(labels, performer=performer, take=take, noise=0.0)[1]
