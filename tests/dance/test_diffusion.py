"""Diffusion: the schedule, DDIM on distributions whose answer is known, likelihoods, guidance and losses."""

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal

from skeletonllm.dance.body import default_body
from skeletonllm.dance.ddim import cosine_alpha_bars, plan_steps
from skeletonllm.dance.denoiser import Condition, Denoiser, DenoiserConfig
from skeletonllm.dance.diffusion import Diffusion
from skeletonllm.dance.losses import motion_losses
from skeletonllm.dance.motion import CONTACTS, ROOT, Motion
from skeletonllm.dance.normalizer import Normalizer


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Gaussian:
    """Knows dances of independent numbers N(mean, deviation^2); the music of a clip, its first number, is the mean,
    and without music that is 0."""

    training = False

    def __init__(self, diffusion, deviation):
        self.alpha_bars, self.variance = torch.as_tensor(diffusion.alpha_bars), deviation**2

    def listen(self, music):
        return Condition(music[..., :1], music[:, 0])

    def no_music(self, batch, frames):
        return Condition(torch.zeros(batch, frames, 1), torch.zeros(batch, 1))

    def __call__(self, motion, times, condition):
        share = self.alpha_bars[times].float()[:, None, None]
        mean = condition.tokens
        gain = share.sqrt() * self.variance / (share * self.variance + 1 - share)
        return mean + gain * (motion - share.sqrt() * mean)


def small_denoiser(seed=0):
    torch.manual_seed(seed)
    return Denoiser(DenoiserConfig(width=32, layers=2, heads=4, feed_forward=48, music_features=5, frames=12)).eval()


def music(batch=2, frames=12, features=5, seed=1):
    return torch.randn(batch, frames, features, generator=seeded(seed))


def test_the_cosine_schedule_falls_from_the_dance_to_noise():
    shares = cosine_alpha_bars(1000)
    assert np.all(np.diff(shares) < 0) and shares[0] > 0.9999 and 0 < shares[-1] < 1e-8
    # Nichol and Dhariwal 2021, equation 17, half way: the product of the steps is the ratio of the squared cosines.
    offset = 0.008
    angles = (np.array([0.0, 0.5]) + offset) / (1 + offset) * np.pi / 2
    np.testing.assert_allclose(shares[499], np.cos(angles[1]) ** 2 / np.cos(angles[0]) ** 2, rtol=1e-9)


def test_fifty_steps_of_a_thousand_are_twenty_apart_and_the_last_adds_no_noise():
    shares = cosine_alpha_bars(1000)
    planned = plan_steps(shares, 50, 1.0)
    assert [step.time for step in planned] == list(range(999, 0, -20))
    assert planned[-1].following == 1 and planned[-1].deviation == 0
    assert all(step.deviation > 0 for step in planned[:-1])
    assert all(step.following == shares[after.time] for step, after in zip(planned, planned[1:], strict=False))
    # With eta 1 and no step left out, DDIM is the posterior of the diffusion itself (Ho et al. 2020, equation 7).
    whole = plan_steps(shares, 1000, 1.0)
    step = whole[500]
    beta = 1 - step.alpha_bar / step.following
    assert step.deviation**2 == pytest.approx(beta * (1 - step.following) / (1 - step.alpha_bar), rel=1e-12)
    assert not any(step.deviation for step in plan_steps(shares, 50, 0.0))


def expected_deviation(diffusion, deviation, steps, eta):
    """Of what DDIM makes of a Gaussian that it knows: each step is linear, so its variance can be followed."""
    variance = 1.0
    for step in plan_steps(diffusion.alpha_bars, steps, eta):
        share, following = step.alpha_bar, step.following
        gain = share**0.5 * deviation**2 / (share * deviation**2 + 1 - share)
        rest = max(0.0, 1 - following - step.deviation**2) ** 0.5
        slope = following**0.5 * gain + rest * (1 - share**0.5 * gain) / (1 - share) ** 0.5
        variance = slope**2 * variance + step.deviation**2
    return variance**0.5


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_a_known_gaussian_is_recovered(eta):
    diffusion = Diffusion()
    mean, deviation = 0.1, 0.2
    model, heard = Gaussian(diffusion, deviation), torch.full((2, 150, 1), mean)
    found = diffusion.ddim_sample(model, heard, generator=seeded(), steps=1000, eta=eta, guidance=1.0)
    assert found.shape == (2, 150, 151)
    # 45,300 independent numbers: the standard errors of mean and deviation are 0.001 and 0.3 %. That no noise follows
    # the last prediction costs up to 1 % of the deviation.
    assert found.mean().item() == pytest.approx(mean, abs=0.004)
    assert found.std().item() == pytest.approx(deviation, rel=0.02)
    fewer = diffusion.ddim_sample(model, heard, generator=seeded(), eta=eta, guidance=1.0)
    assert fewer.mean().item() == pytest.approx(mean, abs=0.004)
    # Fifty steps make less of it, by as much as long strides must: 7 % with eta 0, 13 % with eta 1.
    assert fewer.std().item() == pytest.approx(expected_deviation(diffusion, deviation, 50, eta), rel=0.01)


def test_without_noise_on_the_way_the_noise_at_the_start_decides_all():
    diffusion, denoiser, heard = Diffusion(), small_denoiser(), music()

    def run(seed, eta):
        return diffusion.ddim_sample(denoiser, heard, generator=seeded(seed), steps=5, eta=eta, return_trajectory=True)

    first, again = run(0, 0.0), run(0, 0.0)
    assert torch.equal(first.states, again.states) and not torch.equal(first.sample, run(1, 0.0).sample)
    # From the same start noise on the way leads elsewhere, but the same seed to the same place.
    noisy = run(0, 1.0)
    assert torch.equal(noisy.states[0], first.states[0]) and not torch.equal(noisy.sample, first.sample)
    assert torch.equal(noisy.sample, run(0, 1.0).sample)
    assert torch.equal(noisy.sample, diffusion.ddim_sample(denoiser, heard, generator=seeded(0), steps=5))


def test_likelihoods_are_those_of_torch_distributions():
    diffusion, heard = Diffusion(), torch.zeros(2, 3, 1)
    model = Gaussian(diffusion, 0.2)
    trajectory = diffusion.ddim_sample(model, heard, generator=seeded(), steps=5, guidance=1.0, return_trajectory=True)
    assert trajectory.log_probs.shape == (4, 2, 3)
    for number, step in enumerate(trajectory.steps[:-1]):
        state = trajectory.states[number].double()
        clean = model(state, torch.full((2,), step.time), model.listen(heard)).clamp(-1, 1)
        # Song et al. 2021, equation 12, in its own terms.
        noise = (state - step.alpha_bar**0.5 * clean) / (1 - step.alpha_bar) ** 0.5
        rest = max(0.0, 1 - step.following - step.deviation**2) ** 0.5
        policy = Independent(Normal(step.following**0.5 * clean + rest * noise, step.deviation), 1)
        wanted = policy.log_prob(trajectory.states[number + 1].double())
        # float32 against float64, relative to densities of some hundreds.
        torch.testing.assert_close(trajectory.log_probs[number].double() * 151, wanted, atol=1e-2, rtol=1e-5)


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_a_trajectory_judged_again_is_as_likely_as_when_it_was_made(guidance):
    diffusion, denoiser, heard = Diffusion(), small_denoiser(), music()
    trajectory = diffusion.ddim_sample(
        denoiser, heard, generator=seeded(), steps=6, eta=0.7, guidance=guidance, return_trajectory=True
    )
    again = diffusion.log_prob(denoiser, heard, trajectory)
    assert again.requires_grad and not trajectory.log_probs.requires_grad
    torch.testing.assert_close(again.detach(), trajectory.log_probs, atol=1e-5, rtol=0)
    some = diffusion.log_prob(denoiser, heard, trajectory, at=[4, 1])
    torch.testing.assert_close(some, again[[4, 1]], atol=1e-5, rtol=0)
    # Another network finds it less likely: the mean is where the steps were drawn around.
    other = diffusion.log_prob(small_denoiser(seed=9), heard, trajectory)
    assert other.mean() < again.mean()


def test_steps_without_noise_and_denoisers_with_dropout_have_no_likelihood():
    diffusion, denoiser, heard = Diffusion(), small_denoiser(), music()
    run = {"generator": seeded(), "steps": 3, "return_trajectory": True}
    trajectory = diffusion.ddim_sample(denoiser, heard, **run)
    with pytest.raises(ValueError, match="step 2 adds no noise"):
        diffusion.log_prob(denoiser, heard, trajectory, at=[0, 2])
    still = diffusion.ddim_sample(denoiser, heard, eta=0.0, **run)
    assert still.log_probs.shape == (0, 2, 12)
    with pytest.raises(ValueError, match="no step of the trajectory adds noise"):
        diffusion.log_prob(denoiser, heard, still)
    with pytest.raises(ValueError, match="in training mode"):
        diffusion.log_prob(denoiser.train(), heard, trajectory)
    with pytest.raises(ValueError, match="1001 steps of sampling, expected from 1 to 1000"):
        plan_steps(diffusion.alpha_bars, 1001, 1.0)
    with pytest.raises(ValueError, match="eta is 1.5"):
        plan_steps(diffusion.alpha_bars, 50, 1.5)


def test_guidance_of_one_is_the_music_as_it_is_of_zero_none_and_beyond_one_exaggerates_it():
    diffusion, denoiser, heard = Diffusion(), small_denoiser(), music()

    def first_step(guidance):
        return diffusion.ddim_sample(denoiser, heard, generator=seeded(), steps=1, guidance=guidance)

    start = torch.randn(2, 12, 151, generator=seeded())
    times = torch.full((2,), 999)
    with torch.no_grad():
        conditional = denoiser(start, times, denoiser.listen(heard))
        unconditional = denoiser(start, times, denoiser.no_music(2, 12))
    # float32 in another order.
    close = {"atol": 1e-5, "rtol": 1e-4}
    torch.testing.assert_close(first_step(1.0), conditional.clamp(-1, 1), **close)
    torch.testing.assert_close(first_step(0.0), unconditional.clamp(-1, 1), **close)
    doubled = (2 * conditional - unconditional).clamp(-1, 1)
    torch.testing.assert_close(first_step(2.0), doubled, **close)
    # The way through both conditions at once ends where the short one does.
    torch.testing.assert_close(first_step(1.0 + 1e-7), first_step(1.0), atol=1e-4, rtol=0)


def standing_motion(frames=10):
    """Stands, T-posed, for half of the time with all four contacts, then glides, half a metre a second."""
    body = default_body()
    root = np.zeros((frames, 3))
    root[:, 2] = body.standing_height
    root[frames // 2 :, 0] = np.arange(frames - frames // 2) / 60
    rotations = np.broadcast_to(np.eye(3), (frames, 24, 3, 3))
    return Motion(root, rotations, np.arange(frames)[:, None].repeat(4, 1) < frames // 2)


def wide_normalizer():
    return Normalizer(np.full(151, -2.0), np.full(151, 3.0))


def loss_of(predicted, target, **changes):
    normalizer = wide_normalizer()
    vectors = (torch.from_numpy(motion.to_vector())[None] for motion in (predicted, target))
    normalized = [normalizer.normalize(vector) for vector in vectors]
    return motion_losses(*normalized, default_body(), normalizer, **changes)


def test_a_prediction_that_is_right_and_whose_feet_stand_has_no_loss():
    motion = standing_motion()
    # float32 rounding of places, squared.
    assert all(term.item() < 1e-10 for term in loss_of(motion, motion))


def test_each_loss_is_its_weight_times_a_mean_square():
    motion = standing_motion()
    moved = motion.root.copy()
    moved[:, 1] += 0.25
    losses = loss_of(motion.replace(root=moved), motion)
    # A quarter of a metre is 0.1 of [-1, 1] here, in one channel of 151.
    assert losses.simple.item() == pytest.approx(0.636 * 0.1**2 / 151, rel=1e-4)
    assert losses.joints.item() == pytest.approx(0.646 * 0.25**2 / 3, rel=1e-4)
    assert losses.velocity.item() < 1e-10 and losses.feet.item() < 1e-10
    jumps = motion.root.copy()
    jumps[5:, 1] += 0.25
    losses = loss_of(motion.replace(root=jumps), motion)
    # One of nine changes, in one of 147 channels; from frame 4, which stands, to frame 5: one of ten frames.
    assert losses.velocity.item() == pytest.approx(2.964 * 0.1**2 / (9 * 147), rel=1e-4)
    assert losses.feet.item() == pytest.approx(10.942 * 0.25**2 / (10 * 3), rel=1e-4)
    assert losses.total.item() == pytest.approx(sum(losses[1:]).item())


def test_feet_are_held_by_the_contacts_of_the_prediction_alone():
    motion = standing_motion()
    glides = motion.replace(contacts=np.ones((10, 4)))
    # Four changes of 1/60 m among ten frames of three coordinates.
    wanted = 10.942 * 4 * (1 / 60) ** 2 / (10 * 3)
    assert loss_of(glides, motion).feet.item() == pytest.approx(wanted, rel=1e-4)
    assert loss_of(motion, glides).feet.item() < 1e-10
    almost = motion.replace(contacts=np.full((10, 4), 0.94))
    assert loss_of(almost, almost).feet.item() == 0


def test_the_released_loss_takes_normalised_numbers_for_metres():
    motion = standing_motion()
    moved = motion.root.copy()
    moved[:, 1] += 0.25
    legacy = loss_of(motion.replace(root=moved), motion, legacy=True)
    assert legacy.joints.item() == pytest.approx(0.646 * 0.1**2 / 3, rel=1e-4)
    # Contacts of 1 are 0.2 between -2 and 3, so no foot stands.
    assert legacy.feet.item() == 0


def test_a_step_of_training_learns_and_is_repeatable():
    torch.manual_seed(0)
    denoiser = Denoiser.from_preset("tiny", width=32, heads=4, layers=1, feed_forward=32, dropout=0.0)
    diffusion, body, normalizer = Diffusion(), default_body(), wide_normalizer()
    motion = normalizer.normalize(torch.from_numpy(standing_motion(6).to_vector()))[None].repeat(4, 1, 1)
    heard = music(4, 6, 35)

    def losses(seed):
        return diffusion.training_losses(
            denoiser, motion, heard, body=body, normalizer=normalizer, generator=seeded(seed)
        )

    before = losses(5)
    assert torch.equal(before.total, losses(5).total) and not torch.equal(before.total, losses(6).total)
    optimizer = torch.optim.Adam(denoiser.parameters(), 1e-2)
    for number in range(12):
        optimizer.zero_grad()
        losses(number + 100).total.backward()
        optimizer.step()
    assert losses(5).total < 0.5 * before.total


def test_noise_is_added_as_the_schedule_says():
    diffusion = Diffusion()
    motion, noise = torch.full((2, 3, 151), 2.0), torch.full((2, 3, 151), 3.0)
    noisy = diffusion.add_noise(motion, torch.tensor([0, 700]), noise)
    for clip, time in ((0, 0), (1, 700)):
        share = diffusion.alpha_bars[time]
        torch.testing.assert_close(noisy[clip], torch.full((3, 151), 2 * share**0.5 + 3 * (1 - share) ** 0.5).float())


def test_contacts_and_places_are_where_losses_look_for_them():
    vector = standing_motion().to_vector()
    assert vector[0, CONTACTS].tolist() == [1] * 4 and vector[-1, ROOT][0] == pytest.approx(4 / 60)
