"""Examples of every task: of the recordings that allow it, true of what is shown, and mirrored as a whole."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from skeletonllm.data.augmentation import Augmentation
from skeletonllm.data.examples import Examples
from skeletonllm.data.knowledge import Knowledge
from skeletonllm.data.mixture import Mixture
from skeletonllm.data.recordings import labels_of, read_all
from skeletonllm.data.sides import mirrored
from skeletonllm.data.sources import load_source
from skeletonllm.skeleton.sequence import sample_clip
from skeletonllm.tasks.localization import parse_answer
from skeletonllm.tasks.questions import choices


class Sampler:
    def sample(self, sequence, generator=None):
        return sample_clip(sequence, 6, generator=generator)


@pytest.fixture(scope="module")
def recordings():
    alone = load_source("synthetic", performers=2, test_performers=1, topologies=["kinect_v1"])
    several = load_source("synthetic_sequences", performers=6, test_performers=1, topologies=["kinect_v1"])
    return read_all([*alone, *several])


def examples(recordings, tasks, **ranges):
    return Examples(recordings, Sampler(), 8, Augmentation(**ranges), tasks)


def asked(made, steps):
    return [question for step in range(steps) for question in made.questions(step)]


def test_each_task_is_asked_of_recordings_that_allow_it(recordings):
    tasks = {"recognition": 1, "captioning": 1, "localization": 1, "questions": 1, "rationale": 1}
    made = examples(recordings, tasks)
    several = {recording.id for recording, _ in recordings if recording.segments is not None}
    counts = Counter()
    for question in asked(made, 12):
        counts[question.task] += 1
        if question.task == "localization":
            assert question.id in several and question.stretch is not None
        elif question.task in ("recognition", "rationale"):
            assert question.id not in several and question.stretch is None
    assert set(counts) == set(tasks)
    assert "several actions" not in made.labels == labels_of(recording for recording, _ in recordings)
    located = Counter(question.id for question in asked(examples(recordings, {"localization": 1}), 6))
    assert len(located) == len(several) and max(located.values()) < 20, "no recording stands in for all others"


def test_what_is_asked_depends_on_seed_and_step_alone(recordings):
    tasks = {"captioning": 1, "localization": 1, "questions": 2}
    one, other = (examples(recordings, tasks, mirror=0.5) for _ in range(2))
    expected = [one.questions(step) for step in range(3)]
    assert [other.questions(step) for step in reversed(range(3))] == expected[::-1]


def test_a_question_in_a_mirror_is_the_same_one_with_left_and_right_exchanged(recordings):
    plain, turned = (asked(examples(recordings, {"questions": 1}, mirror=mirror), 8) for mirror in (0.0, 1.0))
    sided = 0
    for one, other in zip(plain, turned, strict=True):
        assert other.mirrored and not one.mirrored and one.id == other.id
        assert (other.prompt, other.answer) == (mirrored(one.prompt), mirrored(one.answer))
        sided += one.prompt != other.prompt
    assert sided > 5
    assert not any(question.mirrored for question in asked(examples(recordings, {"captioning": 1}, mirror=1.0), 2))


def test_an_action_is_where_the_answer_says_in_what_is_shown(recordings):
    known = {recording.id: recording for recording, _ in recordings}
    made = examples(recordings, {"localization": 1}, trim=0.5, speed=0.3)
    for question in asked(made, 3):
        start, stop = parse_answer(question.answer)
        label = question.prompt.split('"')[1]
        segment = next(each for each in known[question.id].segments() if each.label == label)
        # Answers are rounded to a tenth of a second.
        assert start + question.stretch[0] == pytest.approx(segment.start, abs=0.06)
        assert stop + question.stretch[0] == pytest.approx(segment.stop, abs=0.06)
        clip = made.example(question).clip
        # The times of the frames are of the recording, whatever augmentation does to the pace of others.
        assert 0 <= clip.times[0] and clip.times[-1] <= question.stretch[1] - question.stretch[0] + 0.04


def test_questions_and_captions_are_about_the_whole_of_a_recording(recordings):
    lengths = {recording.id: sequence.duration for recording, sequence in recordings}
    for task in ("questions", "captioning"):
        for example in examples(recordings, {task: 1}, trim=0.9).batch(0):
            # The last of six frames is drawn from the last sixth.
            assert example.clip.times[-1] >= lengths[example.id] * 5 / 6 - 0.04


def test_facts_that_nobody_gives_are_measured(recordings):
    bare = [(replace(recording, facts=None), sequence) for recording, sequence in recordings]
    measured = Knowledge(Mixture.in_memory(bare))
    generator = torch.Generator().manual_seed(0)
    known = {recording.id: recording.facts() for recording, _ in recordings}
    right = 0
    for _ in range(60):
        number, topic = measured.draw_topic(generator)
        right += known[bare[number][0].id].get(topic) == measured._facts[number][1][topic]
    # Noise carries a few over the border of what is clear.
    assert right >= 57


def test_recordings_that_cannot_be_read_any_more_are_not_asked_about(recordings):
    knowledge = Knowledge(Mixture.in_memory(recordings))
    generator = torch.Generator().manual_seed(0)
    but = set(range(0, len(recordings), 2))
    assert not {knowledge.draw_topic(generator, but)[0] for _ in range(50)} & but
    with pytest.raises(ValueError, match="can be read any more"):
        knowledge.draw_topic(generator, range(len(recordings)))


def test_the_segments_of_a_real_data_set_are_recordings_of_one_action_or_parts_of_a_whole(shared):
    root = shared / "data" / "utkinect"
    parts, wholes = load_source("utkinect", root), load_source("utkinect", root, whole=True)
    assert len(parts) == 10 * len(wholes) and {one.label for one in wholes} == {"several actions"}
    assert parts[0].id == "joints_s01_e01#252-390" and parts[0].label == "walk"
    train = {one.attributes["performer"] for one in wholes if one.split == "train"}
    assert train == {1, 2, 4, 5} and not train & {one.attributes["performer"] for one in wholes if one.split == "test"}
    made = Examples(read_all(wholes), Sampler(), 4, Augmentation(), {"localization": 1.0})
    for question in asked(made, 3):
        assert made.example(question).clip.times[-1] < 40
    # Ten things in one and the same order: their order is known to everyone, so nobody is asked for it.
    questions = Examples(read_all(wholes), Sampler(), 4, Augmentation(), {"questions": 1.0})
    for question in asked(questions, 3):
        assert "walk" not in question.prompt and question.answer in choices(question.prompt)
