"""What a judge says of one motion."""

from dataclasses import dataclass

import numpy as np

from skeletonllm.dance.motion import FPS, Motion


@dataclass(frozen=True, eq=False)
class Judgement:
    """How well a simulated body could imitate a motion of T frames, at 30 per second. All series begin with the second
    frame; the first is where the simulation starts.

    Args:
        source: the motion's.
        terms: by name (``terms.TERMS``) (T - 1,) from 0 to 1.
        rewards: (T - 1,) from 0 to 1: their weighted sum, zero from the fall on.
        ground: (T - 1,) from 0 to 1: whether the reference agrees with the floor (``ground.ground_term``).
        fall: number of the frame in which the body had fallen, or was lost; None if it never did.
        force: (T - 1,) what helped the body at the pelvis, as a share of its weight.
        torque: (T - 1,) the same of the torque, as a share of weight times the height of the standing pelvis.
        caps: the largest force and torque allowed along each axis, in the same shares.
        feet: (T - 1, 4) on how much of the body's weight each of ``physics.FEET`` stood.
        self_collisions: (T - 1,) places where limbs pressed on each other.
        reference: what was followed: the motion at 30 frames per second, fingers held, moved to the floor.
        simulated: what became of it, T frames; after a fall it lies. None if there is no such thing.
        problem: why nothing could be simulated, or what went wrong; empty where all is well.
        remark: what is odd about the body and was judged all the same; empty where nothing is.
    """

    source: str
    terms: dict[str, np.ndarray]
    rewards: np.ndarray
    ground: np.ndarray
    fall: int | None
    force: np.ndarray
    torque: np.ndarray
    caps: tuple[float, float]
    feet: np.ndarray
    self_collisions: np.ndarray
    reference: Motion | None = None
    simulated: Motion | None = None
    problem: str = ""
    remark: str = ""

    @property
    def reward(self) -> float:
        """The mean of ``rewards``, from 0 to 1."""
        return float(self.rewards.mean()) if len(self.rewards) else 0.0

    @property
    def plausibility(self) -> float:
        """The mean of ``rewards`` times ``ground``, from 0 to 1: no part of the paper's reward, but surer than it of
        what floats or glides."""
        return float((self.rewards * self.ground).mean()) if len(self.rewards) else 0.0

    @property
    def success(self) -> bool:
        """Whether the body was still up at the end."""
        return self.fall is None and not self.problem

    @property
    def fall_time(self) -> float | None:
        """Seconds from the start, None without a fall."""
        return None if self.fall is None else self.fall / FPS

    @property
    def wrench_used(self) -> float:
        """The mean of ``force`` up to the fall, as a share of the body's weight."""
        return _mean_until(self.force, self.fall)

    @property
    def torque_used(self) -> float:
        """The mean of ``torque`` up to the fall."""
        return _mean_until(self.torque, self.fall)

    def summary(self) -> dict:
        """Plain values for JSON, without what the simulated body did."""
        until = len(self.rewards) if self.fall is None else self.fall
        feet = self.feet[:until] > 0
        return {
            "source": self.source,
            "reward": self.reward,
            "plausibility": self.plausibility,
            "success": self.success,
            "fall_time": self.fall_time,
            "terms": {name: float(values.mean()) if len(values) else 0.0 for name, values in self.terms.items()},
            "ground": float(self.ground.mean()) if len(self.ground) else 0.0,
            "wrench_used": self.wrench_used,
            "torque_used": self.torque_used,
            "force_cap": self.caps[0],
            "torque_cap": self.caps[1],
            "on_feet": float(feet.any(-1).mean()) if len(feet) else 0.0,
            "self_collisions": float(self.self_collisions[:until].mean()) if until else 0.0,
            "problem": self.problem,
            "remark": self.remark,
        }

    @classmethod
    def refused(cls, source: str, problem: str) -> "Judgement":
        """Of what cannot be simulated: zero, and why."""
        none = np.zeros(0)
        return cls(source, {}, none, none, 0, none, none, (0.0, 0.0), np.zeros((0, 4)), none, problem=problem)


def _mean_until(values: np.ndarray, fall: int | None) -> float:
    values = values[:fall]
    return float(values.mean()) if len(values) else 0.0
