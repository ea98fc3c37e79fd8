"""Recordings that can be learnt from, but are not what they should be, are named once."""

import logging

import numpy as np
import pytest

from skeletonllm.data.oddities import MOST_NAMED, oddities, warn_of_oddities
from skeletonllm.data.recordings import Recording
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import COCO_17


def sequence(frames=4, persons=1):
    joints = np.random.default_rng(0).normal(size=(frames, persons, 17, 3))
    return SkeletonSequence(joints, 30.0, COCO_17)


def spoilt(how):
    joints = np.array(sequence(persons=2).joints)
    if how == "unknown joints":
        joints[1, 0, 5] = np.nan
    elif how == "frames without anybody":
        joints[2] = np.nan
    elif how == "bones of no length":
        first, second = COCO_17.bones[3]
        joints[0, 1, first] = joints[0, 1, second]
    else:
        joints = joints[:1]
    return SkeletonSequence(joints, 30.0, COCO_17)


@pytest.mark.parametrize("how", ["unknown joints", "frames without anybody", "bones of no length", "one frame only"])
def test_each_oddity_is_told_alone(how):
    assert oddities(spoilt(how)) == [how]


def test_a_person_who_is_not_there_is_no_oddity():
    joints = np.array(sequence(persons=2).joints)
    joints[:, 1] = np.nan
    assert oddities(SkeletonSequence(joints, 30.0, COCO_17)) == []


def test_unknown_bones_are_not_bones_of_no_length():
    joints = np.array(sequence().joints)
    joints[:, :, list(COCO_17.bones[0])] = np.nan
    assert oddities(SkeletonSequence(joints, 30.0, COCO_17)) == ["unknown joints"]


def test_one_warning_names_what_is_odd_and_nothing_else(caplog):
    odd = spoilt("unknown joints")
    read = [(Recording(f"r{n}", "x", lambda: None, "train"), odd if n % 2 else sequence()) for n in range(30)]
    with caplog.at_level(logging.WARNING):
        warn_of_oddities(read[::2])
        assert not caplog.records
        warn_of_oddities(read)
    (record,) = caplog.records
    assert record.getMessage().startswith("masked in 15 of 30 recordings: r1: unknown joints; r3: unknown joints")
    assert record.getMessage().count("unknown joints") == MOST_NAMED and record.getMessage().endswith("...")
