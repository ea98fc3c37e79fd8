"""Files of motion as dances: one file per format, and one registry. Formats without an entry of their own are read as
recordings of joints."""

from collections.abc import Callable
from pathlib import Path

from skeletonllm.dance.body import Body, default_body
from skeletonllm.dance.codecs import aistpp, amass, bvh, npz
from skeletonllm.dance.codecs.sequence import from_sequence, to_sequence
from skeletonllm.dance.motion import FPS, Motion, resample
from skeletonllm.skeleton.formats import detect_format, read_skeleton

__all__ = ["CODECS", "from_sequence", "read_motion", "to_sequence"]

CODECS: dict[str, Callable[[Path, Body], Motion]] = {
    "aist": aistpp.read,
    "amass": amass.read,
    "bvh": bvh.read,
    "npz": npz.read,
}
"""Readers that keep more than the places of joints, by the name of the format (``skeletonllm.skeleton.formats``)."""


def read_motion(path: str | Path, body: Body | None = None, fps: float | None = FPS) -> Motion:
    """The first person of a recording in any format as a dance.

    Args:
        path: the file; of one with several recordings ``FILE#NAME``.
        body: who dances it. Default: the average body.
        fps: frames per second of the result; None: those of the file.

    Raises:
        FileNotFoundError: no such file.
        SkeletonFormatError: the file is not what it claims to be.
        ValueError: the recording has no depth, or not the joints that a dance needs.
    """
    path, body = Path(path), default_body() if body is None else body
    name = detect_format(path).name if path.exists() or "#" not in path.name else None
    motion = CODECS[name](path, body) if name in CODECS else from_sequence(read_skeleton(path), body)
    return motion if fps is None else resample(motion, fps)
