"""Which questions of a step a rank answers: a pure function of the batch, the rank and the number of ranks."""

from collections.abc import Sequence

from skeletonllm.data.examples import Question


def arrange(questions: Sequence[Question], group_by_length: bool) -> list[Question]:
    """The batch of a step in the order in which it is given out, the same on every rank.

    Args:
        questions: of the whole batch.
        group_by_length: put samples of like length side by side. Neighbours meet on different ranks at the same time,
            so that none waits for another.
    """
    if group_by_length:
        return sorted(questions, key=lambda question: len(question.prompt) + len(question.answer))
    return list(questions)


def microbatches_of(arranged: Sequence[Question], rank: int, world_size: int, size: int) -> list[list[Question]]:
    """What a rank computes, one microbatch after the other.

    Ranks take turns, so the microbatches of all ranks, first those that are computed first, are those of a single
    process that computes as many samples at once.

    Args:
        arranged: the batch, see ``arrange``.
        rank, world_size: who asks, and of how many.
        size: samples per microbatch.
    """
    begins = range(rank * size, len(arranged), world_size * size)
    return [list(arranged[begin : begin + size]) for begin in begins]
