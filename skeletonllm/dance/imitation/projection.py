"""Motions as a simulated body could move: the projection of PhysDiff (Yuan et al. 2023), the judge's way."""

from collections.abc import Sequence

from skeletonllm.dance.body import Body
from skeletonllm.dance.imitation.evaluator import PHYSICS, judge
from skeletonllm.dance.imitation.policy import Policy
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.physics import Physics


def project(
    motions: Sequence[Motion],
    bodies: Body | Sequence[Body] | None = None,
    *,
    physics: Physics = PHYSICS,
    align: bool = True,
    policy: Policy | None = None,
    threads: int | None = None,
    backend: str = "mujoco",
) -> list[Motion]:
    """What becomes of motions when a simulated body imitates them, at 30 frames per second. Contacts are the feet that
    press on the floor. Where the body falls it lies from then on; a motion that cannot be simulated stays as it is.
    Arguments as for ``judge``.
    """
    judged = judge(motions, bodies, physics=physics, align=align, policy=policy, threads=threads, backend=backend)
    return [
        motion if judgement.simulated is None else judgement.simulated.replace(
            notes=(*motion.notes, "simulated by a body that imitates the motion")
        )
        for motion, judgement in zip(motions, judged, strict=True)
    ]  # fmt: skip
