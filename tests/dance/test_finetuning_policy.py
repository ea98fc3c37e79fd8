"""The gradients of a policy: the right direction, what clips them, and what holds them to where they came from."""

import pytest
import torch

from skeletonllm.dance.body import default_body
from skeletonllm.dance.denoiser import Condition, Denoiser
from skeletonllm.dance.diffusion import Diffusion
from skeletonllm.dance.finetuning.policy import Lesson, Policy, gaussian_divergence, ppo, reinforce
from skeletonllm.dance.motion import VECTOR_SIZE
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.rewards import Dances, Reward

BODY = default_body()
PLAIN = Normalizer(-torch.ones(VECTOR_SIZE).numpy(), torch.ones(VECTOR_SIZE).numpy())


class OneNumber:
    """A generator of dances of one frame that differ in one number, with one weight: what it believes that number to
    be, but in the last step, which adds no noise and so cannot be learnt from by likelihoods."""

    training = False

    def __init__(self, weight, last_time):
        self.weight, self.last_time = weight, last_time

    def listen(self, music):
        return Condition(music, music[:, 0])

    def no_music(self, batch, frames):
        raise AssertionError("guidance 1 asks for no dance without music")

    def __call__(self, motion, times, condition):
        clean = torch.zeros_like(motion)
        number = 0.7 * motion[..., 0] if int(times[0]) == self.last_time else torch.tanh(self.weight).expand(
            motion.shape[:2]
        )  # fmt: skip
        return torch.cat([number[..., None], clean[..., 1:]], -1)


def test_the_gradient_of_reinforce_is_that_of_the_expected_reward():
    diffusion, music = Diffusion(), torch.zeros(20_000, 1, 1)
    last = diffusion.ddim_sample(
        OneNumber(torch.tensor(0.0), -1), music[:1], generator=torch.Generator(), steps=4, guidance=1,
        return_trajectory=True,
    ).steps[-1].time  # fmt: skip

    def reward(sample):
        return -(sample[..., 0] - 0.6).square()

    def danced(weight):
        return diffusion.ddim_sample(
            OneNumber(weight, last), music, generator=torch.Generator().manual_seed(3), steps=4, guidance=1,
            return_trajectory=True,
        )  # fmt: skip

    weight, small = torch.tensor(0.1, requires_grad=True), 0.02
    # The same noise on both sides, so that the difference is the weight's alone.
    wanted = float(reward(danced(weight + small).sample).mean() - reward(danced(weight - small).sample).mean())
    wanted /= 2 * small
    trajectory = danced(weight)
    advantages = reward(trajectory.sample)
    advantages = advantages - advantages.mean()
    log_probs = diffusion.log_prob(OneNumber(weight, last), music, trajectory)
    # Losses are means over steps and channels; the gradient of an expectation has their sums.
    loss = reinforce(log_probs, advantages) * len(log_probs) * VECTOR_SIZE
    (found,) = torch.autograd.grad(-loss, weight)
    assert abs(wanted) > 0.1
    # 20,000 dances: the estimate's own deviation is 2 %.
    assert float(found) == pytest.approx(wanted, rel=0.08)


def small(seed=0):
    torch.manual_seed(seed)
    return Denoiser.from_preset("tiny", width=16, heads=2, layers=1, music_layers=1, feed_forward=16).eval()


def danced(denoiser, count=3, frames=8, steps=4):
    music = torch.randn(count, frames, 35, generator=torch.Generator().manual_seed(1))
    trajectory = Diffusion().ddim_sample(
        denoiser, music, generator=torch.Generator().manual_seed(2), steps=steps, return_trajectory=True
    )
    return music, trajectory


def lesson(trajectory, at=None, reference=None, advantages=None):
    at = trajectory.noisy if at is None else at
    shape = trajectory.states.shape[1:3]
    if advantages is None:
        advantages = torch.randn(shape, generator=torch.Generator().manual_seed(4))
    return Lesson(at, advantages, trajectory.log_probs[at], reference)


def gradients(policy, *arguments, **named):
    policy.zero_grad()
    policy(*arguments, **named).loss.backward()
    return torch.cat([p.grad.flatten() for p in policy.parameters() if p.grad is not None])


def test_likelihoods_that_are_replayed_are_those_of_the_dance():
    denoiser = small()
    music, trajectory = danced(denoiser, steps=10)
    found = Diffusion().log_prob(denoiser, music, trajectory)
    torch.testing.assert_close(found, trajectory.log_probs, atol=1e-5, rtol=0)
    verdict = Policy(denoiser, PLAIN, BODY)(music, trajectory, lesson(trajectory))
    assert float(verdict.drift) < 1e-5


def test_parts_of_the_steps_add_up_to_all_of_them():
    policy = Policy(small(), PLAIN, BODY)
    music, trajectory = danced(policy.denoiser, steps=5)
    whole = gradients(policy, music, trajectory, lesson(trajectory))
    parts = [gradients(policy, music, trajectory, lesson(trajectory, at)) for at in ([0, 1, 2], [3])]
    torch.testing.assert_close(0.75 * parts[0] + 0.25 * parts[1], whole, atol=1e-7, rtol=1e-4)


def test_the_first_update_of_ppo_is_that_of_reinforce():
    denoiser = small()
    music, trajectory = danced(denoiser)
    taught = lesson(trajectory)
    torch.testing.assert_close(
        gradients(Policy(denoiser, PLAIN, BODY, clip=1e-4), music, trajectory, taught),
        gradients(Policy(denoiser, PLAIN, BODY), music, trajectory, taught),
        atol=1e-7, rtol=1e-3,
    )  # fmt: skip


def test_ppo_learns_no_more_from_what_became_likely_enough():
    old = torch.zeros(1, 1, 4)
    advantages = torch.tensor([[1.0, 1.0, -1.0, -1.0]])
    new = torch.tensor([[[0.2, -0.2, -0.2, 0.2]]], requires_grad=True)
    ppo(new, old, advantages, clip=0.1).backward()
    assert new.grad[0, 0, 0] == 0 and new.grad[0, 0, 2] == 0  # it went the right way, and far enough
    assert new.grad[0, 0, 1] < 0 < new.grad[0, 0, 3]


def test_the_divergence_is_that_of_two_gaussians():
    one, other = (torch.randn(2, 3, VECTOR_SIZE, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    kl = torch.distributions.kl_divergence(torch.distributions.Normal(one, 0.3), torch.distributions.Normal(other, 0.3))
    torch.testing.assert_close(gaussian_divergence(one, other, 0.3), kl.mean(-1))


def test_the_divergence_pulls_back_to_the_generator_as_it_was():
    was, now = small(0), small(1)
    music, trajectory = danced(now)
    with torch.no_grad():
        reference = torch.stack(Diffusion().step_means(was, music, trajectory, trajectory.noisy))
    nothing = torch.zeros(trajectory.states.shape[1:3])
    taught = lesson(trajectory, reference=reference, advantages=nothing)
    policy = Policy(now, PLAIN, BODY, kl=1.0)
    verdict = policy(music, trajectory, taught)
    assert float(verdict.divergence) > 0
    step = gradients(policy, music, trajectory, taught)
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.grad is not None:
                parameter -= 0.05 * parameter.grad / step.norm()
    assert float(policy(music, trajectory, taught).divergence) < float(verdict.divergence)


def test_a_direct_gradient_is_that_of_the_dance_through_its_last_steps():
    """Against finite differences along a random direction of the weights."""
    reward = Reward("pull", lambda dances: -(dances.root - 0.3).square().sum((1, 2)), True)
    policy = Policy(small().double(), PLAIN, BODY, direct={reward: 2.0}, last_steps=2)
    music, trajectory = danced(small())
    music, trajectory = music.double(), trajectory._replace(
        states=trajectory.states.double(), means=trajectory.means.double()
    )  # fmt: skip
    dances = Dances(torch.zeros(3, 8, VECTOR_SIZE), BODY)
    found = gradients(policy, music, trajectory, None, dances=dances)
    learning = [p for p in policy.parameters() if p.grad is not None]
    way = [torch.randn(p.shape, generator=torch.Generator().manual_seed(5), dtype=p.dtype) for p in learning]

    def at(share):
        with torch.no_grad():
            for parameter, part in zip(learning, way, strict=True):
                parameter += share * part
            sample = policy.diffusion.replay_end(policy.denoiser, music, trajectory, 2)
            value = -2 * reward(Dances(sample, BODY)).mean()
            for parameter, part in zip(learning, way, strict=True):
                parameter -= share * part
        return float(value)

    slope = (at(1e-4) - at(-1e-4)) / 2e-4
    # Denormalised dances are float32, which limits the agreement.
    assert float(found @ torch.cat([part.flatten() for part in way])) == pytest.approx(slope, rel=2e-2)


@pytest.mark.parametrize("last", [0, 5])
def test_only_steps_that_were_taken_can_be_replayed(last):
    denoiser = small()
    music, trajectory = danced(denoiser)
    with pytest.raises(ValueError, match=rf"the last {last} of 4 steps, expected from 1 to all"):
        Diffusion().replay_end(denoiser, music, trajectory, last)


def test_the_end_that_is_replayed_is_the_dance():
    denoiser = small()
    music, trajectory = danced(denoiser)
    for last in (1, 4):
        found = Diffusion().replay_end(denoiser, music, trajectory, last)
        torch.testing.assert_close(found, trajectory.sample, atol=1e-6, rtol=0)
