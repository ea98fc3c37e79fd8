"""Packed shards as a source: a folder that ``skeletonllm pack`` wrote, an ``hf://`` path or a URL of one."""

from functools import partial
from pathlib import Path

from skeletonllm.data.recordings import Recording
from skeletonllm.data.rows import read_attributes
from skeletonllm.data.shards import PackedShards
from skeletonllm.skeleton.sequence import SkeletonSequence


def recordings(root: str | Path) -> list[Recording]:
    """Every recording of the shards, in their order; joints are read when they are asked for, a row group at a time."""
    shards = PackedShards(root)
    return [
        Recording(
            id=values["id"],
            label=values["label"],
            read=partial(_sequence, shards, group, row),
            split=values["split"],
            attributes=read_attributes(values["attributes"], f"{root}: row group {group}, row {row}"),
            rationale=None if values["rationale"] is None else partial(str, values["rationale"]),
            group=group,
            captions=partial(tuple, values["captions"]) if values["captions"] else None,
        )
        for group, row, values in shards.index()
    ]


def _sequence(shards: PackedShards, group: int, row: int) -> SkeletonSequence:
    return shards.read(group, row).sequence
