"""Movements that several actions share: idle standing and stepping."""

import numpy as np

from skeletonllm.skeleton.synthesis.body import LEFT, RIGHT
from skeletonllm.skeleton.synthesis.pose import STANDING, Pose

# A foot is on the ground for about 60 % of a step cycle (Winter 2009, chapter 1).
STANCE_SHARE = 0.6
# Cycle positions at which both feet are on the ground, where a walk can begin.
DOUBLE_SUPPORT = 0.55


def stand(pose: Pose, seconds: np.ndarray, rng: np.random.Generator) -> None:
    """Idle sway: slow shifts of weight, breathing, arms and head that are never quite still.

    Args:
        pose: changed in place.
        seconds: (T,) time.
        rng: draws phases and rates.
    """
    size = pose.performer.sway

    def wander(amplitude):
        rate, phase = rng.uniform(0.15, 0.45), rng.uniform(0, 2 * np.pi)
        return amplitude * size * np.sin(2 * np.pi * rate * seconds + phase)

    pose.travel[:, 0] += wander(0.010)
    pose.travel[:, 2] += wander(0.006)
    pose.bend += wander(1.0)
    pose.lean += wander(0.8)
    pose.twist += wander(1.5)
    pose.look += wander(4.0) + rng.normal(0, 4.0)
    pose.nod += wander(2.0) + rng.normal(0, 2.0)
    for side in (LEFT, RIGHT):
        pose.upper[side, :, 2] += wander(0.03) + rng.normal(0, 0.03)
        pose.fore[side, :, 2] += wander(0.04) + rng.normal(0, 0.06)


def walk(pose: Pose, distance: np.ndarray, stride: float, swing: float) -> None:
    """Walk straight forwards; the feet follow from the way covered, so planted feet do not slide.

    Args:
        pose: changed in place.
        distance: (T,) metres that the pelvis has covered, not decreasing; the cycle begins at a double support.
        stride: metres of a whole cycle, two steps.
        swing: how far the arms swing, 1 is average.
    """
    leg = pose.performer.leg
    cycle = distance / stride + DOUBLE_SUPPORT
    for side, shift in ((LEFT, 0.0), (RIGHT, 0.5)):
        phase = cycle + shift
        whole, part = np.floor(phase), phase % 1
        swinging = np.clip((part - STANCE_SHARE) / (1 - STANCE_SHARE), 0, 1)
        # Planted, the foot keeps its place while the pelvis passes over it; then it moves on by a stride.
        ahead = whole + (3 - 2 * swinging) * swinging**2 + STANCE_SHARE / 2
        pose.feet[side, :, 2] += (ahead - shift - DOUBLE_SUPPORT) * stride
        pose.feet[side, :, 1] += 0.10 * leg * np.sin(np.pi * swinging)
        pose.toes_down[side] += 35 * np.sin(2 * np.pi * swinging) * (swinging < 0.5) - 12 * np.sin(np.pi * swinging)
        # The arm is in front when the foot of the same side is behind.
        forwards = -np.cos(2 * np.pi * part) * swing
        pose.upper[side, :, 2] += 0.38 * forwards
        pose.fore[side, :, 2] += 0.38 * forwards + 0.15 * swing
    pose.travel[:, 2] += distance
    # With both feet on the ground the pelvis is low enough for both legs to reach it.
    reach = STANCE_SHARE / 2 * stride
    dip = STANDING * leg - np.sqrt(leg**2 - reach**2) + 0.01 * leg
    pose.travel[:, 1] -= dip / 2 * (1 + np.cos(4 * np.pi * (cycle - DOUBLE_SUPPORT)))
    pose.travel[:, 0] += 0.015 * np.sin(2 * np.pi * cycle)
    pose.twist += 6 * swing * np.cos(2 * np.pi * cycle)
    pose.bend += 3
