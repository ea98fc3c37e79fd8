import pytest
import torch

from skeletonllm.tasks import Subject
from skeletonllm.tasks.recognition import build_prompt, draw, is_correct, label_line, parse_answer

LABELS = ["throw", "throw ball", "put on hat/cap", "touch someone's pocket", "bow (bend forward)"]


def test_the_prompt_lists_the_candidates_in_the_given_order_one_per_line():
    assert build_prompt(LABELS).splitlines()[1:] == LABELS
    assert build_prompt(LABELS[::-1]).splitlines()[1:] == LABELS[::-1]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("throw", "throw"),
        ("  Throw.\n", "throw"),
        ('"Throw  Ball"', "throw ball"),
        ("**throw ball**!", "throw ball"),
        ("Put on hat / cap", "put on hat/cap"),
        ("touch someone\u2019s pocket", "touch someone's pocket"),
        ("bow bend forward", "bow (bend forward)"),
        ("The arm moves fast.\nLabel: throw", "throw"),
        ("They bend.\n\n**Label:** Bow (bend forward).\n", "bow (bend forward)"),
    ],
)
def test_answers_are_recognised_through_case_spacing_and_punctuation(text, label):
    assert parse_answer(text, LABELS) == label


@pytest.mark.parametrize(
    "text",
    ["", "\n", "throw or throw ball", "throwing", "a throw", "pocket", "throw\nball", "Label: throw\nor not", "..."],
)
def test_a_label_inside_other_words_is_no_answer(text):
    assert parse_answer(text, LABELS) is None


def test_a_shorter_label_is_not_a_longer_one():
    assert is_correct("Throw ball.", "throw ball", LABELS)
    assert not is_correct("throw ball", "throw", LABELS)
    assert not is_correct("throw", "throw ball", LABELS)
    assert not is_correct("no idea", "throw", LABELS)


def test_labels_in_other_scripts_are_compared_too():
    assert parse_answer("Hinsetzen", ["hinsetzen", "座る"]) == "hinsetzen"
    assert parse_answer("座る。", ["hinsetzen", "座る"]) == "座る"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "at least one candidate"),
        (["throw", "Throw!"], "cannot be told apart"),
        (["throw", "?"], "at least one letter"),
        (["throw\nball"], "must be one line"),
    ],
)
def test_candidates_that_cannot_be_asked_for_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        build_prompt(labels)


def test_a_label_line_without_a_label_names_nothing():
    assert parse_answer("Label:", LABELS) is None
    assert label_line("Label:") == "" and label_line("the label: throw") is None


def test_an_open_question_lists_no_candidate_and_still_refuses_labels_that_cannot_be_told_apart():
    prompt = build_prompt(LABELS, listed=False)
    assert not any(label in prompt for label in LABELS)
    assert prompt == build_prompt(LABELS[:2], listed=False)
    with pytest.raises(ValueError, match="told apart"):
        build_prompt(["throw", "Throw"], listed=False)


def test_a_subject_whose_labels_are_not_listed_is_asked_the_open_question():
    subject = Subject("throw", LABELS, fewer_candidates=1.0, listed=False)
    assert draw(subject, torch.Generator().manual_seed(0)) == (build_prompt(LABELS, listed=False), "throw")
