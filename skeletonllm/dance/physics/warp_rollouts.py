"""MuJoCo Warp (https://github.com/google-deepmind/mujoco_warp): the same bodies on a GPU, each in a world of its own.

It computes in single precision. Without a GPU it runs on one core of the processor, slower than MuJoCo itself. The
first call compiles for minutes; Warp keeps the results in its cache.
"""

import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import mujoco

# Contacts, and rows of constraints (four of each contact), that there is room for in each world: far more than a body
# on its feet has. Whoever has more counts as lost.
_CONTACTS, _ROWS = 256, 512
_FILE = "body.mjb"


def warp_rollouts(
    models: Sequence["mujoco.MjModel"], starts: np.ndarray, controls: np.ndarray, threads: int
) -> tuple[np.ndarray, np.ndarray]:
    """A backend as ``backends.Rollouts`` describes: one call of Warp for all that have the same body. On the first GPU,
    or on the processor where there is none; ``threads`` change nothing.

    Raises:
        ImportError: the package mujoco-warp is not installed.
    """
    try:
        import mujoco_warp  # noqa: F401
        import warp
    except ImportError as error:
        raise ImportError("the backend warp needs the package mujoco-warp: pip install 'skeletonllm[warp]'") from error
    # It writes to stdout, among the tables, what it compiles.
    warp.config.log_level = max(warp.config.log_level, warp.LOG_WARNING)
    states = np.empty((*controls.shape[:2], starts.shape[1]))
    sensors = np.empty((*controls.shape[:2], models[0].nsensordata))
    alike: dict[bytes, list[int]] = {}
    for number, model in enumerate(models):
        alike.setdefault(_saved(model), []).append(number)
    for body, numbers in alike.items():
        bounds = np.stack([models[number].actuator_forcerange for number in numbers])
        worlds = _worlds(body, len(numbers))
        states[numbers], sensors[numbers] = worlds.roll(bounds, starts[numbers], controls[numbers])
    return states, sensors


def _saved(model: "mujoco.MjModel") -> bytes:
    """The model as a file has it, without what differs between references: the bounds of the wrench."""
    import mujoco

    model = copy.copy(model)
    model.actuator_forcerange[:] = 0.0
    # Warp sets nothing back, and does not know of the flag that says so.
    model.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
    saved = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, saved)
    return saved.tobytes()


# A policy takes many short calls with the same bodies.
@lru_cache(maxsize=4)
def _worlds(saved: bytes, count: int) -> "_Worlds":
    return _Worlds(saved, count)


class _Worlds:
    """Worlds with one body each, alike but for the bounds of the wrench.

    Args:
        saved: the model, as ``_saved`` gives it.
        count: of worlds, B.
    """

    def __init__(self, saved: bytes, count: int):
        import mujoco
        import mujoco_warp
        import warp

        model = mujoco.MjModel.from_binary_path(_FILE, {_FILE: saved})
        self.hinges = model.nu
        self.device = warp.get_preferred_device()
        with warp.ScopedDevice(self.device):
            self.model = mujoco_warp.put_model(model, batch_sizes={"actuator_forcerange": count})
            # As repeatable as Warp can be; and what had too little room is seen in the states, not printed.
            self.model.opt.deterministic = mujoco_warp.DeterminismType.ALL
            self.model.opt.warn_overflow = mujoco_warp.OverflowType.NONE
            self.data = mujoco_warp.make_data(model, count, nconmax=_CONTACTS, njmax=_ROWS)
            self.graph = None
            if self.device.is_cuda:
                with warp.ScopedCapture() as capture:
                    mujoco_warp.step(self.model, self.data)
                self.graph = capture.graph

    def roll(self, bounds: np.ndarray, starts: np.ndarray, controls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """States (B, S, 151) after each step and sensors (B, S, N) before it, see ``backends.Rollouts``.

        Args:
            bounds: (B, 75, 2) of the forces of all servos.
            starts: (B, 151) places and speeds.
            controls: (B, S, 82) of the servos, and place and quaternion of the mocap body.
        """
        import mujoco_warp
        import warp

        data = self.data
        # Step by step: all worlds of one step lie together.
        orders, places, turns = np.split(np.swapaxes(controls, 0, 1), [self.hinges, self.hinges + 3], -1)
        with warp.ScopedDevice(self.device):
            mujoco_warp.reset_data(self.model, data)
            self.model.actuator_forcerange.assign(bounds)
            data.qpos.assign(starts[:, : data.qpos.shape[1]])
            data.qvel.assign(starts[:, data.qpos.shape[1] :])
            given = [
                (data.ctrl, warp.array(orders, dtype=float)),
                (data.mocap_pos, warp.array(places[:, :, None], dtype=warp.vec3)),
                (data.mocap_quat, warp.array(turns[:, :, None], dtype=warp.quat)),
            ]
            found = [
                (each, warp.empty((len(orders), *each.shape), dtype=each.dtype))
                for each in (data.qpos, data.qvel, data.sensordata, data.overflow)
            ]
            for step in range(len(orders)):
                for now, all_steps in given:
                    warp.copy(now, all_steps[step])
                if self.graph is None:
                    mujoco_warp.step(self.model, data)
                else:
                    warp.capture_launch(self.graph)
                for now, all_steps in found:
                    warp.copy(all_steps[step], now)
            qpos, qvel, sensors, overflow = (np.swapaxes(all_steps.numpy(), 0, 1) for _, all_steps in found)
        states = np.concatenate([qpos, qvel], -1)
        # A solver that runs out of iterations has an answer; contacts left out for want of room are none.
        states[(overflow & ~int(_harmless())) != 0] = np.nan
        return states, sensors


def _harmless() -> int:
    from mujoco_warp import OverflowType

    return OverflowType.ITERATIONS | OverflowType.LS_ITERATIONS
