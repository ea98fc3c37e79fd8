"""Packed sources, mixed: over an epoch every recording once, whoever reads and however often the reading is stopped."""

import random
from collections import Counter

import pytest

from skeletonllm.data.annotations import Listed
from skeletonllm.data.augmentation import Augmentation
from skeletonllm.data.examples import Examples
from skeletonllm.data.loading import in_advance
from skeletonllm.data.mixture import Mixture, Part
from skeletonllm.data.packing import pack
from skeletonllm.data.sources import load_source
from skeletonllm.skeleton.sequence import sample_clip

BATCH = 8
LABELS = ["bow", "kick", "squat", "walk"]


class Sampler:
    """Of a processor only what examples use."""

    def sample(self, sequence, generator=None):
        return sample_clip(sequence, 3, generator=generator)


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """The embedded actions in two topologies as two packed sources of 160 and 80 recordings, several groups each."""
    folders = []
    for topology, performers in (("kinect_v2", 40), ("coco_17", 20)):
        listed = load_source("synthetic", None, topologies=[topology], labels=LABELS, performers=performers)
        folder = tmp_path_factory.mktemp(topology)
        chosen = [Listed(recording) for recording in listed if recording.split == "train"]
        pack(chosen, folder, name=topology, workers=0)
        folders.append(folder)
    return folders


@pytest.fixture
def examples(roots):
    """Of the mixture, opened anew each time, as another process would."""

    def make():
        parts = [Part(load_source("packed", str(root))) for root in roots]
        return Examples(Mixture(parts), Sampler(), BATCH, Augmentation(trim=0.2, yaw=20.0), seed=4)

    return make


def shares(examples, ranks, rank):
    """What prepares this rank's part of a step: ids, and a number that changes with every clip."""

    def prepare(step):
        mine = [q for q in examples.questions(step) if q.index % ranks == rank]
        made = [examples.example(question) for question in mine]
        return [(one.id, round(float(one.clip.joints.sum()), 3)) for one in made]

    return prepare


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_every_recording_comes_once_in_an_epoch_for_any_number_of_ranks_and_workers(examples, ranks, workers):
    steps = examples().steps_per_epoch
    assert steps == 30
    seen = Counter()
    for rank in range(ranks):
        for share in in_advance(shares(examples(), ranks, rank), 0, steps, workers):
            seen.update(id for id, _ in share)
    assert len(seen) == 240 and set(seen.values()) == {1}


def test_stopped_at_twenty_random_places_it_goes_on_with_the_very_next_sample(examples):
    steps = 2 * examples().steps_per_epoch
    whole = list(in_advance(shares(examples(), 1, 0), 0, steps))
    stops = sorted(random.Random(0).sample(range(1, steps), 20))
    resumed = []
    for number, (begin, end) in enumerate(zip([0, *stops], [*stops, steps], strict=True)):
        # Nothing but the number of the step is known to whoever goes on; now and then workers read for it.
        resumed += in_advance(shares(examples(), 1, 0), begin, end, workers=number % 7 == 0)
    assert resumed == whole


def test_another_number_of_ranks_goes_on_with_the_same_samples(examples):
    whole = list(in_advance(shares(examples(), 1, 0), 0, 12))
    halves = [list(in_advance(shares(examples(), 2, rank), 5, 12)) for rank in range(2)]
    together = [[pair for pairs in zip(*step, strict=True) for pair in pairs] for step in zip(*halves, strict=True)]
    assert together == whole[5:]
