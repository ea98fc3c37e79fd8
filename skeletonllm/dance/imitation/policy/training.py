"""Training a policy: PPO of Stable-Baselines3, whose state is ours to keep, as safetensors and JSON, to the bit."""

import json
import logging
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from skeletonllm.dance.imitation.policy.environment import MOST, ImitationEnvironment, vector_environment
from skeletonllm.dance.imitation.policy.network import CLIP, EPSILON, Policy
from skeletonllm.dance.imitation.policy.recipe import ImitationRecipe
from skeletonllm.dance.physics import Reference
from skeletonllm.data.seeds import mixed_seed
from skeletonllm.training.checkpoint import CHECKPOINT_FOLDER, Checkpoint, save_checkpoint
from skeletonllm.training.faults import REQUEUE, StopRequest, TimeLimit, exit_code
from skeletonllm.training.progress import LOG_FILE, rewind

logger = logging.getLogger(__name__)


class Learner:
    """A policy that learns, its critic, and the bodies that it learns from.

    Args:
        recipe: how.
        references: what to follow.
        threads: of the processor, for the simulator.
        backend: the simulator, a name of ``physics.BACKENDS``.

    Raises:
        ValueError: a backend that is not known.
        ImportError: Stable-Baselines3 is missing.
    """

    def __init__(self, recipe: ImitationRecipe, references: list[Reference], threads: int = 1, backend: str = "mujoco"):
        from stable_baselines3 import PPO
        from stable_baselines3.common.logger import Logger
        from stable_baselines3.common.vec_env import VecNormalize

        settings = recipe.optimization
        self.recipe, self.step = recipe, 0
        self.environment = ImitationEnvironment(
            references, recipe.physics, settings.bodies, seed=settings.seed, threads=threads, backend=backend
        )
        self.adapted = vector_environment(self.environment)
        self.normalized = VecNormalize(self.adapted, norm_reward=False, clip_obs=CLIP, epsilon=EPSILON)
        self.ppo: PPO = PPO(
            "MlpPolicy",
            self.normalized,
            learning_rate=settings.learning_rate,
            n_steps=settings.horizon,
            batch_size=min(settings.batch_size, settings.horizon * settings.bodies),
            n_epochs=settings.epochs,
            gamma=settings.discount,
            gae_lambda=settings.advantage_decay,
            clip_range=settings.clip,
            seed=settings.seed,
            device="cpu",
            policy_kwargs={
                "net_arch": list(settings.hidden),
                "activation_fn": torch.nn.ReLU,
                "log_std_init": float(np.log(settings.deviation)),
            },
        )
        self.ppo.set_logger(Logger(folder=None, output_formats=[]))

    def learn(self) -> dict[str, float]:
        """One update: ``horizon`` frames of every body, and what they teach. Returns what is worth telling."""
        # All chance of an update comes from its number, so that a run that was stopped goes on as if it never was.
        seed = mixed_seed(self.recipe.optimization.seed, self.step)
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        self.environment.generator = np.random.default_rng(seed)
        self.adapted.outcomes.clear()
        self.ppo.learn(self.ppo.n_steps * self.environment.count, reset_num_timesteps=False)
        self.step += 1
        reward, failed, finished = np.mean(self.adapted.outcomes, axis=0)
        told = self.ppo.logger.name_to_value
        return {
            "reward": float(reward),
            "frames_between_failures": float(1 / failed) if failed else float("inf"),
            "finished": float(finished),
            "deviation": float(self.ppo.policy.log_std.detach().exp().mean()),
            "explained_variance": float(told["train/explained_variance"]),
            "clipped": float(told["train/clip_fraction"]),
        }

    def policy(self) -> Policy:
        """What has been learnt so far, for judges."""
        seen = self.normalized.obs_rms
        layers = [*self.ppo.policy.mlp_extractor.policy_net, self.ppo.policy.action_net]
        layers = [layer for layer in layers if isinstance(layer, torch.nn.Linear)]
        weights, biases = (
            [getattr(layer, name).detach().numpy().copy() for layer in layers] for name in ("weight", "bias")
        )
        return Policy(weights, biases, seen.mean.copy(), seen.var.copy(), self.recipe.physics)

    def tensors(self) -> dict[str, dict[str, torch.Tensor]]:
        """All state but numbers of steps, by file and name."""
        followers, seen = self.environment.followers, self.normalized.obs_rms
        moments = {
            f"{number}.{name}": torch.as_tensor(value)
            for number, state in self.ppo.policy.optimizer.state_dict()["state"].items()
            for name, value in state.items()
        }
        arrays = {
            "which": followers.which, "frame_numbers": followers.frames, "states": followers.states,
            **followers.moving._asdict(), "seen_mean": seen.mean, "seen_variance": seen.var,
            "last_observations": self.ppo._last_obs, "last_starts": self.ppo._last_episode_starts,
        }  # fmt: skip
        return {
            "model": dict(self.ppo.policy.state_dict()),
            "optimizer": moments,
            "bodies": {name: torch.from_numpy(np.array(values)) for name, values in arrays.items()},
        }

    def facts(self) -> dict:
        """The rest of the state, plain values."""
        return {
            "recipe": self.recipe.as_dict(),
            "references": len(self.environment.followers.library.references),
            "seen_count": float(self.normalized.obs_rms.count),
            "frames": self.ppo.num_timesteps,
            "updates": self.ppo._n_updates,
        }

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of the same recipe.

        Raises:
            ValueError: it was begun with other motions.
        """
        found, own = checkpoint.state["references"], len(self.environment.followers.library.references)
        if found != own:
            raise ValueError(f"{checkpoint.path}: the run was begun with {found} motions, now there are {own}")
        ppo, followers, seen = self.ppo, self.environment.followers, self.normalized.obs_rms
        ppo.policy.load_state_dict(checkpoint.tensors["model"])
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in checkpoint.tensors["optimizer"].items():
            number, name = key.split(".")
            moments.setdefault(int(number), {})[name] = value
        ppo.policy.optimizer.load_state_dict({**ppo.policy.optimizer.state_dict(), "state": moments})
        bodies = {name: value.numpy() for name, value in checkpoint.tensors["bodies"].items()}
        followers.which[:], followers.frames[:], followers.states[:] = (
            bodies[name] for name in ("which", "frame_numbers", "states")
        )
        for name, values in followers.moving._asdict().items():
            values[:] = bodies[name]
        seen.mean, seen.var, seen.count = bodies["seen_mean"], bodies["seen_variance"], checkpoint.state["seen_count"]
        ppo._last_obs, ppo._last_episode_starts = bodies["last_observations"], bodies["last_starts"]
        ppo.num_timesteps, ppo._n_updates = checkpoint.state["frames"], checkpoint.state["updates"]
        self.step = checkpoint.step


def learn(learner: Learner, folder: Path, limit: TimeLimit) -> None:
    """Updates up to the recipe's number, with lines in ``log.jsonl`` and checkpoints.

    Raises:
        SystemExit: stopped by a signal or the time limit, after saving, with the codes of ``training.faults``.
        FloatingPointError: rewards or weights that are not finite.
    """
    recipe, total = learner.recipe, learner.recipe.optimization.steps
    path = folder / LOG_FILE
    rewind(path, learner.step)
    frames = recipe.optimization.bodies * recipe.optimization.horizon
    begin, first = time.monotonic(), learner.step
    with StopRequest() as stop, tqdm(total=total, initial=first, unit="update", disable=None, leave=False) as bar:
        while learner.step < total:
            started = time.monotonic()
            told = learner.learn()
            limit.took("step", time.monotonic() - started)
            if not np.isfinite(told["reward"]):
                raise FloatingPointError(f"update {learner.step}: the reward is {told['reward']}")
            bar.update()
            if learner.step % recipe.log_every == 0 or learner.step == total:
                speed = (learner.step - first) * frames / (time.monotonic() - begin)
                line = {"step": learner.step, **told, "frames_per_second": speed}
                with path.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                tqdm.write(describe(line))
            stopped = stop.signal_number is not None or limit.is_near()
            if stopped or learner.step % recipe.save_every == 0 or learner.step == total:
                started = time.monotonic()
                save_checkpoint(
                    folder / CHECKPOINT_FOLDER, learner.step, learner.tensors(), learner.facts(),
                    keep_last=recipe.keep_last,
                )  # fmt: skip
                limit.took("save", time.monotonic() - started)
            if stopped and learner.step < total:
                logger.warning("stopped and saved at update %d of %d; go on with --resume", learner.step, total)
                raise SystemExit(REQUEUE if stop.signal_number is None else exit_code(stop.signal_number))


def describe(line: dict) -> str:
    """A log line for people."""
    return (
        f"update {line['step']} | reward {line['reward']:.3f} of {MOST:g} | "
        f"{line['frames_between_failures']:.0f} frames between failures | "
        f"tries {line['deviation']:.3f} | {line['frames_per_second']:.0f} frames/s"
    )
