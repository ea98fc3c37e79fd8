"""Bodies that follow references as a policy steers them: level 1 in the place of ``physics.simulate``."""

import os
from collections.abc import Sequence

import numpy as np

from skeletonllm.dance.imitation.policy.followers import Followers, Library
from skeletonllm.dance.imitation.policy.network import Policy
from skeletonllm.dance.imitation.policy.observations import observe
from skeletonllm.dance.physics import Physics, Reference, Trajectory
from skeletonllm.dance.physics.rollout import is_lost, trajectory_of

# Bodies at a time: what the library holds of their references stays below a gigabyte for minutes of motion.
_AT_ONCE = 64


def steer(
    policy: Policy,
    references: Sequence[Reference],
    physics: Physics,
    *,
    threads: int | None = None,
    backend: str = "mujoco",
) -> list[Trajectory]:
    """Lets a policy steer bodies along their references, always doing what it thinks best. The same for every number of
    threads, and for each body whatever others are simulated with it. Arguments as for ``physics.simulate``.

    Raises:
        ValueError: a backend that is not known.
        ImportError: a backend whose library is missing.
    """
    threads = threads or len(os.sched_getaffinity(0))
    found: list[Trajectory] = []
    for start in range(0, len(references), _AT_ONCE):
        found += _steer(policy, Library(references[start : start + _AT_ONCE], physics), threads, backend)
    return found


def _steer(policy: Policy, library: Library, threads: int, backend: str) -> list[Trajectory]:
    count = len(library.references)
    followers = Followers(library, count, threads=threads, backend=backend)
    everyone = np.arange(count)
    followers.put(everyone, everyone, np.zeros(count, int))
    lost = np.zeros(count, bool)
    steps: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in everyone]
    for frame in range(int(library.lengths.max()) - 1):
        who = np.flatnonzero(frame < library.lengths - 1)
        states, sensors = followers.step(policy.act(observe(followers)), who)
        lost[who] |= is_lost(states).any(-1)
        # Whoever is lost goes on as the reference does, so that his numbers stay numbers; nobody looks at them.
        states[lost[who]] = np.nan
        gone = np.flatnonzero(lost)
        followers.put(gone, gone, followers.frames[gone])
        for place, number in enumerate(who):
            steps[number].append((states[place], sensors[place]))
    return [trajectory_of(*(np.concatenate(values) for values in zip(*each, strict=True))) for each in steps]
