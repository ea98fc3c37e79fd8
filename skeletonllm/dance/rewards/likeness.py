"""Against forgetting: a dance is to be mended, not replaced by another."""

from torch import Tensor

from skeletonllm.dance.body import forward_kinematics
from skeletonllm.dance.motion import ROOT, ROTATIONS
from skeletonllm.dance.rewards.dances import Dances
from skeletonllm.dance.rewards.registry import reward

# Metres: joints that are so far from where they were, seen from the pelvis, cost 1.
_UNIT = 0.1


@reward(differentiable=True)
def likeness(dances: Dances) -> Tensor:
    """(B, T) minus the mean over joints of the squared distance to where they were in the dance that the generator made
    of the same noise before (``Dances.before``), in decimetres, seen from the pelvis.

    Whatever a few moves are best at, a generator would dance nothing else; the same noise is to remain the same dance.

    Raises:
        ValueError: nobody knows the dances of before.
    """
    if dances.before is None:
        raise ValueError("likeness: expected the dances of the generator as it was (Dances.before), found none")
    before = dances.before.to(dances.vectors)
    was = forward_kinematics(dances.body, before[..., ROOT], before[..., ROTATIONS].unflatten(-1, (-1, 6)))[0]
    apart = (dances.joints - dances.root[..., None, :]) - (was - before[..., None, ROOT])
    return -(apart / _UNIT).square().sum(-1).mean(-1)
