"""The critic: what the small model says of dances, and what it cannot be talked into."""

from functools import cache

import numpy as np
import pytest
import torch

from skeletonllm.dance.body import default_body
from skeletonllm.dance.motion import ROOT, Motion
from skeletonllm.dance.rewards import REWARDS, Dances
from skeletonllm.dance.rewards.critic import LOWEST, log_odds, make_critic, windows
from skeletonllm.dance.rewards.human_limits import beyond_hinges, beyond_human
from skeletonllm.dance.rewards.impostors import IMPOSTORS
from skeletonllm.dance.synthesis import make_dance, make_song
from skeletonllm.models.shipped import SHIPPED_FOLDER, load_shipped
from skeletonllm.skeleton.kinematics import axis_rotation
from skeletonllm.tasks.recognition import build_prompt

BODY = default_body()
DANCES = [make_dance(make_song(seed, 5, 100 + 10 * seed, style=style), seed)
          for seed, style in enumerate(("house", "hip_hop", "rock", "latin"))]  # fmt: skip
critic = REWARDS["critic"]
shipped = cache(load_shipped)


def on_stage(*motions, fps=30.0):
    return Dances(torch.from_numpy(np.stack([motion.to_vector() for motion in motions])), BODY, fps)


def standing(frames):
    root = np.zeros((frames, 3))
    root[:, 2] = BODY.standing_height
    return Motion(root, np.broadcast_to(np.eye(3), (frames, 24, 3, 3)))


def impostors(name, *motions):
    rng = np.random.default_rng(0)
    return on_stage(*(IMPOSTORS[name].make(motion, rng) for motion in motions))


def test_clips_are_those_that_the_model_sees_of_a_recording():
    found = windows(on_stage(DANCES[0], DANCES[1]), shipped().processor.num_frames)
    assert len(found) == 4  # two pieces of 2.5 s of each
    pieces = [dance.slice(start, start + 75) for dance in DANCES[:2] for start in (0, 75)]
    for clip, piece in zip(found, pieces, strict=True):
        expected = shipped().processor.sample(piece.to_sequence(BODY))
        # Rounding of float32 metres, and of their differences over 4 frames in metres per second.
        torch.testing.assert_close(clip.joints, expected.joints, atol=1e-5, rtol=0)
        torch.testing.assert_close(clip.velocities, expected.velocities, atol=1e-4, rtol=0)
        torch.testing.assert_close(clip.times, expected.times)
        assert torch.equal(clip.valid, expected.valid)


def test_log_odds_are_those_of_the_models_own_answers():
    trained = shipped()
    clips = windows(on_stage(*DANCES[:2]), trained.processor.num_frames)
    labels = trained.labels
    inputs = trained.processor(clips, [build_prompt(labels)] * len(clips))
    ids = trained.processor.candidate_token_ids(labels)
    shares = trained.model.label_log_likelihoods(candidate_token_ids=ids, **inputs).softmax(1)
    wished = [label in ("jump", "walk") for label in labels]
    others = [not one for one in wished]
    expected = shares[:, wished].sum(1).log() - shares[:, others].sum(1).log()
    # The order in which texts are given is not that in which they are offered.
    against = [label for label in reversed(labels) if label not in ("jump", "walk")]
    found = log_odds(clips, trained, ["walk", "jump"], against)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)  # float32


def test_gradients_are_those_of_what_is_said_without_them():
    vectors = on_stage(DANCES[1].slice(0, 75)).vectors.requires_grad_()
    wished = make_critic(SHIPPED_FOLDER, ["squat", "jump"], ["walk"])
    said = wished(Dances(vectors, BODY))
    with torch.no_grad():
        plain = wished(Dances(vectors, BODY))
        torch.testing.assert_close(said.detach(), plain, atol=1e-3, rtol=1e-3)  # float32, by other matrix products
    (gradient,) = torch.autograd.grad(said.sum(), vectors)
    gradient[..., : ROOT.start] = 0  # contacts are not seen
    direction = gradient / gradient.norm()
    with torch.no_grad():
        # Long enough that float32 says something: 20 millinats.
        step = 0.002
        ahead, behind = (wished(Dances(vectors + way * direction, BODY)) for way in (step, -step))
    slope = float((ahead - behind) / (2 * step))
    # The camera moves along with the body, and passes no gradient.
    assert slope == pytest.approx(float(gradient.norm()), rel=0.3)


def test_whoever_is_held_in_any_pose_earns_nothing():
    assert (critic(impostors("still", *DANCES)) <= 1e-3).all()  # float32


def test_dances_earn_more_than_the_same_people_who_stand_still():
    assert critic(on_stage(*DANCES)).mean() > critic(impostors("still", *DANCES)).mean()


@pytest.mark.parametrize("name", ["exploding", "trembling"])
def test_whoever_leaves_what_bodies_can_do_earns_the_least(name):
    # A twentieth of all that may be lost is left to those who just begin to.
    assert (critic(impostors(name, *DANCES)) < LOWEST + 1).all()


def test_dances_are_within_what_bodies_can_do():
    assert not beyond_human(on_stage(*DANCES)).any()


def test_what_hinges_turn_too_far_is_counted_in_radians():
    motions = []
    for joint, degrees in (("left_knee", 40.0), ("left_knee", -40.0), ("right_elbow", -40.0)):
        rotations = np.broadcast_to(np.eye(3), (2, 24, 3, 3)).copy()
        axis = 0 if joint == "left_knee" else 2
        rotations[:, BODY.index(joint)] = axis_rotation(axis, np.radians(degrees))
        motions.append(Motion(np.zeros((2, 3)), rotations))
    # Half as much again as the tables' ranges is allowed: a knee bends backwards by 15 degrees, an elbow by 22.5.
    expected = torch.tensor([0.0, 25.0, 17.5]).deg2rad()[:, None].expand(3, 2)
    torch.testing.assert_close(beyond_hinges(on_stage(*motions)), expected, atol=1e-5, rtol=0)


def test_a_speed_and_a_shaking_that_nobody_reaches_are_too_much():
    still = standing(60)
    time = np.arange(60)[:, None] / 30
    fast = still.replace(root=still.root + time * [18.0, 0.0, 0.0])
    shaken = still.replace(root=still.root + (time * 30 % 2) * [0.1, 0.0, 0.0])
    slow = still.replace(root=still.root + time * [11.0, 0.0, 0.0])
    # 18 m/s are half more than 12; 0.1 m to and fro are accelerations of 0.2 * 30^2 = 180 m/s^2, 100 are allowed.
    expected = torch.tensor([0.0, 0.5, 0.8, 0.0])
    torch.testing.assert_close(beyond_human(on_stage(still, fast, shaken, slow)), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("texts", [([], ["walk"]), (["walk"], []), (["walk"], ["jump", "walk"])])
def test_a_critic_needs_texts_on_each_side(texts):
    with pytest.raises(ValueError, match="expected some on each"):
        make_critic(SHIPPED_FOLDER, *texts)
