"""Labels that data sets share."""

import pytest

from skeletonllm.data.augmentation import Augmentation
from skeletonllm.data.examples import Examples
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


def test_mirroring_actions_that_name_a_side_is_refused(recordings):
    named = [(recordings[0], None)] * 4
    object.__setattr__(recordings[0], "label", "wave left hand")
    with pytest.raises(ValueError, match="wave left hand untrue"):
        Examples(named, None, 2, Augmentation(mirror=0.5))


@pytest.mark.parametrize("wrong", [dict(trim=-0.1), dict(size=1.0), dict(missing=1.5), dict(mirror=2.0)])
def test_augmentation_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Augmentation(**wrong)
