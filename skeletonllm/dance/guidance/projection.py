"""Projection while dances come out of the noise, as in PhysDiff (Yuan et al. 2023): what the model predicts is replaced
by what a simulated body makes of it."""

import time
import warnings
from dataclasses import dataclass, field

import torch
from torch import Tensor

from skeletonllm.dance.ddim import Step
from skeletonllm.dance.guidance.setting import Setting
from skeletonllm.dance.imitation import JudgeWarning, Policy, judge
from skeletonllm.dance.imitation.evaluator import PHYSICS
from skeletonllm.dance.motion import FPS
from skeletonllm.dance.physics import Physics


@dataclass(frozen=True)
class Projected:
    """One simulation of one dance.

    Args:
        dance: its number, in the order in which they were made.
        left: steps of sampling that were left, 1 at the last.
        succeeded: whether the body got through it.
        seconds: that it took, of the wall.
    """

    dance: int
    left: int
    succeeded: bool
    seconds: float


@dataclass(eq=False)
class Projection:
    """At the last ``steps`` steps of sampling a simulated body imitates the dance, as a whole however long it is, and
    what it does goes on in the dance's place; with one step that is what comes out. A dance in which the body falls
    stays what the model made of it.

    Args:
        steps: how many of the last steps.
        physics: what holds in the simulated world.
        policy: who steers the body. Default: nobody, see ``imitation.judge``.
        threads: of the processor. Default: all that this process has.
        backend: a name of ``physics.BACKENDS``.
        results: one for each simulation so far.

    Raises:
        ValueError: fewer than one step; called, dances that are not at 30 frames per second.
    """

    steps: int = 1
    physics: Physics = PHYSICS
    policy: Policy | None = None
    threads: int | None = None
    backend: str = "mujoco"
    results: list[Projected] = field(default_factory=list)

    def __post_init__(self):
        if self.steps < 1:
            raise ValueError(f"projection at {self.steps} steps, expected 1 or more")

    def __call__(self, clean: Tensor, step: Step, left: int, setting: Setting) -> Tensor:
        if setting.fps != FPS:
            raise ValueError(f"projection of dances at {setting.fps:g} frames per second, expected {FPS:g}")
        motions = setting.motions(clean)
        begun = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", JudgeWarning)  # told by the results
            judged = judge(
                motions,
                setting.body,
                physics=self.physics,
                policy=self.policy,
                threads=self.threads,
                backend=self.backend,
            )
        seconds = (time.perf_counter() - begun) / len(motions)
        first = 0
        if self.results:  # more of the same dances, unless the last of them came out
            last = self.results[-1]
            first = last.dance + 1 - (0 if last.left <= left else len(motions))
        self.results += [
            Projected(first + number, left, judgement.success, seconds) for number, judgement in enumerate(judged)
        ]
        stood = torch.tensor([judgement.success for judgement in judged], device=clean.device)
        simulated = [
            judgement.simulated if judgement.success else motion
            for motion, judgement in zip(motions, judged, strict=True)
        ]
        return torch.where(stood[:, None, None], setting.normalized(simulated, clean), clean)

    @property
    def success_rate(self) -> float | None:
        """The share of dances that the body got through each time; None before the first."""
        falls = {result.dance for result in self.results if not result.succeeded}
        dances = {result.dance for result in self.results}
        return 1 - len(falls) / len(dances) if dances else None

    @property
    def seconds(self) -> float:
        """What simulating has taken so far."""
        return sum(result.seconds for result in self.results)
