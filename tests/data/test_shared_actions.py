"""Which actions data sets have in common, held against a list that others made of the real files."""

import csv
from collections import defaultdict

import pytest

from skeletonllm.data.labels import SHARED_NAMES, shared_name, translate_labels
from skeletonllm.data.recordings import labels_of
from skeletonllm.data.shared_actions import SHARED_ACTIONS, shared_action, stand_in
from skeletonllm.data.sources import gtu, jhmdb, load_source, penn_action
from skeletonllm.skeleton.formats import msr_action3d, ntu, nw_ucla, utd_mhad
from skeletonllm.skeleton.synthesis import ACTIONS

# As the list beside its files has them.
UTKINECT = ("walk", "sit down", "stand up", "pick up", "carry", "throw", "push", "pull", "wave hands", "clap hands")
LABELS = {
    "synthetic": tuple(ACTIONS), "ntu": ntu.LABELS, "nw_ucla": nw_ucla.LABELS, "utd_mhad": utd_mhad.LABELS,
    "utkinect": UTKINECT, "msr_action3d": msr_action3d.LABELS, "jhmdb": tuple(jhmdb.LABELS.values()),
    "gtu": tuple(gtu.LABELS.values()), "penn_action": tuple(penn_action.LABELS.values()),
}  # fmt: skip
FOLDERS = {
    "ntu": "ntu_rgbd_samples", "utd_mhad": "utd_mhad", "utkinect": "utkinect", "msr_action3d": "msr_action3d",
    "jhmdb": "jhmdb", "gtu": "gtu_kinect2", "penn_action": "penn_action",
}  # fmt: skip


def test_every_row_names_labels_of_its_data_sets_and_of_two_at_least():
    for action, sets in SHARED_ACTIONS.items():
        assert len(sets) >= 2, action
        for name, labels in sets.items():
            assert labels and set(labels) <= set(LABELS[name]), (action, name)


def test_a_label_means_one_action_in_every_data_set_that_uses_it():
    rows = defaultdict(set)
    for action, sets in SHARED_ACTIONS.items():
        for label in {label for labels in sets.values() for label in labels}:
            rows[label].add(action)
            # The same words elsewhere would be translated too, so they must be in the row.
            for other, known in LABELS.items():
                assert label not in known or label in sets.get(other, ()), (action, label, other)
    assert all(len(actions) == 1 for actions in rows.values())


def test_what_is_the_same_motion_is_the_same_action():
    by_name = defaultdict(set)
    for label in SHARED_NAMES:
        by_name[shared_name(label)].add(shared_action(label))
    assert all(len(actions) == 1 for actions in by_name.values())


@pytest.mark.parametrize("name", LABELS)
def test_no_data_set_has_two_labels_of_one_motion(name):
    labels = LABELS[name]
    assert translate_labels(labels, labels) == {label: label for label in labels}


def test_one_of_several_known_labels_stands_for_an_action_that_a_foreign_one_does_not_part():
    assert translate_labels(nw_ucla.LABELS[::-1], ["pick up", "juggle"]) == {"pick up": "pick up with one hand"}
    assert translate_labels(["pick up"], nw_ucla.LABELS) == {
        "pick up with one hand": "pick up", "pick up with two hands": "pick up",
    }  # fmt: skip
    assert stand_in("kick", ["side kick", "forward kick"]) == "forward kick"
    assert stand_in("kick", ["side kick"]) == "side kick" and stand_in("kick", ["squat"]) is None


def test_the_same_motion_goes_before_the_same_action():
    known = ["high arm wave", "wave right hand"]
    assert stand_in("wave", known) == "high arm wave"
    assert translate_labels(known, ["right hand wave", "wave"]) == {
        "right hand wave": "wave right hand", "wave": "high arm wave",
    }  # fmt: skip


def test_the_table_agrees_with_the_index_of_the_real_recordings(shared):
    """Two labels of real clips share an action here if and only if the index gives them one key."""
    index = defaultdict(dict)
    with (shared / "data" / "INDEX.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            place = str(shared / "data" / row["file"]) + (f"#{row['clip']}" if row["clip"] else "")
            index[row["folder"]][place] = (row["label"], row["overlap_key"])
    # These are in an archive, which need not be unpacked: their labels in the index are the reader's.
    key_of = {("nw_ucla", label): key for label, key in index["nw_ucla"].values()}
    assert {label for _, label in key_of} == set(nw_ucla.LABELS)
    for name, folder in FOLDERS.items():
        listed = load_source(name, shared / "data" / folder)
        assert len(listed) == len(index[folder]) and set(labels_of(listed)) <= set(LABELS[name])
        for label in labels_of(listed):
            one = next(recording for recording in listed if recording.label == label)
            key_of[name, label] = index[folder][one.read().source][1]
    actions, keys = defaultdict(set), defaultdict(set)
    for (_, label), key in key_of.items():
        if key:
            actions[key].add(shared_action(label))
            keys[shared_action(label)].add(key)
    assert all(len(found) == 1 for found in (*actions.values(), *keys.values()))
    assert set(actions) == {key for name in ("nw_ucla", *FOLDERS.values()) for _, key in index[name].values() if key}
    for (name, label), key in key_of.items():
        elsewhere = {shared_action(other) for other_name, other in key_of if other_name != name}
        assert key or shared_action(label) not in elsewhere, f"{name}: the index shares {label!r} with nobody"
