"""First the reasons, then the label."""

import pytest
import torch

from skeletonllm.tasks import NEED_RATIONALES, NEED_WHOLE, TASKS, Subject
from skeletonllm.tasks.rationale import build_prompt, build_target, is_correct, parse_answer

LABELS = ["bow", "clap", "wave left hand"]
REASONS = "The left hand rises. It goes from side to side."


def draw(**known):
    return TASKS["rationale"](Subject("wave left hand", LABELS, **known), torch.Generator())


def test_the_answer_is_the_rationale_and_a_last_line_with_the_label():
    prompt, answer = draw(rationale=f"{REASONS}\n")
    assert answer == f"{REASONS}\nLabel: wave left hand"
    assert prompt == build_prompt()
    assert not any(label in prompt for label in LABELS)


def test_the_label_is_read_from_what_was_built():
    for label in LABELS:
        assert parse_answer(build_target(REASONS, label), LABELS) == label
        assert [is_correct(build_target(REASONS, label), other, LABELS) for other in LABELS].count(True) == 1


@pytest.mark.parametrize(
    "text", [REASONS, f"Label: bow\n{REASONS}", f"{REASONS} Label: bow", f"{REASONS}\nLabel: bow or clap"]
)
def test_reasons_without_a_last_line_of_one_label_are_no_answer(text):
    assert parse_answer(text, LABELS) is None


def test_of_several_label_lines_the_last_counts():
    assert parse_answer(f"Label: bow\n{REASONS}\nLabel: clap", LABELS) == "clap"


def test_what_a_rationale_lacks_is_named():
    with pytest.raises(ValueError, match="recording of 'wave left hand' has none"):
        draw()
    with pytest.raises(ValueError, match="'wave left hand' is empty"):
        draw(rationale=" \n")
    with pytest.raises(ValueError, match="'wave left hand' has a label line"):
        draw(rationale=f"{REASONS}\nlabel: bow")


def test_it_is_known_to_need_rationales_and_the_others_do_without():
    assert NEED_RATIONALES == {"rationale"} < set(TASKS)
    for name in set(TASKS) - NEED_WHOLE:
        assert TASKS[name](Subject("bow", LABELS), torch.Generator())
