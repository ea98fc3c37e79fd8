"""A sentence about the motion, as one of several people would write it."""

import re

import pytest
import torch

from skeletonllm.skeleton.synthesis import ACTIONS, captions, captions_of_sequence, known_facts
from skeletonllm.tasks import TASKS, Subject
from skeletonllm.tasks.captioning import PROMPTS, parse_answer

TIMES = {"once": "1", "twice": "2", "three times": "3", "four times": "4", "five times": "5"}


def test_every_prompt_and_every_caption_comes_up():
    subject = Subject("bow", ["bow"], captions=("a person bows", " someone bows down "))
    draws = {TASKS["captioning"](subject, torch.Generator().manual_seed(seed)) for seed in range(100)}
    assert draws == {(prompt, text) for prompt in PROMPTS for text in ("a person bows", "someone bows down")}
    with pytest.raises(ValueError, match="a recording of 'bow' has none"):
        TASKS["captioning"](Subject("bow", ["bow"]), torch.Generator())


def test_a_caption_is_the_first_line_with_words():
    assert parse_answer("\n --- \n a person bows. \nLabel: bow") == "a person bows."
    assert parse_answer(" \n...\n") is None


@pytest.mark.parametrize("label", ACTIONS)
def test_synthetic_captions_are_several_and_tell_the_numbers_and_sides_of_the_very_motion(label):
    for performer in range(6):
        texts, facts = captions(label, performer=performer), known_facts(label, performer=performer)
        assert len(set(texts)) == len(texts) >= 4
        for text in texts:
            assert re.fullmatch(r"[a-z][a-z ,']+[a-z]", text) and "  " not in text
            for words, number in TIMES.items():
                if re.search(rf"\b{words}\b", text):
                    assert number in {facts.get(topic) for topic in ("claps", "sinks", "jumps", "thrusts")}
            if label in ("kick", "turn around") and (sides := re.findall("left|right", text)):
                assert sides == [facts["leg" if label == "kick" else "turn"]]
    assert any("{" not in text and len(text.split()) > 2 for text in texts)


def test_captions_of_several_actions_tell_them_in_their_order():
    for text in captions_of_sequence(("kick", "wave left hand", "turn around")):
        found = [text.index(word) for word in ("kicks", "waves with the left hand", "turns around")]
        assert found == sorted(found) and "{" not in text and text.count("then") == 2
