"""How much better a dance was than others to the same music: rewards to advantages.

DDPO (Black et al. 2024) keeps the last rewards of each condition, as Skeleton2Stage does of each clip of music; the
group-relative baseline is that of GRPO (Shao et al. 2024).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

# Of DDPO's released code: rewards that are kept of a condition, and those that must be there before they count.
KEPT, ENOUGH = 32, 16
_EPSILON = 1e-6


class RunningStatistics:
    """Mean and deviation of each reward for each condition, over its last ``KEPT`` dances.

    Of a reward per frame all frames count alike, so a dance is kept as its mean and mean square.

    Args:
        rewards: their names.
        conditions: how many there are.
    """

    def __init__(self, rewards: Sequence[str], conditions: int):
        self.moments = {name: torch.zeros(conditions, KEPT, 2, dtype=torch.float64) for name in rewards}
        self.counts = torch.zeros(conditions, dtype=torch.int64)

    def add(self, rewards: Mapping[str, Tensor], conditions: Sequence[int]) -> None:
        """Rewards (N,) or (N, T) by name of N dances, and the condition of each, in the order in which they count."""
        for name, values in rewards.items():
            moments = _moments(values)
            counts = self.counts.clone()
            for row, condition in enumerate(conditions):
                self.moments[name][condition, counts[condition] % KEPT] = moments[row]
                counts[condition] += 1
        for condition in conditions:
            self.counts[condition] += 1

    def of(self, name: str, condition: int) -> tuple[float, float] | None:
        """Mean and deviation of a reward for a condition; None before there are ``ENOUGH``."""
        count = min(int(self.counts[condition]), KEPT)
        return _mean_and_deviation(self.moments[name][condition, :count]) if count >= ENOUGH else None

    def state(self) -> dict[str, Tensor]:
        """Everything, as tensors that ``load`` takes."""
        return {"counts": self.counts.clone(), **{f"moments/{name}": m.clone() for name, m in self.moments.items()}}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore what ``state`` gave."""
        self.counts = state["counts"].clone()
        self.moments = {name: state[f"moments/{name}"].clone() for name in self.moments}


def advantages(
    rewards: Mapping[str, Tensor],
    weights: Mapping[str, float],
    conditions: Sequence[int],
    statistics: RunningStatistics | None,
    limit: float,
    frames: int,
) -> Tensor:
    """The weighted sum of rewards, each as deviations from its mean for the same music.

    Where the statistics of some music are still few, mean and deviation are those of all dances of this iteration.

    Args:
        rewards: (N,) or (N, T) by name.
        weights: by name.
        conditions: of each of N dances.
        statistics: with these dances in them; None: each dance is compared with those to the same music among the N.
        limit: the sum is cut off beyond it.
        frames: T.

    Returns:
        (N, T) float32.
    """
    total = torch.zeros(len(conditions), frames, dtype=torch.float64)
    groups = torch.tensor(conditions)
    for name, values in rewards.items():
        moments, scaled = _moments(values), torch.empty_like(values, dtype=torch.float64)
        for row, condition in enumerate(conditions):
            if statistics is None:
                found = _mean_and_deviation(moments[groups == condition])
            else:
                found = statistics.of(name, condition) or _mean_and_deviation(moments)
            mean, deviation = found
            scaled[row] = (values[row].double() - mean) / (deviation + _EPSILON)
        total += weights[name] * (scaled if scaled.ndim == 2 else scaled[:, None])
    return total.clamp(-limit, limit).float()


def _moments(values: Tensor) -> Tensor:
    """(N, 2): mean and mean square over the frames of each dance."""
    values = values.double().reshape(len(values), -1)
    return torch.stack([values.mean(1), values.square().mean(1)], 1)


def _mean_and_deviation(moments: Tensor) -> tuple[float, float]:
    mean, square = moments.mean(0).tolist()
    return mean, max(0.0, square - mean * mean) ** 0.5
