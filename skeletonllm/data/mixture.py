"""Any number of sources as one: read when needed, shuffled, mixed by weight; the order a function of seed and epoch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from skeletonllm.data.recordings import Recording
from skeletonllm.data.seeds import mixed_seed
from skeletonllm.skeleton.sequence import SkeletonSequence

# Groups of recordings that are shuffled among one another: large enough to mix, small enough to keep them at hand.
WINDOW = 16


@dataclass
class Part:
    """One source of a mixture.

    Args:
        recordings: of the source. Those with the same ``group`` lie behind one another and are read together.
        sequences: of the recordings, if they are in memory; else each is read when it is needed.
        weight: how often it is drawn from relative to the others, None: as often as it has recordings.
    """

    recordings: Sequence[Recording]
    sequences: Sequence[SkeletonSequence] | None = None
    weight: float | None = None

    def __post_init__(self):
        if not self.recordings:
            raise ValueError("a source of the mixture has no recordings")
        if self.weight is not None and not 0 < self.weight < float("inf"):
            raise ValueError(f"a source of the mixture has weight {self.weight}, expected a positive number")

    def order(self, seed: int, number: int, epoch: int) -> np.ndarray:
        """A permutation of the recordings, (n,) int64; ``number`` is the part's place in its mixture.

        Groups are permuted, then the recordings of every ``WINDOW`` of them: so a reader has to keep few groups at
        hand, and none is read twice in an epoch by one that does.
        """
        groups = [recording.group for recording in self.recordings]
        rng = np.random.default_rng([seed, number, epoch])
        if None in groups:
            return rng.permutation(len(groups))
        starts = np.flatnonzero(np.diff(np.unique(groups, return_inverse=True)[1], prepend=-1))
        pieces = np.split(np.arange(len(groups)), starts[1:])
        shuffled = [pieces[index] for index in rng.permutation(len(pieces))]
        windows = (np.concatenate(shuffled[begin : begin + WINDOW]) for begin in range(0, len(shuffled), WINDOW))
        return np.concatenate([rng.permutation(window) for window in windows])


class Mixture(Sequence):
    """The recordings of all parts, one behind the other, and the order in which they are drawn.

    An epoch has as many draws as there are recordings. Without weights each is drawn once. With weights each part
    goes through its own recordings once before any of them comes again, over as many epochs as that takes.
    """

    def __init__(self, parts: Sequence[Part]):
        if not parts:
            raise ValueError("a mixture needs at least one source")
        self.parts = list(parts)
        self.starts = np.cumsum([0, *(len(part.recordings) for part in parts)])
        given = [part.weight for part in parts]
        if None in given and any(weight is not None for weight in given):
            raise ValueError("either every source of a mixture has a weight, or none")
        weights = np.array([len(p.recordings) if p.weight is None else p.weight for p in parts], dtype=np.float64)
        self.draws = _largest_remainders(weights / weights.sum() * len(self), len(self))

    @classmethod
    def in_memory(cls, recordings: Sequence[tuple[Recording, SkeletonSequence]]) -> "Mixture":
        """Of recordings that were read already."""
        return cls([Part([recording for recording, _ in recordings], [sequence for _, sequence in recordings])])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, index: int) -> tuple[Recording, SkeletonSequence]:
        """A recording and its sequence. Raises SkeletonFormatError if it has to be read and cannot."""
        part, place = self._find(index)
        recording = part.recordings[place]
        return recording, recording.read() if part.sequences is None else part.sequences[place]

    def recording(self, index: int) -> Recording:
        """A recording, which is not read for that."""
        part, place = self._find(index)
        return part.recordings[place]

    def in_memory_pairs(self) -> list[tuple[Recording, SkeletonSequence]]:
        """Those recordings, with their sequences, that need not be read."""
        return [
            pair for p in self.parts if p.sequences is not None for pair in zip(p.recordings, p.sequences, strict=True)
        ]

    def all_recordings(self) -> list[Recording]:
        return [recording for part in self.parts for recording in part.recordings]

    def order(self, seed: int, epoch: int) -> np.ndarray:
        """Which recordings are drawn in an epoch, in turn: (n,) int64, the same for the same seed and epoch."""
        if len(self.parts) == 1 and self.parts[0].sequences is not None:
            generator = torch.Generator().manual_seed(mixed_seed(seed, 0, epoch))
            return torch.randperm(len(self), generator=generator).numpy()
        drawn, places = [], []
        rng = np.random.default_rng([seed, len(self.parts), epoch])
        for number, (part, draws, start) in enumerate(zip(self.parts, self.draws, self.starts, strict=False)):
            drawn.append(start + self._drawn(part, number, seed, epoch, int(draws)))
            # Evenly over the epoch, with jitter, so that no stretch of it lacks a source; each part in its own order.
            places.append((np.arange(draws) + rng.random(draws)) / max(draws, 1))
        return np.concatenate(drawn)[np.argsort(np.concatenate(places), kind="stable")]

    @staticmethod
    def _drawn(part: Part, number: int, seed: int, epoch: int, draws: int) -> np.ndarray:
        """What an epoch draws from a part: the next ``draws`` of its own permutations, one behind the other."""
        size, begin = len(part.recordings), epoch * draws
        rounds = range(begin // size, -(-(begin + draws) // size))
        orders = [part.order(seed, number, one) for one in rounds]
        skipped = begin - begin // size * size
        return np.concatenate([*orders, np.empty(0, np.int64)])[skipped : skipped + draws].astype(np.int64)

    def _find(self, index: int) -> tuple[Part, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"recording {index} of {len(self)}")
        number = int(np.searchsorted(self.starts, index, side="right")) - 1
        return self.parts[number], index - int(self.starts[number])


def _largest_remainders(shares: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers nearest to shares that add up to their total."""
    whole = np.floor(shares + 1e-9).astype(np.int64)
    missing = total - int(whole.sum())
    whole[np.argsort(whole - shares, kind="stable")[:missing]] += 1
    return whole
