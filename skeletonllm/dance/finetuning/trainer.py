"""One update of the generator by reinforcement, for the loop that all training shares."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from skeletonllm.dance.denoiser import Denoiser
from skeletonllm.dance.finetuning.advantages import RunningStatistics, advantages
from skeletonllm.dance.finetuning.policy import Lesson, Policy
from skeletonllm.dance.finetuning.recipe import FinetuneRecipe
from skeletonllm.dance.finetuning.rollout import Microbatch, Rollout, collect, gather
from skeletonllm.dance.motion import FPS
from skeletonllm.dance.rewards import Reward
from skeletonllm.dance.rewards.anti_freezing import energy
from skeletonllm.dance.training.generator_loop import GeneratorLoop
from skeletonllm.dance.training.pieces import Clips
from skeletonllm.data.seeds import mixed_seed
from skeletonllm.training.checkpoint import Checkpoint
from skeletonllm.training.distributed import Ranks
from skeletonllm.training.faults import TimeLimit
from skeletonllm.training.loop import Measured
from skeletonllm.training.shares import microbatches_of

STATISTICS, BEHAVIOUR = "statistics", "behaviour"


class FinetuneTrainer(GeneratorLoop):
    """Dances with a policy, judges, and learns from it.

    What is danced in an iteration is a function of the weights, the seed, its number and the dance's place in it, so
    that any number of processes learns from the same. Where a run stops between two updates from the same dances, the
    checkpoint has the weights that danced them, and they are danced again.

    Args:
        policy: who learns.
        reference: the denoiser as it was.
        clips: the music, some of which is danced to, see ``chosen_music``.
        rewards: what is judged, with the weights; those of ``policy.direct`` are learnt from by their own gradient.
        recipe, folder, ranks, deepspeed, time_limit: see ``GeneratorLoop``.
    """

    def __init__(
        self,
        policy: Policy,
        reference: Denoiser,
        clips: Clips,
        rewards: dict[Reward, float],
        recipe: FinetuneRecipe,
        folder: Path,
        ranks: Ranks,
        deepspeed: dict | None = None,
        time_limit: TimeLimit | None = None,
    ):
        self.clips, self.rewards = clips, rewards
        self.music = chosen_music(clips, recipe)
        self.calls = _calls(recipe, policy, rewards)
        self.reference = reference.to(ranks.device).eval()
        names = [reward.name for reward in rewards]
        super().__init__(
            policy,
            recipe,
            "finetune",
            folder,
            ranks,
            deepspeed,
            time_limit,
            calls=self.calls,
            terms=["policy"],
            measures=[f"reward/{name}_sum" for name in names]
            + ["energy_sum", "divergence_sum", "drift_sum", "dancing_seconds"],
            steps_per_epoch=max(1, len(self.music) // recipe.optimization.conditions) * recipe.objective.updates,
        )
        policy.eval()  # dropout would change what the denoiser says of its own dances
        self.statistics = RunningStatistics(names, len(self.music))
        self.before = self.statistics.state()
        self.behaviour: dict[str, Tensor] = {}
        self.rollouts: list[Rollout] = []

    @property
    def policy(self) -> Policy:
        return self.engine.model

    def share_of(self, step: int) -> list[Microbatch]:
        conditions, ids = self._conditions(step), self.ids_of(step)
        shares = microbatches_of(range(len(ids)), self.ranks.rank, self.ranks.world_size, self.size)
        return [
            Microbatch(
                self.clips.stack([self.music[conditions[row]] for row in rows])[1],
                rows,
                [conditions[row] for row in rows],
                [self.clips.beats(self.music[conditions[row]]) for row in rows],
                [ids[row] for row in rows],
                mixed_seed(self.settings.seed, self._iteration(step), rows[0]),
            )
            for rows in shares
        ]

    def ids_of(self, step: int) -> list[str]:
        samples = self.recipe.optimization.samples
        return [
            f"{self.clips.id(self.music[condition])}, dance {row % samples}"
            for row, condition in enumerate(self._conditions(step))
        ]

    def compute(self, share: list[Microbatch]) -> Measured:
        begin = time.perf_counter()
        if self.step % self.recipe.objective.updates == 0:
            self.before = self.statistics.state()
            self._collect(share)
        elif not self.rollouts:  # resumed between two updates from the same dances
            with self._as_then():
                self._collect(share)
        dancing = time.perf_counter() - begin
        loss = divergence = drift = 0.0
        for number, rollout in enumerate(self.rollouts):
            lessons = list(self._lessons(rollout))
            for call, lesson in enumerate(lessons):
                last = number + 1 == len(self.rollouts) and call + 1 == len(lessons)
                found = self._learn(rollout, lesson, last)
                loss, divergence, drift = (
                    total + float(value) for total, value in zip((loss, divergence, drift), found, strict=True)
                )
        count = sum(len(rollout.dances) for rollout in self.rollouts)
        told = [
            sum(float(values.reshape(len(values), -1).mean(1).sum()) for values in each)
            for each in ([rollout.rewards[reward.name] for rollout in self.rollouts] for reward in self.rewards)
        ]
        told += [sum(float(energy(rollout.dances).sum()) for rollout in self.rollouts)]
        told += [divergence, drift, dancing / self.ranks.world_size]
        return Measured(
            torch.tensor([loss], dtype=torch.float64),
            torch.tensor([count], dtype=torch.float64),
            torch.tensor(told, dtype=torch.float64),
        )

    def _iteration(self, step: int) -> int:
        return step // self.recipe.objective.updates

    def _conditions(self, step: int) -> list[int]:
        """Of each dance of an iteration the number, among the music, of what it is danced to; all of the music is
        before any comes again."""
        settings = self.recipe.optimization
        epoch, place = divmod(self._iteration(step), len(self.music) // settings.conditions)
        seed = mixed_seed(settings.seed, epoch)
        order = torch.randperm(len(self.music), generator=torch.Generator().manual_seed(seed))
        chosen = order[place * settings.conditions : (place + 1) * settings.conditions]
        return chosen.repeat_interleave(settings.samples).tolist()

    def _collect(self, share: list[Microbatch]) -> None:
        if self.recipe.objective.updates > 1:
            self.behaviour = {name: value.detach().cpu().clone() for name, value in self._weights().items()}
        self.rollouts = collect(
            self.policy,
            self.reference,
            share,
            list(self.rewards),
            self.recipe.sampling,
            FPS,
            self.ranks.device,
            self._precision(),
        )
        conditions = self._conditions(self.step)
        everyone = gather(self.rollouts, len(conditions), self.ranks.sum)
        self.statistics.add(everyone, conditions)
        by_likelihood = {
            reward.name: weight for reward, weight in self.rewards.items() if reward not in self.policy.direct
        }
        running = self.recipe.objective.baseline == "running"
        found = advantages(
            {name: everyone[name] for name in by_likelihood},
            by_likelihood,
            conditions,
            self.statistics if running else None,
            self.recipe.objective.advantage_limit,
            self.clips.frames,
        )
        for rollout in self.rollouts:
            rollout.advantages = found[rollout.batch.rows]

    def _lessons(self, rollout: Rollout) -> Iterator[list[int] | None]:
        """Which denoising steps are learnt from, some at a time; None where rewards' own gradients are taken."""
        if len(self.rewards) > len(self.policy.direct):
            yield from _parts(_steps_to_learn(self.recipe, rollout, self.step), self.recipe.optimization.steps_at_once)
        if self.policy.direct:
            yield None

    def _learn(self, rollout: Rollout, at: list[int] | None, last: bool) -> tuple[float, float, float]:
        """Add the gradients of some steps of a microbatch. Gives loss, divergence and drift times the dances."""
        device, trajectory = self.ranks.device, rollout.trajectory
        music, lesson, weight = rollout.batch.music.to(device), None, 1.0
        if at is not None:
            reference = None
            if self.policy.kl:
                with torch.no_grad(), self._precision():
                    means = self.policy.diffusion.step_means(self.reference, music, trajectory, at)
                reference = torch.stack(means)
            numbers = [trajectory.noisy.index(number) for number in at]
            lesson = Lesson(at, rollout.advantages.to(device), trajectory.log_probs[numbers], reference)
            weight = len(at) / _steps_of(self.recipe, len(trajectory.noisy))
        verdict = self.engine.forward(music=music, trajectory=trajectory, lesson=lesson, dances=rollout.dances)
        # The engine takes the mean over all calls of a step; parts of the same dances are to be added up.
        self.engine.backward(verdict.loss * (weight * self.calls), last=last)
        return tuple(float(value.detach()) * weight * len(rollout.dances) for value in verdict)

    def _precision(self):
        return torch.autocast(self.ranks.device.type, dtype=self.low, enabled=self.low is not None)

    def _weights(self) -> dict[str, Tensor]:
        """Those that learn."""
        return {name: value for name, value in self.policy.denoiser.named_parameters() if value.requires_grad}

    @contextmanager
    def _as_then(self) -> Iterator[None]:
        """With the weights that danced the dances of this iteration, and the statistics before they were judged."""
        now = {name: value.detach().clone() for name, value in self._weights().items()}
        self.statistics.load(self.before)
        self._load(self.behaviour)
        yield
        self._load(now)

    @torch.no_grad()
    def _load(self, weights: dict[str, Tensor]) -> None:
        for name, value in self._weights().items():
            value.copy_(weights[name])

    def extra_tensors(self) -> dict[str, dict[str, Tensor]]:
        between = self.step % self.recipe.objective.updates != 0
        return {
            **super().extra_tensors(),
            STATISTICS: self.before if between else self.statistics.state(),
            BEHAVIOUR: self.behaviour if between else {},
        }

    def facts(self) -> dict:
        return dict(recipe=self.recipe.as_dict(), clips=len(self.clips))

    def restore(self, checkpoint: Checkpoint) -> None:
        super().restore(checkpoint)
        self.before = checkpoint.tensors[STATISTICS]
        self.statistics.load(self.before)
        self.behaviour = checkpoint.tensors[BEHAVIOUR]


def chosen_music(clips: Clips, recipe: FinetuneRecipe) -> list[int]:
    """Numbers of the clips that are danced to, the same for a seed of the data.

    Raises:
        ValueError: fewer clips than an iteration dances to.
    """
    generator = torch.Generator().manual_seed(mixed_seed(recipe.data.seed, len(clips)))
    chosen = sorted(torch.randperm(len(clips), generator=generator)[: recipe.music or len(clips)].tolist())
    if len(chosen) < recipe.optimization.conditions:
        wanted = recipe.optimization.conditions
        raise ValueError(f"{len(chosen)} clips of music are fewer than the {wanted} conditions of an iteration")
    return chosen


def _steps_of(recipe: FinetuneRecipe, noisy: int) -> int:
    """How many denoising steps a dance is learnt from, of those that add noise."""
    return max(1, round(recipe.objective.share_of_steps * noisy))


def _steps_to_learn(recipe: FinetuneRecipe, rollout: Rollout, step: int) -> list[int]:
    """Their numbers, in the random order of the published code."""
    noisy = rollout.trajectory.noisy
    generator = torch.Generator().manual_seed(mixed_seed(recipe.optimization.seed, step, rollout.batch.rows[0], 1))
    order = torch.randperm(len(noisy), generator=generator)[: _steps_of(recipe, len(noisy))].tolist()
    return [noisy[place] for place in order]


def _parts(steps: list[int], size: int) -> list[list[int]]:
    size = size or len(steps)
    return [steps[first : first + size] for first in range(0, len(steps), size)]


def _calls(recipe: FinetuneRecipe, policy: Policy, rewards: dict[Reward, float]) -> int:
    """Forward passes that learn from one microbatch."""
    learnt = _steps_of(recipe, recipe.sampling.steps - 1)
    parts = -(-learnt // (recipe.optimization.steps_at_once or learnt))
    return parts * (len(rewards) > len(policy.direct)) + bool(policy.direct)
