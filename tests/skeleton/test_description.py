"""What is said of a motion is true of that very motion, measured here on the joints in another way."""

import re

import numpy as np
import pytest
from scipy.signal import find_peaks

from skeletonllm.skeleton.synthesis import ACTIONS, JOINTS, describe, perform, performer
from skeletonllm.skeleton.synthesis.description import describe_motion
from skeletonllm.skeleton.synthesis.measures import extremes

PEOPLE = range(12)
COUNTS = {"once": 1, "twice": 2, "three times": 3, "four times": 4, "five times": 5, "six times": 6}
STEPS = {"one step": 1, "two steps": 2, "three steps": 3, "four steps": 4, "five steps": 5, "six steps": 6}
OTHER = {"left": "right", "right": "left"}


def joint(joints: np.ndarray, name: str, person: int = 0) -> np.ndarray:
    """(T, 3) of one joint of what ``perform`` gives."""
    return joints[:, person, JOINTS.index(name)]


def told(label: str, person: int, take: int = 0) -> tuple[str, np.ndarray]:
    """What is said of a motion, and the motion."""
    return describe(label, performer=person, take=take), perform(label, performer=person, take=take)


def count(text: str) -> int:
    return COUNTS[re.search("|".join(COUNTS), text)[0]]


def runs(flags: np.ndarray) -> int:
    """How often a condition (T,) begins to hold."""
    return int((flags[1:] & ~flags[:-1]).sum())


@pytest.mark.parametrize("label", ACTIONS)
def test_every_action_is_told_in_a_few_plain_sentences_the_same_every_time(label):
    for person in PEOPLE:
        text = describe(label, performer=person, take=1)
        assert text == describe(label, performer=person, take=1)
        assert 2 <= text.count(".") <= 5 and 20 <= len(text.split()) <= 60
        assert re.fullmatch(r"([A-Z][a-z ,]+\.( |$))+", text), text


@pytest.mark.parametrize("label", ACTIONS)
def test_no_word_of_an_action_is_in_the_evidence(label):
    stems = "wav clap kick squat sit stand jump walk turn bow punch rais shak push"
    for person in PEOPLE:
        words = re.findall("[a-z]+", describe(label, performer=person).lower())
        spoilers = [word for word in words if word.startswith(tuple(stems.split()))]
        assert not spoilers


def test_texts_of_different_actions_are_different():
    texts = {label: {describe(label, performer=person) for person in range(60)} for label in ACTIONS}
    for label, said in texts.items():
        assert not said & set().union(*(texts[other] for other in texts if other != label)), label


def test_the_vocabulary_is_small():
    texts = [describe(label, performer=person) for label in ACTIONS for person in range(30)]
    assert len(set(re.findall("[a-z]+", " ".join(texts).lower()))) < 150


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_swings_of_the_named_hand_are_counted(side):
    # The last two have time for one swing only.
    for person, take in [*((person, 0) for person in range(40)), (467, 3), (100032, 0)]:
        text, joints = told(f"wave {side} hand", person, take)
        assert f"The {side} hand rises" in text and f"{OTHER[side]} hand" not in text
        hand, shoulder, head = (joint(joints, name) for name in (f"{side}_hand", f"{side}_shoulder", "head"))
        # The person looks along -z, so that x grows to its right. The hand is in when it is nearest to the head.
        outwards = (hand - shoulder)[:, 0] * (1 if side == "right" else -1)
        raised = np.flatnonzero(hand[:, 1] > shoulder[:, 1])
        inner, _ = find_peaks(-outwards[raised[0] : raised[-1] + 1], prominence=0.2 * performer(person).arm)
        assert count(text) == len(inner), (person, text)
        # The crown is 0.1 to 0.13 m above the joint of the head, and people have that of different sizes.
        height = (hand - head)[:, 1].max()
        assert ("above the head" in text) == (height > 0.1) or 0.07 < height < 0.13


def test_left_handed_performers_act_with_the_left():
    sides = {}
    for person in range(60):
        text, joints = told("punch", person)
        side = re.search("the (left|right) hand shoots", text)[1]
        # The person looks along -z.
        reach = {each: (joint(joints, f"{each}_shoulder") - joint(joints, f"{each}_hand"))[:, 2] for each in OTHER}
        assert reach[side].max() > reach[OTHER[side]].max() + 0.1
        blows, _ = find_peaks(reach[side], height=0.45, prominence=0.15)
        assert count(text) == len(blows), (person, text)
        feet = {each: joint(joints, f"{each}_ankle")[0, 2] for each in OTHER}
        assert f"The {min(feet, key=feet.get)} foot is in front" in text
        sides.setdefault(performer(person).left_handed, []).append(side)
    # Three quarters prefer their better hand.
    assert np.mean([side == "left" for side in sides[True]]) > 0.5 > np.mean([side == "left" for side in sides[False]])


@pytest.mark.parametrize("person", PEOPLE)
def test_the_foot_that_swings_up_is_named(person):
    text, joints = told("kick", person)
    rise = {each: np.ptp(joint(joints, f"{each}_ankle")[:, 1]) for each in OTHER}
    side = max(rise, key=rise.get)
    assert f"The {side} foot goes back, then swings forward and up" in text
    assert f"the {OTHER[side]} hand rises forward" in text.lower(), "the opposite arm balances"
    height = joint(joints, f"{side}_ankle")[:, 1].max() / joint(joints, f"{OTHER[side]}_knee")[:, 1].max()
    assert ("up to the knee" in text) == (0.8 < height < 1.4)


@pytest.mark.parametrize("person", PEOPLE)
def test_the_way_of_rotating_is_told_by_the_persons_own_side(person):
    text, joints = told("turn around", person)
    # Halfway the person looks along -x, its left at the start, or along x.
    left = (joint(joints, "left_hip") - joint(joints, "right_hip"))[len(joints) // 2]
    assert f"half a circle to its {'left' if left[2] > 0 else 'right'} with six steps" in text


@pytest.mark.parametrize("person", PEOPLE)
def test_steps_are_counted_and_the_body_travels(person):
    text, joints = told("walk", person)
    assert "the body travels forward" in text and "The two arms swing forward and back one after the other" in text
    heights = [joint(joints, f"{each}_ankle")[:, 1] for each in OTHER]
    lifts = sum(len(find_peaks(height, prominence=0.03)[0]) for height in heights)
    assert STEPS[re.search("|".join(STEPS), text)[0]] == lifts


@pytest.mark.parametrize("person", PEOPLE)
def test_flights_are_counted(person):
    text, joints = told("jump", person)
    lower = np.minimum(joint(joints, "left_foot"), joint(joints, "right_foot"))[:, 1]
    assert "the two feet leave the floor together" in text
    assert count(text) == runs(lower > 0.1)
    assert "swing back, then forward" in text or "swings back, then forward" in text


@pytest.mark.parametrize("person", PEOPLE)
def test_the_hips_go_where_it_is_said(person):
    text, joints = told("squat", person)
    height = joint(joints, "pelvis")[:, 1]
    assert "The knees bend far, the hips sink and come up again" in text
    assert count(text) == runs(height < (height.min() + height.max()) / 2)
    text, joints = told("sit down", person)
    assert "the hips sink to the height of the knees and stay low" in text
    assert abs(joint(joints, "pelvis") - joint(joints, "left_knee"))[-1, 1] < 0.15
    text, joints = told("stand up", person)
    assert "The hips are low at first and rise until the legs are straight" in text


@pytest.mark.parametrize("person", PEOPLE)
def test_meetings_of_the_hands_are_counted_and_where_they_are_is_said(person):
    text, joints = told("clap", person)
    hands = joint(joints, "left_hand"), joint(joints, "right_hand")
    gap = np.linalg.norm(hands[0] - hands[1], axis=-1)
    together = gap < 0.25 * performer(person).arm
    assert count(text) == runs(together)
    middle = np.flatnonzero(together[1:] & ~together[:-1])[count(text) // 2] + 1
    height = min(hand[middle, 1] for hand in hands)
    shoulder, hip = (joint(joints, f"left_{name}")[middle, 1] for name in ("shoulder", "hip"))
    # Between the first touch and the nearest frame the hands may move by centimetres.
    border = abs(height - (shoulder + hip) / 2) < 0.03
    assert border or ("to the waist" in text) == (height < (shoulder + hip) / 2)


@pytest.mark.parametrize("person", PEOPLE)
def test_a_trunk_that_goes_far_down_is_said_to_and_arms_over_the_head_too(person):
    assert "upper body goes far forward and down from the hips and comes up again" in describe("bow", performer=person)
    text = describe("raise both arms", performer=person)
    assert "The two hands rise sideways above the head and come down again" in text
    assert "The legs stay straight and the feet do not move" in text


@pytest.mark.parametrize("person", PEOPLE)
def test_held_hands_go_up_and_down_as_often_as_is_said(person):
    text, joints = told("shake hands", person)
    assert text.startswith("Two people face each other. Each reaches forward with the right hand and the hands meet")
    gap = np.linalg.norm(joint(joints, "right_hand", 0) - joint(joints, "right_hand", 1), axis=-1)
    held = np.flatnonzero(gap < 0.15)
    tops, _ = find_peaks(joint(joints, "right_hand", 0)[held[0] : held[-1] + 1, 1], prominence=0.04)
    assert count(text) == len(tops) > 0


def test_the_hands_that_touch_are_named_and_the_other_goes_back():
    hands = set()
    for person in range(30):
        text, joints = told("push", person)
        assert "Then the other tips back and goes back with" in text and text.endswith("between them grows.")
        pelvis = [joint(joints, "pelvis", each)[:, 0] for each in (0, 1)]
        pushed = int(np.argmax([abs(x[-1] - x[0]) for x in pelvis]))
        touching = [
            side
            for side in OTHER
            if np.linalg.norm(joint(joints, f"{side}_hand", 1 - pushed) - joint(joints, "chest", pushed), axis=-1).min()
            < 0.3
        ]
        named = "the two hands" if len(touching) == 2 else f"the {touching[0]} hand"
        assert f"reaches forward with {named} and touches the chest" in text
        hands.add(named)
    assert hands == {"the two hands", "the left hand", "the right hand"}


@pytest.mark.parametrize("person", PEOPLE)
def test_people_who_go_away_from_each_other_look_away_and_their_steps_are_counted(person):
    text, joints = told("walk apart", person)
    assert text.startswith("Two people face away from each other. They travel forward")
    lifts = sorted(
        sum(len(find_peaks(joint(joints, f"{side}_ankle", each)[:, 1], prominence=0.03)[0]) for side in OTHER)
        for each in (0, 1)
    )
    said = sorted(STEPS[step] for step in re.findall("|".join(STEPS), text))
    assert (said * 2 if "each with" in text else said) == lifts


def mirrored(joints: np.ndarray) -> np.ndarray:
    """The motion in a mirror: what was left is right."""
    swapped = [re.sub("left|right", lambda side: OTHER[side[0]], name) for name in JOINTS]
    return (joints * [-1.0, 1.0, 1.0])[:, :, [JOINTS.index(name) for name in swapped]]


@pytest.mark.parametrize("label", ACTIONS)
def test_in_a_mirror_left_and_right_are_exchanged_and_nothing_else(label):
    for person in PEOPLE:
        text, joints = told(label, person)
        swapped = re.sub(r"\b(left|right)\b", lambda side: OTHER[side[0]], text)
        # Of two hands that do different things at the same time the left one is always told first.
        assert sorted(describe_motion(mirrored(joints)).split(". ")) == sorted(swapped.split(". "))


@pytest.mark.parametrize("label", ACTIONS)
def test_it_does_not_matter_from_where_one_looks(label):
    for person, degrees in zip(range(4), (30, 100, 200, -70), strict=True):
        text, joints = told(label, person)
        cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turned = joints @ np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]]) + [0.5, 0.0, 2.0]
        assert describe_motion(turned) == text


def test_nothing_happens_while_nobody_moves():
    still = np.repeat(perform("bow", performer=0)[:1], 40, axis=0)
    assert describe_motion(still) == (
        "The legs stay straight and the feet do not move. The two arms stay beside the body. "
        "The upper body stays upright."
    )
    pair = np.repeat(perform("push", performer=0)[:1], 40, axis=0)
    assert describe_motion(pair) == "Two people face each other. They stay where they are."


def test_an_arm_that_shoots_forward_beside_one_that_hangs_is_told_without_a_guard():
    text, joints = told("punch", 0)
    side = re.search("the (left|right) hand shoots", text)[1]
    for name in ("elbow", "wrist", "hand"):
        other = f"{OTHER[side]}_{name}"
        joints[:, 0, JOINTS.index(other)] = joint(perform("bow", performer=0)[:1], other) - [0.0, 0.03, 0.0]
    assert re.search("hand shoots straight forward .*, while the other arm hangs down", describe_motion(joints))
    assert "hands rise" not in describe_motion(joints)


def test_played_backwards_who_went_down_comes_up():
    joints = perform("sit down", performer=3)
    assert "The hips are low at first and rise" in describe_motion(joints[::-1])
    assert "travels back" in describe_motion(perform("walk", performer=3)[::-1])


def test_a_crowd_is_refused():
    with pytest.raises(ValueError, match="a motion of 3 persons, expected one or two"):
        describe_motion(np.repeat(perform("bow", performer=0), 3, axis=1))


def test_extremes_are_highs_and_lows_that_are_far_enough_apart():
    assert extremes(np.array([0, 1, 0.9, 2, 0, 3, 2.9]), 1.0) == ([3], [4])
    assert extremes(np.array([0, 1, 0.9, 2, 0, 3, 2.9]), 0.05) == ([1, 3, 5], [2, 4])
    assert extremes(np.array([1.0, 2.0, 3.0]), 0.5) == ([], [])
    wave = np.sin(np.linspace(0, 6 * np.pi, 200))
    assert tuple(map(len, extremes(wave, 0.5))) == (3, 3)
