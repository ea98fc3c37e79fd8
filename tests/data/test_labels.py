"""Labels that data sets share."""

import pytest

from skeletonllm.data.augmentation import Augmentation
from skeletonllm.data.labels import SHARED_NAMES, known_labels, translate_labels
from skeletonllm.skeleton.formats import nw_ucla, utd_mhad


def test_northwestern_ucla_and_utd_mhad_share_four_actions():
    translation = translate_labels(nw_ucla.LABELS, utd_mhad.LABELS)
    assert translation == {
        "right arm throw": "throw",
        "walking": "walk around",
        "sit to stand": "stand up",
        "stand to sit": "sit down",
    }


def test_every_shared_name_is_one_that_some_data_set_uses():
    assert not set(SHARED_NAMES) - set(known_labels())


def test_two_known_labels_of_one_action_are_refused():
    with pytest.raises(ValueError, match="same action"):
        translate_labels(["walk", "walking"], ["walk around"])


@pytest.mark.parametrize(
    "wrong", [dict(trim=-0.1), dict(size=1.0), dict(speed=1.0), dict(jitter=-0.1), dict(missing=1.5), dict(mirror=2.0)]
)
def test_augmentation_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Augmentation(**wrong)
