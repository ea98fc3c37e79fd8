"""Mixtures: every recording once, in an order that depends on seed and epoch alone, read group by group."""

from collections import Counter
from functools import partial

import numpy as np
import pytest

from skeletonllm.data.augmentation import Augmentation
from skeletonllm.data.examples import Examples
from skeletonllm.data.mixture import WINDOW, Mixture, Part
from skeletonllm.data.recordings import PoisonedDataError, Recording
from skeletonllm.skeleton.formats import SkeletonFormatError
from skeletonllm.skeleton.sequence import sample_clip
from skeletonllm.skeleton.synthesis import synthesize


def recordings(name, count, group_size=None, label="walk"):
    """Recordings that say which of them was read."""
    return [
        Recording(
            f"{name}{n}", label, partial(str, f"{name}{n}"), "train", group=n // group_size if group_size else None
        )
        for n in range(count)
    ]


def test_without_weights_every_recording_of_every_source_comes_once_in_an_epoch():
    mixture = Mixture([Part(recordings("a", 100, 7)), Part(recordings("b", 31)), Part(recordings("c", 5, 64))])
    for epoch in range(3):
        assert sorted(mixture.order(seed=3, epoch=epoch)) == list(range(136))


def test_the_order_depends_on_seed_and_epoch_and_on_nothing_else():
    make = lambda: Mixture([Part(recordings("a", 200, 8)), Part(recordings("b", 50))])  # noqa: E731
    assert (make().order(1, 0) == make().order(1, 0)).all()
    assert (make().order(1, 0) != make().order(1, 1)).any() and (make().order(1, 0) != make().order(2, 0)).any()


def test_weights_decide_how_often_a_source_is_drawn_and_none_of_its_recordings_comes_twice_before_all_came():
    mixture = Mixture([Part(recordings("a", 90, 8), weight=1), Part(recordings("b", 10), weight=1)])
    drawn = [index for epoch in range(9) for index in mixture.order(5, epoch)]
    assert Counter(index < 90 for index in drawn) == {True: 450, False: 450}
    first, second = [i for i in drawn if i < 90], [i for i in drawn if i >= 90]
    for stream, size in ((first, 90), (second, 10)):
        for begin in range(0, len(stream), size):
            assert len(set(stream[begin : begin + size])) == size


def test_sources_are_mixed_evenly_over_an_epoch():
    order = Mixture([Part(recordings("a", 800, 16)), Part(recordings("b", 200, 16))]).order(0, 0)
    shares = [(np.array(order[begin : begin + 100]) >= 800).mean() for begin in range(0, 1000, 100)]
    assert max(abs(share - 0.2) for share in shares) <= 0.05


def test_a_reader_needs_the_groups_of_two_windows_at_hand_and_no_more():
    order = Part(recordings("a", 64 * 100, 64)).order(0, 0, 0)
    for begin in range(0, len(order), 64 * WINDOW):
        assert len({index // 64 for index in order[begin : begin + 64 * WINDOW]}) <= WINDOW
    # Within a window everything is mixed: a batch comes from many groups.
    assert len({index // 64 for index in order[:64]}) > WINDOW // 2


def test_recordings_are_read_when_they_are_asked_for_and_not_before():
    mixture = Mixture([Part(recordings("a", 3)), Part(recordings("b", 2))])
    assert mixture[4][1] == "b1" and mixture[0][1] == "a0"
    assert mixture.recording(3).id == "b0" and len(mixture) == 5
    with pytest.raises(IndexError, match="recording 5 of 5"):
        mixture[5]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "at least one source"),
        ([Part(recordings("a", 1), weight=1), Part(recordings("b", 1))], "either every source"),
    ],
)
def test_a_mixture_that_makes_no_sense_is_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        Mixture(parts)


@pytest.mark.parametrize("weight", [0, -1.0, float("nan")])
def test_a_weight_is_a_positive_number(weight):
    with pytest.raises(ValueError, match="expected a positive number"):
        Part(recordings("a", 1), weight=weight)


def test_an_order_of_a_million_recordings_is_made_within_a_second_of_processor_time():
    import time

    part = Part(recordings("a", 1))
    part.recordings = _Many(1_000_000)
    begin = time.process_time()
    order = Mixture([part]).order(0, 7)
    assert len(order) == 1_000_000 and time.process_time() - begin < 5  # a second when nothing else runs


class _Many:
    """Recordings in groups of 64, made when they are asked for."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __iter__(self):
        return (Recording("x", "walk", str, "train", group=n // 64) for n in range(self.count))


class Sampler:
    """Of a processor only what examples use."""

    def sample(self, sequence, generator=None):
        return sample_clip(sequence, 3, generator=generator)


def unreadable():
    raise SkeletonFormatError("bad.npz", "frame 0", "nothing", "joints")


def mixed(bad, count=60):
    good = [
        Recording(
            f"r{n}", "walk" if n % 2 else "squat", partial(synthesize, "walk", topology="coco_17", performer=n), "train"
        )
        for n in range(count)
    ]
    return Mixture([Part([*good[:-bad], *(Recording(f"bad{n}", "walk", unreadable, "train") for n in range(bad))])])


def test_a_recording_that_cannot_be_read_is_named_and_the_next_one_takes_its_place(caplog):
    examples = Examples(mixed(bad=1), Sampler(), 60, Augmentation())
    batch = examples.batch(0)
    assert "bad.npz" in caplog.text and len(batch) == 60
    assert "bad0" not in {example.id for example in batch} and max(Counter(e.id for e in batch).values()) == 2


def test_too_many_of_them_end_the_run():
    with pytest.raises(PoisonedDataError, match="2 of 60 recordings cannot be read; the last: bad.npz"):
        Examples(mixed(bad=2), Sampler(), 60, Augmentation()).batch(0)
