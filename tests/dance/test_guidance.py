"""Guidance and projection: what they change in dances that come out of the noise, and what they leave alone."""

import numpy as np
import pytest
import torch

from skeletonllm.dance.body import default_body
from skeletonllm.dance.codecs.edge import from_edge, own_vectors, to_edge
from skeletonllm.dance.ddim import cosine_alpha_bars, plan_steps
from skeletonllm.dance.denoiser import Denoiser, DenoiserConfig
from skeletonllm.dance.diffusion import Diffusion
from skeletonllm.dance.generator import Generator
from skeletonllm.dance.guidance import FloorGuidance, Projection, RewardGuidance, Setting, correct_by
from skeletonllm.dance.guidance.floor import posterior_variance, standing
from skeletonllm.dance.imitation import project
from skeletonllm.dance.imitation.artefacts import floating, through_trunk
from skeletonllm.dance.long_form import agree_on_halves, cut_windows
from skeletonllm.dance.motion import CONTACTS, ROOT, ROTATIONS
from skeletonllm.dance.music import MusicFeatures
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.rewards import REWARDS, Reward
from skeletonllm.dance.synthesis import make_dance, make_song

BODY = default_body()
# Wider than any dance, so that nothing is clipped.
WIDE = Normalizer(np.full(151, -2.0), np.full(151, 2.0))
ALPHA_BARS = cosine_alpha_bars(1000)
LAST = plan_steps(ALPHA_BARS, 50, 1.0)[-1]
HEIGHT = ROOT.stop - 1
FRAMES = 40


def dance(seed=1, frames=FRAMES):
    return make_dance(make_song(seed, 3, 100), seed).slice(15, 15 + frames)


def unsteady(seed=1):
    """A dance whose floor goes up and down by 5 cm."""
    motion = dance(seed)
    return motion.replace(root=motion.root + 0.05 * np.sin(np.arange(FRAMES) / 4)[:, None] * [0.0, 0.0, 1.0])


def setting(**changes):
    return Setting(**{"body": BODY, "normalizer": WIDE, "alpha_bars": ALPHA_BARS, **changes})


def clean(*motions):
    return torch.from_numpy(WIDE.normalize(np.stack([motion.to_vector() for motion in motions])))


def corrected(correction, given, **changes):
    return correction(given, LAST, 1, setting(**changes))


def off_floor(numbers):
    """(B,) metres: how far the lowest points are off the floor on average."""
    return setting().dances(numbers).lowest.abs().mean(1)


# Rewards


def test_guidance_to_the_ground_moves_a_dance_in_height_and_nothing_else():
    sunk = clean(dance().lifted(-0.05), dance().lifted(0.04))
    guided = corrected(RewardGuidance({"ground": 1}, channels="height"), sunk)
    assert (off_floor(guided) < 0.3 * off_floor(sunk)).all()
    others = torch.arange(151) != HEIGHT
    assert torch.equal(guided[..., others], sunk[..., others])


def test_guidance_against_penetration_takes_limbs_out_of_the_trunk_and_contacts_stay_what_the_model_said():
    inside = clean(through_trunk(dance(), BODY))
    guided = corrected(RewardGuidance({"penetration": 1}), inside)
    before, after = (REWARDS["penetration"](setting().dances(each)).mean() for each in (inside, guided))
    assert before < -0.1 and after > 0.5 * before
    assert torch.equal(guided[..., CONTACTS], inside[..., CONTACTS])
    # The reward does not know where the room is.
    assert torch.allclose(guided[..., ROOT], inside[..., ROOT], atol=1e-6)
    still = corrected(RewardGuidance({"penetration": 1}, channels="root"), inside)
    assert torch.equal(still, inside)


def test_weights_say_what_is_wanted_more():
    high = clean(dance().lifted(0.3))
    names = {"up": lambda dances: dances.root[..., 2].mean(1), "down": lambda dances: -dances.root[..., 2].mean(1)}
    with pytest.MonkeyPatch.context() as patched:
        for name, measure in names.items():
            patched.setitem(REWARDS, name, Reward(name, measure, True))
        for weights, sign in (({"up": 2, "down": 1}, 1), ({"up": 1, "down": 2}, -1)):
            moved = (corrected(RewardGuidance(weights), high) - high)[..., HEIGHT]
            assert (sign * moved > 0).all()


def test_freezing_is_no_way_to_a_reward_that_asks_for_the_energy_of_the_unguided_dance():
    given = clean(dance())
    energies = {}
    for weights in ({"still": 1.0}, {"still": 1.0, "anti_freezing": 1000.0}):
        with pytest.MonkeyPatch.context() as patched:
            still = Reward("still", lambda dances: -dances.vectors[..., ROTATIONS].diff(dim=1).abs().mean((1, 2)), True)
            patched.setitem(REWARDS, "still", still)
            guided = corrected(RewardGuidance(weights, iterations=15), given)
        energies[len(weights)] = guided[..., ROTATIONS].diff(dim=1).abs().mean()
    plain = given[..., ROTATIONS].diff(dim=1).abs().mean()
    assert energies[1] < 0.8 * plain and energies[2] > 0.9 * plain


def test_windows_of_one_dance_that_agreed_agree_when_guided():
    whole = make_dance(make_song(3, 4, 100), 3).slice(0, 2 * FRAMES).lifted(-0.05)
    windows = cut_windows(clean(whole)[0], FRAMES)
    guided = corrected(RewardGuidance({"ground": 1, "penetration": 1}), windows, long=True)
    half = FRAMES // 2
    assert len(windows) == 3 and off_floor(guided).mean() < 0.6 * off_floor(windows).mean()
    assert torch.equal(guided[:-1, half:], guided[1:, :half])
    alone = corrected(RewardGuidance({"ground": 1, "penetration": 1}), windows)
    assert not torch.equal(alone[:-1, half:], alone[1:, :half])


def test_changes_to_windows_are_the_mean_of_both_where_they_overlap():
    changes = torch.arange(3.0)[:, None, None].expand(3, 4, 1)
    assert agree_on_halves(changes)[..., 0].tolist() == [[0, 0, 0.5, 0.5], [0.5, 0.5, 1.5, 1.5], [1.5, 1.5, 2, 2]]


def test_rewards_hear_the_beats_of_each_window():
    heard = []

    def listening(dances):
        heard.extend(dances.beats)
        return dances.root[..., 2].mean(1)

    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(REWARDS, "listening", Reward("listening", listening, True))
        windows = cut_windows(clean(dance(frames=60))[0], FRAMES)
        correction = RewardGuidance({"listening": 1}, iterations=1)
        corrected(correction, windows, long=True, beats=np.array([0.1, 0.7, 1.5]))
    first, second = heard[:2]
    # The second window begins after 20 frames; the first ends after 40.
    np.testing.assert_allclose(first, [0.1, 0.7])
    np.testing.assert_allclose(second, [0.7 - 2 / 3, 1.5 - 2 / 3])


def test_what_cannot_guide_is_refused():
    given = clean(dance())
    for weights, said in (
        ({}, "no reward"),
        ({"nobody": 1}, "unknown reward 'nobody'"),
        ({"beat": 1}, "'beat' is not differentiable"),
        ({"ground": -1}, "'ground' has weight -1"),
        ({"ground": float("nan")}, "'ground' has weight nan"),
    ):
        with pytest.raises(ValueError, match=said):
            RewardGuidance(weights)
    for wrong in ({"steps": 0}, {"iterations": 0}, {"rate": 0.0}, {"channels": "feet"}):
        with pytest.raises(ValueError, match="expected"):
            RewardGuidance({"ground": 1}, **wrong)
    with pytest.MonkeyPatch.context() as patched:
        blind = Reward("blind", lambda dances: dances.root.detach().mean((1, 2)), True)
        patched.setitem(REWARDS, "blind", blind)
        with pytest.raises(ValueError, match="'blind' gives no gradient"):
            corrected(RewardGuidance({"blind": 1}), given)


# The published form


def test_the_published_guidance_is_gradient_descent_on_the_square_of_the_distance_from_the_mean_floor():
    motion = unsteady().replace(contacts=np.tile([0.0, 1.0, 0.0, 0.0], (FRAMES, 1)))
    given = clean(motion)
    guided = corrected(FloorGuidance(iterations=2), given)
    betas = 1 - ALPHA_BARS[19] / ALPHA_BARS[18]
    variance = betas * (1 - ALPHA_BARS[18]) / (1 - ALPHA_BARS[19])
    height = setting().dances(given).joints[0, :, :, 2].amin(-1).double()
    stands = standing(given.new_ones(1, FRAMES))[0]
    expected = given[0, :, HEIGHT].double()
    for _ in range(2):
        away = height - height.mean()
        # A number of the normalised vector is 2 metres.
        change = 2000 * variance * 2 * away * 2.0 * ((away < 0) | stands)
        expected, height = expected - change, height - 2.0 * change
    assert abs((guided[0, :, HEIGHT] - expected).numpy()).max() < 1e-5  # float32
    assert (guided - given)[..., HEIGHT].abs().max() > 1e-3
    others = torch.arange(151) != HEIGHT
    assert torch.equal(guided[..., others], given[..., others])


def test_who_flies_is_not_pulled_down_by_the_published_guidance_and_who_sinks_is_lifted():
    flying = clean(unsteady().replace(contacts=np.zeros((FRAMES, 4))))
    change = (corrected(FloorGuidance(), flying) - flying)[0, :, HEIGHT]
    assert change.min() > -1e-6 and change.max() > 1e-3


def test_the_published_floor_is_that_of_all_windows_together_of_a_long_dance():
    # One stands 10 cm above the other.
    motions = [dance(), dance().lifted(0.1)]
    gaps = {}
    for long in (False, True):
        guided = corrected(FloorGuidance(), clean(*motions), long=long)
        gaps[long] = (guided[1] - guided[0])[:, HEIGHT].mean()
    before = (clean(motions[1]) - clean(motions[0]))[..., HEIGHT].mean()
    assert torch.isclose(gaps[False], before, atol=1e-6) and gaps[True] < 0.9 * before


def test_the_variance_is_that_of_one_step_of_the_diffusion():
    for step in plan_steps(ALPHA_BARS, 50, 1.0)[1:]:
        beta = 1 - ALPHA_BARS[step.time] / ALPHA_BARS[step.time - 1]
        expected = beta * (1 - ALPHA_BARS[step.time - 1]) / (1 - ALPHA_BARS[step.time])
        assert posterior_variance(setting(), step) == pytest.approx(expected)


def test_contacts_stand_when_their_running_mean_has_been_high_and_until_it_is_low():
    # The mean starts at the first value and keeps 0.85 of itself: from 0 it is above 0.8 in the tenth frame of 1
    # (1 - 0.85^10 = 0.803); of the 0.858 that it is after twelve it is below 0.7 in the second frame of 0 (0.62).
    heard = torch.tensor([[0.0] + [1.0] * 12 + [0.0] * 4, [1.0] * 17])
    found = standing(heard)
    assert found[0].nonzero()[:, 0].tolist() == [10, 11, 12, 13]
    # Whatever it is, it is so for two frames at least; before the first nobody stood.
    assert found[1].nonzero()[:, 0].tolist() == list(range(2, 17))


# Projection


def test_projected_at_the_last_step_a_dance_is_what_a_simulated_body_does():
    pytest.importorskip("mujoco")
    projection, given = Projection(), clean(dance(), dance(2))
    found = corrected(projection, given)
    # The same float32 numbers: feet that touch the floor a little earlier change all that follows.
    for vector, expected in zip(found, project(setting().motions(given), BODY), strict=True):
        assert abs(WIDE.denormalize(vector.numpy()) - expected.to_vector()).max() < 1e-5
    assert projection.success_rate == 1 and projection.seconds > 0
    assert [(each.dance, each.left, each.succeeded) for each in projection.results] == [(0, 1, True), (1, 1, True)]


def test_windows_are_projected_as_one_dance_and_agree_afterwards():
    pytest.importorskip("mujoco")
    windows = cut_windows(clean(dance(frames=60))[0], FRAMES)
    projection = Projection()
    found = corrected(projection, windows, long=True)
    assert torch.equal(found[0, FRAMES // 2 :], found[1, : FRAMES // 2]) and len(projection.results) == 1
    (expected,) = project(setting(long=True).motions(windows), BODY)
    assert abs(WIDE.denormalize(found[1].numpy()) - expected.to_vector()[20:]).max() < 1e-5


def test_a_dance_in_which_the_body_falls_stays_what_the_model_made_and_is_counted():
    pytest.importorskip("mujoco")
    lying = dance(2).replace(rotations=dance(2).rotations @ np.diag([1.0, -1.0, -1.0]).astype(np.float32))
    given = clean(dance(), lying)
    projection = Projection(steps=2)
    for left in (2, 1, 2, 1):
        found = projection(given, LAST, left, setting())
    assert torch.equal(found[1], given[1]) and not torch.equal(found[0], given[0])
    assert [each.dance for each in projection.results] == [0, 1, 0, 1, 2, 3, 2, 3]
    assert projection.success_rate == 0.5


def test_projection_is_for_dances_at_the_rate_at_which_bodies_are_simulated():
    with pytest.raises(ValueError, match="at 20 frames per second, expected 30"):
        corrected(Projection(), clean(dance()), fps=20.0)
    with pytest.raises(ValueError, match="0 steps"):
        Projection(0)


# EDGE's vectors


def test_vectors_of_edge_become_ours_with_gradients():
    theirs = torch.from_numpy(to_edge(dance())).requires_grad_()
    found = own_vectors(theirs)
    # float32 matrices, made orthogonal once more.
    assert abs(found.detach().numpy() - from_edge(theirs.detach().numpy()).to_vector()).max() < 1e-5
    (gradient,) = torch.autograd.grad(found.square().sum(), theirs)
    assert gradient.isfinite().all() and gradient[:, HEIGHT].any()


def test_dances_of_edge_are_guided_to_the_floor_on_which_their_feet_stand():
    # Made for longer legs: all of it 20 cm too high, and some frames another 5.
    high = floating(dance(), BODY, 0.05).lifted(0.2)
    theirs = torch.from_numpy(WIDE.normalize(to_edge(high)))[None]
    guided = corrected(RewardGuidance({"ground": 1}, channels="height"), theirs, edge=True)
    before, after = (setting(edge=True).dances(each) for each in (theirs, guided))
    assert before.lowest.abs().mean() < 0.1  # not 20 cm
    assert after.lowest.abs().mean() < 0.5 * before.lowest.abs().mean()


# On the way


class Marking:
    """Notes when it is asked, and adds its number to all that it is given."""

    def __init__(self, steps, mark=0.0):
        self.steps, self.mark, self.asked = steps, mark, []

    def __call__(self, numbers, step, left, setting):
        self.asked.append((step.time, left))
        return numbers + self.mark


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    sizes = DenoiserConfig(width=16, layers=1, music_layers=1, heads=2, feed_forward=16, music_features=3, frames=20)
    return Generator(Denoiser(sizes), WIDE, None)


@pytest.mark.parametrize("frames", [20, 47])
def test_corrections_change_the_last_steps_one_after_the_other(generator, frames):
    music = MusicFeatures(np.random.default_rng(0).uniform(size=(frames, 3)), np.array([4]), source="song.wav")
    (plain,) = generator.dance(music, seed=0, steps=5)
    first, second = Marking(1, 0.25), Marking(3)
    (marked,) = generator.dance(music, seed=0, steps=5, corrections=[first, second])
    assert first.asked == [(199, 1)] and [left for _, left in second.asked] == [3, 2, 1]
    # At the last step what is corrected comes out: 0.25 of a range of 4 metres, half of it each side.
    assert abs(marked.root - plain.root - 0.5).max() < 1e-5
    (early,) = generator.dance(music, seed=0, steps=5, corrections=[Marking(3, 0.25)])
    assert abs(early.root - marked.root).max() > 1e-3
    with pytest.raises(ValueError, match="corrected at 3 steps of 2"):
        generator.dance(music, seed=0, steps=2, corrections=[second])


def test_nobody_corrects_where_nothing_is_asked_for():
    assert correct_by([], setting()) is None


def test_the_trajectory_of_a_corrected_dance_is_refused(generator):
    with pytest.raises(ValueError, match="not the model's alone"):
        Diffusion().ddim_sample(
            generator.denoiser,
            torch.zeros(1, 20, 3),
            generator=torch.Generator(),
            steps=2,
            correct=lambda numbers, step, left: numbers,
            return_trajectory=True,
        )
