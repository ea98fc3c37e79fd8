"""Recordings made up for tests of packed shards."""

from functools import partial

import numpy as np

from skeletonllm.data.annotations import Listed
from skeletonllm.data.recordings import Recording
from skeletonllm.skeleton.formats import SkeletonFormatError
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import TOPOLOGIES


def made(number: int, topology: str = "kinect_v1", frames: int = 5) -> SkeletonSequence:
    rng = np.random.default_rng(number)
    joints = rng.normal(size=(frames, 1 + number % 2, TOPOLOGIES[topology].num_joints, 3)) + (0, 0, 3)
    valid = rng.random(joints.shape[:3]) > 0.2
    return SkeletonSequence(joints, 20.0 + number, topology, valid, label="in the file", notes=("made up",))


def broken(number: int) -> SkeletonSequence:
    raise SkeletonFormatError(f"clip{number}", "line 1", "noise", "a skeleton")


def listed(count: int, bad: tuple[int, ...] = ()) -> list[Listed]:
    kinds = list(TOPOLOGIES)[:3]
    return [
        Listed(
            Recording(
                f"clip{number}",
                f"action {number % 3}",
                partial(broken, number) if number in bad else partial(made, number, kinds[number % 3]),
                "test" if number % 4 == 0 else "train",
                {"performer": number % 7, "view": number % 3, "take": number},
                partial(str, f"the arm moves {number} times") if number % 2 else None,
            ),
            (f"somebody moves {number} times", "a clip"),
        )
        for number in range(count)
    ]
