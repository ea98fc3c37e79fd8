"""Is it this action, YES or NO?"""

from collections import Counter

import pytest
import torch

from skeletonllm.tasks import TASKS, Subject
from skeletonllm.tasks.discrimination import build_prompt, is_correct, parse_answer

LABELS = ["bow", "clap", "kick", "walk"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("YES", "YES"), ("no.", "NO"), ("  **Yes**\n", "YES"), ("No!", "NO"),
        ("", None), ("yes and no", None), ("yes, it is", None), ("nothing", None), ("not", None), ("YESNO", None),
    ],
)  # fmt: skip
def test_only_yes_or_no_alone_is_an_answer(text, answer):
    assert parse_answer(text) == answer
    assert is_correct(text, "YES") == (answer == "YES")
    assert is_correct(text, "NO") == (answer == "NO")


def draws(subject, count=2000):
    generator = torch.Generator().manual_seed(0)
    return Counter(TASKS["discrimination"](subject, generator) for _ in range(count))


def test_half_the_answers_are_yes_and_each_confusable_label_is_as_likely():
    counts = draws(Subject("kick", LABELS, confusable={"kick": ["walk", "clap"]}))
    # Standard deviations of 2000 draws are 22 and 19.
    assert counts.pop((build_prompt("kick"), "YES")) == pytest.approx(1000, abs=90)
    assert counts.pop((build_prompt("walk"), "NO")) == pytest.approx(500, abs=80)
    assert counts.pop((build_prompt("clap"), "NO")) == pytest.approx(500, abs=80)
    assert not counts


@pytest.mark.parametrize("confusable", [{}, {"kick": []}, {"bow": ["walk"]}])
def test_without_a_list_any_other_label_is_asked_for(confusable):
    asked = {prompt for prompt, answer in draws(Subject("kick", LABELS, confusable=confusable)) if answer == "NO"}
    assert asked == {build_prompt(label) for label in LABELS if label != "kick"}


def test_a_single_label_leaves_nothing_to_tell_apart():
    with pytest.raises(ValueError, match="needs a second label, there is only 'kick'"):
        draws(Subject("kick", ["kick"]))


@pytest.mark.parametrize("label", ["", "?", "two\nlines"])
def test_a_label_that_cannot_be_asked_for_is_refused(label):
    with pytest.raises(ValueError, match="must be one line"):
        build_prompt(label)
