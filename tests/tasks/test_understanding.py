"""Free questions are understood as the nearest task, or not at all."""

import pytest

from skeletonllm.tasks import TASKS
from skeletonllm.tasks.questions import KINDS
from skeletonllm.tasks.understanding import named_labels, understand

LABELS = ["clap", "sit down", "walk", "walk apart", "wave left hand", "wave right hand"]


@pytest.mark.parametrize(
    "question",
    ["what is this person doing?", "What does she do?", "What's he doing", "Which action do you see?",
     "Which of these actions do the frames show? Answer with one label only."],
)  # fmt: skip
def test_which_action_it_is(question):
    assert understand(question, LABELS).task == "recognition"


@pytest.mark.parametrize(
    ("question", "task", "label"),
    [
        ("When does she sit down?", "localization", "sit down"),
        ("at what time is the person walking?", "localization", "walk"),
        ("Is he waving his right hand?", "discrimination", "wave right hand"),
        ("Do they walk apart?", "discrimination", "walk apart"),
        ("Describe the motion.", "captioning", None),
        ("What is happening?", "captioning", None),
        ("Explain what each part of the body does.", "rationale", None),
    ],
)
def test_whether_and_when_it_is_one_of_them_captions_and_reasons(question, task, label):
    found = understand(question, LABELS)
    assert (found.task, found.label) == (task, label) and task in TASKS
    assert label is None or task == "discrimination" or label in found.prompt


@pytest.mark.parametrize(
    ("question", "known"),
    [
        ("Which arm does she move?", "Which arm does the person move more?"),
        ("why does his head get lower", "Why does the head get lower?"),
        ("Do the hands come together?", "Do the two hands come together?"),
    ],
)
def test_a_fact_is_asked_for_in_the_words_of_the_nearest_question(question, known):
    assert understand(question, LABELS).topic.question == known


@pytest.mark.parametrize("question", ["What does he do first, sit down or clap?", "Does she clap before sitting down?"])
def test_which_of_two_actions_comes_first(question):
    assert understand(question, LABELS).order == ("clap", "sit down")


def test_every_question_about_a_fact_is_understood_as_itself():
    for kind in KINDS.values():
        for topic in kind.values():
            assert understand(topic.question, LABELS).topic == topic


@pytest.mark.parametrize(
    "question",
    ["When does he juggle?", "Is he happy?", "Is she walking or clapping?", "How is the weather?", "Who won the cup?",
     "Is she sitting down, clapping and waving?", "x" * 9000, "\u4f60\u597d"],
)  # fmt: skip
def test_what_is_near_no_task_is_not_understood(question):
    assert understand(question, LABELS) is None


def test_a_label_that_is_part_of_another_one_that_is_named_is_not_meant():
    assert named_labels("they walk apart", LABELS) == ["walk apart"]
    assert named_labels("she walks and sits down", LABELS) == ["sit down", "walk"]
