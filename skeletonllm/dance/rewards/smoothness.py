"""Against trembling."""

from torch import Tensor

from skeletonllm.dance.rewards.anti_freezing import energy, movement
from skeletonllm.dance.rewards.dances import Dances
from skeletonllm.dance.rewards.registry import reward

# Metres per second of trembling that cost 1.
_UNIT = 0.1


@reward(differentiable=True)
def smoothness(dances: Dances) -> Tensor:
    """(B,) minus how much more the body moves than what is left of its movement when it is smoothed (``energy``).

    Who holds still trembles least: this needs ``anti_freezing`` beside it.
    """
    return -(movement(dances) - energy(dances)) / _UNIT
