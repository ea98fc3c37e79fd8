"""Batches as a pure function of seed and step, and what augmentation varies."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from skeletonllm.data.augmentation import Augmentation
from skeletonllm.data.examples import Examples
from skeletonllm.data.mixture import Mixture
from skeletonllm.data.recordings import read_all
from skeletonllm.skeleton.sequence import SkeletonSequence, sample_clip
from skeletonllm.tasks.recognition import build_prompt

LABELS = ["bow", "clap", "walk"]
EVERYTHING = dict(trim=0.3, yaw=40.0, tilt=10.0, size=0.2, speed=0.2, jitter=0.05, noise=0.02, missing=0.2, mirror=0.5)


class Sampler:
    """Of a processor only what examples use."""

    def sample(self, sequence, generator=None):
        return sample_clip(sequence, 4, generator=generator)


@pytest.fixture
def examples(recordings):
    def make(seed=0, batch_size=5, fewer=0.5, **ranges):
        return Examples(
            read_all(recordings), Sampler(), batch_size, Augmentation(**ranges), fewer_candidates=fewer, seed=seed
        )

    return make


def fingerprint(batch):
    return [(e.id, e.prompt, e.answer, e.clip.joints.sum().item(), e.clip.valid.sum().item()) for e in batch]


def test_a_batch_depends_on_seed_and_step_alone(examples):
    forwards, backwards = examples(**EVERYTHING), examples(**EVERYTHING)
    expected = [fingerprint(forwards.batch(step)) for step in range(6)]
    torch.manual_seed(99)
    assert [fingerprint(backwards.batch(step)) for step in reversed(range(6))] == expected[::-1]
    assert len({str(batch) for batch in expected}) == 6


def test_another_seed_gives_another_order_and_other_variations(examples):
    orders = {seed: [e.id for step in range(2) for e in examples(seed).batch(step)] for seed in (0, 1, 2)}
    assert len({str(order) for order in orders.values()}) == 3
    # One recording alone has one order only, so that what differs is how it is varied.
    yaws = set()
    for seed in (0, 1, 2):
        alone = examples(seed, yaw=180.0)
        alone.recordings = Mixture.in_memory([alone.recordings[0]] * 5)
        yaws.add(alone.batch(0)[0].clip.joints.sum().item())
    assert len(yaws) == 3


def test_streams_of_random_numbers_are_all_different(examples):
    made = examples()
    numbers = [(0, epoch) for epoch in range(3)]
    numbers += [(stream, a, b) for stream in (1, 2, 3, 4, 5) for a in range(3) for b in range(3)]
    draws = {torch.rand((), generator=made._generator(*each)).item() for each in numbers}
    assert len(draws) == 48


def test_an_example_does_not_depend_on_which_others_are_made(examples):
    expected = fingerprint(examples(**EVERYTHING).batch(3))
    alone = examples(**EVERYTHING)
    for index in (4, 0, 2):
        assert fingerprint([alone.example(alone.questions(3)[index])]) == [expected[index]]


def test_the_clips_of_one_recording_differ_by_place_and_by_step(examples):
    made = examples(yaw=180.0)
    question = made.questions(0)[0]
    same = [replace(question, step=step, index=index) for step in (0, 1) for index in (0, 1)]
    assert len({made.example(each).clip.joints.sum().item() for each in same}) == 4


def test_a_question_is_that_of_its_example(examples):
    made = examples()
    for question, example in zip(made.questions(7), made.batch(7), strict=True):
        assert (question.prompt, question.answer, question.task) == (example.prompt, example.answer, example.task)
        assert question.id == example.id == made.recordings[question.recording][0].id
        assert question.step == 7
    assert [question.index for question in made.questions(7)] == [0, 1, 2, 3, 4]


def test_fixed_variants_come_back_after_as_many_epochs(recordings):
    made = Examples(read_all(recordings), Sampler(), 4, Augmentation(**EVERYTHING), variants=2)

    def clips(epoch):
        questions = [question for step in range(3) for question in made.questions(3 * epoch + step)]
        return {question.id: made.example(question).clip.joints for question in questions}

    first, second, third, fourth = (clips(epoch) for epoch in range(4))
    for name in first:
        assert torch.equal(first[name], third[name]) and torch.equal(second[name], fourth[name])
        assert not torch.equal(first[name], second[name])


def test_an_epoch_sees_every_recording_at_most_once(examples):
    made = examples(batch_size=5)
    assert made.steps_per_epoch == 2
    seen_in_epochs = []
    for epoch in range(8):
        seen = [e.id for step in range(2) for e in made.batch(2 * epoch + step)]
        assert len(set(seen)) == len(seen) == 10
        seen_in_epochs.append(seen)
    assert len({str(seen) for seen in seen_in_epochs}) == 8
    # Two of twelve are left over in an epoch, and not always the same two.
    assert len(set().union(*map(set, seen_in_epochs))) == 12


def test_the_answer_is_the_recordings_label_and_is_offered(examples, recordings):
    labels = {recording.id: recording.label for recording in recordings}
    made = examples(fewer=0.7)
    counts, places = Counter(), Counter()
    for step in range(60):
        for example in made.batch(step):
            offered = example.prompt.splitlines()[1:]
            assert example.answer == labels[example.id]
            assert offered.count(example.answer) == 1
            assert set(offered) <= set(LABELS) and len(set(offered)) == len(offered)
            counts[len(offered), offered == LABELS] += 1
            places[len(offered), offered.index(example.answer)] += 1
    # 300 questions: 90 offer all in order, 105 two, and 105 all in any order, of which a sixth is in order again.
    assert counts[3, True] == pytest.approx(107, abs=30)
    assert counts[2, False] == pytest.approx(105, abs=30) and counts[3, False] == pytest.approx(88, abs=30)
    # The place of the answer in the list gives nothing away.
    assert places[2, 0] == pytest.approx(52, abs=20) and places[2, 1] == pytest.approx(52, abs=20)


def test_all_labels_are_offered_in_order_unless_fewer_are_wished_for(examples):
    assert {e.prompt for step in range(4) for e in examples(fewer=0.0).batch(step)} == {build_prompt(LABELS)}


def test_a_single_label_can_be_asked_for(recordings):
    read = [pair for pair in read_all(recordings) if pair[0].label == "bow"]
    batch = Examples(read, Sampler(), 4, Augmentation(), fewer_candidates=1.0).batch(0)
    assert {example.prompt for example in batch} == {build_prompt(["bow"])}


def test_fewer_recordings_than_a_batch_are_refused(recordings):
    with pytest.raises(ValueError, match="12 recordings are fewer than the batch size 13"):
        Examples(read_all(recordings), Sampler(), 13, Augmentation())


@pytest.fixture
def explained(recordings):
    """The recordings with rationales, and the ids of those whose rationale was asked for."""
    asked = []

    def rationale(recording):
        def give():
            asked.append(recording.id)
            return f"Reasons of {recording.id}."

        return give

    return [replace(recording, rationale=rationale(recording)) for recording in recordings], asked


def test_tasks_are_mixed_by_weight_and_answered_about_the_recording_itself(explained):
    recordings, asked = explained
    labels = {recording.id: recording.label for recording in recordings}
    weights = {"rationale": 1.0, "recognition": 2.0, "discrimination": 3.0}
    made = Examples(read_all(recordings), Sampler(), 12, Augmentation(), weights)
    assert not asked
    counts = Counter()
    for question in [question for step in range(50) for question in made.questions(step)]:
        counts[question.task] += 1
        label = labels[question.id]
        if question.task == "rationale":
            assert question.answer == f"Reasons of {question.id}.\nLabel: {label}"
        elif question.task == "recognition":
            assert question.answer == label
        else:
            assert question.answer == ("YES" if f'"{label}"' in question.prompt else "NO")
    # Of 600; three standard deviations of a binomial are at most 37.
    for task, expected in (("rationale", 100), ("recognition", 200), ("discrimination", 300)):
        assert counts[task] == pytest.approx(expected, abs=37)
    assert len(asked) == len(set(asked)), "a rationale is written once"


def test_the_mixture_does_not_depend_on_the_order_in_which_tasks_are_named(recordings):
    read = read_all(recordings)
    one = Examples(read, Sampler(), 4, Augmentation(), {"recognition": 1.0, "discrimination": 2.0})
    other = Examples(read, Sampler(), 4, Augmentation(), {"discrimination": 2.0, "recognition": 1.0})
    assert [one.questions(step) for step in range(9)] == [other.questions(step) for step in range(9)]


def test_discrimination_asks_for_the_confusable_labels_that_are_given(recordings):
    confusable = {"bow": ["walk"], "walk": ["bow"], "clap": ["walk"]}
    made = Examples(read_all(recordings), Sampler(), 12, Augmentation(), {"discrimination": 1.0}, confusable=confusable)
    refused = {
        (question.id.split("-")[0], question.prompt.split('"')[1])
        for step in range(20)
        for question in made.questions(step)
        if question.answer == "NO"
    }
    assert refused == {("bow", "walk"), ("walk", "bow"), ("clap", "walk")}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(tasks={"guessing": 1.0}), "unknown task guessing; known: recognition, discrimination, rationale"),
        (dict(tasks={"captioning": 1.0}), "captioning needs captions, and none of 12 recordings has one, such as bow"),
        (dict(tasks={"localization": 1.0}), "localization needs labelled segments, and none of 12 recordings has one"),
        (dict(tasks={}), "no task; known"),
        (dict(tasks={"recognition": 0.0}), "task recognition has weight 0.0, expected a positive number"),
        (dict(tasks={"recognition": -1.0}), "weight -1.0"),
        (dict(tasks={"recognition": float("nan")}), "weight nan"),
        (dict(tasks={"rationale": 1.0}), "rationale needs rationales, and none of 12 recordings has one, such as bow"),
        (dict(variants=-1), "variants is -1"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(recordings, settings, message):
    with pytest.raises(ValueError, match=message):
        Examples(read_all(recordings), Sampler(), 4, Augmentation(), **settings)


def test_a_single_label_cannot_be_discriminated(recordings):
    read = [pair for pair in read_all(recordings) if pair[0].label == "bow"]
    with pytest.raises(ValueError, match="at least two labels, there is only bow"):
        Examples(read, Sampler(), 4, Augmentation(), {"discrimination": 1.0})


def test_a_clip_with_a_rationale_shows_the_whole_recording(explained):
    read = [
        (recording, sequence.replace(joints=np.arange(20.0)[:, None, None, None] + np.zeros_like(sequence.joints)))
        for recording, sequence in read_all(explained[0])
    ]

    class Whole:
        def sample(self, sequence, generator=None):
            return sample_clip(sequence, sequence.num_frames)

    lengths = {}
    for task in ("rationale", "recognition"):
        made = Examples(read, Whole(), 12, Augmentation(trim=0.5), {task: 1.0})
        lengths[task] = {len(example.clip.joints) for example in made.batch(0)}
    assert lengths["rationale"] == {20}
    assert min(lengths["recognition"]) < 17


@pytest.fixture
def sequence():
    joints = np.random.default_rng(0).normal(0, 0.4, (40, 1, 25, 3)) + [0, 0, 3]
    joints[:, :, 3] = np.nan
    return SkeletonSequence(joints, 30.0, "kinect_v2")


def test_augmentation_of_nothing_changes_nothing(sequence):
    generator = torch.Generator().manual_seed(3)
    none = Augmentation()
    trimmed = none.trimmed(sequence, generator)
    assert (trimmed.joints == sequence.joints).all()
    clip = sample_clip(sequence, 5)
    changed = none.changed(clip, generator)
    # A turn by zero still subtracts and adds the middle: one rounding of float32 at 4 m.
    torch.testing.assert_close(changed.joints, clip.joints, atol=1e-6, rtol=0)
    torch.testing.assert_close(changed.velocities, clip.velocities, atol=0, rtol=0)
    assert torch.equal(changed.valid, clip.valid)


def test_trimming_leaves_a_stretch_from_anywhere_and_at_most_the_asked_share_is_gone(sequence):
    numbered = sequence.replace(joints=np.arange(40.0)[:, None, None, None] + np.zeros((1, 1, 25, 3)))
    generator = torch.Generator().manual_seed(3)
    starts, lengths = set(), set()
    for _ in range(200):
        frames = Augmentation(trim=0.5).trimmed(numbered, generator).joints[:, 0, 0, 0]
        assert (np.diff(frames) == 1).all()
        starts.add(frames[0])
        lengths.add(len(frames))
    assert min(lengths) == 20 and max(lengths) == 40
    assert min(starts) == 0 and max(starts) >= 15


@pytest.mark.parametrize("name", ["yaw", "tilt", "size", "noise", "missing"])
def test_each_range_changes_what_it_says(sequence, name):
    clip = sample_clip(sequence, 5)
    ranges = dict(yaw=90.0, tilt=30.0, size=0.5, noise=0.1, missing=0.9)
    changed = Augmentation(**{name: ranges[name]}).changed(clip, torch.Generator().manual_seed(1))
    known = clip.valid & changed.valid
    height = (changed.joints - clip.joints)[known][:, 1].abs().max()
    spread = changed.joints[known].std(0).norm() / clip.joints[known].std(0).norm()
    assert (height > 1e-3) == (name not in ("yaw", "missing"))
    assert (abs(spread - 1) > 0.02) == (name == "size")
    assert (changed.valid.sum() < clip.valid.sum()) == (name == "missing")
    assert not changed.joints[~changed.valid].any()


def test_a_sequence_of_one_frame_can_be_trimmed(sequence):
    assert Augmentation(trim=0.9).trimmed(sequence.slice(0, 1), torch.Generator()).num_frames == 1
