"""What a model is shown in place of its frames, to find out whether it needs them."""

from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum

import torch

from skeletonllm.skeleton.batch import ClipBatch
from skeletonllm.skeleton.sequence import Clip


class Sight(StrEnum):
    """The frames as they are; black ones, as of nobody; those of other recordings, which look as a model is used to."""

    frames = "frames"
    black = "black"
    others = "others"


def partners(ids: Sequence[str], seed: int = 0) -> list[int]:
    """For each question the place of one about another recording, whose frames are shown in its place.

    Everybody's frames are shown as often as their own questions are asked, as nearly as the recordings allow.

    Args:
        ids: of the recordings that the questions are about.
        seed: of the choice.

    Raises:
        ValueError: all are about one recording.
    """
    if len(set(ids)) < 2:
        raise ValueError("the frames of other recordings need at least two recordings")
    places: dict[str, list[int]] = defaultdict(list)
    for place, id in enumerate(ids):
        places[id].append(place)
    order = torch.randperm(len(places), generator=torch.Generator().manual_seed(seed)).tolist()
    names = [list(places)[index] for index in order]
    following = dict(zip(names, [*names[1:], names[0]], strict=True))
    return [places[following[id]][0] for id in ids]


def blindfolded(inputs: dict, sight: Sight, image_size: int, others: Sequence[Clip] = ()) -> dict:
    """The inputs of a batch with the frames replaced; its text, times of the frames included, stays.

    Args:
        inputs: of the processor, with ``clips``.
        sight: what is to be seen.
        image_size: pixels of a black frame.
        others: clips of other recordings, one for each of the batch.
    """
    if sight == Sight.frames:
        return inputs
    inputs = dict(inputs)
    clips = inputs.pop("clips")
    if sight == Sight.black:
        inputs["frames"] = torch.zeros(len(clips), clips.joints.shape[1], 3, image_size, image_size)
    else:
        inputs["clips"] = ClipBatch.from_clips(others)
    return inputs
