"""Which of several processes this one is, by what a launcher says; they need not talk to each other."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Ranks:
    """This process among others.

    Args:
        rank: its number, from 0.
        world_size: how many there are.
        local_rank: its number on this machine.

    Raises:
        ValueError: numbers that make no sense.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    def __post_init__(self):
        if not 0 <= self.rank < self.world_size or self.local_rank < 0:
            raise ValueError(
                f"rank {self.rank} (on this machine {self.local_rank}) of {self.world_size}; "
                "expected RANK from 0 to WORLD_SIZE - 1"
            )

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> "Ranks":
        """By RANK, WORLD_SIZE and LOCAL_RANK, as torchrun sets them; alone where the first two are not set."""
        if "RANK" not in variables or "WORLD_SIZE" not in variables:
            return cls()
        try:
            return cls(*(int(variables.get(name, "0")) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))
        except ValueError as error:
            raise ValueError(f"RANK, WORLD_SIZE, LOCAL_RANK of the environment: {error}") from None

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """A GPU of its own if there are GPUs."""
        if not torch.cuda.is_available():
            return torch.device("cpu")
        return torch.device("cuda", self.local_rank % torch.cuda.device_count())

    def share(self, units: Sequence) -> list:
        """What this process does of the work: every ``world_size``-th unit."""
        return list(units[self.rank :: self.world_size])

    def leftovers(self, units: Sequence) -> list:
        """In which order this process looks for work that others have not finished.

        Others go forward, so it goes backwards; and each begins elsewhere, lest all help with the same.
        """
        start = len(units) * self.rank // self.world_size
        backwards = list(units)[::-1]
        return backwards[start:] + backwards[:start]
