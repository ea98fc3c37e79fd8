"""Against plausibility, or anything else, that is bought with more movement than there was."""

from torch import Tensor

from skeletonllm.dance.rewards.anti_freezing import SMALLEST, energy
from skeletonllm.dance.rewards.dances import Dances
from skeletonllm.dance.rewards.registry import reward


@reward(differentiable=True)
def exaggeration(dances: Dances) -> Tensor:
    """(B,) minus the square of the share by which the dance has more energy than ``dances.energy``, 0 at most: the
    other side of ``anti_freezing``.

    Raises:
        ValueError: nobody knows the energy that is to be kept.
    """
    if dances.energy is None:
        raise ValueError("exaggeration: expected the energy that dances should keep (Dances.energy), found none")
    wanted = dances.energy.to(dances.vectors)
    return -((energy(dances) - wanted).relu() / wanted.clamp_min(SMALLEST)).square()
