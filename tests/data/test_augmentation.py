"""What augmentation does to time and to sides, to clips and to what is said about them."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from skeletonllm.data.augmentation import MOST_JITTER, Augmentation
from skeletonllm.data.examples import Examples
from skeletonllm.data.recordings import Recording
from skeletonllm.data.sides import mirrored
from skeletonllm.evaluation.accuracy import predict
from skeletonllm.models.tiny import build_tiny
from skeletonllm.skeleton import transforms
from skeletonllm.skeleton.formats import nw_ucla, utd_mhad
from skeletonllm.skeleton.sequence import SkeletonSequence, sample_clip
from skeletonllm.skeleton.synthesis import ACTIONS, synthesize
from skeletonllm.skeleton.topologies import COCO_17

EVERYTHING = dict(yaw=40.0, tilt=10.0, size=0.2, speed=0.3, jitter=0.05, noise=0.02, missing=0.2)


class Sampler:
    """Of a processor only what examples use."""

    def sample(self, sequence, generator=None):
        return sample_clip(sequence, 4, generator=generator)


@pytest.fixture
def falling():
    """Everybody's joints at height t squared, t in seconds, of which one joint is unknown: speeds are 2t."""
    seconds = np.arange(60) / 30
    joints = np.zeros((60, 1, 25, 3)) + [0, 0, 3.0]
    joints[..., 1] = seconds[:, None, None] ** 2
    joints[:, :, 7] = np.nan
    return sample_clip(SkeletonSequence(joints, 30.0, "kinect_v2"), 6)


def test_a_faster_motion_has_the_same_poses_in_less_time(falling):
    fast = transforms.change_speed(falling, 2.0)
    assert torch.equal(fast.joints, falling.joints) and torch.equal(fast.velocities, 2 * falling.velocities)
    assert torch.equal(fast.times, falling.times / 2)
    drawn = {
        Augmentation(speed=0.5).changed(falling, generator(seed)).velocities.abs().max().item() for seed in range(9)
    }
    most = falling.velocities.abs().max().item()
    assert len(drawn) == 9 and min(drawn) >= 0.5 * most and max(drawn) <= 1.5 * most
    assert min(drawn) < 0.9 * most and max(drawn) > 1.1 * most


def test_a_frame_that_comes_late_shows_where_joints_have_gone_by_then(falling):
    seconds = torch.tensor([0.05, -0.05, 0.0, 0.1, 0.02, -0.1])
    shifted = transforms.shift_frames(falling, seconds)
    assert torch.equal(shifted.times, falling.times + seconds)
    # To first order: what is left is the acceleration of 2 m/s^2 times half the square of at most 0.1 s.
    torch.testing.assert_close(shifted.joints[:, 0, 0, 1], shifted.times**2, atol=0.0101, rtol=0)
    assert (shifted.joints[0, 0, 0, 1] - falling.joints[0, 0, 0, 1]) > 0
    assert not shifted.joints[:, 0, 7].any(), "an unknown joint stays where it is"


def test_jitter_moves_every_frame_for_itself_and_not_too_far(falling):
    moved = Augmentation(jitter=0.05).changed(falling, generator(0)).times - falling.times
    assert len(set(moved.tolist())) == 6 and moved.abs().max() <= 0.05 + 1e-6
    assert moved.min() < 0 < moved.max()
    with pytest.raises(ValueError, match=f"jitter is 0.5, expected 0 to {MOST_JITTER}"):
        Augmentation(jitter=0.5)


def generator(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("in_mirror", [False, True])
def test_all_changes_are_differentiable_in_joints_and_velocities(falling, in_mirror):
    inputs = [value.clone().requires_grad_() for value in (falling.joints[:2], falling.velocities[:2])]
    valid = falling.valid[:2]

    def changed(joints, velocities):
        clip = replace(falling, joints=joints, velocities=velocities, valid=valid, times=falling.times[:2])
        result = Augmentation(**EVERYTHING).changed(clip, generator(3), in_mirror)
        return result.joints[result.valid].sum(0), result.velocities[result.valid].sum(0)

    gradients = torch.autograd.grad([part.square().sum() for part in changed(*inputs)], inputs)
    for value, gradient in zip(inputs, gradients, strict=True):
        assert gradient.isfinite().all() and gradient[valid].abs().sum() > 0, value.shape
    # All changes are linear, so the sum is quadratic and a central difference exact for any step; float32 is not.
    direction = torch.randn(inputs[0].shape, generator=generator(1)) * valid[..., None]
    with torch.no_grad():
        ahead, behind = (
            sum(part.square().sum() for part in changed(inputs[0] + sign * direction, inputs[1])) for sign in (1, -1)
        )
    torch.testing.assert_close((gradients[0] * direction).sum(), (ahead - behind) / 2, rtol=1e-3, atol=1e-3)


def test_the_same_seed_changes_alike(falling):
    first, again, other = (Augmentation(**EVERYTHING).changed(falling, generator(seed)) for seed in (5, 5, 6))
    assert torch.equal(first.joints, again.joints) and torch.equal(first.times, again.times)
    assert not torch.equal(first.joints, other.joints)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("wave left hand", "wave right hand"),
        ("right arm swipe to the left", "left arm swipe to the right"),
        ("draw circle (clockwise)", "draw circle (counter clockwise)"),
        ("draw circle (counter clockwise)", "draw circle (clockwise)"),
        ("turn anti-clockwise", "turn clockwise"),
        ("Left kick", "Right kick"),
        ("bright light", "bright light"),
        ("squat", "squat"),
    ],
)
def test_labels_in_a_mirror(label, expected):
    assert mirrored(label) == expected


@pytest.mark.parametrize("labels", [tuple(ACTIONS), nw_ucla.LABELS, utd_mhad.LABELS], ids=["ours", "nw_ucla", "utd"])
def test_two_mirrors_say_what_there_is(labels):
    assert [mirrored(mirrored(label)) for label in labels] == list(labels)


@pytest.fixture
def waving():
    """Two people wave with either hand and bow; the label tells the hand, and the clip shows it."""
    labels = ["wave left hand", "wave right hand", "bow"]
    return [
        (
            Recording(f"{label}/{performer}", label, lambda: None, "train", rationale=lambda: "The left arm."),
            synthesize(label, topology=COCO_17, performer=performer),
        )
        for label in labels
        for performer in (0, 1)
    ]


def waving_hand(clip):
    """The hand that moves more."""
    speed = {
        side: clip.velocities[:, 0, COCO_17.find(f"{side}_wrist")].norm(dim=-1).sum() for side in ("left", "right")
    }
    return max(speed, key=speed.get)


@pytest.mark.parametrize("variants", [0, 2])
def test_whoever_waves_left_in_the_mirror_is_said_to_wave_left(waving, variants):
    made = Examples(waving, Sampler(), 6, Augmentation(mirror=0.5), variants=variants)
    counts = Counter()
    for step in range(20):
        for question, example in zip(made.questions(step), made.batch(step), strict=True):
            counts[question.mirrored] += 1
            shown = question.id.split("/")[0]
            assert example.answer == (mirrored(shown) if question.mirrored else shown)
            if example.answer != "bow":
                assert waving_hand(example.clip) in example.answer
    # Of 120, three standard deviations; with fixed clips twelve draws decide, of which not all are alike.
    assert counts[True] == pytest.approx(60, abs=16 if not variants else 50)


def test_questions_about_a_mirrored_clip_are_about_what_is_seen(waving):
    made = Examples(waving, Sampler(), 6, Augmentation(mirror=1.0), {"discrimination": 1.0})
    for question in [question for step in range(9) for question in made.questions(step)]:
        seen = mirrored(question.id.split("/")[0])
        assert (question.answer == "YES") == (f'"{seen}"' in question.prompt)


def test_a_label_without_a_counterpart_is_not_mirrored(waving):
    left_handed = [pair for pair in waving if pair[0].label != "wave right hand"]
    made = Examples(left_handed, Sampler(), 4, Augmentation(mirror=1.0))
    questions = [question for step in range(5) for question in made.questions(step)]
    assert {question.id.split("/")[0]: question.mirrored for question in questions} == {
        "wave left hand": False, "bow": True,
    }  # fmt: skip


def test_a_rationale_tells_sides_so_its_clip_is_neither_mirrored_nor_trimmed(waving):
    made = Examples(waving, Sampler(), 6, Augmentation(mirror=1.0), {"rationale": 1.0, "recognition": 1.0})
    questions = [question for step in range(9) for question in made.questions(step)]
    assert {(question.task, question.mirrored) for question in questions} == {
        ("rationale", False), ("recognition", True),
    }  # fmt: skip
    for question in questions:
        if question.task == "rationale":
            assert question.answer == f"The left arm.\nLabel: {question.id.split('/')[0]}"


def test_a_fixed_clip_is_mirrored_in_every_epoch_or_in_none(waving):
    made = Examples(waving, Sampler(), 6, Augmentation(mirror=0.5), variants=1)
    seen = {(question.id, question.mirrored) for step in range(10) for question in made.questions(step)}
    assert len(seen) == 6 and len({in_mirror for _, in_mirror in seen}) == 2


def test_evaluation_varies_nothing(waving, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("a clip was varied")

    for name in ("trimmed", "mirrors", "changed"):
        monkeypatch.setattr(Augmentation, name, refuse)
    labels = sorted({recording.label for recording, _ in waving})
    sizes = dict(image_size=32, patch_size=8, vision_hidden_size=32, vision_layers=1, hidden_size=32, layers=1, heads=2)
    model, processor = build_tiny(labels, num_frames=4, **sizes)
    seen = []
    sample = processor.sample
    processor.sample = lambda sequence, generator=None: seen.append(generator) or sample(sequence, generator)
    first, again = (predict(model, processor, waving[:2], labels, progress=False) for _ in range(2))
    assert [row.scores for row in first] == [row.scores for row in again]
    assert seen == [None] * 4, "frames are taken evenly, not drawn"
