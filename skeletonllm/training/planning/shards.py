"""Which rank holds which elements of what under ZeRO (arXiv 1910.02054), cut as DeepSpeed cuts it.

Stages 1 and 2 lay the parameters of a group that learn end to end, pad the row to a multiple of twice the number of
ranks, and cut it into equal pieces. Stage 3 cuts each parameter for itself, those that rest as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

# DeepSpeed's nccl_start_alignment_factor: pieces begin at multiples of so many elements.
ALIGNMENT = 2


class Slice(NamedTuple):
    """The elements [start, stop) of a flattened parameter."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True)
class Balance:
    """How evenly something is divided.

    Args:
        least, most: elements that a rank holds, without padding.
        padding: elements that all ranks together hold for nothing.
    """

    least: int
    most: int
    padding: int


def shard_map(groups: Sequence[Sequence[tuple[str, int]]], world_size: int, zero: int) -> list[list[Slice]]:
    """What each rank holds of what the stage divides: moments (1), gradients too (2), weights too (3).

    Args:
        groups: (name, elements) of the parameters of each group of the optimiser, in their order; of stage 3 also
            those that rest.
        world_size: number of ranks.
        zero: the stage, 1 to 3.

    Returns:
        For each rank its slices, in the order in which they lie in its memory.

    Raises:
        ValueError: no such stage, or no rank.
    """
    if zero not in (1, 2, 3) or world_size < 1:
        raise ValueError(f"ZeRO stage {zero} on {world_size} ranks, expected stage 1, 2 or 3 and at least one rank")
    held: list[list[Slice]] = [[] for _ in range(world_size)]
    for row in _rows(groups, zero):
        piece = _piece(row, world_size, zero)
        offset = 0  # of a parameter in its row
        for name, size in row:
            for rank in range(offset // piece, -(-(offset + size) // piece)):
                start, stop = max(rank * piece - offset, 0), min((rank + 1) * piece - offset, size)
                held[rank].append(Slice(name, start, stop))
            offset += size
    return held


def balance_of(groups: Sequence[Sequence[tuple[str, int]]], held: Sequence[Sequence[Slice]], zero: int) -> Balance:
    """Check that ranks hold every element once, and say how evenly.

    Args:
        groups, zero: see ``shard_map``.
        held: what it gave.

    Raises:
        RuntimeError: elements that no rank holds, or more than one does.
    """
    pieces: dict[str, list[tuple[int, int]]] = {name: [] for group in groups for name, _ in group}
    for slices in held:
        for name, start, stop in slices:
            pieces[name].append((start, stop))
    for name, size in (parameter for group in groups for parameter in group):
        end = 0
        for start, stop in sorted(pieces[name]):
            if start != end or stop <= start:
                raise RuntimeError(f"{name}: [{start}, {stop}) follows on {end}: elements held twice or by no rank")
            end = stop
        if end != size:
            raise RuntimeError(f"{name}: ranks hold {end} of {size} elements")
    elements = [sum(stop - start for _, start, stop in slices) for slices in held]
    room = sum(_piece(row, len(held), zero) for row in _rows(groups, zero)) * len(held)
    return Balance(min(elements), max(elements), room - sum(elements))


def _rows(groups: Sequence[Sequence[tuple[str, int]]], zero: int) -> list[Sequence[tuple[str, int]]]:
    """What is cut in one go."""
    return [[parameter] for group in groups for parameter in group] if zero == 3 else list(groups)


def _piece(row: Sequence[tuple[str, int]], world_size: int, zero: int) -> int:
    """Elements of a row that a rank has room for."""
    total = sum(size for _, size in row)
    alignment = 1 if zero == 3 else ALIGNMENT
    return alignment * -(-total // (alignment * world_size))
