"""Labels that are easily taken for each other."""

from collections import Counter

import pytest

from skeletonllm.data.confusable import ALIKE, MOST, confusable_labels
from skeletonllm.data.labels import known_labels, shared_name
from skeletonllm.skeleton.formats import ntu, nw_ucla, utd_mhad
from skeletonllm.skeleton.synthesis import ACTIONS


def test_every_embedded_action_is_alike_to_three_others_so_that_questions_give_nothing_away():
    found = confusable_labels(list(ACTIONS))
    assert set(found) == set(ACTIONS)
    assert all(len(others) == 3 for others in found.values())
    assert Counter(other for others in found.values() for other in others) == dict.fromkeys(ACTIONS, 3)
    assert len({frozenset(pair) for pair in ALIKE}) == len(ALIKE) == 3 * len(ACTIONS) // 2


def test_known_pairs_are_confusable():
    found = confusable_labels(list(ACTIONS))
    assert "raise both arms" in found["wave left hand"]
    assert "squat" in found["sit down"]


@pytest.mark.parametrize("labels", [ntu.LABELS, nw_ucla.LABELS, utd_mhad.LABELS, known_labels()])
def test_only_other_labels_of_the_list_are_named_and_never_the_same_action(labels):
    found = confusable_labels(labels)
    assert list(found) == list(dict.fromkeys(labels))
    for label, others in found.items():
        assert others and set(others) <= set(labels) and len(set(others)) == len(others)
        assert shared_name(label) not in {shared_name(other) for other in others}


def test_elsewhere_labels_that_share_most_words_come_first():
    assert confusable_labels(ntu.LABELS)["put on hat/cap"][0] == "take off hat/cap"
    labels = ["open door", "close the door", "open the window", "clap", "clapping over head", "swim"]
    found = confusable_labels(labels)
    assert found["open door"] == ("close the door", "open the window")
    assert found["clap"] == ("clapping over head",)
    assert found["swim"] == tuple(labels[:-1]), "nothing is known of it"


def test_a_list_of_similar_labels_has_an_end():
    labels = [f"throw ball {word}" for word in ("high", "low", "far", "near", "left", "right", "up")]
    assert all(len(others) == MOST for others in confusable_labels(labels).values())


def test_a_table_entry_outside_the_list_is_not_named():
    assert confusable_labels(["squat", "sit down", "clap"])["squat"] == ("sit down",)
    assert confusable_labels(["squat"]) == {"squat": ()}
    assert confusable_labels(["walk", "walking"]) == {"walk": (), "walking": ()}
