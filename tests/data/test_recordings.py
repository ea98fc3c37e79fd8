"""Choosing recordings, and reading them although some files are bad."""

import logging
from dataclasses import replace

import pytest

from skeletonllm.data.labels import shared_name, translate_labels
from skeletonllm.data.recordings import LARGEST_BAD_SHARE, PoisonedDataError, read_all, select
from skeletonllm.skeleton.formats import SkeletonFormatError


def test_train_and_test_are_disjoint_and_make_the_whole(recordings):
    parts = {split: {recording.id for recording in select(recordings, split)} for split in ("train", "test", "all")}
    assert len(parts["train"]) == len(parts["test"]) == 6
    assert not parts["train"] & parts["test"]
    assert parts["train"] | parts["test"] == parts["all"] == {recording.id for recording in recordings}


def test_all_conditions_must_hold(recordings):
    chosen = select(recordings, "train", where={"performer": [2], "view": [1, 3]}, labels=["clap", "walk"])
    assert [recording.id for recording in chosen] == ["clap-2-1", "walk-2-1"]


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (dict(split="validation"), "unknown split 'validation', expected train, test or all"),
        (dict(where={"camera": [1]}), "no attribute 'camera'; they have performer, view"),
        (dict(where={"view": 1}), r"where: view is 1, expected a list"),
        (dict(split="train", where={"view": [3]}), r"no recording of 12 .*'train'.*view"),
        (dict(labels=["clap", "fly"]), "no label fly"),
    ],
)
def test_wishes_that_cannot_be_met_are_explained(recordings, wish, message):
    with pytest.raises(ValueError, match=message):
        select(recordings, **wish)


@pytest.fixture
def with_bad_files(recordings):
    """A hundred recordings, of which the first ``count`` cannot be read."""

    def make(count):
        def fail(number):
            raise SkeletonFormatError(f"bad{number}.json", "line 1", "noise", "a skeleton")

        many = [replace(recordings[index % 12], id=str(index)) for index in range(100)]
        return [
            replace(recording, read=lambda number=index: fail(number)) if index < count else recording
            for index, recording in enumerate(many)
        ]

    return make


def test_a_bad_file_is_left_out_with_a_warning_that_names_it(with_bad_files, caplog):
    recordings = with_bad_files(1)
    with caplog.at_level(logging.WARNING):
        read = read_all(recordings)
    assert [recording.id for recording, _ in read] == [recording.id for recording in recordings[1:]]
    assert "bad0.json" in caplog.text


def test_many_bad_files_stop_the_reading_and_the_first_error_is_told(with_bad_files):
    budget = round(100 * LARGEST_BAD_SHARE)
    assert len(read_all(with_bad_files(budget))) == 100 - budget
    with pytest.raises(PoisonedDataError, match="more than 2% of 100 recordings cannot be read, the first: bad0.json"):
        read_all(with_bad_files(budget + 1))


def test_a_defect_in_a_reader_is_no_bad_file(recordings):
    def defect():
        raise IndexError("ours")

    with pytest.raises(IndexError):
        read_all([replace(recordings[0], read=defect), *recordings])


def test_every_sequence_stays_with_its_recording(recordings):
    for recording, sequence in read_all(recordings):
        assert (sequence.joints == recording.read().joints).all()


def test_labels_of_another_data_set_are_translated_where_the_action_is_the_same():
    known = ["sit down", "stand up", "throw", "walk around", "carry"]
    foreign = ["stand to sit", "sit to stand", "right arm throw", "walking", "squat", "knock on door"]
    assert translate_labels(known, foreign) == {
        "stand to sit": "sit down", "sit to stand": "stand up", "right arm throw": "throw", "walking": "walk around",
    }  # fmt: skip


def test_a_label_that_nothing_is_known_of_means_itself():
    assert shared_name("juggle") == "juggle"
    assert translate_labels(["juggle", "bow"], ["juggle", "fly"]) == {"juggle": "juggle"}


def test_two_known_labels_that_mean_the_same_are_refused():
    with pytest.raises(ValueError, match="'walk around' and 'walking' mean the same"):
        translate_labels(["walk around", "walking"], ["walk"])
