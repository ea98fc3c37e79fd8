"""Dances in the project's own ``.npz``: a recording that everything reads, and beside it the dance as it was made.

The key ``dance`` (T, 151) holds ``Motion.to_vector``. What a recording does not hold, contacts and where the floor is,
would otherwise have to be estimated when the file is read.
"""

import zipfile
from pathlib import Path

import numpy as np

from skeletonllm.dance.body import Body
from skeletonllm.dance.codecs.sequence import from_sequence, to_sequence
from skeletonllm.dance.motion import VECTOR_SIZE, Motion
from skeletonllm.skeleton.formats import read_skeleton
from skeletonllm.skeleton.formats.archives import read_arrays
from skeletonllm.skeleton.formats.common import SkeletonFormatError
from skeletonllm.skeleton.formats.npz import write_npz
from skeletonllm.skeleton.topologies import SMPL_24

_KEY = "dance"
# Metres by which legs may differ: rounding of float32 joints some metres away.
_SAME_LEGS = 1e-4
_LEG = [SMPL_24.index(name) for name in ("left_hip", "left_knee", "left_ankle")]


def read(path: Path, body: Body) -> Motion:
    """One ``.npz`` at its own frame rate: the dance that is kept in it, if the body that danced it has legs of
    this length; else what ``from_sequence`` makes of the recording.

    Raises:
        SkeletonFormatError: no such archive, or a damaged one.
        ValueError: see ``from_sequence``.
    """
    sequence = read_skeleton(path, "npz")
    kept = read_arrays(path, {_KEY: "f"}, [], f"optionally the key {_KEY}").get(_KEY)
    if kept is None or sequence.topology != SMPL_24:
        return from_sequence(sequence, body)
    if kept.shape != (sequence.num_frames, VECTOR_SIZE):
        expected = f"({sequence.num_frames}, {VECTOR_SIZE}), as the recording has {sequence.num_frames} frames"
        raise SkeletonFormatError(path, f"key {_KEY!r}", f"shape {kept.shape}", expected)
    leg = float(np.linalg.norm(np.diff(sequence.joints[0, 0, _LEG].astype(np.float64), axis=0), axis=-1).sum())
    if abs(leg - body.leg_length) > _SAME_LEGS:
        return from_sequence(sequence, body)
    return Motion.from_vector(kept, sequence.fps, str(path), sequence.notes)


def write(motion: Motion, body: Body, path: str | Path) -> None:
    """Write a dance so that ``read`` gives it back, and ``read_skeleton`` its recording."""
    write_npz(to_sequence(motion, body), path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open(f"{_KEY}.npy", "w") as stream:
        np.lib.format.write_array(stream, motion.to_vector(), allow_pickle=False)
