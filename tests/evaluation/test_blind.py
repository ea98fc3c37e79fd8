"""What can be answered without seeing."""

import pytest
import torch

from skeletonllm.data.recordings import Recording
from skeletonllm.data.sources.synthetic import recordings as synthetic
from skeletonllm.evaluation.blind import Prior
from skeletonllm.evaluation.grading import score
from skeletonllm.evaluation.questions import Posed, pose
from skeletonllm.evaluation.sight import Sight, blindfolded, partners
from skeletonllm.skeleton.batch import ClipBatch
from skeletonllm.skeleton.sequence import sample_clip
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.tasks.localization import parse_answer


def question(number, prompt, answer, options=(), task="questions", kind="side", stretch=None, references=()):
    return Posed(f"{number}", f"r{number}", number, task, kind, prompt, answer, tuple(options), references, stretch)


def hits(prior, asked):
    return sum(score(each, prior.answer(each)) for each in asked)


def test_an_answer_that_a_prompt_gives_away_is_found():
    sides = ("left", "right")
    asked = [question(n, f"about {n % 2}?", sides[n % 2], sides) for n in range(40)]
    prior = Prior(asked, score)
    assert prior.chosen == {"side": "prompt"} and hits(prior, asked) == 40


def test_an_option_that_is_always_right_is_found_though_every_prompt_is_new():
    asked = [question(n, f"number {n}?", "both", [("left", "both"), ("both", "right")][n % 2]) for n in range(40)]
    prior = Prior(asked, score)
    assert hits(prior, [question(99, "number 99?", "both", ("none", "both"))]) == 1
    # Right is what is right when it is offered, not what is right most often.
    rare = [question(n, f"{n}?", "none", ("left", "none")) for n in range(8)]
    often = [question(n, f"{n}?", ("left", "right")[n % 2], ("left", "right")) for n in range(40)]
    assert Prior(rare + often, score).answer(question(0, "new?", "none", ("left", "none"))) == "none"


def test_a_place_that_is_always_right_is_found():
    names = [f"action {n}" for n in range(60)]
    asked = [question(n, f"{n}?", names[n], (names[(n + 7) % 60], names[n])) for n in range(0, 60, 2)]
    prior = Prior(asked, score)
    assert prior.chosen == {"side": "place"}
    assert prior.answer(question(0, "new?", "other", ("one", "other"))) == "other"


def test_balanced_questions_leave_the_prior_at_chance():
    generator = torch.Generator().manual_seed(0)

    def drawn(count):
        sides = torch.randint(2, (count, 2), generator=generator).tolist()
        both = ("left", "right")
        return [
            question(n, "which?" if order else "which one?", both[side], both if order else both[::-1])
            for n, (side, order) in enumerate(sides)
        ]

    # 1000 tosses of a coin stay within 0.05 of a half with a probability of 99.8 %.
    assert hits(Prior(drawn(600), score), drawn(1000)) / 1000 == pytest.approx(0.5, abs=0.05)


def test_kinds_are_learnt_apart_and_a_new_kind_gets_an_offered_answer():
    asked = [question(n, "?", "left", ("left", "right"), kind="side") for n in range(9)]
    asked += [question(n, "?", "fast", ("slow", "fast"), kind="speed") for n in range(9)]
    prior = Prior(asked, score)
    assert prior.answer(question(0, "?", "x", ("left", "right"), kind="side")) == "left"
    assert prior.answer(question(0, "?", "x", ("slow", "fast"), kind="speed")) == "fast"
    assert prior.answer(question(0, "?", "x", ("up", "down"), kind="direction")) == "up"


def test_the_best_caption_for_all_is_the_one_in_the_middle():
    middle = "a person raises one arm"
    texts = ["a person raises one arm slowly", "a person raises one leg", "somebody sleeps", middle]
    asked = [question(n, "?", t, task="captioning", references=(t,)) for n, t in enumerate(texts * 3)]
    assert Prior(asked, score).answer(question(0, "?", "", task="captioning")) == middle


def test_times_are_guessed_as_a_part_of_what_is_shown():
    of_time = dict(task="localization", kind="localization")
    asked = []
    for number in range(20):
        length = 3.0 + number
        answer = f"from {length / 3:.1f} s to {length / 2:.1f} s"
        asked.append(question(number, "when?", answer, stretch=(1, 1 + length), **of_time))
    prior = Prior(asked, score)
    assert prior.chosen == {"localization": "part"}
    said = parse_answer(prior.answer(question(0, "when?", "", stretch=(5, 65), **of_time)))
    # Learnt from times that are rounded to 0.05 s, of at most 22 s; shown for 60 s.
    assert said == pytest.approx((20, 30), abs=1.0)
    assert hits(prior, asked) / 20 > 0.9


@pytest.mark.slow
def test_questions_of_the_embedded_data_tell_nothing_of_their_answers():
    options = dict(topologies=["coco_17"], performers=12, test_performers=12)
    read = [(recording, None) for recording in synthetic(**options)]
    sides = [[pair for pair in read if pair[0].split == split] for split in ("train", "test")]
    taught, asked = (pose(side, "questions", [], draws=8, seed=seed) for seed, side in enumerate(sides))
    share = hits(Prior(taught, score), asked) / len(asked)
    # About 1500 questions with two choices each, whose standard error is 0.013.
    assert len(asked) > 1400 and share == pytest.approx(0.5, abs=0.04)


def test_recognition_of_balanced_classes_is_at_chance_and_knows_which_class_is_usual():
    labels = ["bow", "clap", "walk"]
    balanced = [(Recording(f"{n}", labels[n % 3], None, "train"), None) for n in range(60)]
    asked = pose(balanced, "recognition", labels)
    assert hits(Prior(asked, score), asked) == 20
    skewed = pose(balanced[:30] + [pair for pair in balanced[30:] if pair[0].label == "walk"], "recognition", labels)
    assert Prior(skewed, score).answer(asked[0]) == "walk"


def test_there_is_no_prior_of_nothing():
    with pytest.raises(ValueError, match="training questions"):
        Prior([], score)


def test_nobody_is_shown_the_own_frames_and_all_frames_are_shown():
    ids = ["a", "b", "c", "a", "b"]
    shown = partners(ids, seed=3)
    assert all(ids[place] != own for own, place in zip(ids, shown, strict=True))
    assert {ids[place] for place in shown} == {"a", "b", "c"}
    assert shown == partners(ids, seed=3)
    assert len({tuple(partners([*"abcdef"], seed=seed)) for seed in range(5)}) > 1
    with pytest.raises(ValueError, match="at least two recordings"):
        partners(["a", "a"])


def test_a_blindfold_changes_what_is_seen_and_not_what_is_read():
    sequences = [synthesize(label, topology="coco_17", performer=0) for label in ("walk", "squat", "bow")]
    clips = [sample_clip(sequence, 4) for sequence in sequences]
    inputs = {"input_ids": torch.arange(6).view(2, 3), "clips": ClipBatch.from_clips(clips[:2])}
    assert blindfolded(inputs, Sight.frames, 16) is inputs
    black = blindfolded(inputs, Sight.black, 16)
    assert "clips" not in black and black["frames"].shape == (2, 4, 3, 16, 16) and not black["frames"].any()
    other = blindfolded(inputs, Sight.others, 16, [clips[2], clips[0]])
    assert "frames" not in other and torch.equal(other["clips"].joints[1], inputs["clips"].joints[0])
    for replaced in (black, other):
        assert replaced["input_ids"] is inputs["input_ids"]
    assert "clips" in inputs
