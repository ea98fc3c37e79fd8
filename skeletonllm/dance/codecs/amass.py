"""Motions of AMASS (Mahmood et al. 2019), whose poses are rotations of SMPL-H, SMPL or SMPL-X bodies."""

from pathlib import Path

from skeletonllm.dance.body import Body
from skeletonllm.dance.codecs.sequence import from_sequence
from skeletonllm.dance.motion import Motion
from skeletonllm.skeleton.formats import read_skeleton


def read(path: Path, body: Body) -> Motion:
    """One ``.npz`` at its own frame rate. Hands follow the wrists, fingers are left out. Raises SkeletonFormatError."""
    return from_sequence(read_skeleton(path, "amass"), body)
