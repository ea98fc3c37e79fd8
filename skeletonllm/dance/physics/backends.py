"""Simulators by name: each steps a batch of models from given states under given controls, all in one call."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from skeletonllm.dance.physics.warp_rollouts import warp_rollouts

if TYPE_CHECKING:
    import mujoco
    from mujoco.rollout import Rollout

Rollouts = Callable[[Sequence["mujoco.MjModel"], np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""(models, starts (B, 151) of places and speeds, controls (B, S, 82), threads) to the states (B, S, 151) after each
step and the sensors (B, S, N) as they were before it. Bodies do not know of one another."""


def mujoco_rollouts(
    models: Sequence["mujoco.MjModel"], starts: np.ndarray, controls: np.ndarray, threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """MuJoCo on the CPU, with threads that stay between calls."""
    import mujoco

    state = mujoco.mjtState
    # Before the places stands the time.
    initial = np.concatenate([np.zeros((len(starts), 1)), starts], -1)
    told = mujoco.get_mju_user_warning()
    # A body that is lost is found in its states; MuJoCo would write of it into a file in the current folder.
    mujoco.set_mju_user_warning(lambda message: None)
    try:
        states, sensors = _pool(threads).rollout(
            list(models),
            [mujoco.MjData(models[0]) for _ in range(threads)],
            initial,
            controls,
            control_spec=int(state.mjSTATE_CTRL | state.mjSTATE_MOCAP_POS | state.mjSTATE_MOCAP_QUAT),
        )
    finally:
        mujoco.set_mju_user_warning(told)
    return states[..., 1:], sensors


@lru_cache(maxsize=4)
def _pool(threads: int) -> "Rollout":
    from mujoco.rollout import Rollout

    return Rollout(nthread=threads)


BACKENDS: dict[str, Rollouts] = {"mujoco": mujoco_rollouts, "warp": warp_rollouts}
