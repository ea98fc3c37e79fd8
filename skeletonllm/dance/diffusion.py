"""Learning to take noise from dances, and making dances from noise: plain, long, and with parts given."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from skeletonllm.dance.body import Body
from skeletonllm.dance.ddim import (
    Step,
    Trajectory,
    cosine_alpha_bars,
    gaussian,
    plan_steps,
    step_log_prob,
    step_mean,
)
from skeletonllm.dance.denoiser import Condition, Denoiser
from skeletonllm.dance.editing import Constraint
from skeletonllm.dance.long_form import cut_windows, rising_guidance, share_halves
from skeletonllm.dance.losses import Losses, motion_losses
from skeletonllm.dance.motion import FRAMES, VECTOR_SIZE
from skeletonllm.dance.normalizer import Normalizer

# Of EDGE: how often training leaves the music out, and how far sampling exaggerates it.
NO_MUSIC_SHARE, GUIDANCE = 0.25, 2.0

_Between = Callable[[Tensor, float], Tensor]
Correct = Callable[[Tensor, Step, int], Tensor]
"""Changes dances (B, T, C) as they are predicted without noise, given the step and how many are left, 1 at the last;
see ``guidance``."""


class Model(Protocol):
    """What sampling needs of a denoiser."""

    training: bool

    def listen(self, music: Tensor) -> Condition: ...

    def no_music(self, batch: int, frames: int) -> Condition: ...

    def __call__(self, motion: Tensor, times: Tensor, condition: Condition) -> Tensor: ...


class Draw(NamedTuple):
    """What is drawn for the training of B clips: ``times`` (B,) of the diffusion, whether to ``keep`` (B,) the music,
    and ``noise`` (B, T, C). Sliced, it is that of some of the clips."""

    times: Tensor
    keep: Tensor
    noise: Tensor


class Diffusion:
    """The process that adds noise to dances in ``steps`` steps with the cosine schedule, and its reversal by DDIM.

    Dances are (B, T, 151), normalised to [-1, 1]; music is (B, T, F). Guidance w is classifier-free (Ho and Salimans
    2022): the prediction without music plus w times the difference that the music makes; 1 is the music as it is.
    """

    def __init__(self, steps: int = 1000):
        self.alpha_bars = cosine_alpha_bars(steps)

    def add_noise(self, motion: Tensor, times: Tensor, noise: Tensor) -> Tensor:
        """(B, T, C) dances as they are at diffusion times (B,)."""
        share = torch.as_tensor(self.alpha_bars, device=motion.device)[times].to(motion.dtype)[:, None, None]
        return share.sqrt() * motion + (1 - share).sqrt() * noise

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> Draw:
        """What training needs by chance for dances of ``shape`` (B, T, C); a quarter goes without its music."""
        device, batch = generator.device, shape[0]
        times = torch.randint(len(self.alpha_bars), (batch,), generator=generator, device=device)
        keep = torch.rand(batch, generator=generator, device=device) >= NO_MUSIC_SHARE
        return Draw(times, keep, torch.randn(*shape, generator=generator, device=device))

    def predict(self, denoiser: Denoiser, motion: Tensor, music: Tensor, draw: Draw) -> Tensor:
        """What a denoiser makes of (B, T, C) dances with the noise of a draw: the dances without."""
        noisy = self.add_noise(motion, draw.times, draw.noise.to(motion.dtype))
        return denoiser(noisy, draw.times, denoiser.listen(music, draw.keep))

    def training_losses(
        self,
        denoiser: Denoiser,
        motion: Tensor,
        music: Tensor,
        *,
        body: Body,
        normalizer: Normalizer,
        generator: torch.Generator,
    ) -> Losses:
        """The losses of one batch at random times, see ``motion_losses``."""
        draw = Draw(*(drawn.to(motion.device) for drawn in self.draw(motion.shape, generator)))
        return motion_losses(self.predict(denoiser, motion, music, draw), motion, body, normalizer)

    def ddim_sample(
        self,
        model: Model,
        music: Tensor,
        *,
        generator: torch.Generator,
        steps: int = 50,
        eta: float = 1.0,
        guidance: float = GUIDANCE,
        correct: Correct | None = None,
        return_trajectory: bool = False,
    ) -> Tensor | Trajectory:
        """Dances to music.

        Args:
            model: in evaluation mode.
            music: (B, T, F).
            generator: of all noise.
            steps: of sampling.
            eta: 0 adds no noise on the way, so that the noise at the start decides all; 1 as much as the diffusion.
            guidance: w above.
            correct: changes the dances that the model predicts at each step. Default: nobody does.
            return_trajectory: give back how the dances came about, too, with the likelihood of each step; not of
                dances that somebody else corrects, whose steps the model alone would not take.

        Returns:
            (B, T, 151) normalised, or a ``Trajectory``.

        Raises:
            ValueError: the trajectory of corrected dances.
        """
        if return_trajectory and correct is not None:
            raise ValueError("the trajectory of dances that are corrected on the way is not the model's alone")
        planned, weights = plan_steps(self.alpha_bars, steps, eta), (float(guidance),) * steps
        if not return_trajectory:
            return self._run(model, music, planned, weights, generator, correct=correct)
        states, means = [], []

        def record(state: Tensor, _: float) -> Tensor:
            states.append(state)
            return state

        self._run(model, music, planned, weights, generator, record, means)
        return Trajectory(torch.stack(states), planned, weights, torch.stack(means))

    def log_prob(self, model: Model, music: Tensor, trajectory: Trajectory, at: Sequence[int] | None = None) -> Tensor:
        """(len(at), B, T): how likely a model makes steps of a trajectory; differentiable, see ``Trajectory``.

        Args:
            model: in evaluation mode, as dropout would change what it says.
            music: (B, T, F) of the trajectory.
            at: numbers of steps. Default: all that add noise; gradients through all at once take much memory.

        Raises:
            ValueError: a step that adds no noise, as the last one and those with eta 0.
        """
        if at is None:
            at = trajectory.noisy
        if not at:
            raise ValueError("no step of the trajectory adds noise (eta 0), so it has no density")
        for number in at:
            if not trajectory.steps[number].deviation > 0:
                raise ValueError(f"step {number} adds no noise, so it has no density")
        means = self.step_means(model, music, trajectory, at)
        found = [
            step_log_prob(trajectory.states[number + 1], mean, trajectory.steps[number].deviation)
            for number, mean in zip(at, means, strict=True)
        ]
        return torch.stack(found)

    def step_means(self, model: Model, music: Tensor, trajectory: Trajectory, at: Sequence[int]) -> list[Tensor]:
        """Where a model leads in steps of a trajectory, before noise is added, (B, T, C) for each of ``at``;
        differentiable. Arguments as for ``log_prob``."""
        predict = _Guided(model, music, trajectory.guidance)
        return [
            step_mean(
                trajectory.states[number],
                predict(trajectory.states[number], trajectory.steps[number].time, trajectory.guidance[number]),
                trajectory.steps[number],
            )
            for number in at
        ]

    def replay_end(self, model: Model, music: Tensor, trajectory: Trajectory, last: int) -> Tensor:
        """(B, T, C): the sample of a trajectory as a model makes it from the state before the ``last`` steps, with the
        noise that was drawn then; differentiable through these steps, and only these (Clark et al. 2024, "DRaFT").

        Args:
            model: in evaluation mode.
            music: (B, T, F) of the trajectory.
            last: from 1 to all of the steps.

        Raises:
            ValueError: a number of steps that the trajectory does not have.
        """
        first = len(trajectory.steps) - last
        if not (last >= 1 and first >= 0):
            raise ValueError(f"the last {last} of {len(trajectory.steps)} steps, expected from 1 to all")
        predict = _Guided(model, music, trajectory.guidance)
        state = trajectory.states[first]
        for number in range(first, len(trajectory.steps)):
            step = trajectory.steps[number]
            mean = step_mean(state, predict(state, step.time, trajectory.guidance[number]), step)
            state = mean
            if step.deviation > 0:  # the noise is what the model of then left to it
                state = mean + trajectory.noises[number]
        return state

    def sample_long(
        self,
        model: Model,
        music: Tensor,
        *,
        generator: torch.Generator,
        window: int = FRAMES,
        steps: int = 50,
        eta: float = 1.0,
        guidance: float = GUIDANCE,
        correct: Correct | None = None,
    ) -> Tensor:
        """Windows of one long dance to (F, features) of music: made together, and after each step but the last every
        window takes over the second half of the one before as its beginning. Guidance rises, see ``rising_guidance``.

        Unlike the released code of EDGE, they agree about the noise at the start, too. Arguments as for
        ``ddim_sample``.

        Returns:
            (N, window, 151) normalised; once motions, ``long_form.stitch`` puts them together.
        """

        def agree(state: Tensor, alpha_bar: float) -> Tensor:
            return share_halves(state) if alpha_bar < 1 else state

        planned = plan_steps(self.alpha_bars, steps, eta)
        windows = cut_windows(music, window)
        return self._run(model, windows, planned, rising_guidance(guidance, steps), generator, agree, correct=correct)

    def edit(
        self,
        model: Model,
        music: Tensor,
        constraint: Constraint,
        *,
        generator: torch.Generator,
        steps: int = 50,
        eta: float = 1.0,
        guidance: float = GUIDANCE,
    ) -> Tensor:
        """Dances that have the given numbers exactly: at each step these are put in with as much noise as the rest
        has (Lugmayr et al. 2022; EDGE, section 4).

        Returns:
            (B, T, 151) normalised.
        """
        if constraint.values.shape[:2] != music.shape[:2]:
            found, wanted = tuple(constraint.values.shape[:2]), tuple(music.shape[:2])
            raise ValueError(f"the constraint has {found} clips and frames, the music {wanted}")

        def impose(state: Tensor, alpha_bar: float) -> Tensor:
            return constraint.impose(state, alpha_bar, gaussian(state.shape, generator, state))

        planned = plan_steps(self.alpha_bars, steps, eta)
        return self._run(model, music, planned, (float(guidance),) * steps, generator, impose)

    @torch.no_grad()
    def _run(
        self,
        model: Model,
        music: Tensor,
        planned: tuple[Step, ...],
        guidance: tuple[float, ...],
        generator: torch.Generator,
        between: _Between = lambda state, _: state,
        means: list[Tensor] | None = None,
        correct: Correct | None = None,
    ) -> Tensor:
        """All steps; ``between`` changes a state, given the dance's share in its variance, before the next step."""
        predict = _Guided(model, music, guidance)
        state = gaussian((*music.shape[:2], VECTOR_SIZE), generator, music)
        state = between(state, planned[0].alpha_bar)
        for number, (step, weight) in enumerate(zip(planned, guidance, strict=True)):
            clean = predict(state, step.time, weight)
            if correct is not None:
                clean = correct(clean, step, len(planned) - number)
            mean = step_mean(state, clean, step)
            state = mean
            if means is not None:
                means.append(mean)
            if step.deviation > 0:
                state = mean + step.deviation * gaussian(mean.shape, generator, mean)
            state = between(state, step.following)
        return state


class _Guided:
    """A model with its music heard once: (state, time, weight) -> dances (B, T, C) without noise, in [-1, 1]."""

    def __init__(self, model: Model, music: Tensor, weights: tuple[float, ...]):
        if model.training:
            raise ValueError("the denoiser is in training mode, where dropout changes what it says; call eval() first")
        self.model, self.heard, self.both = model, model.listen(music), None
        if any(weight != 1 for weight in weights):
            nothing = model.no_music(*music.shape[:2])
            self.both = Condition(*(torch.cat(pair) for pair in zip(self.heard, nothing, strict=True)))

    def __call__(self, state: Tensor, time: int, weight: float) -> Tensor:
        times = torch.full((len(state),), time, device=state.device)
        if weight == 1:
            return self.model(state, times, self.heard).clamp(-1, 1)
        # One batch of twice the size is faster than two on a GPU.
        heard, unheard = self.model(state.repeat(2, 1, 1), times.repeat(2), self.both).chunk(2)
        return (unheard + weight * (heard - unheard)).clamp(-1, 1)
