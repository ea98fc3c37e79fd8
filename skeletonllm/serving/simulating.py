"""What a simulated body does when it tries to dance a dance; see ``docs/physics.md``."""

import importlib.util
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skeletonllm.dance.body import Body
    from skeletonllm.dance.motion import Motion

NO_SIMULATOR = "No simulated body tries the dances: MuJoCo is not installed; pip install 'skeletonllm[dance]'"


@dataclass(frozen=True, eq=False)
class Attempt:
    """How well a simulated body could imitate a dance.

    Args:
        motion: what it did; after a fall it lies. None where nothing could be simulated.
        seconds: that the dance lasts.
        fall_time: seconds from the start; None if the body was up to the end.
        tracking_error: metres between the joints of both, the mean up to the fall.
        reward: from 0 to 1, the judge's.
        plausibility: the same times the agreement of the dance with the floor.
        help: the force that helped the pelvis, the mean up to the fall as a share of the body's weight.
        most_help: what was allowed along each axis, in the same shares.
        problem: why nothing could be simulated, or what went wrong; empty where all is well.
    """

    motion: "Motion | None"
    seconds: float
    fall_time: float | None
    tracking_error: float
    reward: float
    plausibility: float
    help: float
    most_help: float
    problem: str

    @property
    def success(self) -> bool:
        """Whether the body got through it."""
        return self.fall_time is None and not self.problem

    @property
    def survival(self) -> float:
        """The share of the dance before the fall, from 0 to 1."""
        return 1.0 if self.fall_time is None else min(1.0, self.fall_time / self.seconds)


def can_simulate() -> bool:
    """Whether there is a simulator."""
    return importlib.util.find_spec("mujoco") is not None


def attempt(motion: "Motion", body: "Body") -> Attempt:
    """Let a body imitate a motion, with the help that the judge of level 0 gives.

    Raises:
        ImportError: there is no simulator, see ``can_simulate``.
    """
    from skeletonllm.dance.imitation import JudgeWarning, judge

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", JudgeWarning)  # told as the problem
        (judged,) = judge([motion], body, threads=1)
    error = np.nan
    if judged.simulated is not None:
        joints = [each.pose(body)[0][: judged.fall] for each in (judged.reference, judged.simulated)]
        error = float(np.linalg.norm(joints[0] - joints[1], axis=-1).mean())
    return Attempt(
        judged.simulated,
        motion.duration,
        judged.fall_time,
        error,
        judged.reward,
        judged.plausibility,
        judged.wrench_used,
        judged.caps[0],
        judged.problem,
    )
