"""Several samples in one row, so that little of a batch is padding."""

from collections.abc import Sequence

import torch

from skeletonllm.models.losses import IGNORED_LABEL


def first_fit_decreasing(lengths: Sequence[int], row_length: int) -> list[list[int]]:
    """Rows of sample indices: the longest samples first, each into the first row with room.

    At most 11/9 of the fewest possible rows and one more (Johnson 1973); the same for the same lengths.

    Raises:
        ValueError: a sample is longer than a row.
    """
    for index, length in enumerate(lengths):
        if length > row_length:
            raise ValueError(f"sample {index} has {length} tokens, rows at most {row_length}")
    rows: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):  # stable: ties stay in order
        row = next((row for row, left in enumerate(room) if lengths[index] <= left), len(rows))
        if row == len(rows):
            rows.append([])
            room.append(row_length)
        rows[row].append(index)
        room[row] -= lengths[index]
    return rows


def pack(
    samples: Sequence[Sequence[int]], learnt: Sequence[int], rows: Sequence[Sequence[int]], padding_token: int
) -> dict[str, torch.Tensor]:
    """Lay samples out in rows, padded at the end to the longest row.

    Positions restart at 0 with each sample and with the padding, which is how transformers, given no attention mask,
    knows what must not see each other.

    Args:
        samples: token ids of each sample.
        learnt: how many tokens at the end of each sample are to be learnt.
        rows: sample indices of each row.

    Returns:
        ``input_ids``, ``labels`` (-100 on what is not learnt), ``position_ids`` and ``sample_ids`` (-1 on padding),
        all (R, L) int64.
    """
    shape = (len(rows), max(sum(len(samples[index]) for index in row) for row in rows))
    input_ids, labels = torch.full(shape, padding_token), torch.full(shape, IGNORED_LABEL)
    position_ids, sample_ids = torch.zeros(shape, dtype=torch.long), torch.full(shape, -1)
    for number, row in enumerate(rows):
        begin = 0
        for index in row:
            end = begin + len(samples[index])
            input_ids[number, begin:end] = torch.tensor(samples[index])
            labels[number, end - learnt[index] : end] = input_ids[number, end - learnt[index] : end]
            position_ids[number, begin:end] = torch.arange(end - begin)
            sample_ids[number, begin:end] = index
            begin = end
        position_ids[number, begin:] = torch.arange(shape[1] - begin)
    return {"input_ids": input_ids, "labels": labels, "position_ids": position_ids, "sample_ids": sample_ids}
