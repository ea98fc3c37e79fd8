"""The rewards by name. One's own is one decorated function, in any file:

from skeletonllm.dance.rewards import Dances, reward

@reward(differentiable=True)
def hands_up(dances: Dances):
    \"\"\"How high the hands are above the head, metres.\"\"\"
    names = dances.body.names
    heights = dances.joints[..., 2]
    return heights[..., names.index("left_wrist")] - heights[..., names.index("head")]
"""

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from skeletonllm.dance.rewards.dances import Dances

Measure = Callable[[Dances], Tensor]


@dataclass(frozen=True)
class Reward:
    """What is wished of dances.

    Args:
        name: in recipes.
        measure: dances to (B,), one number for each, or (B, T), one for each frame; more is better.
        differentiable: whether gradients reach the vectors of the dances.
    """

    name: str
    measure: Measure
    differentiable: bool

    def __call__(self, dances: Dances) -> Tensor:
        """(B,) or (B, T).

        Raises:
            ValueError: the function gave another shape, or a number that is not finite.
        """
        found = self.measure(dances)
        shapes = [(len(dances),), (len(dances), dances.frames)]
        if tuple(found.shape) not in shapes:
            raise ValueError(f"reward {self.name}: shape {tuple(found.shape)}, expected {shapes[0]} or {shapes[1]}")
        bad = (~torch.isfinite(found)).reshape(len(dances), -1).any(1).nonzero().flatten().tolist()
        if bad:
            raise ValueError(f"reward {self.name}: not finite for dance {bad[0]} ({len(bad)} of {len(dances)} dances)")
        return found


REWARDS: dict[str, Reward] = {}


def reward(name: str = "", *, differentiable: bool = False) -> Callable[[Measure], Measure]:
    """Make a function a reward, under its own name or another.

    Raises:
        ValueError: another function has that name already.
    """

    def register(measure: Measure) -> Measure:
        called = name or measure.__name__
        taken = REWARDS.get(called)
        # The same function once more, as its file is read again, replaces itself.
        if taken is not None and _place(taken.measure) != _place(measure):
            raise ValueError(f"there is a reward {called} already, in {taken.measure.__module__}")
        REWARDS[called] = Reward(called, measure, differentiable)
        return measure

    return register


def find_rewards(names: Iterable[str]) -> Mapping[str, Reward]:
    """Rewards by name. Raises ValueError for one that nobody registered, and lists those there are."""
    names = list(names)
    for name in names:
        if name not in REWARDS:
            raise ValueError(f"unknown reward {name!r}, expected one of {', '.join(sorted(REWARDS))}")
    return {name: REWARDS[name] for name in names}


def read_rewards(path: str | Path) -> None:
    """Run a Python file that registers rewards, as the one in this module's description does.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it registers nothing new.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file, expected Python that registers rewards")
    before = dict(REWARDS)
    spec = importlib.util.spec_from_file_location(f"rewards_{path.stem}", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    if REWARDS == before:
        raise ValueError(f"{path}: no reward in it; decorate a function with skeletonllm.dance.rewards.reward")


def _place(measure: Measure) -> tuple[str, str]:
    return measure.__module__, measure.__qualname__
