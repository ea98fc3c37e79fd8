"""What a policy learns in: bodies that begin anywhere in their references, and are paid for every frame they follow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skeletonllm.dance.imitation.fall import has_fallen
from skeletonllm.dance.imitation.policy.followers import ACTION_SIZE, Followers, Library
from skeletonllm.dance.imitation.policy.observations import OBSERVATION_SIZE, observe
from skeletonllm.dance.imitation.terms import terms_between, weighted
from skeletonllm.dance.physics import WRENCH, Physics, Reference
from skeletonllm.dance.physics.rollout import is_lost

FAR = 0.5
"""Metres: a body whose joints are farther than this from the reference on average begins anew (PHC)."""
HELP_WEIGHT, HELP_SCALE, HELP_UNIT = 0.1, 30.0, 0.05
"""The fifth term of the reward: weight * exp(-scale * mean square of the wrench), the wrench in twentieths of weight
(and of weight times the height of the pelvis), which for 70 kg are the 32 N and 32 Nm of Skeleton2Stage."""
MOST = 1.0 + HELP_WEIGHT
"""The reward of a frame that is followed perfectly and without help."""


@dataclass(frozen=True)
class Outcome:
    """Of one frame, N bodies: what they see, are paid, and whose way has ended.

    Args:
        observations: (N, 650), of those that begin anew their new beginning.
        rewards: (N,) from 0 to ``MOST``.
        failed: (N,) who fell, was lost or too far from the reference.
        finished: (N,) who came to the end of the reference.
        last_observations: (N, 650) before anyone began anew.
    """

    observations: np.ndarray
    rewards: np.ndarray
    failed: np.ndarray
    finished: np.ndarray
    last_observations: np.ndarray


class ImitationEnvironment:
    """N bodies that follow references, begin anew in a random frame when their way ends (reference-state
    initialisation, DeepMimic), and are paid ``terms.weighted`` and for doing without help.

    Args:
        references: what to follow; each frame is as likely to be begun in as any other.
        physics: the world.
        count: N.
        seed: of where they begin.
        threads: of the processor. What happens does not depend on it.
        backend: a name of ``physics.BACKENDS``.

    Raises:
        ValueError: a backend that is not known.
    """

    def __init__(
        self,
        references: Sequence[Reference],
        physics: Physics,
        count: int,
        *,
        seed: int = 0,
        threads: int = 1,
        backend: str = "mujoco",
    ):
        self.followers = Followers(Library(references, physics), count, threads=threads, backend=backend)
        self.count = count
        self.generator = np.random.default_rng(seed)

    def reset(self) -> np.ndarray:
        """Everyone begins anew; what they see (N, 650)."""
        self._begin(np.arange(self.count))
        return observe(self.followers)

    def step(self, actions: np.ndarray) -> Outcome:
        """One frame under actions (N, 75)."""
        followers, library = self.followers, self.followers.library
        states, sensors = followers.step(actions)
        lost = is_lost(states).any(-1)
        if lost.any():  # they are nowhere; what they would see is the reference
            gone = np.flatnonzero(lost)
            followers.put(gone, followers.which[gone], followers.frames[gone])
        wanted, found = followers.wanted(), followers.moving
        help_ = sensors[..., : len(WRENCH)] / (library.weights[followers.which] * HELP_UNIT)[:, None]
        spared = np.exp(-HELP_SCALE * np.square(help_).mean((1, 2)))
        distance = np.linalg.norm(found.joints - wanted.joints, axis=-1).mean(-1)
        failed = lost | has_fallen(found.joints) | (distance > FAR)
        finished = ~failed & (followers.frames == library.lengths[followers.which] - 1)
        rewards = np.where(failed, 0.0, weighted(terms_between(wanted, found)) + HELP_WEIGHT * spared)
        seen = last = observe(followers)
        if (failed | finished).any():
            self._begin(np.flatnonzero(failed | finished))
            seen = observe(followers)
        return Outcome(seen, rewards, failed, finished, last)

    def _begin(self, who: np.ndarray) -> None:
        library = self.followers.library
        # Every frame but the last of each reference.
        chosen = self.generator.integers((library.lengths - 1).sum(), size=len(who))
        ends = np.cumsum(library.lengths - 1)
        which = np.searchsorted(ends, chosen, side="right")
        self.followers.put(who, which, chosen - (ends - (library.lengths - 1))[which])


def vector_environment(environment: ImitationEnvironment):
    """The environment as Stable-Baselines3 takes it, a ``VecEnv``, all bodies in one call.

    Raises:
        ImportError: Stable-Baselines3 is missing.
    """
    from gymnasium.spaces import Box
    from stable_baselines3.common.vec_env import VecEnv

    class Adapted(VecEnv):
        render_mode = None

        def __init__(self):
            self.environment, self.outcomes = environment, []
            sees = Box(-np.inf, np.inf, (OBSERVATION_SIZE,), np.float32)
            super().__init__(environment.count, sees, Box(-1.0, 1.0, (ACTION_SIZE,), np.float32))

        def reset(self) -> np.ndarray:
            return environment.reset().astype(np.float32)

        def step_async(self, actions: np.ndarray) -> None:
            self.actions = actions

        def step_wait(self):
            outcome = environment.step(self.actions.astype(np.float64))
            self.outcomes.append((outcome.rewards.mean(), outcome.failed.mean(), outcome.finished.mean()))
            ended = outcome.failed | outcome.finished
            last = outcome.last_observations.astype(np.float32)
            facts = [
                {"terminal_observation": last[number], "TimeLimit.truncated": bool(outcome.finished[number])}
                if ended[number] else {} for number in range(environment.count)
            ]  # fmt: skip
            return outcome.observations.astype(np.float32), outcome.rewards.astype(np.float32), ended, facts

        def close(self) -> None:
            pass

        def get_attr(self, attr_name, indices=None):
            return [getattr(self, attr_name)] * environment.count

        def set_attr(self, attr_name, value, indices=None) -> None:
            setattr(self, attr_name, value)

        def env_method(self, method_name, *arguments, indices=None, **keywords):
            return [getattr(self, method_name)(*arguments, **keywords)] * environment.count

        def env_is_wrapped(self, wrapper_class, indices=None):
            return [False] * environment.count

    return Adapted()
