"""The order of samples over many ranks, gone through rank by rank with the code that training uses."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch.distributed

from skeletonllm.data.examples import Examples, Question
from skeletonllm.training.arguments import OptimizationArguments
from skeletonllm.training.distributed import Ranks
from skeletonllm.training.preparation import share_batch
from skeletonllm.training.shares import arrange, microbatches_of


@dataclass(frozen=True)
class Seat:
    """A rank among the others, the samples that it computes at once, and how often it does so in a step."""

    ranks: Ranks
    micro_batch_size: int
    accumulation: int


@dataclass(frozen=True)
class Order:
    """What was gone through, and found in order.

    Args:
        steps: from the first one.
        steps_per_epoch: of an epoch.
        left_out: recordings that an epoch has no full batch for; each epoch leaves out others.
        legs: (first step, last step, ranks) of the run that was resumed on other numbers of ranks.
        seconds_per_question: of a processor, to choose and word a question, measured.
    """

    steps: int
    steps_per_epoch: int
    left_out: int
    legs: tuple[tuple[int, int, int], ...]
    seconds_per_question: float


@contextmanager
def pretended(rank: int, world_size: int, gpus_per_node: int = 8) -> Iterator[Ranks]:
    """A process group whose other ranks do not exist: this process is ``rank`` of ``world_size``.

    Collectives in it return at once, and what they return means nothing.
    """
    from torch.testing._internal.distributed.fake_pg import FakeStore

    torch.distributed.init_process_group("fake", rank=rank, world_size=world_size, store=FakeStore())
    try:
        yield Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size(), rank % gpus_per_node)
    finally:
        torch.distributed.destroy_process_group()


def seats_of(settings: OptimizationArguments, world_size: int) -> list[Seat]:
    """All ranks, each asked in a process group of its own.

    Raises:
        ValueError: a batch that they cannot share evenly, such as one of fewer samples than there are ranks.
    """
    seats = []
    for rank in range(world_size):
        with pretended(rank, world_size) as ranks:
            seats.append(Seat(ranks, *share_batch(settings, ranks)))
    return seats


def check_order(
    make_examples: Callable[[], Examples], settings: OptimizationArguments, world_sizes: Sequence[int], steps: int
) -> Order:
    """Go through an epoch, or ``steps`` if they are more, on every rank of each number of ranks.

    Checked are that no recording comes twice in an epoch, that the shares of the ranks are the batch of each step,
    every sample once, in the order of a single process; and that a run of ``steps`` steps which is stopped twice, and
    resumed on the least and again on the largest number of ranks, has the very questions of one that is not.

    Args:
        make_examples: what a process makes anew whenever it starts.
        settings: of the batch.
        world_sizes: numbers of ranks.
        steps: that are resumed.

    Raises:
        ValueError: a batch that the ranks cannot share evenly; fewer than three steps.
        RuntimeError: a check failed.
    """
    if steps < 3:
        raise ValueError(f"steps is {steps}, expected 3 or more: the rehearsed run is stopped twice")
    seats = {size: seats_of(settings, size) for size in world_sizes}
    examples = make_examples()
    per_epoch, batch_size = examples.steps_per_epoch, settings.batch_size
    total = max(steps, per_epoch)
    seen: set[int] = set()
    ledger, seconds = [], 0.0
    for step in range(total):
        begin = time.process_time()
        questions = examples.questions(step)
        seconds += time.process_time() - begin
        if step % per_epoch == 0:
            seen.clear()
        seen |= {question.recording for question in questions}
        if len(seen) != (step % per_epoch + 1) * batch_size:
            raise RuntimeError(f"step {step}: a recording comes twice in an epoch")
        arranged = arrange(questions, settings.group_by_length)
        for size in world_sizes:
            given_out(arranged, seats[size], step)
        if step < steps:
            ledger.append(arranged)
    turns = (max(world_sizes), min(world_sizes), max(world_sizes))
    legs = tuple((number * steps // 3, (number + 1) * steps // 3, size) for number, size in enumerate(turns))
    for first, last, size in legs:
        examples = make_examples()
        for step in range(first, last):
            arranged = arrange(examples.questions(step), settings.group_by_length)
            if given_out(arranged, seats[size], step) != ledger[step]:
                raise RuntimeError(f"step {step}: other questions after a resume on {size} ranks")
    left_out = len(examples.recordings) - per_epoch * batch_size
    return Order(total, per_epoch, left_out, legs, seconds / (total * batch_size))


def given_out(arranged: list[Question], seats: Sequence[Seat], step: int) -> list[Question]:
    """What all ranks compute in a step, in turn.

    Raises:
        RuntimeError: it is not what a single process computes.
    """
    size, accumulation = seats[0].micro_batch_size, seats[0].accumulation
    shares = [microbatches_of(arranged, seat.ranks.rank, seat.ranks.world_size, size) for seat in seats]
    alone = [question for microbatch in microbatches_of(arranged, 0, 1, size) for question in microbatch]
    for rank, share in enumerate(shares):
        if [len(microbatch) for microbatch in share] != [size] * accumulation:
            raise RuntimeError(f"step {step}, rank {rank} of {len(seats)}: not {accumulation} microbatches of {size}")
    in_turn = [question for number in range(accumulation) for share in shares for question in share[number]]
    if in_turn != alone:
        wrong = next(place for place, pair in enumerate(zip(in_turn, alone, strict=True)) if pair[0] != pair[1])
        rank = wrong // size % len(seats)
        raise RuntimeError(f"step {step}, rank {rank} of {len(seats)}: computes another sample than its own")
    return in_turn
