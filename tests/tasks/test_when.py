"""Questions for a time: what they ask for, and which label that is."""

import pytest

from skeletonllm.tasks.when import asked_action, matching_label

LABELS = ["sit down", "stand up", "wave left hand", "wave right hand", "clap hands", "run", "throw", "carry"]


@pytest.mark.parametrize(
    ("question", "action", "label"),
    [
        ("When does she sit down?", "sit down", "sit down"),
        ("when is the person sitting down", "sitting down", "sit down"),
        ("At what time does the second person wave her left hand?", "wave her left hand", "wave left hand"),
        ("When are they clapping their hands?", "clapping their hands", "clap hands"),
        ("In which seconds does somebody carry something?", "carry something", "carry"),
        ("When is he running?", "running", "run"),
        ("When did the woman throw a ball?", "throw a ball", None),
        ("When does he wave?", "wave", None),
        ("When does she stand?", "stand", None),
    ],
)
def test_the_action_of_a_question_is_found_among_labels_or_is_none_of_them(question, action, label):
    assert asked_action(question) == action
    assert matching_label(action, LABELS) == label


@pytest.mark.parametrize(
    "question",
    ["What does she do when she sits down?", "Why does she sit down?", "When?", "How often does he clap?", ""],
)
def test_other_questions_ask_for_no_time(question):
    assert asked_action(question) is None


def test_labels_that_differ_in_the_form_of_the_verb_alone_are_not_guessed_between():
    assert matching_label("walk", ["walk", "walking"]) is None
