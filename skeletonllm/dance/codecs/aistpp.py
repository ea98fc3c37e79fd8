"""Dances of AIST++ (Li et al. 2021), whose poses are rotations of an SMPL body."""

from pathlib import Path

from skeletonllm.dance.body import Body
from skeletonllm.dance.codecs.sequence import from_sequence
from skeletonllm.dance.motion import Motion
from skeletonllm.skeleton.formats import read_skeleton


def read(path: Path, body: Body) -> Motion:
    """One pickle, which is read without being run: places divided by its ``smpl_scaling`` (93.779), Y up to Z up, 60
    frames per second, and the floor estimated, since the files' floor is not at zero. Raises SkeletonFormatError."""
    return from_sequence(read_skeleton(path, "aist"), body)
