"""Questions about motions: exact answers, words for every value, and nothing in the text that gives the answer away."""

from collections import Counter, defaultdict

import pytest
import torch

from skeletonllm.skeleton.kinematic_facts import ALONE
from skeletonllm.skeleton.pair_facts import TOGETHER
from skeletonllm.skeleton.synthesis import ACTIONS, known_facts, known_facts_of_sequence
from skeletonllm.tasks import TASKS, Subject
from skeletonllm.tasks.questions import (
    KINDS,
    ask,
    can_ask,
    choices,
    find_topic,
    is_correct,
    kind_of,
    parse_answer,
    wordings,
)
from skeletonllm.tasks.questions.pool import Pool


@pytest.fixture(scope="module")
def facts():
    """What is known of every action by some performers, and of recordings of two actions in both orders."""
    alone = [known_facts(label, performer=performer) for label in ACTIONS for performer in range(4)]
    orders = [("clap", "kick")] * 3 + [("kick", "clap")] * 3 + [("bow", "jump")] * 4 + [("jump", "bow")] * 2
    return alone + [known_facts_of_sequence(pair, performer=number) for number, pair in enumerate(orders)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_all_that_is_measured_can_be_asked_about_and_nothing_else():
    assert set(ALONE) | set(TOGETHER) == {name for topics in KINDS.values() for name in topics}
    assert kind_of("order/bow/clap") == "order" and kind_of("order/bow") is None and kind_of("colour") is None
    with pytest.raises(KeyError, match="no question about 'colour'; known: first_limbs"):
        find_topic("colour")


def test_there_are_words_for_every_value(facts):
    for told in facts:
        for name, value in told.items():
            assert can_ask(name, value), (name, value)
    assert not can_ask("claps", "40") and not can_ask("arm", "third")


def test_the_wordings_have_every_word_of_every_question(facts):
    words = set(" ".join(wordings()).split())
    for question in Pool(facts).ask(20, generator()):
        if not question.topic.startswith("order/"):
            assert set(f"{question.prompt} {question.answer}".split()) <= words


def test_the_answer_is_one_of_two_choices_and_the_claim_is_true_or_false():
    seen = Counter()
    for seed in range(200):
        prompt, answer = ask("arm", "left", "right", generator(seed))
        offered = choices(prompt)
        seen[prompt, answer] += 1
        if "true?" in prompt:
            assert offered == ["YES", "NO"] and answer == ("YES" if "moves the left arm" in prompt else "NO")
        else:
            assert set(offered) == {"the left arm", "the right arm"} and answer == "the left arm"
    # Four questions, as likely as one another: 50 of 200 each, with a standard deviation of 6.
    assert len(seen) == 4 and all(count == pytest.approx(50, abs=25) for count in seen.values())
    with pytest.raises(ValueError, match="'left' is true"):
        ask("arm", "left", "left", generator())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("the left arm", "the left arm"), ("The LEFT arm.", "the left arm"), (" both arms alike\n", "both arms alike"),
        ("left", None), ("the left arm or both arms alike", None), ("", None), ("I think the left arm", None),
    ],
)  # fmt: skip
def test_only_a_choice_alone_is_an_answer(text, said):
    offered = ["the left arm", "both arms alike"]
    assert parse_answer(text, offered) == said
    assert is_correct(text, "the left arm", offered) == (said == "the left arm")


def test_every_kind_is_asked_as_often_as_any_other_and_always_of_a_recording_that_tells_it(facts):
    pool = Pool(facts)
    assert pool.kinds == sorted(KINDS)
    draws = [pool.draw(rng) for rng in [generator()] for _ in range(3600)]
    counts = Counter(kind_of(topic) for _, topic in draws)
    # 400 of 3600 each, with a standard deviation of 19.
    assert all(counts[kind] == pytest.approx(400, abs=80) for kind in KINDS)
    assert all(topic in facts[index] for index, topic in draws)


def test_the_answer_is_what_is_true_of_the_recording(facts):
    for asked in Pool(facts).ask(40, generator()):
        topic, value = find_topic(asked.topic), facts[asked.index][asked.topic]
        assert kind_of(asked.topic) == asked.kind and asked.answer in asked.choices
        if asked.choices == ["YES", "NO"]:
            assert (asked.answer == "YES") == (topic.claims[value] in asked.prompt)
        else:
            assert asked.answer == topic.answers[value]


def blind(asked):
    """The share that is right of the best answers that the texts allow, learnt on the other half of the questions."""
    taught, counts = defaultdict(Counter), []
    for question in asked[::2]:
        taught[question.prompt][question.answer] += 1
    for question in asked[1::2]:
        best = taught[question.prompt].most_common(1)
        counts.append(bool(best) and best[0][0] == question.answer)
    return sum(counts) / len(counts)


def test_who_reads_the_question_and_sees_nothing_is_at_chance(facts):
    pool = Pool(facts)
    everything = pool.ask(800, generator())
    for kind in pool.kinds:
        asked = [question for question in everything if question.kind == kind]
        # Half of 400, with a standard deviation of 2.5 %.
        assert blind(asked) == pytest.approx(0.5, abs=0.09), kind


def test_of_facts_that_are_nearly_always_the_same_each_value_is_right_half_of_the_time():
    told = [{"arm": "right"}] * 90 + [{"arm": "left"}] * 6 + [{"arm": "both"}] * 4
    counts = Counter()
    for question in Pool(told).ask(2000, generator()):
        if question.choices != ["YES", "NO"]:
            counts[frozenset(question.choices), question.answer] += 1
    for offered in {pair for pair, _ in counts}:
        one, other = sorted(offered)
        total = counts[offered, one] + counts[offered, other]
        # Five standard deviations of a coin; a rival that is drawn evenly would be right far less often.
        assert counts[offered, one] == pytest.approx(total / 2, abs=2.5 * total**0.5)


def test_what_is_always_the_same_or_told_once_is_not_asked():
    told = [{"hips": "level", "arm": "left"}] * 5 + [{"hips": "level", "arm": "right"}] * 2 + [{"hips": "down"}]
    assert set(Pool(told).rivals) == {"arm"}
    with pytest.raises(ValueError, match="3 recordings do not differ in any fact"):
        Pool([{"hips": "level", "colour": "red"}, {"colour": "blue"}, {"colour": "blue"}])


def test_actions_that_always_come_in_the_same_order_are_not_asked_about():
    always = [{"order/bow/clap": "bow", "arm": arm} for arm in ("left", "right", "left", "right")]
    assert set(Pool(always).rivals) == {"arm"}
    mixed = [{"order/bow/clap": first} for first in ("bow", "clap", "bow", "bow", "clap")]
    asked = Pool(mixed).ask(50, generator())
    assert {question.answer for question in asked} == {"bow", "clap", "YES", "NO"}


def test_a_subject_is_asked_about_what_its_facts_and_their_rivals_allow():
    subject = Subject("wave", ["wave"], facts={"arm": "left", "hips": "level"}, rivals={"arm": {"left": 9, "right": 1}})
    for seed in range(20):
        prompt, answer = TASKS["questions"](subject, generator(seed))
        assert "arm" in prompt and answer in ("the left arm", "YES", "NO") and "both" not in prompt
        assert (prompt, answer) == TASKS["questions"](subject, generator(seed))
    for facts, rivals in (({}, {}), ({"arm": "left"}, {}), ({"arm": "left"}, {"arm": {"left": 3}})):
        with pytest.raises(ValueError, match="no question about a recording of 'wave'"):
            TASKS["questions"](Subject("wave", ["wave"], facts=facts, rivals=rivals), generator())
